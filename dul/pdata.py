"""P-DATA-TF (PS3.8 9.3.5): fragments read as they arrive, without copying, and messages cut to the peer's measure."""

from __future__ import annotations

from collections.abc import Container
from struct import Struct

from dul.errors import PeerViolation
from dul.events import Event, Fragment
from dul.pdus import DEFAULT_MAXIMUM, PDU_LIMIT, AbortReason, PduType

_PDV_HEADER = Struct(">IBB")  # length, presentation context, message control header
_PDV_HEADER_LENGTH = 6
_PDU_AND_PDV_HEADER = Struct(">BxIIBB")
_COMMAND = 1
_LAST = 2
_COUNTED = 2  # the length of a PDV counts its context id and its message control header


class FragmentReader:
    """Read the presentation data values of one P-DATA-TF after another; of what came it holds part of a header at most.

    The standard wants fragments of even length (PS3.8 9.3.1, E.2); odd ones are sent, and taken.
    """

    __slots__ = ("_command", "_context_id", "_held", "_last", "_pdv_left", "left")

    def __init__(self) -> None:
        self.left = 0
        """How many bytes of the PDU are still to come."""
        self._pdv_left = -1
        self._context_id = 0
        self._command = self._last = False
        self._held = bytearray()

    @property
    def held(self) -> int:
        """How many bytes are held."""
        return len(self._held)

    def read(self, view: memoryview, at: int, events: list[Event], contexts: Container[int], position: int) -> int:
        """Add what a view has of the PDU, from a place on, to the events; give the place after it.

        `position` is that of the view's first byte on the connection. Raises PeerViolation.
        """
        end = min(len(view), at + self.left)
        self.left -= end - at
        while self._pdv_left >= 0 or at < end or self._held:
            if self._pdv_left < 0:
                at = self._read_header(view, at, end, contexts, position)
            if self._pdv_left < 0 or (at == end and self._pdv_left):
                break
            stop = at + self._pdv_left
            if stop <= end:
                events.append(Fragment(self._context_id, self._command, self._last, view[at:stop], position + at))
                self._pdv_left = -1
                at = stop
            else:
                events.append(Fragment(self._context_id, self._command, False, view[at:end], position + at))
                self._pdv_left = stop - end
                break
        return end

    def _read_header(self, view: memoryview, at: int, end: int, contexts: Container[int], position: int) -> int:
        held = self._held
        if held or end - at < _PDV_HEADER_LENGTH:
            taken = min(end - at, _PDV_HEADER_LENGTH - len(held))
            held += view[at : at + taken]
            at += taken
            if len(held) < _PDV_HEADER_LENGTH:
                if not self.left:
                    raise self._violation("A PDU ends within the header of a PDV.", position + at - len(held))
                return at
            length, context_id, control = _PDV_HEADER.unpack(held)
            held.clear()
        else:
            length, context_id, control = _PDV_HEADER.unpack_from(view, at)
            at += _PDV_HEADER_LENGTH
        start = position + at - _PDV_HEADER_LENGTH
        if not _COUNTED <= length <= end - at + self.left + _COUNTED:
            raise self._violation(f"The length of a PDV, {length}, is not one that its PDU has room for.", start)
        if context_id not in contexts:
            raise self._violation(f"Presentation context {context_id} was not accepted.", start)
        self._pdv_left = length - _COUNTED
        self._context_id = context_id
        self._command = bool(control & _COMMAND)
        self._last = bool(control & _LAST)
        return at

    def _violation(self, message: str, position: int) -> PeerViolation:
        self._held.clear()
        return PeerViolation(message, AbortReason.INVALID_PARAMETER, position)


def pdv_header(context_id: int, length: int, *, command: bool, last: bool) -> bytes:
    """Write the headers of a P-DATA-TF and of the one PDV in it, which has so many bytes."""
    control = _COMMAND * command + _LAST * last
    counted = length + _COUNTED
    return _PDU_AND_PDV_HEADER.pack(PduType.P_DATA_TF, counted + 4, counted, context_id, control)


def fragment_size(maximum: int) -> int:
    """Give the most bytes, an even number, that a fragment may have for a peer which takes PDUs of so many; 0 is no limit.

    It has no more than `PDU_LIMIT` allows, whatever the peer takes: a file is read into memory by this measure.
    """
    return (min(maximum or DEFAULT_MAXIMUM, PDU_LIMIT) - _PDV_HEADER_LENGTH) & ~1


def split_fragments(
    context_id: int, data: bytes | memoryview, maximum: int, *, command: bool, last: bool
) -> list[bytes | memoryview]:
    """Cut bytes into P-DATA-TFs of one PDV each, of views; `last` is set on the last of them. No bytes are one empty PDV."""
    size = fragment_size(maximum)
    view = memoryview(data)
    length = len(view)
    buffers: list[bytes | memoryview] = []
    for start in range(0, length or 1, size):
        stop = start + size
        ends = stop >= length
        buffers.append(pdv_header(context_id, min(stop, length) - start, command=command, last=last and ends))
        buffers.append(view[start:stop])
    return buffers


def split(context_id: int, command: bytes, data: bytes | memoryview | None, maximum: int) -> list[bytes | memoryview]:
    """Cut a message to the peer's maximum PDU length; None is a message without a data set.

    Command and data set stand in PDUs apart: one PDU may hold both, but not every peer reads that.
    """
    buffers = split_fragments(context_id, command, maximum, command=True, last=True)
    if data is None:
        return [b"".join(buffers)]
    rest = split_fragments(context_id, data, maximum, command=False, last=True)
    # A command is short: copied together with the header that follows it, it is one buffer of the write.
    return [b"".join((*buffers, rest[0])), *rest[1:]]
