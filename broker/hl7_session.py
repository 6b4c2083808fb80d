"""One connection of the HL7 listener: a message enters the file of HL7 messages, and is acknowledged when it is on disk.

An order changes the worklist in the same transaction, an ADT message the patient that it tells of.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future

from sqlalchemy import Connection

from broker.connection import ConnectionBase
from broker.hl7 import Hl7, Hl7Error, MllpDecoder, acknowledge, parse
from broker.hub import Hub
from fileman import StoreClosed, hl7_messages
from rpcs.adt import take_adt
from rpcs.worklist import take_message

log = logging.getLogger(__name__)

#: Seconds that a connection may be silent between messages: senders keep theirs open.
BETWEEN_MESSAGES = 36000.0
#: And within one.
WITHIN_A_MESSAGE = 60.0


class Hl7Session(ConnectionBase):
    """A sender of HL7 messages.

    AA says that a message is committed, AE that it cannot be filed, or that it is filed and what it says cannot be done, AR that
    the database is away.
    """

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub, "HL7")
        self._decoder = MllpDecoder()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  Twisted's name
        """Take bytes; a message over the bound closes the connection without an answer."""
        self.touched()
        self._decoder.receive_data(data)
        self.advance()
        if not self.busy:
            self._bounded(self._decoder.held)

    def _bounded(self, length: int) -> bool:
        """Tell whether a message is within the bound; close the connection otherwise."""
        bound = self.hub.limits.hl7_message_bytes
        if length > bound:
            log.warning("closed %s: an HL7 message is longer than %d bytes", self.session.address, bound)
            self.close()
        return length <= bound

    @property
    def held(self) -> int:
        """The bytes that came ahead, or wait for their end."""
        return self._decoder.held

    def patience(self) -> float:
        """Tell how many seconds of silence are borne now."""
        if self.busy:
            return float("inf")
        return WITHIN_A_MESSAGE if self._decoder.held else BETWEEN_MESSAGES

    def advance(self) -> None:
        """Take the next message unless one is being filed or the sender does not read its acknowledgements."""
        while not self.busy and not self.blocked and self.connected and self._closing is None:
            frame = self._decoder.next_frame()
            if frame is None:
                break
            self._take(frame)
        self.regulate()

    def _take(self, frame: bytes) -> None:
        if not self._bounded(len(frame)):
            return
        try:
            message = parse(frame)
        except Hl7Error as error:
            log.warning("%s sent what is no HL7 message: %s", self.session.address, error)
            self.close()
            return
        environment = self.hub.dispatcher.environment
        now = environment.clock.now()

        seconds = environment.clock.seconds()

        def work(connection: Connection) -> str:
            hl7_messages.file_message(connection, message.segments, message.type, message.control, now)
            problem = take_message(connection, message.segments, seconds)
            return problem or take_adt(connection, message.segments, environment.clock, self.session.address)

        if message.fault:
            self.write(acknowledge(message, "AE", now, message.fault))
            return
        try:
            filed = environment.store.write(work)
        except StoreClosed:
            self._answer(message, "AR", "the database is closed")
            return
        self.busy = True
        self._when_done(filed, lambda: self._filed(message, filed))

    def _when_done(self, filed: Future[str], then: Callable[[], None]) -> None:
        filed.add_done_callback(lambda _filed: self.hub.dispatcher.reactor.callFromThread(then))

    def _filed(self, message: Hl7, filed: Future[str]) -> None:
        if (error := filed.exception()) is not None:
            log.error("an HL7 message of %s was not filed: %s", self.session.address, error)
            self._answer(message, "AR", "the message could not be filed")
        elif problem := filed.result():
            log.warning("a message of %s is filed, and what it says is not done: %s", self.session.address, problem)
            self._answer(message, "AE", problem)
        else:
            self._answer(message, "AA")
        if not self._gone:
            self.busy = False
            self.advance()

    def _answer(self, message: Hl7, code: str, text: str = "") -> None:
        self.write(acknowledge(message, code, self.hub.dispatcher.environment.clock.now(), text))
