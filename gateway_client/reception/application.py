"""What a program that receives objects is asked and told: connections, where objects go, whether they are taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from io import BytesIO
from pathlib import Path

from pydicom import Dataset, dcmread

from gateway_client.objects.part10 import FileMeta, encode_head
from gateway_client.reception.spool import Origin


class Keep(Enum):
    """Where an object goes that is given no file: into the spool, to be filed by the gateway, or into memory."""

    SPOOL = "spool"
    MEMORY = "memory"


#: A file of the application's own, or one of the above.
Place = Path | Keep


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that has come whole: what its C-STORE names, who sent it, and where it is.

    `file` is on disk, a Part 10 file; one in the spool may be read, not moved. `data` is the data set of one in memory.
    """

    meta: FileMeta
    origin: Origin
    file: Path | None = None
    data: bytes = field(default=b"", repr=False)

    def part10(self) -> bytes:
        """Give it as the bytes of a Part 10 file. Raises OSError."""
        return self.file.read_bytes() if self.file is not None else encode_head(self.meta) + self.data

    def dataset(self) -> Dataset:
        """Read it with pydicom. Raises what pydicom raises, and OSError."""
        return dcmread(BytesIO(self.part10()))


class Application:
    """Decides what is taken; override what you want to decide or hear.

    The calls of one association come one after the other, those of several side by side, never in the reactor's thread: they
    may take their time, their sender waits. One that raises refuses what it was asked for, with a traceback in the log.
    """

    def accept_connection(self, origin: Origin) -> bool:
        """Say whether a peer gets its association: by its calling AE title, the called one, and its address."""
        return True

    def choose_place(self, meta: FileMeta, origin: Origin) -> Place:
        """Say where an object goes that is about to come. A file that is there already, with another object, is not replaced."""
        return Keep.SPOOL

    def accept_object(self, stored: StoredObject) -> bool:
        """Say whether an object is taken: its sender hears 0000H, or C000H.

        Its file may be renamed or moved before. One that is refused is removed, unless it was moved. The bytes of an object in
        memory are the application's from here on; nobody else keeps them.
        """
        return True

    def timed_out(self, origin: Origin) -> None:
        """Hear that a peer was silent for too long; its association was aborted."""

    def disconnected(self, origin: Origin) -> None:
        """Hear that an association has ended, in whatever way."""
