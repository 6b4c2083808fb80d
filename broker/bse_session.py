"""One token query, `~BSE~`: another site asks who its visitor is (`BSE^XWBTCPM2`)."""

from __future__ import annotations

import logging
from concurrent.futures import Future

from sqlalchemy import Connection

from broker.connection import ConnectionBase
from broker.dispatch import WIRE_CHARSET
from broker.hub import Hub
from broker.timing import BEFORE_CONNECT
from rpcs import visitor
from xwb import BSEDecoder, Violated, encode_visitor
from xwb.bse import LIMIT

log = logging.getLogger(__name__)

#: A query that begins so wanted to leave a token here; no routine of VistA's does that (RPUT^XUSBSE1 is gone).
LEAVE_A_TOKEN = b"PUT"


class BSESession(ConnectionBase):
    """Answers one query and closes; a token that is not good gets an answer of no length."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub, "BSE")
        self.decoder = BSEDecoder()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  Twisted's name
        """Take bytes; see Twisted's IProtocol."""
        self.touched()
        self.decoder.receive_data(data)
        self.advance()

    @property
    def held(self) -> int:
        """The bytes that came so far."""
        return self.decoder.held

    def patience(self) -> float:
        """Tell how many seconds of silence are borne now."""
        return float("inf") if self.busy else BEFORE_CONNECT

    def advance(self) -> None:
        """Look the token up once it is whole."""
        if not self.busy and (event := self.decoder.next_event()) is not None:
            self.busy = True
            if isinstance(event, Violated):
                log.warning("closed %s: %s", self.session.address, event.reason)
                self.close()
            elif event.token.startswith(LEAVE_A_TOKEN):
                log.warning("closed %s: it wanted to leave a token here", self.session.address)
                self.close()
            else:
                self._look_up(event.token.decode(WIRE_CHARSET))
        self.regulate()

    def _look_up(self, token: str) -> None:
        dispatcher = self.hub.dispatcher
        environment = dispatcher.environment

        def work(connection: Connection) -> str:
            return visitor(connection, environment, dispatcher.site(), token)

        found = environment.store.scan(work)
        found.add_done_callback(lambda done: dispatcher.reactor.callFromThread(self._answer, done))

    def _answer(self, found: Future[str]) -> None:
        if (error := found.exception()) is not None:
            log.error("a visitor's token could not be looked up: %s", error)
        else:
            self.write(encode_visitor(found.result().encode(WIRE_CHARSET, "replace")[:LIMIT]))
        self.close()
