"""What a panel is: one reading action shown as a table with filters, and the actions that are offered beside its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from rpcs.actions import ACTIONS, Action, Caller

#: Below which path each action has its form.
DO = "/do"
#: Tells whether somebody may call an action: he has its key, and a context that opens it.
May = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Button:
    """Offers an action. `gives` are its parameters by the columns that fill them, `always` those that are the same each time.

    `when` names a column and the values for which it is offered.
    """

    text: str
    action: str
    gives: Mapping[str, str] = field(default_factory=dict)
    always: Mapping[str, str] = field(default_factory=dict)
    when: tuple[str, tuple[Any, ...]] = ("", ())

    def offered(self, may: May, row: Mapping[str, Any]) -> bool:
        """Tell whether somebody may press it beside a row."""
        column, values = self.when
        return may(self.action) and (not column or row.get(column) in values)

    def address(self, row: Mapping[str, Any]) -> str:
        """Give the address of the action's form, filled from a row."""
        given = {name: str(row.get(column, "")) for name, column in self.gives.items()}
        return form_path(self.action, {**self.always, **given})


@dataclass(frozen=True, slots=True)
class Panel:
    """One table of a page. `path` is where it is, `rows` the name of its list in what the action gives.

    `always` is asked each time and no filter; `start` fills a filter until somebody changes it. `links` are addresses by the
    column that leads there, with columns in braces. `chosen` are actions on the rows that are ticked: what they take of it is
    joined by commas. `live` are the kinds of the feed at which the table is fetched again.
    """

    path: str
    title: str
    action: str
    rows: str = ""
    columns: tuple[str, ...] = ()
    always: Mapping[str, str] = field(default_factory=dict)
    start: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    buttons: tuple[Button, ...] = ()
    chosen: tuple[Button, ...] = ()
    above: tuple[Button, ...] = ()
    live: str = ""
    about: str = ""

    @property
    def reads(self) -> Action:
        """The action that it shows."""
        return ACTIONS[self.action]

    @property
    def shown(self) -> tuple[str, ...]:
        """The columns of its table."""
        return self.columns or self.reads.lists.get(self.rows, ())

    @property
    def pager(self) -> str:
        """The parameter by which the next page is asked for; "" where there is one page only."""
        return next((name for name in ("after", "before") if name in {it.key for it in self.reads.takes.values()}), "")


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the navigation: its panels are tabs. `letter` is pressed behind a `g` to get there."""

    path: str
    title: str
    letter: str
    panels: tuple[Panel, ...] = ()
    key: str = ""

    def open_to(self, caller: Caller, may: May) -> bool:
        """Tell whether somebody may look at anything of it."""
        if self.panels:
            return any(self.tabs(may))
        return caller.holds(self.key) if self.key else True

    def tabs(self, may: May) -> Iterator[Panel]:
        """Give the panels that somebody may look at."""
        return (panel for panel in self.panels if may(panel.action))


def form_path(action: str, given: Mapping[str, str]) -> str:
    """Give the address of an action's form: `MAGB QUEUE REQUEUE` is at /do/queue/requeue."""
    path = "/".join([DO, *action.removeprefix("MAGB ").lower().split()])
    return f"{path}?{urlencode(given)}" if given else path
