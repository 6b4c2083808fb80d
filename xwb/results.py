"""Results: a procedure's value as its return type wants it, and the response around it (`SND^XWBRW`)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from xwb.array import LocalArray
from xwb.errors import UndefinedNode
from xwb.events import EOT

CRLF = b"\r\n"
NODE_LIMIT = 99_999
"""VistA cuts a longer node (`WRITE^XWBRW`)."""

TEXT_LIMIT = 255
M_ERROR_LIMIT = 200
M_ERROR = b"\x18M  ERROR="
LAST_REFERENCE = b"\r\nLAST REF="
RESPONSE_LIMIT = 64 * 1024 * 1024

Value = bytes | Sequence[bytes] | LocalArray[bytes]
"""A single value; lines, which are nodes 1, 2, 3 and so on; or an array."""


class ResultType(IntEnum):
    """RETURN VALUE TYPE (#.04) of a remote procedure (#8994)."""

    SINGLE_VALUE = 1
    ARRAY = 2
    WORD_PROCESSING = 3
    GLOBAL_ARRAY = 4
    GLOBAL_INSTANCE = 5
    VARIABLE_LENGTH = 6

    @classmethod
    def _missing_(cls, value: object) -> "ResultType":
        """Take anything else for a single value, as `MAIN^XWBTCPM` does."""
        return cls.SINGLE_VALUE


def single_value(value: Value) -> bytes:
    """Give the unsubscripted node, empty where there is none."""
    if isinstance(value, bytes):
        return value
    return (value.root or b"") if isinstance(value, LocalArray) else b""


def _first_level(value: Value) -> Iterable[bytes]:
    """Give what $ORDER finds; a single value has no subscripts."""
    if isinstance(value, bytes):
        return
    if not isinstance(value, LocalArray):
        yield from value
        return
    for subscript, node in value.first_level():
        if node is None:
            raise UndefinedNode(subscript)
        yield node


def _all_levels(value: Value) -> Iterable[bytes]:
    """Give what $QUERY finds, before it the root when it is not empty and has descendants."""
    if isinstance(value, bytes):
        return
    if not isinstance(value, LocalArray):
        yield from value
        return
    if value.root and len(value):
        yield value.root
    yield from value.values()


def variable_length(node: bytes) -> bytes:
    """Put the length byte before a node; there is none for a length over 255, which $CHAR makes empty."""
    return (bytes((len(node),)) if len(node) <= 255 else b"") + node[:NODE_LIMIT]


def _lines(nodes: Iterable[bytes]) -> bytes:
    return b"".join([part for node in nodes for part in (node[:NODE_LIMIT], CRLF)])


def _joined(nodes: Iterable[bytes]) -> bytes:
    return b"".join([node[:NODE_LIMIT] for node in nodes])


def _global_lines(nodes: Iterable[bytes]) -> bytes:
    """Put CR LF after every node but one that is CR LF itself."""
    return b"".join([node if node == CRLF else node[:NODE_LIMIT] + CRLF for node in nodes])


def render(result_type: ResultType, word_wrap: bool, value: Value) -> bytes:
    """Write a result as its return type wants it (`SNDDATA^XWBRW`).

    The type decides what is sent, not the value: an array's lines are not seen by type 1, a single value not by types
    2, 3, 4 and 6. `word_wrap` matters to types 3 and 4. Raises UndefinedNode, for which a broker answers an M error,
    when type 2, 3 or 6 meets a first-level subscript with descendants only.
    """
    match result_type:
        case ResultType.ARRAY:
            return _lines(_first_level(value))
        case ResultType.WORD_PROCESSING:
            return (_lines if word_wrap else _joined)(_first_level(value))
        case ResultType.GLOBAL_ARRAY:
            return (_global_lines if word_wrap else _joined)(_all_levels(value))
        case ResultType.VARIABLE_LENGTH:
            return b"".join(map(variable_length, _first_level(value)))
        case ResultType.SINGLE_VALUE | ResultType.GLOBAL_INSTANCE:
            return single_value(value)[:NODE_LIMIT]


def encode_response(data: bytes, security: bytes = b"", application: bytes = b"") -> bytes:
    """Write a response; the texts of the two segments are cut to 255 bytes (`SNDERR^XWBRW`)."""
    if not security and not application:
        return b"\0\0" + data + EOT
    security, application = security[:TEXT_LIMIT], application[:TEXT_LIMIT]
    return b"%c%b%c%b%b\x04" % (len(security), security, len(application), application, data)


def encode_m_error(text: bytes, last_reference: bytes = b"") -> bytes:
    """Write the answer to a failed call: a CAN byte, error and last reference, two EOTs (`ETRAP^XWBTCPM`)."""
    return b"".join((b"\0\0", M_ERROR, text[:M_ERROR_LIMIT], LAST_REFERENCE, last_reference, EOT, EOT))


@dataclass(frozen=True, slots=True)
class ResponseReceived:
    """A response came; at most one of the texts is usual, and an M error is told by its data alone."""

    security: bytes
    application: bytes
    data: bytes

    @property
    def m_error(self) -> tuple[bytes, bytes] | None:
        """Give error and last reference of an M error, None for any other answer."""
        if not self.data.startswith(M_ERROR):
            return None
        text, _, reference = self.data[len(M_ERROR) :].partition(LAST_REFERENCE)
        return text, reference.rstrip(EOT)


class ResponseDecoder:
    """Decode what a broker answers, one response to one request.

    An EOT inside the data looks like the EOT at its end, so a response is taken to end where the bytes that have come
    so far end with one. A client therefore sends its next request only after the answer, and an EOT in the data that
    happens to be the last byte of what the network delivered cuts the answer short: the protocol offers no better. An M
    error is recognised by its first bytes and ends with two. `limit_bytes` bounds one response; over it `overflowed` is
    true and nothing more is decoded.
    """

    __slots__ = ("_buffer", "limit_bytes", "overflowed")

    def __init__(self, limit_bytes: int = RESPONSE_LIMIT) -> None:
        self.limit_bytes = limit_bytes
        self.overflowed = False
        self._buffer = bytearray()

    @property
    def held(self) -> int:
        """The bytes of the unfinished response."""
        return len(self._buffer)

    def receive_data(self, data: bytes) -> None:
        """Take bytes as they came from the broker."""
        if self.overflowed:
            return
        self._buffer += data
        if len(self._buffer) > self.limit_bytes:
            self.overflowed = True
            self._buffer.clear()

    def next_event(self) -> ResponseReceived | None:
        """Give the response when it is whole, None while it is not."""
        buffer = self._buffer
        if not buffer or buffer[-1] != EOT[0]:
            return None
        security_end = 1 + buffer[0]
        if len(buffer) <= security_end:
            return None
        data_at = security_end + 1 + buffer[security_end]
        if len(buffer) <= data_at:
            return None
        if buffer.startswith(M_ERROR, data_at) and buffer[-2:] != EOT + EOT:
            return None
        whole = bytes(buffer)
        buffer.clear()
        end = -2 if whole.startswith(M_ERROR, data_at) else -1
        return ResponseReceived(whole[1:security_end], whole[security_end + 1 : data_at], whole[data_at:end])
