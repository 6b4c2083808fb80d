"""Every action stands in a menu, by its name without MAGB; the shell's own options stand besides."""

from __future__ import annotations

from console.shell.describing import HOW, listed
from console.shell.menus import SHELL, menus_of
from console.shell.screen import Screen
from console.shell.shell import COMMANDS
from rpcs.actions import ACTIONS

ABOUTS = {name: about for name, (about, _work) in COMMANDS.items()}
MENUS = menus_of(ABOUTS)


def test_every_action_is_an_option_and_none_has_a_name_of_the_shells_own() -> None:
    names = {name.removeprefix("MAGB ") for name in ACTIONS}
    assert set(MENUS.options) == names | set(COMMANDS)
    assert not names & set(COMMANDS)
    assert {name for menu in MENUS.menus for name in MENUS.names(menu)} == set(MENUS.options)


def test_options_stand_in_the_menu_of_their_family() -> None:
    where = {name: option.menu for name, option in MENUS.options.items()}
    assert {name: where[name] for name in ("EXPORT HOLD", "CORRECT LIST", "TASK LIST", "TOKEN MAKE", "STATUS", "HALT")} == {
        "EXPORT HOLD": "Queues",
        "CORRECT LIST": "Corrections",
        "TASK LIST": "Tasks",
        "TOKEN MAKE": "Users",
        "STATUS": "Site",
        "HALT": SHELL,
    }
    assert MENUS.menus[-1] == SHELL


def test_a_menu_is_looked_through_before_all_options() -> None:
    assert MENUS.fitting("LIST", "Queues") == ["EXPORT LIST", "QUEUE LIST"]
    assert MENUS.fitting("HOLD", "Queues") == ["EXPORT HOLD"]
    assert MENUS.fitting("STATUS", "Queues") == ["STATUS"]
    assert "Tasks" in MENUS.fitting("TASK")
    assert MENUS.fitting("tasks") == ["Tasks"]


def test_an_option_wins_over_a_menu_that_is_called_the_same() -> None:
    assert menus_of({"SITE": "Show the site."}).fitting("site") == ["SITE"]


def test_help_names_everything() -> None:
    def shown(level: int) -> str:
        screen = Screen()
        with screen.console.capture() as captured:
            screen.console.print(listed(MENUS, "", level))
        return " ".join(captured.get().split())

    names, brief, whole = (shown(level) for level in (1, 2, 3))
    assert all(name in brief and name in whole for name in MENUS.options)
    assert "TASK CLEAN, CLEAN COUNT, DELETE" in names
    assert "TOKEN END, LIST, MAKE" in names
    assert "Hold DESTINATION" in brief
    assert "needs the security key MAG SYSTEM" in whole
    assert len(names) < len(brief) < len(whole)
    assert all(mark in HOW for mark in ("???", "^OPTION", "Ctrl-C", "//"))
