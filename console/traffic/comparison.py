"""A recording sent to a broker, and its answers beside the recorded ones."""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import zip_longest
from typing import Self

from console.errors import ConsoleError
from console.traffic.exchange import RAW, READ, Exchange, Part
from console.traffic.masking import Masker, replaced_credentials
from console.traffic.pseudonyms import CREDENTIALS, MASK, WITHHELD, Blanks, Kind
from console.traffic.text_wire import SIGN_ON
from console.traffic.wire import Request, Wire
from console.traffic.wires import WIRES
from runtime import wait_readable
from xwb import BYE, CHARSET, CannotEncode, Cipher, Literal, Parameter, Transport

TIMEOUT = 15.0
PATIENCE = 1.5
"""An answer may take so many times as long as when it was recorded, at least the time-out."""
LONGEST = 3600.0

#: An answer that goes on after an EOT does so within so many seconds; a request that wants none is not answered in them.
LINGER = 3.0
GLANCE = 0.3
ANSWER_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Normalisation:
    """What depends on clock, engine or chance, and what stands for it in a comparison."""

    what: str
    pattern: re.Pattern[bytes]
    substitute: bytes


def _varies(what: str, pattern: bytes, substitute: bytes) -> Normalisation:
    return Normalisation(what, re.compile(pattern, re.DOTALL), substitute)


NORMALISATIONS = (
    _varies("an M error's text, which is the engine's", rb"(M  ERROR=).*?(\r\nLAST REF=)[^\x04]*", rb"\1<text>\2<reference>"),
    _varies("an M error's text", rb'(<error type="system"[^>]*><msg><!\[CDATA\[\r\n).*?(\r\n\]\]>)', rb"\1<text>\2"),
    _varies("the time of day in a greeting", rb"Good (?:morning|afternoon|evening)", b"Good <part of day>"),
    _varies("the last sign-on, which is not there the first time", rb" *You last signed on [^\r\n]*\r?\n", b""),
    _varies("failed sign-ons since", rb"There (?:was|were) \d+ unsuccessful attempts?[^\r\n]*\r?\n", b""),
    _varies("the end of a lock", rb"LOCKED OUT until [^\r\n]*? because", b"LOCKED OUT until <when> because"),
    _varies("days to the end of a code", rb"will expire in \d+ days?", b"will expire in <n> days"),
    _varies("task numbers", rb"(task#=|No task #)\d+", rb"\1<n>"),
    _varies("dates and times in words", rb"[A-Z]{3} \d\d?,\d{4}@\d\d:\d\d(?::\d\d)?", b"<date time>"),
    _varies("dates and times in words", rb"[A-Z][a-z]{2} \d\d?(?:, ?\d{4})?(?:@| at )\d\d:\d\d(?::\d\d)?", b"<date time>"),
    _varies("FileMan dates of this century", rb"(?<!\d)3[0-3]\d{5}(?:\.\d{1,6})?(?=[\^\r|\x04 ])", b"<FileMan date>"),
    _varies("$HOROLOG", rb"(?<!\d)6[6-9]\d{3},\d{1,5}(?!\d)", b"<$HOROLOG>"),
    _varies("times in logs", rb"(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat) \d\d:\d\d ", b"<log time> "),
    _varies("ages", rb"(\|\d{7}\^[A-Z]{3} \d\d?,\d{4}\|)\d{1,3}\|", rb"\1<age>|"),
    _varies("tokens", rb"~1[^\r\n\x04]*", b"<token>"),
)
"""Applied in order, to both answers."""

NOT_THE_CODES = ("Not a valid ACCESS CODE/VERIFY CODE pair.", "Device/IP address is locked")
"""Refusals that say nothing of the codes; any other shows that they were right."""


def normalise(answer: bytes) -> bytes:
    """Put what varies aside."""
    for it in NORMALISATIONS:
        answer = it.pattern.sub(it.substitute, answer)
    return answer


class Verdict(StrEnum):
    """How an answer compares."""

    EQUAL = "equal"
    DIFFERENT = "different"
    CLOSED = "closed"
    OPEN = "not closed"
    SILENT = "no answer"
    SKIPPED = "not compared"


GOOD = frozenset({Verdict.EQUAL, Verdict.SKIPPED})


@dataclass(frozen=True, slots=True)
class Compared:
    """One exchange and how it compares: both answers without what varies, or why there was no comparison."""

    exchange: Exchange
    verdict: Verdict
    recorded: bytes = b""
    came: bytes = b""
    why: str = ""

    @property
    def difference(self) -> tuple[str, str]:
        """Give the first line that differs: as recorded, and as it came."""
        lines = _wire_of(self.exchange).lines
        pairs = zip_longest(lines(self.recorded), lines(self.came), fillvalue="")
        return next(((one, other) for one, other in pairs if one != other), ("", ""))


def _wire_of(exchange: Exchange) -> Wire:
    """Give what knows an exchange's answers; those of other transports are taken for ones of `[XWB]`, whose form most have."""
    return exchange.wire or WIRES[Transport.NS]


@dataclass(frozen=True, slots=True)
class Codes:
    """The access and verify code that stand in for masked ones."""

    access: str
    verify: str


class _Connection:
    """One connection to the broker."""

    def __init__(self, target: tuple[str, int], timeout: float) -> None:
        self.timeout = timeout
        self.closed = False
        try:
            self._socket = socket.create_connection(target, timeout=timeout)
        except OSError as error:
            raise ConsoleError(f"{target[0]}:{target[1]} cannot be reached: {error}.") from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exchange(self, sent: bytes, recorded: Exchange) -> bytes:
        """Send a request and read as much as was recorded, or until it is clear that it will not come."""
        expected = recorded.received
        patience = max(self.timeout, min(PATIENCE * recorded.elapsed, LONGEST))
        try:
            self._socket.settimeout(patience)
            if sent:
                self._socket.sendall(sent)
            answer = self._read(_wire_of(recorded), expected, wait=bool(expected) or expected is None or recorded.closed)
            if recorded.closed and not self.closed:
                answer += self._rest()
        except OSError:
            self.closed = True
            return b""
        return answer

    def _read(self, wire: Wire, expected: bytes | None, *, wait: bool) -> bytes:
        answer = bytearray()
        while wait or wait_readable(self._socket, GLANCE):
            try:
                chunk = self._socket.recv(65536)
            except TimeoutError:
                break
            if not chunk:
                self.closed = True
                break
            answer += chunk
            if len(answer) > ANSWER_LIMIT:
                self.close()
                break
            if answer.endswith(wire.end):
                if not _goes_on(wire, expected, bytes(answer)):
                    break
                self._socket.settimeout(min(LINGER, self.timeout))
        return bytes(answer)

    def _rest(self) -> bytes:
        """Wait for the end that was recorded."""
        rest = bytearray()
        try:
            while chunk := self._socket.recv(65536):
                rest += chunk
                if len(rest) > ANSWER_LIMIT:
                    return bytes(rest)
        except TimeoutError:
            return bytes(rest)
        self.closed = True
        return bytes(rest)

    def close(self) -> None:
        self.closed = True
        self._socket.close()


def _goes_on(wire: Wire, expected: bytes | None, answer: bytes) -> bool:
    """Tell whether the recorded answer has more after this EOT: an M error's second one, or data that holds one."""
    if not wire.is_whole(answer):
        return True
    return expected is not None and len(answer) < len(expected) and expected.startswith(answer)


_CREDENTIALS = frozenset(kind.value for kind in CREDENTIALS)


@dataclass(slots=True)
class Comparison:
    """Sends a recording to a broker, each recorded connection on one of its own, in the order of the recording.

    Where the recording has pseudonyms both answers are compared with blanks for them. What the recorder had learnt to be a
    name or a birth date it replaced in later answers too; so each side has one masker for the whole run.

    Where `codes` are given they take the place of masked ones whose sign-on was not refused for its codes; a recording that
    needs them and gets none is not begun. Requests with pseudonyms are not sent: the broker does not know those patients.
    """

    exchanges: Sequence[Exchange]
    target: tuple[str, int]
    cipher: Cipher
    codes: Codes | None = None
    timeout: float = TIMEOUT
    counts: Counter[Verdict] = field(default_factory=Counter)
    _wires: dict[int, _Connection] = field(default_factory=dict)
    _recorded: Mapping[bool, Masker] = field(init=False)
    _came: Mapping[bool, Masker] = field(init=False)
    _has_pseudonyms: bool = field(init=False)

    def __post_init__(self) -> None:
        """Check that masked codes can be filled in."""
        self._recorded, self._came = (
            {keep_phi: Masker(Blanks(), self.cipher, keep_phi=keep_phi) for keep_phi in (False, True)} for _ in range(2)
        )
        replaced = {kind for exchange in self.exchanges for part in Part for kind in exchange.replaced(part)}
        self._has_pseudonyms = not replaced <= _CREDENTIALS
        masked = sum(_to_fill(exchange) for exchange in self.exchanges)
        if masked and self.codes is None:
            raise ConsoleError(
                f"The codes of {masked} sign-ons are masked in this recording: give --access and --verify "
                "(or MAGBROKER_ACCESS and MAGBROKER_VERIFY)."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        for wire in self._wires.values():
            wire.close()

    @property
    def equal(self) -> bool:
        """Whether nothing that was compared differs, and something was compared."""
        return self.counts[Verdict.EQUAL] > 0 and all(verdict in GOOD for verdict in +self.counts)

    def run(self) -> Iterator[Compared]:
        """Send and compare one exchange after the other."""
        last = {exchange.conn: number for number, exchange in enumerate(self.exchanges)}
        for number, exchange in enumerate(self.exchanges):
            compared = self._compare(exchange)
            self.counts[compared.verdict] += 1
            if last[exchange.conn] == number and (wire := self._wires.get(exchange.conn)):
                wire.close()
            yield compared

    def _compare(self, exchange: Exchange) -> Compared:
        recorded = self._blanked(exchange, exchange, self._recorded)
        sent = self._sendable(exchange)
        if isinstance(sent, str):
            return Compared(exchange, Verdict.SKIPPED, why=sent)
        wire = self._wires.get(exchange.conn)
        if wire is None:
            wire = self._wires[exchange.conn] = _Connection(self.target, self.timeout)
        if wire.closed:
            return Compared(exchange, Verdict.CLOSED, why="the connection was closed before")
        answer = wire.exchange(sent, exchange)
        if exchange.received in (None, WITHHELD.encode()):
            return Compared(exchange, Verdict.SKIPPED, why="the recording keeps the answer back")
        came = self._blanked(exchange, replace(exchange, sent=sent, received=answer), self._came)
        return Compared(exchange, self._verdict(exchange, recorded, came, wire.closed), recorded, came)

    def _blanked(self, exchange: Exchange, given: Exchange, maskers: Mapping[bool, Masker]) -> bytes:
        """Give an answer without what varies; where the recording has pseudonyms with blanks for them."""
        blanked = maskers[False].mask(given) if self._has_pseudonyms else given
        if exchange.replaced(Part.ANSWER) <= _CREDENTIALS:
            blanked = maskers[True].mask(given)
        answer = blanked.received
        return normalise(_wire_of(exchange).comparable(answer)) if answer else b""

    @staticmethod
    def _verdict(exchange: Exchange, recorded: bytes, came: bytes, closed: bool) -> Verdict:
        if recorded != came:
            if came:
                return Verdict.DIFFERENT
            return Verdict.CLOSED if closed else Verdict.SILENT
        if closed != exchange.closed and not _says_bye(exchange):
            return Verdict.CLOSED if closed else Verdict.OPEN
        return Verdict.EQUAL

    def _sendable(self, exchange: Exchange) -> bytes | str:
        """Give the bytes to send, or the reason why there are none."""
        replaced = exchange.replaced(Part.REQUEST)
        if exchange.cut:
            return "it was longer than the recorder's limit"
        if not exchange.sent:
            return b"" if exchange.rpc in (READ, RAW) else "its request was not kept"
        if _to_fill(exchange):
            return self._filled(exchange)
        if replaced - {Kind.CODES.value}:
            return "its parameters are pseudonyms"
        return exchange.sent

    def _filled(self, exchange: Exchange) -> bytes | str:
        request = exchange.request
        if request is None or self.codes is None:
            return "its codes are masked"
        parameters = tuple(self._parameters(request, self.codes))
        try:
            return _wire_of(exchange).request_again(exchange.sent, parameters)
        except CannotEncode:
            return "its codes cannot be replaced"

    def _parameters(self, request: Request, codes: Codes) -> Iterator[Parameter]:
        """Give a sign-on's parameters, the codes in the place of masked ones: in clear on the text transport."""
        access, verify = (code.encode(CHARSET, "replace") for code in (codes.access, codes.verify))
        if request.rpc == SIGN_ON:
            yield from (Literal(access), Literal(verify))
            return
        wire = Literal(self.cipher.encipher(b"%b;%b" % (access, verify)))
        for parameter in request.parameters:
            yield wire if self._is_masked(parameter) else parameter

    def _is_masked(self, parameter: Parameter) -> bool:
        return isinstance(parameter, Literal) and self.cipher.decipher(parameter.value).startswith(MASK.encode())


def _to_fill(exchange: Exchange) -> bool:
    """Tell whether a sign-on's codes are masked and were right when it was recorded."""
    if not replaced_credentials(exchange) or exchange.replaced(Part.REQUEST) != {Kind.CODES.value}:
        return False
    answer = (exchange.received or b"").decode(CHARSET)
    return not any(text in answer for text in NOT_THE_CODES)


def _says_bye(exchange: Exchange) -> bool:
    """Tell whether the exchange ends its connection anyway: who closes first then is chance."""
    request = exchange.request
    return exchange.sent.endswith(BYE) or (request is not None and request.last)
