"""The desk of a database that no broker serves: its owner opens it, each request is a transaction of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from getpass import getuser
from typing import Any

from sqlalchemy import Connection

import console.routines  # noqa: F401  registers the options that may be scheduled and run
from console.database import key_of, opened
from console.packs import load_packs
from console.tasks.refusals import refused
from fileman import Store
from rpcs.actions import ACTIONS, Act, ActionError, Caller, Done, Premises, carry_out, prepare
from runtime import Clock, Settings, SystemClock


@dataclass(frozen=True, slots=True)
class OwnersDesk:
    """The database, opened by who may read its file or knows its URL, when something is asked."""

    settings: Settings
    store: Callable[[], Store]
    caller: Caller
    clock: Clock

    def ask(self, procedure: str, asked: Mapping[str, str] | None = None) -> Any:
        """Carry an action out in a transaction of this process, or beside the others when it only reads."""
        action = ACTIONS[procedure]
        if action.writes:  # an option of a pack is to be known
            load_packs([], installed=self.settings.installed_packs)
        store = self.store()
        run = store.transact if action.writes else store.read
        try:
            before = prepare(action, Premises(store, self.clock, self.settings.data), self.caller, asked or {})
            return run(lambda connection: carry_out(action, self._act(connection, asked or {}, before))).given
        except ActionError as error:
            raise refused(error.kind, str(error)) from error

    def _act(self, connection: Connection, asked: Mapping[str, str], before: Done | None) -> Act:
        return Act(connection, self.caller, self.clock, asked, lambda: key_of(self.settings, self.store()), before=before)


@contextmanager
def owners_desk(settings: Settings) -> Iterator[OwnersDesk]:
    """Open the database when something is asked, and close it."""
    with ExitStack() as stack:
        store = cache(lambda: stack.enter_context(opened(settings)))
        yield OwnersDesk(settings, store, Caller(0, f"owner {getuser()}", owner=True), SystemClock())
