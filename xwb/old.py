"""The old protocol with call-back, `{XWB}`: what a client says to the listener, and on the connection that calls it back.

Read as `READCONN^XWBTCPM1`, `MAIN^XWBTCPC` and `PRSP`, `PRSM`, `PRSA` and `PRSB^XWBBRK` do, faults included: of a message's
text 512 bytes count, a value without bytes ends a list, the total length in the header is not looked at. Answers are those
of `[XWB]` (see `xwb.results`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xwb.array import LIST_EMPTY
from xwb.errors import CannotEncode
from xwb.events import BYE, EOT, CallReceived, CommandReceived, ParameterFailed, Violated
from xwb.ns import LIMIT_ITEMS, m_length
from xwb.numbers import m_number
from xwb.parameters import ListParameter, Literal, Pairs, Parameter, Reference
from xwb.reads import Read, ReadDecoder, Reading

OLD_PREFIX = b"{XWB}"
OLD_CONNECT = b"TCPconnect"
TEXT_LIMIT = 512
"""Bytes of a message's text that VistA looks at: the longest string of old M systems."""

VERSION = b"1.108"
NO_INPUT = "Required input reference is NULL"
_HEADER = b"XWB;;;;"
_SECOND = "the length of a request, and | or the length of its text"
_VERSION_LENGTH, _VERSION = "the length byte of a version", "the version"
_LITERAL, _REFERENCE, _LIST = b"0", b"1", b"2"


@dataclass(frozen=True, slots=True)
class ConnectAsked:
    """A client spoke to the listener: `TCPconnect` asks to be called back at its `port`, which is what it wrote there."""

    action: bytes
    address: bytes = b""
    port: bytes = b""
    client: bytes = b""
    version: bytes = b"0"


@dataclass(frozen=True, slots=True)
class BadHeader:
    """What came is no request: VistA answers `#BYE#` and quits."""

    data: bytes


@dataclass(frozen=True, slots=True)
class InputMissing:
    """A request's text holds no call; VistA refuses it with the text NO_INPUT."""


OldEvent = CallReceived | CommandReceived | ParameterFailed | InputMissing | BadHeader | Violated


def OldConnectDecoder(limit_bytes: int) -> ReadDecoder[ConnectAsked]:  # noqa: N802  a decoder like the others
    """Decode the one message that a client sends to the listener."""
    return ReadDecoder(_connecting(), limit_bytes)


def OldDecoder(limit_bytes: int, limit_items: int = LIMIT_ITEMS) -> ReadDecoder[OldEvent]:  # noqa: N802
    """Decode what a client sends on the connection that called it back.

    One message may have `limit_bytes` bytes and `limit_items` list nodes. A list that the client left out ends with a
    silence: `lenient` tells that one is waited for, `receive_silence` that it came.
    """
    return ReadDecoder(_requests(limit_items), limit_bytes)


def _connecting() -> Reading[ConnectAsked]:
    yield Read(len(OLD_PREFIX), "the header {XWB}", begins=True)
    head = yield Read(6, _SECOND)
    version = b"0"
    if head[5:] == b"|":
        version = yield Read((yield Read(1, _VERSION_LENGTH))[0], _VERSION)
        text = yield Read(m_length((yield Read(5, "the length of the text"))), "the text")
    else:
        text = head[5:] + (yield Read(max(0, m_length(head[:5]) - 1), "the text"))
    pieces = (*text.split(b"^"), b"", b"", b"")
    yield ConnectAsked(pieces[0], pieces[1], pieces[2], pieces[3], version)


def _requests(limit_items: int) -> Reading[OldEvent]:
    while True:
        first = yield Read(1, "a request", begins=True)
        if first == EOT:  # VistA has it in a buffer that it empties before the next request
            continue
        head = first + (yield Read(4, "the header {XWB} or #BYE#"))
        if head == BYE:
            yield CommandReceived(BYE, reply=False, has_parameter_chunk=False)
            continue
        second = yield Read(6, _SECOND)
        if head != OLD_PREFIX:
            yield BadHeader(head + second)
            return
        version = b"0"
        if second[5:] == b"|":
            version = yield Read((yield Read(1, _VERSION_LENGTH))[0], _VERSION)
            digits = yield Read(5, "the length of the text")
        else:
            digits = second[5:] + (yield Read(4, "the length of the text"))
        text = yield Read(m_length(digits), "the text")
        if text == BYE or text.partition(b"^")[0] == OLD_CONNECT:
            yield CommandReceived(text.partition(b"^")[0], has_parameter_chunk=False)
            continue
        call = _Call.parse(text, version)
        pairs: list[tuple[bytes, bytes]] = []
        while call is not None and call.flag and len(pairs) <= limit_items:
            subscript_length = m_length((yield Read(3, "the length of a subscript, or 000 to end the list", lenient=True)))
            if not subscript_length:
                break
            subscript = yield Read(subscript_length, "a subscript")
            value_length = m_length((yield Read(3, "the length of a value")))
            if not value_length:
                break
            pairs.append((subscript, (yield Read(value_length, "a value"))))
        if len(pairs) > limit_items:
            yield Violated(f"A message has more than {limit_items} list nodes.")
            return
        yield InputMissing() if call is None else call.event(tuple(pairs))


@dataclass(frozen=True, slots=True)
class _Call:
    """What the text of a request says; the list follows it when `flag` is not 0."""

    name: bytes
    version: bytes
    flag: int
    announced: int
    values: tuple[tuple[bytes, bytes], ...]

    @classmethod
    def parse(cls, text: bytes, version: bytes) -> _Call | None:
        """Read a text; None when VistA finds no call in it."""
        text = text[:TEXT_LIMIT].removeprefix(OLD_PREFIX)
        if not _counts(text):
            return None
        message = text[m_length(text[:3]) + 3 :]
        content = message[6:]
        if not _counts(message) or not content:
            return None
        name, found, rest = content.partition(b"^")
        parameters = rest if found else content
        announced = m_length(parameters[:5])
        return cls(name, version, m_length(message[5:6]), announced, _values(parameters[5 : 5 + announced]))

    def event(self, pairs: Pairs) -> CallReceived | ParameterFailed:
        """Give the call, or what M says to a call that it cannot make."""
        parameters = [self._parameter(kind, value, pairs) for kind, value in self.values]
        lists = any(isinstance(parameter, ListParameter) for parameter in parameters)
        if (pairs and not lists) or self.flag > 1:
            return self._failed("A" if pairs else "REF")
        if not parameters and (self.flag or self.announced):
            return self._failed("K")
        return CallReceived(self.name, self.version, tuple(parameters))

    def _parameter(self, kind: bytes, value: bytes, pairs: Pairs) -> Parameter:
        if kind == _REFERENCE:
            return Reference(value)
        if self.flag == 1 and kind == _LIST and value[:1] == b"." and value[1:2].isalpha():
            return ListParameter(pairs)
        return Literal(value)

    def _failed(self, variable: str) -> ParameterFailed:
        reason = f"PRSB+38^XWBBRK, Undefined local variable: {variable},150373850,-%GTM-E-UNDEF"
        return ParameterFailed(self.name, b"", reason)


def _counts(text: bytes) -> bool:
    """Tell whether M takes a text for a number other than 0, as a length in front makes it."""
    return m_number(text[:12].decode("iso-8859-1")) != 0


def _values(rest: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Cut parameters apart: three digits of length, the type in them, the value."""
    values = []
    while rest:
        length = max(0, m_length(rest[:3]) - 1)
        values.append((rest[3:4], rest[4 : 4 + length]))
        rest = rest[4 + length :]
    return tuple(values)


def _packed(value: bytes, digits: int) -> bytes:
    """Write a StrPack: so many digits of length and the value."""
    packed = b"%0*d%b" % (digits, len(value), value)
    if len(packed) > digits + len(value):
        raise CannotEncode(f"A value of {len(value)} bytes does not fit a length of {digits} digits.")
    return packed


def _enveloped(text: bytes, version: bytes, nodes: bytes = b"") -> bytes:
    """Write the header with the length of it all, the version as a VarPack, the text, and the nodes of a list."""
    if len(version) > 255:
        raise CannotEncode("A version may have 255 bytes.")
    body = b"|%c%b%b%b" % (len(version), version, _packed(text, 5), nodes)
    return OLD_PREFIX + b"%05d" % (len(body) % 100_000) + body


def encode_old_connect(address: bytes, port: int, client: bytes, version: bytes = VERSION) -> bytes:
    """Write what a client says to the listener."""
    return _enveloped(b"%b^%b^%d^%b^" % (OLD_CONNECT, address, port, client), version)


def encode_old_action(action: bytes) -> bytes:
    """Write another message for the listener: `TCPdebug`, `TCPshutdown`."""
    return _enveloped(action + b"^", VERSION)


def encode_old_bye() -> bytes:
    """Write the last message of a session."""
    return OLD_PREFIX + b"00010" + _packed(BYE, 5)


def encode_old_call(name: bytes, parameters: Sequence[Parameter] = (), version: bytes = b"0") -> bytes:
    """Write a call. Raises CannotEncode for what the old protocol has no form for.

    That is a second list, a list before other parameters, an empty one, globals and empty parameters, and a text of more
    than 512 bytes; the values of a list may have 999 bytes each and are as many as one likes.
    """
    packs, nodes = [], b""
    for position, parameter in enumerate(parameters, 1):
        match parameter:
            case Literal(value):
                packs.append(_packed(_LITERAL + value, 3))
            case Reference(value):
                packs.append(_packed(_REFERENCE + value, 3))
            case ListParameter(pairs) if position == len(parameters):
                packs.append(_packed(_LIST + b".x", 3))
                nodes = _nodes(pairs)
            case _:
                raise CannotEncode("The old protocol has literals, references, and one list, which stands last.")
    flag = b"1" if nodes else b"0"
    text = _packed(_HEADER, 3) + _packed(flag + name + b"^" + _packed(b"".join(packs), 5), 5)
    if len(text) > TEXT_LIMIT:
        raise CannotEncode(f"A request's text may have {TEXT_LIMIT} bytes, a list aside, not {len(text)}.")
    return _enveloped(text, version, nodes)


def _nodes(pairs: Pairs) -> bytes:
    if any(not subscript for subscript, _ in pairs):
        raise CannotEncode("A list subscript may not be empty: it would end the list.")
    packs = [_packed(subscript, 3) + _packed(value or LIST_EMPTY, 3) for subscript, value in pairs]
    return b"".join(packs) + b"000"
