"""An object in a file, its C-STORE, and what became of it: what every storage SCU of ours is made of."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import BinaryIO

from dul import Asked, Category, Command, CommandField, DulError, Exchange, Response
from gateway_client.errors import GatewayError
from gateway_client.objects.elements import DEFLATED, HEADER, Elements, scan_beginning
from gateway_client.objects.part10 import HEAD_LIMIT, decode_head, encode_head
from gateway_client.objects.rewriting import rewritten_deflated
from gateway_client.objects.scanning import CHUNK
from gateway_client.objects.spans import FileBytes, encoding_of
from gateway_client.objects.splicing import Change, SplicedData

#: C-STOREs on their way at a time to a peer that agrees to it (PS3.7 D.3.3.3); to others it is one.
WINDOW = 8
#: Bytes that are read at once where an object is written to a file.
_AT_ONCE = 1 << 20
#: Bytes of a deflated data set that is changed, inflated; more are refused.
INFLATED = 1 << 30


class Result(Enum):
    """How a send ended.

    DOUBT: everything was handed over and no answer was seen. UNREACHABLE: no association. BROKEN: the association ended
    before the object was complete, so the destination cannot have it. REFUSED: the destination said no. UNSENT: not one byte
    of it went out. FAULT: it is not the destination's. PRESENT: not sent, as the destination says that it has it.
    """

    SENT = "sent"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"
    DOUBT = "doubt"
    UNSENT = "unsent"
    FAULT = "fault"
    PRESENT = "present"


#: The destination has it.
TAKEN = (Result.SENT, Result.PRESENT)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a send ended, and why; with status and Error Comment (0000,0902) where the answer was another than success."""

    result: Result
    reason: str = ""
    status: int = 0
    comment: str = ""


class ObjectFile:
    """An object in a file: what its head says, and its data set as it is, a source for the upper layer.

    With a `change` the data set is sent as that makes it. `begun` tells whether any of it was asked for; `before_last` is called
    before the last of it is given. `told` says as what it is sent, where that is another than it is here; `source` is what it was
    before it was transcoded.
    """

    def __init__(self, path: Path, change: Change | None = None) -> None:
        """Open it. Raises NotPart10, ModificationError for what cannot be changed, and OSError."""
        self._file: BinaryIO = path.open("rb", buffering=0)
        self._made_by, self._closed = change, False
        try:
            self.path, self.changed, self.told = path, False, ""
            head = self._file.read(HEAD_LIMIT)
            self.meta = decode_head(head, path)
            self.stored_as = self.meta.sop_instance_uid
            status = os.fstat(self._file.fileno())
            #: The same for the same bytes under the same name.
            self.identity = (path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            #: Bytes of the file.
            self.stored_size = status.st_size
            self._left = status.st_size - self.meta.offset
            self._beginning: Callable[[int], bytes] = partial(self._read_from, self.meta.offset)
            self._read: Callable[[int], bytes] = _Begun(memoryview(head)[self.meta.offset :], self._file).read
            if change is not None:
                self._file.seek(self.meta.offset)
                self._read = self._file.read
                self._change(change)
        except BaseException:
            self._file.close()
            raise
        #: A deflated data set of odd length is padded (PS3.5 A.5); DCMTK takes no odd length.
        self._padding = b"\0" if self.meta.transfer_syntax == DEFLATED and self._left % 2 else b""
        self.size = self._left + len(self._padding)
        self.begun = False
        self.source: ObjectFile | None = None
        self.before_last: Callable[[], None] = _nothing

    def read(self, count: int) -> bytes:
        """Give so many bytes. Raises OSError where the file ends before."""
        self.begun = True
        self._open_again()
        data = self._read(min(count, self._left))
        if len(data) < min(count, self._left):
            raise OSError(None, "the file has become shorter")
        self._left -= len(data)
        self.size -= count
        if not self.size:
            self.before_last()
        return data if len(data) == count else data + self._padding

    @property
    def handed_over(self) -> bool:
        """Tell whether all of it was given."""
        return self.begun and not self.size

    def elements(self, wanted: frozenset[int]) -> Elements:
        """Give elements as they are sent. Raises NotAnObject and OSError."""
        self._open_again()
        found, pixels = scan_beginning(self._beginning(CHUNK), self.meta.transfer_syntax, wanted)
        if pixels is None and not all(map(found.has_value, wanted)):
            found, _ = scan_beginning(self._beginning(HEADER), self.meta.transfer_syntax, wanted)
        return found

    def beginning(self, count: int) -> bytes:
        """Give the first bytes of the data set, as they are sent. Raises OSError."""
        self._open_again()
        return self._beginning(count)

    def _read_from(self, offset: int, count: int) -> bytes:
        return os.pread(self._file.fileno(), count, offset)

    def _change(self, change: Change) -> None:
        """Have the data set as a change makes it, under the SOP Instance UID that it then has."""
        if self.meta.transfer_syntax == DEFLATED:
            made = rewritten_deflated(self._file, self.meta, change, INFLATED)
            self._file.seek(self.meta.offset)
            if made is None:
                return
            self._file.close()
            self._file, modified = made
            self._read, self._left = self._file.read, os.fstat(self._file.fileno()).st_size
            self._beginning = partial(self._read_from, 0)
        else:
            data = FileBytes(self._file, self.meta.offset)
            found = change(data, encoding_of(self.meta.transfer_syntax))
            if found is None:
                return
            modified = found
            spliced = SplicedData(data, modified.pieces)
            self._read, self._left, self._beginning = spliced.read, spliced.size, spliced.beginning
        self.changed = True
        if modified.sop_instance_uid not in ("", self.meta.sop_instance_uid):
            self.meta = replace(self.meta, sop_instance_uid=modified.sop_instance_uid)
            self.told = f"It is {modified.sop_instance_uid} there."

    def save(self, path: Path) -> None:
        """Write it to a file as it is sent, of which nothing is begun by that. Raises OSError, and as when it is opened."""
        again = ObjectFile(self.path, self._made_by)
        try:
            with path.open("wb") as file:
                file.write(encode_head(again.meta))
                while again.size:
                    file.write(again.read(min(again.size, _AT_ONCE)))
        finally:
            again.close()

    def put_away(self) -> None:
        """Close the file until it is read: of many objects that wait few are open."""
        self._file.close()
        self._read = self._file.read  # what was read with the head is let go

    def _open_again(self) -> None:
        """Have the file open again that was put away. Raises OSError where it has changed meanwhile."""
        if self._closed or not self._file.closed:
            return
        try:
            again = ObjectFile(self.path, self._made_by)
        except GatewayError as error:
            raise OSError(None, str(error)) from error
        self._file, self._read, self._beginning = again._file, again._read, again._beginning
        if again.size != self.size:
            raise OSError(None, "the file has changed")

    def close(self) -> None:
        """Close the file."""
        self._closed = True
        self.put_away()


class _Begun:
    """Reads on in a file of which something was read already: of a small one no more than its end."""

    def __init__(self, held: memoryview, file: BinaryIO) -> None:
        self._held, self._file = held, file

    def read(self, count: int) -> bytes:
        """Give so many bytes, or what is left."""
        data, self._held = bytes(self._held[:count]), self._held[count:]
        return data if len(data) == count else data + self._file.read(count - len(data))


def _nothing() -> None:
    pass


def ask_to_store(
    exchange: Exchange, one: ObjectFile, priority: int = 0, originator: tuple[str, int] | None = None
) -> Asked | None:
    """Make the C-STORE of an object (PS3.7 9.1.1); None where the association does not take it as it is.

    `originator` is who asked for a C-MOVE, by AE title and message id.
    """
    context = exchange.context_for(one.meta.sop_class_uid, one.meta.transfer_syntax)
    if context is None:
        return None
    command = Command(
        field=CommandField.C_STORE_RQ,
        sop_class=one.meta.sop_class_uid,
        sop_instance=one.meta.sop_instance_uid,
        priority=priority,
        move_originator=originator[0] if originator else None,
        move_originator_message_id=originator[1] if originator else None,
    )
    return exchange.ask(context, command, source=one)


def outcome_of(response: Response, warnings: Collection[int] | None = None) -> Outcome:
    """Tell what an answer means: a warning counts as stored, or those alone that are named."""
    status = response.command.status or 0
    if status == 0x0000:
        return Outcome(Result.SENT)
    comment = response.command.error_comment or ""
    reason = f"status {status:04X}{f', {comment}' if comment else ''}"
    taken = response.category is Category.WARNING if warnings is None else status in warnings
    return Outcome(Result.SENT if taken else Result.REFUSED, reason, status, comment)


def outcome_when_lost(one: ObjectFile, asked: Asked, error: DulError) -> Outcome:
    """Tell what became of an object whose association was lost."""
    if asked.handed_over:
        return Outcome(Result.DOUBT, f"No answer was seen: {error}")
    if one.begun:
        return Outcome(Result.BROKEN, f"The connection was lost while the object was sent: {error}")
    return Outcome(Result.UNSENT, f"The association was lost: {error}")


def sentence(reason: str) -> str:
    """End a reason, which may be a peer's own words, with a full stop, so that more can be said behind it."""
    said = reason.rstrip()
    return said if not said or said.endswith((".", "!", "?")) else f"{said}."
