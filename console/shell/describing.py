"""What `?`, `??` and `???` show: names, what they do, all that is known of them. Nothing here does I/O."""

from __future__ import annotations

from itertools import groupby

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from console.shell.asking import asked_always
from console.shell.menus import Menus, Option
from console.tasks.screens import plain_table
from rpcs.actions import DRY_RUN, Kind, Parameter

_NAMES, _BRIEF = 1, 2
_ANSWER = "Answer with the name of an option or a menu, or the beginning of it, as EXP H for EXPORT HOLD:"

HOW = """\
Options are chosen by name, by its beginning, or by the beginnings of its words: EXP H, or HOLD, is EXPORT HOLD. Where \
several fit they are listed with numbers. A menu's name shows its options; Enter or ^ leaves it again.

     ?          what may be answered here          ^          goes back; at the first prompt it leaves
     ??         the same with what it does         ^OPTION    goes to another option, from everywhere
     ???        all that is known of it            Tab        completes a name
     ?OPTION    all that is known of one option    Up         what was chosen before
     Ctrl-C     gives up what is asked             Ctrl-D     leaves

What changes something shows first what it would change, and asks. NAME: DEFAULT// takes the default when Enter is \
pressed; @ makes something empty; <FILE takes a text from a file."""


def listed(menus: Menus, menu: str, level: int) -> RenderableType:
    """List the options of a menu, or where there is none the menus with theirs."""
    if level == _NAMES:
        return _names(menus, menu)
    shown = [menu] if menu else menus.menus
    if level == _BRIEF:
        return Group(*[_briefly(menus, name) for name in shown])
    return Group(*[described(menus.options[name]) for one in shown for name in menus.names(one)])


def _names(menus: Menus, menu: str) -> RenderableType:
    if menu:
        names: RenderableType = Columns([escape(name) for name in menus.names(menu)], padding=(0, 3), column_first=True)
        return Group(f"Options of the menu {escape(menu)}:", Padding(names, (0, 0, 0, 5)))
    table = Table.grid(padding=(0, 3, 0, 0))
    for name in menus.menus:
        table.add_row(escape(name), escape(_shortly(menus.names(name))))
    return Group(_ANSWER, Padding(table, (0, 0, 0, 5)), "?? says what each does, ?OPTION all of one, HELP how to answer.")


def _shortly(names: list[str]) -> str:
    """Name options by what they have in common: EXPORT HOLD, LIST; TASK SHOW."""
    told = []
    for first, same in groupby(names, lambda name: name.split()[0]):
        rest = ", ".join(name.removeprefix(first).strip() for name in same)
        told.append(f"{first} {rest}".strip())
    return "; ".join(told)


def _briefly(menus: Menus, menu: str) -> RenderableType:
    table = plain_table(menu, "")
    for name in menus.names(menu):
        table.add_row(escape(name), escape(menus.options[name].brief))
    return Group(table, "")


def described(option: Option) -> RenderableType:
    """Tell all of an option: what it does, what it needs, what it takes."""
    parts: list[RenderableType] = [
        f"[bold]{escape(option.name)}[/]  (menu {escape(option.menu)})",
        Padding(escape(option.about), (0, 0, 0, 5)),
    ]
    action = option.action
    if action is not None:
        parts.append(f"     It {'changes something' if action.writes else 'only looks'}{_key(action.key)}.")
        takes = [it for it in action.takes.values() if it.name != DRY_RUN]
        always = asked_always(action)
        if takes:
            table = plain_table("parameter", "", "")
            for it in takes:
                table.add_row(escape(it.name), _how(it, it in always), escape(it.about))
            parts.append(Padding(table, (0, 0, 0, 5)))
    return Group(*parts, "")


def _key(key: str) -> str:
    return f", and needs the security key {escape(key)}" if key else ""


def _how(parameter: Parameter, always: bool) -> str:
    kind = ", ".join(parameter.choices) or {Kind.FLAG: "yes/no", Kind.PIECES: "text"}.get(parameter.kind, parameter.kind.value)
    marks = ["needed"] if parameter.required else [] if always else ["on demand"]
    marks += [f"default {parameter.default}"] if parameter.default else []
    marks += ["not shown"] if parameter.secret else []
    return escape("; ".join([kind, *marks]))
