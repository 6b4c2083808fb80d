"""One `[XWB]` connection (MAIN^XWBTCPM): connect, calls one after the other, bye."""

from __future__ import annotations

import logging
from dataclasses import replace
from enum import Enum

from broker.connection import ConnectionBase
from broker.dispatch import Outcome
from broker.hub import Hub
from broker.timing import BEFORE_CONNECT, BEFORE_SIGN_ON, MID_MESSAGE, MID_MESSAGE_CUT, silence
from rpcs import Delay, MError
from xwb import (
    BYE,
    CONNECT,
    EOT,
    ITEM_BYTES,
    CallReceived,
    ChunkRefused,
    CommandReceived,
    Event,
    HeaderSkipped,
    Literal,
    NSDecoder,
    OldEvent,
    ParameterFailed,
    Pending,
    ReadDecoder,
    Violated,
    encode_response,
)

log = logging.getLogger(__name__)

SET_SHARED = b"XUS SET SHARED"
#: A command without a parameter chunk that is part of this text is no error (PRS4^XWBPRS).
COMMANDS = b"%b^%b" % (CONNECT, BYE)
ACCEPT, REJECT, GOODBYE = encode_response(b"accept"), encode_response(b"reject"), encode_response(BYE)


class State(Enum):
    """Where a connection stands."""

    NEW = "new"
    OPEN = "open"
    CLOSED = "closed"


class NSSession(ConnectionBase):
    """The server's side of one `[XWB]` connection.

    Requests are answered strictly in order. While one runs, what comes ahead is held up to a bound, then the connection is
    not read. What VistA closes without a byte is closed without a byte.
    """

    transport_name = "NS"
    #: How long nothing may come before a refusal is answered, where what was sent ahead of it is thrown away.
    refusal = Delay.REFUSAL

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub, self.transport_name)
        self.state = State.NEW
        self.decoder: NSDecoder | ReadDecoder[OldEvent] = self._decoder()
        self._swallowing = False
        #: What comes is the rest of a refused message, up to its EOT.
        self._skipping = False
        self._junk_told = False

    def _decoder(self) -> NSDecoder | ReadDecoder[OldEvent]:
        check = self.hub.dispatcher.checker(lambda: self.session)
        return NSDecoder(limit_bytes=self.hub.limits.message_bytes, check=check)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  Twisted's name
        """Take bytes; see Twisted's IProtocol."""
        self.touched()
        self.decoder.receive_data(data)
        if self._skipping:
            self._skipping = not self.decoder.discard_through_eot()
        if self._swallowing:
            self._swallow()
        else:
            self.advance()

    @property
    def held(self) -> int:
        """The bytes that came ahead."""
        return self.decoder.held

    @property
    def retained(self) -> int:
        """The bytes in memory, those of an unfinished message among them."""
        return self.decoder.retained

    @property
    def weight(self) -> int:
        """The same with what decoded parameters and pairs take besides their bytes."""
        return self.decoder.retained + ITEM_BYTES * self.decoder.items

    def patience(self) -> float:
        """Tell how many seconds of silence are borne now."""
        if self.busy:
            return float("inf")
        if self.decoder.pending is not Pending.MESSAGE:
            return MID_MESSAGE_CUT if self.decoder.pending is Pending.CUT else MID_MESSAGE
        if self.state is State.NEW:
            return BEFORE_CONNECT
        return silence(self.hub.broker_timeout()) if self.session.duz else BEFORE_SIGN_ON

    def advance(self) -> None:
        """Take the next event unless one is being answered or the client does not read its answers."""
        while not self.busy and not self.blocked and self.state is not State.CLOSED:
            event = self.decoder.next_event()
            if event is None:
                break
            self._take(event)
            answered = not isinstance(event, HeaderSkipped)
            if answered and self.decoder.held and not self.busy and (apart := self.hub.dispatcher.timing().apart):
                self.busy = True
                self.hub.clock.callLater(apart, self._go_on)
        self.regulate()

    def _go_on(self) -> None:
        self.busy = False
        self.advance()

    def _take(self, event: Event | OldEvent) -> None:
        match event:
            case CallReceived():
                self._call(event)
            case CommandReceived():
                self._command(event)
            case HeaderSkipped():
                self._tell_junk(event)
            case ChunkRefused():
                self._refuse_chunk(event)
            case ParameterFailed(name):
                error = MError(event.reason)
                outcome = self.hub.dispatcher.m_error(self.session, error, name.decode("iso-8859-1"))
                self.settle(outcome, self._finish, event.reply)
            case Violated():
                self._end(event)

    def _tell_junk(self, event: HeaderSkipped) -> None:
        """Log the first bytes of a connection that are no message; VistA passes over them, and over what follows."""
        if not self._junk_told:
            self._junk_told = True
            text = "%s sent %r at byte %d of the connection, where [XWB] was expected; bytes are skipped five at a time"
            log.warning(text, self.session.address, event.data, event.offset)

    def _end(self, event: Violated) -> None:
        log.warning("closed %s: %s", self.session.address, event.reason)
        self.state = State.CLOSED
        self.close()

    def close(self) -> None:
        """Close; a message that stays short is said in the log, with the byte where it does."""
        if self.state is not State.CLOSED and isinstance(short := self.decoder.receive_silence(), Violated):
            log.warning("closed %s: %s", self.session.address, short.reason)
        super().close()

    def _command(self, event: CommandReceived) -> None:
        if self.state is State.NEW:
            self._connect(event, event.name)
        elif event.name == BYE:
            self.state = State.CLOSED
            self.write(GOODBYE)
            self.close()
        else:
            known = event.name in COMMANDS and not event.has_parameter_chunk
            self._finish(self.hub.dispatcher.refuse(self.session, "" if known else "No RPC sent"), event.reply)

    def _connect(self, event: CommandReceived | CallReceived, command: bytes) -> None:
        """Judge the first message by its command alone (NEW^XWBTCPM)."""
        if command != CONNECT or not self.hub.accepts_sessions():
            self._reject()
            return
        self.state = State.OPEN
        texts = [it.value.decode("iso-8859-1") if isinstance(it, Literal) else "" for it in event.parameters]
        self.session = replace(self.session, client=texts[2][:100] if len(texts) > 2 else "")
        self.write(ACCEPT)

    def _reject(self) -> None:
        self.state = State.CLOSED
        self.write(REJECT)
        self.close()

    def _call(self, event: CallReceived) -> None:
        if self.state is State.NEW:
            self._connect(event, event.command)
        elif event.name == SET_SHARED:
            if event.reply:
                self.write(encode_response(b""))
        else:
            parameters = event.parameters if event.has_parameter_chunk else None
            outcome = self.hub.dispatcher.call(self.session, event.name, parameters, version=event.version)
            self.settle(outcome, self._finish, event.reply)

    def _refuse_chunk(self, event: ChunkRefused) -> None:
        """Refuse what is no chunk; the rest of its message counts for nothing."""
        if self.state is State.NEW:
            self._reject()
            return
        if event.chunk != EOT and not self.hub.dispatcher.timing().swallows:
            self._skipping = not self.decoder.discard_through_eot()
        self._finish(self.hub.dispatcher.refuse(self.session, "Invalid Chunk"), event.reply)

    def _finish(self, outcome: Outcome, reply: bool) -> None:
        """Answer now, or after the pause that VistA makes here."""
        self.session = outcome.session
        reply = reply or (outcome.error is not None and outcome.error[0] == "M")  # ETRAP^XWBTCPM answers in any case
        if outcome.refused and self.hub.dispatcher.timing().swallows:
            self._begin_swallowing(outcome, reply)
        elif outcome.delay:
            self.pause(outcome.delay, self._answer, outcome, reply)
        else:
            self._answer(outcome, reply)

    def _answer(self, outcome: Outcome, reply: bool) -> None:
        if reply:
            self.write(outcome.response)

    def _begin_swallowing(self, outcome: Outcome, reply: bool) -> None:
        """Read and throw away up to the next EOT or two seconds of silence, then answer (CLRBUF^XWBPRS)."""
        self.busy = True
        self._swallowing = True
        self._swallowed = self.hub.clock.callLater(self._silence, self._end_swallowing, outcome, reply)
        self._pending = (outcome, reply)
        if self.decoder.held:
            self._swallow()

    @property
    def _silence(self) -> float:
        return self.hub.dispatcher.timing().delays[self.refusal]

    def _swallow(self) -> None:
        outcome, reply = self._pending
        if self.decoder.discard_through_eot():
            self._swallowed.cancel()
            self._end_swallowing(outcome, reply)
        else:
            self._swallowed.reset(self._silence)

    def _end_swallowing(self, outcome: Outcome, reply: bool) -> None:
        self._swallowing = self.busy = False
        self._answer(outcome, reply)
        self.touched()
        self.advance()
