"""Rules and their conditions, with what these saw, as `rules try` and `rules explain` show them to a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

#: What is said of a rule that is tried, and of one that was, by whether the image meets it.
FIRES = {True: "[green]fires[/]", False: "does not fire"}
FIRED = {True: "[green]fired[/]", False: "did not fire"}
_MARKS = {True: "[green]yes", False: "[red]no", None: "[yellow]undefined"}


def rule_lines(rule: Mapping[str, Any], verdicts: Mapping[bool, str]) -> Iterator[RenderableType]:
    """Write an explained rule (`rules.judging.explain`): its action and whether it fires, and a line for each condition."""
    name = f' "{rule["name"]}"' if rule["name"] else ""
    title = f"rule {rule['number']}{name} {rule['action']}"
    why = f", {rule['why']}" if rule["why"] else ""
    yield f"[bold]{escape(title)}[/]: {verdicts[rule['matched']]}{escape(why)}"
    conditions = Table.grid(padding=(0, 1))
    conditions.add_column(width=1)
    conditions.add_column(width=len("undefined"))
    conditions.add_column(overflow="fold")
    for condition in rule["conditions"]:
        conditions.add_row("", _MARKS[condition["result"]], escape(_condition_line(condition)))
    yield conditions


def _condition_line(condition: Mapping[str, Any]) -> str:
    """Write a condition and what it saw; more where that does not tell why it has its result."""
    keyword, saw = condition["keyword"], ", ".join(condition["actual"])
    where = f"[{condition['within']}] " if condition["within"] else ""
    plain = condition["why"] in (f"{keyword} is {saw}", f"{keyword} is undefined")
    told = f"saw {saw or 'nothing'}" if plain else condition["why"]
    return f"{where}{keyword}{condition['operator']}{condition['value']}  {told}"
