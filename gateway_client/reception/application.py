"""What a program that receives objects is asked and told: connections, where objects go, whether they are taken, commitment."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from io import BytesIO
from pathlib import Path
from typing import ParamSpec

from pydicom import Dataset, dcmread

from gateway_client.acquisition.placement import move, write
from gateway_client.commitment.transaction import CommitmentResult, Reference
from gateway_client.errors import GatewayError, PlacementError
from gateway_client.objects.part10 import FileMeta, encode_head
from gateway_client.reception.spool import Origin


class Keep(Enum):
    """Where an object goes that is given no file: into the spool, to be filed by the gateway, or into memory."""

    SPOOL = "spool"
    MEMORY = "memory"


#: A file of the application's own, or one of the above.
Place = Path | Keep

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that has come whole: what its C-STORE names, who sent it, and where it is.

    `file` is on disk, a Part 10 file; one `in_spool` may be read, not moved. `data` is the data set of one in memory. `digest`
    is the data set's SHA-256.
    """

    meta: FileMeta
    origin: Origin
    file: Path | None = None
    data: bytes = field(default=b"", repr=False)
    digest: str = field(default="", repr=False)
    in_spool: bool = False

    def part10(self) -> bytes:
        """Give it as the bytes of a Part 10 file. Raises OSError."""
        return self.file.read_bytes() if self.file is not None else encode_head(self.meta) + self.data

    def dataset(self) -> Dataset:
        """Read it with pydicom. Raises what pydicom raises, and OSError."""
        return dcmread(BytesIO(self.part10()))

    def move(self, target: Path) -> StoredObject:
        """Rename its file, also into another file system, or write one of an object in memory; give it as it lies there.

        It is durable under the new name when this returns. A file of another object is not replaced: raises PlaceTaken, and
        PlacementError, for an object in the spool too.
        """
        if self.in_spool:
            raise PlacementError("An object in the spool is filed from there: choose a file for it before.")
        if not target.is_absolute():
            raise PlacementError(f"{target} is no absolute path.")
        if self.file is not None:
            move(self.file, target, self.digest)
            return replace(self, file=target)
        written = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            write(written, self.part10())
            move(written, target, self.digest)
        except PlacementError:
            with contextlib.suppress(OSError):
                written.unlink(missing_ok=True)
            raise
        return replace(self, file=target, data=b"")


class Application:
    """Decides what is taken; override what you want to decide or hear.

    The calls of one association come one after the other, those of several side by side, never in the reactor's thread: they
    may take their time, their sender waits. One that raises, or answers with what is not of its type (None, a coroutine),
    refuses what it was asked for, with a traceback in the log.
    """

    def accept_connection(self, origin: Origin) -> bool:
        """Say whether a peer gets its association: by its calling AE title, the called one, and its address."""
        return True

    def choose_place(self, meta: FileMeta, origin: Origin) -> Place:
        """Say where an object goes that is about to come. A file that is there already, with another object, is not replaced."""
        return Keep.SPOOL

    def accept_object(self, stored: StoredObject) -> bool:
        """Say whether an object is taken: its sender hears 0000H, or C000H.

        Its file may be moved before, by `move`. One that is refused is removed, unless it was moved. The bytes of an object in
        memory are the application's from here on; nobody else keeps them.
        """
        return True

    def not_stored(self, meta: FileMeta, origin: Origin, why: GatewayError) -> None:
        """Hear of an object that began to come and was not stored, for another reason than the application's refusal."""

    def commits(self, reference: Reference, origin: Origin) -> bool:
        """Say whether an instance is safe that a peer asks to have committed, one that the gateway has not filed itself."""
        return False

    def hear_commitment(self, result: CommitmentResult, origin: Origin) -> bool:
        """Hear what came of a storage commitment, and say whether the application asked for it; a gateway's own is told too.

        The peer hears 0000H only after that. It may tell the same again, when its answer was lost.
        """
        return False

    def timed_out(self, origin: Origin) -> None:
        """Hear that a peer was silent for too long; its association was aborted."""

    def disconnected(self, origin: Origin) -> None:
        """Hear that an association has ended, in whatever way."""


def verdict(method: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> bool:
    """Ask a method of an application that says yes or no. Raises TypeError for any other answer, true or not."""
    answer = method(*args, **kwargs)
    if not isinstance(answer, bool):
        raise TypeError(f"{_answered(method, answer)}, neither True nor False")
    return answer


def place(method: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Place:
    """Ask a method of an application where an object goes. Raises TypeError for an answer that is no place."""
    answer = method(*args, **kwargs)
    if not isinstance(answer, Path | Keep):
        raise TypeError(f"{_answered(method, answer)}, neither a pathlib.Path nor a Keep")
    return answer


def _answered(method: Callable[..., object], answer: object) -> str:
    return f"{getattr(method, '__qualname__', method)} answered a {type(answer).__name__}"
