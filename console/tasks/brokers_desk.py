"""The desk of a running broker, for a signed-on user: each request is a remote procedure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from console.complaints import CALL_REFUSALS
from console.sign_on import Door, explained
from console.tasks.refusals import refused
from rpcs.actions import ActionError, answer_of, context_of
from xwb import AnswerTooLong, BrokerClient, ConnectionLost, SecurityRefused


@dataclass(slots=True)
class BrokersDesk:
    """A session at a broker; one that was lost, or that another context is needed for, is begun again."""

    door: Door
    _client: BrokerClient | None = field(default=None)
    _context: str = ""

    def ask(self, procedure: str, asked: Mapping[str, str] | None = None) -> Any:
        """Call the procedure."""
        context = context_of(procedure)
        try:
            if self._client is None or not self._client.connected or context != self._context:
                self.close()
                self._client, self._context = self.door.signed_on("magbroker", context), context
            return answer_of(self._client.call(procedure, dict(asked or {})).text)
        except SecurityRefused as error:
            raise explained(error.text, CALL_REFUSALS, "The broker refuses the call") from error
        except ActionError as error:
            raise refused(error.kind, str(error)) from error
        except AnswerTooLong:
            raise
        except ConnectionLost as error:
            besides = "--broker names another one, and without --access and --verify the database of --data is opened instead."
            raise self.door.lost(error, besides) from error

    def close(self) -> None:
        """Take leave."""
        if self._client is not None and self._client.connected:
            self._client.bye()
