"""Old-style clients, `{XWB}`: the listener that calls them back, and the session on the connection that it makes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import cast

from twisted.internet.interfaces import IAddress, IConnector, IReactorTCP
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure

from broker.connection import ConnectionBase
from broker.dispatch import Outcome
from broker.hub import Hub
from broker.ns_session import ACCEPT, GOODBYE, REJECT, NSSession, State
from broker.timing import (
    BEFORE_CONNECT,
    BEFORE_OLD_SIGN_ON,
    CALL_BACK,
    MID_MESSAGE,
    MID_MESSAGE_CUT,
    OLD_IDLE,
    OLD_LIST,
    silence,
)
from rpcs import Delay
from xwb import (
    BYE,
    BadHeader,
    CommandReceived,
    ConnectAsked,
    Event,
    InputMissing,
    OldConnectDecoder,
    OldDecoder,
    OldEvent,
    Pending,
    ReadDecoder,
    Violated,
    encode_response,
    m_number,
)
from xwb.old import NO_INPUT, OLD_CONNECT

log = logging.getLogger(__name__)

#: What the listener answers to messages that only people who look after a broker send.
ANSWERS = {b"TCPdebug": ACCEPT, b"TCPshutdown": encode_response(b"ack")}
TIMED_OUT = encode_response(b"0\r\n1\r\n\r\nTIME-OUT\r\n")
TIMED_OUT_SIGNED_ON = encode_response(BYE + b"\x04")
#: A connect message has an address, a port and a name: no more bytes are taken.
CONNECT_BYTES = 4096
#: Ports to which the broker connects; those below belong to services, not to clients.
PORTS = range(1024, 65536)
#: From which version of a client on sign-on, and then the session, has a time-out (SETTIME^XWBTCPC).
SIGN_ON_TIMED, TIMED = 1.1, 1.105


class OldListenerSession(ConnectionBase):
    """The first connection of an old-style client: one message, one answer, and a call back to the client's own address."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub, "OLD")
        self.decoder = OldConnectDecoder(CONNECT_BYTES)
        self._calling: IConnector | None = None
        self._lost = False

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  Twisted's name
        """Take bytes; see Twisted's IProtocol."""
        self.touched()
        self.decoder.receive_data(data)
        self.advance()

    @property
    def held(self) -> int:
        """The bytes that came ahead."""
        return self.decoder.held

    @property
    def retained(self) -> int:
        """The bytes in memory, those of an unfinished message among them."""
        return self.decoder.retained

    def patience(self) -> float:
        """Tell how many seconds of silence are borne now."""
        return float("inf") if self.busy else BEFORE_CONNECT

    def advance(self) -> None:
        """Answer the message once it is whole; only a call back keeps the connection open, until it is made."""
        if not self.busy and (event := self.decoder.next_event()) is not None:
            self.busy = True
            if isinstance(event, Violated):
                log.warning("closed %s: %s", self.session.address, event.reason)
                self.close()
            elif event.action == OLD_CONNECT:
                self._connect(event)
            else:
                self._answer(event.action)
        self.regulate()

    def _answer(self, action: bytes) -> None:
        """Answer what is no request for a session; nobody can shut the broker down from here."""
        log.warning("%s sent %r to the listener of the old protocol; it is acknowledged at most", self.session.address, action)
        if action in ANSWERS:
            self.write(ANSWERS[action])
        self.close()

    def _connect(self, event: ConnectAsked) -> None:
        port = int(m_number(event.port[:6].decode("iso-8859-1")))
        if why := self._refusal(port):
            log.warning("rejected %s, which asks to be called back: %s", self.session.address, why)
            self.write(REJECT)
            self.close()
            return
        self.write(ACCEPT)
        if port in PORTS:
            self._call_back(port, event)
        else:
            log.warning("%s cannot be called back: %r is none of a client's ports", self.session.address, event.port[:40])
            self.close()

    def _refusal(self, port: int) -> str:
        """Say why there will be no call back; empty when there will be one, which is counted then as a connection."""
        if not self.hub.limits.call_back:
            return "the setting call_back is off; turn it on, or let the client use the newer protocol [XWB]"
        if self.encrypted:
            return "it came over TLS, and the connection back to it would be in clear"
        if not self.hub.accepts_sessions():
            return "no sessions are taken now"
        if port in PORTS and not self.hub.admits(self.session.address):
            return "it has too many connections, or comes too often"
        return ""

    def _call_back(self, port: int, event: ConnectAsked) -> None:
        """Connect to the client: to the address that it came from, whatever address it names."""
        address = self.session.address
        reactor = cast("IReactorTCP", self.hub.dispatcher.reactor)
        factory = CallBack(lambda: OldSession(self.hub, event, address), self._settled)
        self._calling = reactor.connectTCP(address, port, factory, CALL_BACK)

    def _settled(self, why: str) -> None:
        """Drop this connection: the session has one of its own now, or there will be none."""
        self._calling = None
        if why:
            self.hub.visitors.leave(self.session.address)
            log.warning("%s could not be called back: %s", self.session.address, why)
        if self._lost:
            super().connectionLost()
        else:
            self.close()

    def close(self) -> None:
        """Close, and do not call back any more."""
        if self._calling is not None:
            self._calling.stopConnecting()
        else:
            super().close()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802  Twisted's name
        """Forget the connection, but not before it is known what became of the call: closing the broker ends it."""
        self._lost = True
        if self._calling is None:
            super().connectionLost(reason)


class CallBack(ClientFactory):
    """Makes the session on the connection to a client."""

    noisy = False

    def __init__(self, make: Callable[[], OldSession], settled: Callable[[str], None]) -> None:
        self.make = make
        self.settled = settled

    def buildProtocol(self, _address: IAddress | None) -> Protocol | None:  # noqa: N802  Twisted's name
        """Begin the session."""
        self.settled("")
        return self.make()

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:  # noqa: N802  Twisted's name
        """Say that nobody listens there, or not in time."""
        self.settled(reason.getErrorMessage())


class OldSession(NSSession):
    """The server's side of the connection that called a client back (`MAIN^XWBTCPC`): the sessions of `[XWB]`, other bytes.

    A refusal waits for five seconds of silence, an M error signs the user off, and what came together with a request is lost
    where VistA loses it. A time-out is told.
    """

    transport_name = "OLD"
    refusal = Delay.OLD_REFUSAL

    def __init__(self, hub: Hub, asked: ConnectAsked, visitor: str) -> None:
        super().__init__(hub)
        self.state = State.OPEN
        self.visitor = visitor
        self.client = asked.client.decode("iso-8859-1")[:100]
        self.version = float(m_number(asked.version[:12].decode("iso-8859-1")))

    def _decoder(self) -> ReadDecoder[OldEvent]:
        return OldDecoder(self.hub.limits.message_bytes)

    def connectionMade(self) -> None:  # noqa: N802  Twisted's name
        """Set the connection up; see Twisted's IProtocol."""
        super().connectionMade()
        self.session = replace(self.session, client=self.client)

    def patience(self) -> float:
        """Tell how many seconds of silence are borne now."""
        if self.busy:
            return float("inf")
        if self.decoder.pending is not Pending.MESSAGE:
            if self._list_may_be_missing:
                return OLD_LIST
            return MID_MESSAGE_CUT if self.decoder.pending is Pending.CUT else MID_MESSAGE
        if self.session.duz:
            return silence(self.hub.broker_timeout()) if self.version > TIMED else OLD_IDLE
        return BEFORE_OLD_SIGN_ON if self.version > SIGN_ON_TIMED else OLD_IDLE

    @property
    def _list_may_be_missing(self) -> bool:
        return isinstance(self.decoder, ReadDecoder) and self.decoder.lenient

    def supervise(self, now: float) -> None:
        """Tell a client that was silent too long (TIMEOUT^XWBTCPC); a list that does not come has no nodes."""
        if self._closing is not None or now - self.last_heard <= self.patience():
            super().supervise(now)
        elif self.decoder.pending is Pending.MESSAGE:
            self._leave(TIMED_OUT_SIGNED_ON if self.session.duz else TIMED_OUT)
        elif self._list_may_be_missing:
            self.touched()
            if (event := self.decoder.receive_silence()) is not None:
                self._take(event)
            self.advance()
        else:
            self.close()

    def _leave(self, last_words: bytes) -> None:
        self.state = State.CLOSED
        self.write(last_words)
        self.close()

    def _take(self, event: Event | OldEvent) -> None:
        if self.hub.dispatcher.timing().swallows:
            self.decoder.discard_through_eot()
        match event:
            case CommandReceived(name, reply=reply):
                self._leave(GOODBYE if reply else b"") if name == BYE else self.write(ACCEPT)
            case BadHeader(data):
                log.warning("closed %s: expected the header {XWB}, got %r", self.session.address, data)
                self._leave(GOODBYE)
            case InputMissing():
                self._finish(self.hub.dispatcher.refuse(self.session, NO_INPUT), reply=True)
            case _:
                super()._take(event)

    def _finish(self, outcome: Outcome, reply: bool) -> None:
        """Answer; the error trap begins anew, with nobody signed on (ETRAP^XWBTCPC)."""
        if outcome.error is not None and outcome.error[0] == "M":
            nobody = replace(outcome.session, duz=0, name="", keys=frozenset())
            outcome = replace(outcome, session=nobody)
        super()._finish(outcome, reply)
