"""The desk of a running broker, for a signed-on user: each request is a remote procedure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from console.complaints import CALL_REFUSALS
from console.errors import ConsoleError
from console.sign_on import Door, enter_context, explained
from console.tasks.refusals import refused
from rpcs.actions import ActionError, answer_of, context_of
from xwb import AnswerTooLong, BrokerClient, ConnectionLost, SecurityRefused, SignOn

_BESIDES = "--broker names another one, and without --access and --verify the database of --data is opened instead."


def _nothing_more(_client: BrokerClient, _signed: SignOn) -> None:
    """Begin to work as soon as somebody is signed on."""


@dataclass(slots=True)
class BrokersDesk:
    """A session at a broker; one that was lost is begun again. `begun` is told of each that begins.

    In one that is `doubtful` nothing more is asked: whoever called in it may have signed off.
    """

    door: Door
    name: str = "magbroker"
    begun: Callable[[BrokerClient, SignOn], None] = _nothing_more
    doubtful: bool = False
    _client: BrokerClient | None = field(default=None)
    _context: str = ""

    def session(self, context: str) -> BrokerClient:
        """Give the session, in a context; "" is none. Raises ConsoleError, which says what to do, and ConnectionLost."""
        if self._client is None or self._client.was_left():
            self.close()
            self._client, self._context = self._begin(), ""
        if context != self._context:
            self._context = ""
            enter_context(self._client, context)
            self._context = context
        return self._client

    def _begin(self) -> BrokerClient:
        client, signed = self.door.greeted(self.name)
        try:
            self.begun(client, signed)
        except BaseException:
            client.close()
            raise
        return client

    def ask(self, procedure: str, asked: Mapping[str, str] | None = None) -> Any:
        """Call the procedure."""
        if self.doubtful:
            self.close()
        try:
            return answer_of(self.session(context_of(procedure)).call(procedure, dict(asked or {})).text)
        except SecurityRefused as error:
            raise explained(error.text, CALL_REFUSALS, "The broker refuses the call") from error
        except ActionError as error:
            raise refused(error.kind, str(error)) from error
        except AnswerTooLong:
            raise
        except ConnectionLost as error:
            raise self.lost(error) from error

    def lost(self, error: ConnectionLost) -> ConsoleError:
        """Say what a lost connection means, and what to do."""
        return self.door.lost(error, _BESIDES)

    def close(self) -> None:
        """Take leave."""
        if self._client is not None and self._client.connected:
            self._client.bye()
        self.doubtful = False
