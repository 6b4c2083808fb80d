"""Where commands about tasks are handed in: at a running broker, as a signed-on user, or at the database, as its owner.

Both do the same: each command is an action of `rpcs.actions`, called as the procedure of its name, or in one transaction of
this process. A short transaction beside a running broker is what SQLite bears; TaskMan finds what it left within half a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from getpass import getuser
from typing import Any, Protocol

import console.routines  # noqa: F401  registers the options that may be scheduled and run
from console.complaints import CALL_REFUSALS
from console.database import opened
from console.errors import ConsoleError, NothingThere, WrongUsage
from console.packs import load_packs
from console.sign_on import Door, Way, door, explained
from fileman import Store
from rpcs.actions import ACTIONS, Act, ActionError, BadRequest, Caller, NotFound, answer_of, carry_out
from runtime import Clock, Settings, SystemClock
from xwb import AnswerTooLong, BrokerClient, ConnectionLost, SecurityRefused

#: The options of type B that open procedures: TaskMan's, and that of all others.
_TASKMAN, _GATEWAY = "MAGB TASKMAN", "MAGB GATEWAY"

_STATUS: dict[type[ActionError], type[ConsoleError]] = {NotFound: NothingThere, BadRequest: WrongUsage}


class Desk(Protocol):
    """Takes requests. Raises ConsoleError for what is refused."""

    def ask(self, procedure: str, asked: Mapping[str, str] | None = None) -> Any:
        """Carry an action out and give what it gives."""


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
            return run(lambda connection: carry_out(action, Act(connection, self.caller, self.clock, asked or {}))).given
        except ActionError as error:
            raise _said(error) from error


@dataclass(slots=True)
class BrokersDesk:
    """A session at a broker; one that was lost, or that another context is needed for, is begun again."""

    door: Door
    _client: BrokerClient | None = field(default=None)
    _context: str = ""

    def ask(self, procedure: str, asked: Mapping[str, str] | None = None) -> Any:
        """Call the procedure."""
        context = _TASKMAN if procedure.startswith("MAGB TASK ") else _GATEWAY
        try:
            if self._client is None or not self._client.connected or context != self._context:
                self.close()
                self._client, self._context = self.door.signed_on("magbroker", context), context
            return answer_of(self._client.call(procedure, dict(asked or {})).text)
        except SecurityRefused as error:
            raise explained(error.text, CALL_REFUSALS, "The broker refuses the call") from error
        except ActionError as error:
            raise _said(error) from error
        except AnswerTooLong:
            raise
        except ConnectionLost as error:
            besides = "--broker names another one, and without --access and --verify the database of --data is opened instead."
            raise self.door.lost(error, besides) from error

    def close(self) -> None:
        """Take leave."""
        if self._client is not None and self._client.connected:
            self._client.bye()


def _said(error: ActionError) -> ConsoleError:
    return _STATUS.get(type(error), ConsoleError)(str(error))


@contextmanager
def open_desk(way: Way) -> Iterator[Desk]:
    """Open the way to TaskMan. Raises ConsoleError, which says what to do."""
    codes = way.codes
    if codes is None:
        if way.broker is not None or way.tls:
            raise WrongUsage("A broker wants to know who asks: give --access and --verify.")
        with _database(way.settings) as desk:
            yield desk
        return
    session = BrokersDesk(door(way, codes))
    try:
        yield session
    finally:
        session.close()


@contextmanager
def _database(settings: Settings) -> Iterator[Desk]:
    with ExitStack() as stack:
        store = cache(lambda: stack.enter_context(opened(settings)))
        yield OwnersDesk(settings, store, Caller(0, f"owner {getuser()}", owner=True), SystemClock())
