"""Running an option that is an action: its parameters, what it would change and whether it is to, its answer page by page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from console.action_tables import tables_of
from console.shell.asking import Asking
from console.shell.dialog import Dialog
from console.shell.screen import readable_values
from console.tasks import Desk
from console.tasks.changes import Trial, change_text
from rpcs.actions import Action

#: Changes that are shown before somebody is asked whether to make them.
SHOWN = 20
#: Under which name the next page of a list is asked for.
_PAGES = ("AFTER", "BEFORE")


@dataclass(frozen=True, slots=True)
class Running:
    """Runs actions at a desk; `now` gives the time, in seconds since the epoch."""

    dialog: Dialog
    desk: Desk
    now: Callable[[], float]

    def run(self, action: Action) -> None:
        """Run one. Raises Left, and ConsoleError for what is refused."""
        request = Asking(self.dialog, action, self.now).request()
        if action.writes:
            self._change(action, request)
        else:
            self._look(action, request)

    def _change(self, action: Action, request: Mapping[str, str]) -> None:
        """Show what would be changed, ask, and do it; again as long as it says that there is more to do."""
        trial = Trial(self.desk)
        answer = trial.ask(action.name, request)
        if not trial.changes:
            self._show(action, answer)
            self.dialog.screen.say("Nothing would be changed.")
            return
        self.dialog.screen.say("This would be changed:")
        for change in trial.changes[:SHOWN]:
            self.dialog.screen.say(f"     {change_text(change)}")
        if len(trial.changes) > SHOWN:
            self.dialog.screen.say(f"     ... and {len(trial.changes) - SHOWN} more")
        if action.destroys:
            self.dialog.screen.say(action.destroys)
        if not self.dialog.wants("OK to do this?"):
            self.dialog.screen.say("Nothing was done.")
            return
        while True:
            answer = self.desk.ask(action.name, request)
            self._show(action, answer)
            if not (isinstance(answer, Mapping) and answer.get("more") is True):
                return
            if not self.dialog.wants("There is more to be done. Go on?", default=True):
                return

    def _look(self, action: Action, request: dict[str, str]) -> None:
        """Show a list page by page, while somebody wants more of it."""
        page = next((name for name in _PAGES if name in action.takes), "")
        while True:
            answer = self.desk.ask(action.name, request)
            if not self._show(action, answer) or not isinstance(answer, Mapping):
                return
            behind = answer.get("next")
            if behind is None or not page:
                if answer.get("more") is True or behind is not None:
                    self.dialog.screen.say("There are more: the other parameters say which and how many are shown.")
                return
            if not self.dialog.reader.interactive:
                self.dialog.screen.say(f"There are more: {page} {behind}.")
                return
            if not self.dialog.more():
                return
            request = {**request, page: str(behind)}

    def _show(self, action: Action, answer: Any) -> bool:
        shown = readable_values(answer)
        if isinstance(shown, Mapping):
            shown = {name: value for name, value in shown.items() if name not in ("next", "more")}
        return self.dialog.screen.show(tables_of(action, shown, datetime.fromtimestamp(self.now(), UTC)))
