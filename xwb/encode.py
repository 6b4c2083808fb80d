"""The client's half of `[XWB]`: calls and commands as bytes."""

from collections.abc import Iterable, Sequence
from itertools import chain

from xwb.errors import CannotEncode
from xwb.events import BYE, CONNECT, EOT, PREFIX, CallReceived, CommandReceived
from xwb.parameters import Empty, GlobalParameter, ListParameter, Literal, Parameter, Reference

VERSION = b"1.108"
WIDTHS = (3, 5, 6, 7, 8, 9)
"""The widths of length fields to choose from: 3 is what every broker and client knows, 5 what newer VA clients send."""

NO_PARAMETERS = b"54f"
_TYPES: dict[type, bytes] = {Literal: b"0", Reference: b"1", ListParameter: b"2", GlobalParameter: b"3"}


def _short(value: bytes) -> bytes:
    """Write an S_PACK: one length byte and the value."""
    if len(value) > 255:
        raise CannotEncode(f"A name or version may have 255 bytes, not {len(value)}.")
    return bytes((len(value),)) + value


def _length(length: int, width: int) -> bytes:
    digits = b"%0*d" % (width, length)
    if len(digits) > width:
        raise CannotEncode(f"A value of {length} bytes does not fit a length of {width} digits.")
    return digits


def _long(value: bytes, width: int) -> bytes:
    """Write an L_PACK: so many digits and the value."""
    return _length(len(value), width) + value


def _longest(parameter: Parameter) -> int:
    match parameter:
        case Literal(value) | Reference(value):
            return len(value)
        case ListParameter(pairs) | GlobalParameter(pairs):
            return max(map(len, chain.from_iterable(pairs)), default=0)
    return 0


def fitting_width(parameters: Iterable[Parameter]) -> int:
    """Choose the narrowest usual length field that every value fits: 3, then 5 and more."""
    longest = max(map(_longest, parameters), default=0)
    for width in WIDTHS:
        if longest < 10**width:
            return width
    raise CannotEncode(f"No length field holds {longest} bytes.")


def _parameter(parameter: Parameter, width: int) -> bytes:
    match parameter:
        case Empty():
            return b"4f"
        case Literal(value) | Reference(value):
            return _TYPES[type(parameter)] + _long(value, width) + b"f"
        case ListParameter(pairs) | GlobalParameter(pairs):
            if not pairs:
                return _TYPES[type(parameter)] + _long(b"", width) + b"f"
            if any(not subscript for subscript, _ in pairs):
                raise CannotEncode("A list subscript may not be empty: it would end the list.")
            lengths = {length: _length(length, width) for length in set(map(len, chain.from_iterable(pairs)))}
            body = b"t".join([lengths[len(name)] + name + lengths[len(value)] + value for name, value in pairs])
            return _TYPES[type(parameter)] + body + b"f"


def _chunk(parameters: Sequence[Parameter], width: int) -> bytes:
    if not parameters:
        return NO_PARAMETERS
    return b"5" + b"".join(_parameter(parameter, width) for parameter in parameters)


def encode_command(name: bytes, parameters: Sequence[Parameter] = (), width: int = 3) -> bytes:
    """Write a command; without parameters it has no parameter chunk, as VA clients send `#BYE#`."""
    chunk = _chunk(parameters, width) if parameters else b""
    return b"".join((PREFIX, b"10%d04" % width, _short(name), chunk, EOT))


def encode_call(name: bytes, parameters: Sequence[Parameter] = (), version: bytes = VERSION, width: int | None = None) -> bytes:
    """Write a remote procedure call; the length fields get the narrowest width that fits unless one is given.

    Raises CannotEncode for a name or version over 255 bytes, and for a value that does not fit the width.
    """
    chosen = fitting_width(parameters) if width is None else width
    return b"".join(
        (PREFIX, b"11%d02" % chosen, _short(version), _short(name), _chunk(parameters, chosen), EOT),
    )


def encode_connect(address: bytes, client: bytes, port: bytes = b"0") -> bytes:
    """Write the first message of a connection: own address, call-back port (0, there is none) and client name."""
    return encode_command(CONNECT, (Literal(address), Literal(port), Literal(client)))


def encode_bye() -> bytes:
    """Write the last message of a connection."""
    return encode_command(BYE)


def encode_again(message: bytes, event: CallReceived | CommandReceived, parameters: Sequence[Parameter]) -> bytes:
    """Write a message that was decoded once more, with other parameters; `event` is what `message` was decoded to.

    Version, type and return digits stay as they came. So does the width of the length fields, unless a value has
    become too long for it. Raises CannotEncode for what fits no width.
    """
    header = len(PREFIX)
    came_with = message[header + 2] - 48
    width = max(came_with if 1 <= came_with <= 9 else 3, fitting_width(parameters))
    chunks = []
    if isinstance(event, CallReceived):
        if event.command:
            chunks += [b"4", _short(event.command)]
        chunks += [b"2", _short(event.version), _short(event.name)]
    else:
        chunks += [b"4", _short(event.name)]
    if event.has_parameter_chunk:
        chunks.append(_chunk(parameters, width))
    return b"".join((message[: header + 2], b"%d" % width, message[header + 3 : header + 4], *chunks, EOT))
