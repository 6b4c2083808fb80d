"""What a client's bytes mean: the transport of a connection, and the events of an `[XWB]` session."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from xwb.parameters import Parameter

EOT = b"\x04"
LIMIT_BYTES = 32 * 1024 * 1024
"""What one message may have unless a decoder is told otherwise."""
LIMIT_VALUE = 1024 * 1024
"""The longest string of GT.M: VistA closes the connection on a longer value, without an answer."""
ITEM_BYTES = 128
"""What a parameter or pair takes in memory besides its bytes, once it is decoded."""

PREFIX = b"[XWB]"
BYE = b"#BYE#"
CONNECT = b"TCPConnect"


class Transport(Enum):
    """What the first five bytes of a connection ask for (`CONNTYPE^XWBTCPM`)."""

    NS = "[XWB]"
    OLD = "{XWB}"
    M2M = "<?xml"
    BSE = "~BSE~"
    STUB = "~EAC~ or ~SVR~"
    UNKNOWN = "anything else"


_TRANSPORTS = {
    b"[XWB]": Transport.NS,
    b"{XWB}": Transport.OLD,
    b"<?xml": Transport.M2M,
    b"~BSE~": Transport.BSE,
    b"~EAC~": Transport.STUB,
    b"~SVR~": Transport.STUB,
}


def first_five(data: bytes) -> Transport | None:
    """Tell the transport by a connection's first bytes; None while there are fewer than five."""
    return None if len(data) < 5 else _TRANSPORTS.get(bytes(data[:5]), Transport.UNKNOWN)


@dataclass(frozen=True, slots=True)
class CommandReceived:
    """A command came: `TCPConnect`, `#BYE#` (in an envelope or bare) or one that VistA does not know.

    `#BYE#` is answered whatever `reply` says. Without a parameter chunk a command whose text is part of
    `TCPConnect^#BYE#` gets an empty answer inside a session, any other `No RPC sent`.
    """

    name: bytes
    parameters: tuple[Parameter, ...] = ()
    reply: bool = True
    has_parameter_chunk: bool = True


@dataclass(frozen=True, slots=True)
class CallReceived:
    """A remote procedure call came.

    An empty name means that none was sent. When `reply` is false the procedure runs and nothing is answered. Without a
    parameter chunk VistA's call fails with an M error. `command` is the text of a command chunk in the same message,
    which only the first message of a connection looks at.
    """

    name: bytes
    version: bytes = b""
    parameters: tuple[Parameter, ...] = ()
    reply: bool = True
    has_parameter_chunk: bool = True
    command: bytes = b""


@dataclass(frozen=True, slots=True)
class ChunkRefused:
    """A message began with something that is no chunk; VistA refuses it with the text `Invalid Chunk`."""

    chunk: bytes
    reply: bool = True


@dataclass(frozen=True, slots=True)
class ParameterFailed:
    """The check given to the decoder refused a reference or a subscript: an M error while the message was being read.

    As in VistA the rest of the message stays unread and is taken for the next one; `discard_through_eot` avoids that.
    """

    name: bytes
    text: bytes
    reason: str
    reply: bool = True


@dataclass(frozen=True, slots=True)
class HeaderSkipped:
    """Five bytes inside a session were no header; VistA passes over them without a word.

    `offset` counts from the first byte of the connection.
    """

    data: bytes
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Violated:
    """The connection is to be closed without a byte; nothing more is decoded.

    `reason` says what was expected, and with which byte of the connection, the first being 0, it went wrong.
    """

    reason: str


Event = CommandReceived | CallReceived | ChunkRefused | ParameterFailed | HeaderSkipped | Violated


class Pending(Enum):
    """What the decoder waits for, and so how long a silence is borne (section "time-outs" of `BREAD^XWBRW`)."""

    MESSAGE = "the next message"
    REST = "the rest of a message"
    CUT = "the rest of a read that holds an EOT already"


class Checked(Enum):
    """What VistA evaluates while it reads a message."""

    REFERENCE = "reference"
    SUBSCRIPT = "subscript"


Check = Callable[[Checked, bytes], str | None]
"""Gives the reason why a reference's or subscript's text cannot be evaluated, None when it can."""
