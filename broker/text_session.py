"""One connection of the text transport: the same sessions and procedures, as lines."""

from __future__ import annotations

from collections.abc import Callable

from broker.addresses import read_address
from broker.connection import ConnectionBase
from broker.dispatch import Outcome
from broker.hub import Hub
from broker.timing import BEFORE_SIGN_ON, MID_MESSAGE
from xwb import (
    ITEM_BYTES,
    ByeRequested,
    CallRequested,
    CaretDecoder,
    CaretEvent,
    ContextRequested,
    ErrorKind,
    Literal,
    Parameter,
    RequestRefused,
    SignOnRequested,
    encode_error,
    encode_ok,
)

SETUP, AV_CODE, CREATE_CONTEXT = b"XUS SIGNON SETUP", b"XUS AV CODE", b"XWB CREATE CONTEXT"
#: A line may take a person some time to type.
TYPING = 180.0

IN_CLEAR = b"Expected a connection over TLS or from this machine: codes are not taken in clear over a network."


def _is_loopback(text: str) -> bool:
    address = read_address(text)
    return address is not None and address.is_loopback


class TextSession(ConnectionBase):
    """The server's side of one text connection. Codes come in clear: they are taken over TLS or from this machine only."""

    #: A person types a list line by line.
    message_seconds = 1800.0

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub, "TEXT")
        self.decoder = CaretDecoder(limit_bytes=hub.limits.message_bytes)

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
        """The bytes in memory, those of an unfinished request among them."""
        return self.decoder.retained

    @property
    def weight(self) -> int:
        """The same with what decoded parameters and pairs take besides their bytes."""
        return self.decoder.retained + ITEM_BYTES * self.decoder.items

    def patience(self) -> float:
        """Tell how many seconds of silence are borne now."""
        if self.busy:
            return float("inf")
        return max(TYPING, float(self.hub.broker_timeout())) if self.session.duz else max(BEFORE_SIGN_ON, MID_MESSAGE)

    def advance(self) -> None:
        """Take the next request unless one is being answered or the client does not read its answers."""
        while not self.busy and not self.blocked and self.connected:
            event = self.decoder.next_event()
            if event is None:
                break
            self._take(event)
        self.regulate()

    def _take(self, event: CaretEvent) -> None:
        match event:
            case SignOnRequested(access, verify):
                self._sign_on(access, verify)
            case ContextRequested(name):
                self._call(CREATE_CONTEXT, [Literal(self._enciphered(name))], self._answer_context)
            case CallRequested(name, parameters):
                self._call(name, parameters, self._answer)
            case ByeRequested():
                self.write(encode_ok())
                self.close()
            case RequestRefused(kind, text, fatal):
                self.write(encode_error(kind, text.encode("iso-8859-1", "replace")))
                if fatal:
                    self.close()

    def _enciphered(self, text: bytes) -> bytes:
        return self.hub.dispatcher.environment.cipher.encipher(text)

    def _sign_on(self, access: bytes, verify: bytes) -> None:
        if not self.encrypted and not _is_loopback(self.session.address):
            self.write(encode_error(ErrorKind.SIGN_ON, IN_CLEAR))
            return
        if not self.hub.accepts_sessions():
            self.write(encode_error(ErrorKind.SIGN_ON, b"Signons not currently allowed on this processor."))
            return
        code = Literal(self._enciphered(access + b";" + verify))
        self._call(SETUP, [], lambda _outcome: self._call(AV_CODE, [code], self._answer_sign_on))

    def _call(self, name: bytes, parameters: list[Parameter] | tuple[Parameter, ...], then: Callable[[Outcome], None]) -> None:
        self.settle(self.hub.dispatcher.call(self.session, name, parameters), self._proceed, then)

    def _proceed(self, outcome: Outcome, then: Callable[[Outcome], None]) -> None:
        self.session = outcome.session
        if outcome.delay:
            self.pause(outcome.delay, then, outcome)
        else:
            then(outcome)

    def _answer(self, outcome: Outcome) -> None:
        if outcome.error is None:
            self.write(encode_ok(outcome.lines))
        else:
            kind, text = outcome.error
            self.write(encode_error(ErrorKind(kind), text))

    def _answer_context(self, outcome: Outcome) -> None:
        if outcome.error is None:
            self.write(encode_ok())
        else:
            self._answer(outcome)

    def _answer_sign_on(self, outcome: Outcome) -> None:
        """Answer OK and the greeting, or what line 3 of XUS AV CODE says."""
        if outcome.error is not None:
            self._answer(outcome)
        elif outcome.session.duz:
            self.write(encode_ok([line for line in outcome.lines[6:] if line]))
        else:
            self.write(encode_error(ErrorKind.SIGN_ON, outcome.lines[3]))
