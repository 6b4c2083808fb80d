"""Objects that come by C-STORE, kept in a folder under their SOP Instance UIDs."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import BinaryIO

from console.errors import ConsoleError
from dul import Request, Sink
from gateway_client import FileMeta, encode_head
from runtime import make_directories, sync_directory

_SUCCESS = 0x0000
#: PS3.4 B.2.3: out of resources, cannot understand.
_OUT_OF_RESOURCES, _CANNOT_UNDERSTAND = 0xA700, 0xC000
#: What may be the name of a file: a UID is given by a peer.
_UID = re.compile(r"[0-9][0-9.]{0,63}")


@dataclass(slots=True)
class Keeper:
    """Keeps objects durably, in place of files of the same names; each is answered when it is on the disk."""

    folder: Path
    kept: list[Path] = field(default_factory=list)
    #: Why objects were not kept, by SOP Instance UID.
    failed: dict[str, str] = field(default_factory=dict)
    #: Bytes of data sets that came.
    size: int = 0
    #: The files of what is on its way in: an object may come over two associations at once.
    coming: set[Path] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Make the folder. Raises ConsoleError."""
        try:
            make_directories(self.folder)
        except OSError as error:
            raise ConsoleError(f"{self.folder} cannot be written: {error.strerror}.") from error

    def store(self, request: Request) -> Sink:
        """Take a C-STORE up."""
        return _Incoming(self, request)

    def part_of(self, uid: str) -> Path:
        """Name the file of an object that is not whole yet; what an earlier run left under that name is written over."""
        names = chain([f".{uid}.part"], (f".{uid}.{number}.part" for number in count(2)))
        return next(part for name in names if (part := self.folder / name) not in self.coming)


class _Incoming:
    """One object on its way in: it has its name when it is whole."""

    def __init__(self, keeper: Keeper, request: Request) -> None:
        self._keeper, self._request = keeper, request
        self._uid = request.command.sop_instance or ""
        self._file: BinaryIO | None = None
        self._status = _SUCCESS
        if _UID.fullmatch(self._uid) is None:
            self._fail(_CANNOT_UNDERSTAND, "its UID is none")
            return
        meta = FileMeta(request.command.sop_class or "", self._uid, request.transfer_syntax)
        self._path = keeper.folder / f"{self._uid}.dcm"
        self._part = keeper.part_of(self._uid)
        try:
            self._file = self._part.open("wb")
            keeper.coming.add(self._part)
            self._file.write(encode_head(meta))
        except OSError as error:
            self._fail(_OUT_OF_RESOURCES, error.strerror or str(error))

    def write(self, data: memoryview) -> None:
        """Take a piece; one of an object that cannot be kept is let go."""
        self._keeper.size += len(data)
        if self._file is not None:
            try:
                self._file.write(data)
            except OSError as error:
                self._fail(_OUT_OF_RESOURCES, error.strerror or str(error))

    def finish(self) -> None:
        """Put the object in its place, and answer."""
        if self._file is not None:
            try:
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                self._part.rename(self._path)
                sync_directory(self._keeper.folder)
                self._keeper.kept.append(self._path)
            except OSError as error:
                self._fail(_OUT_OF_RESOURCES, error.strerror or str(error))
            self._keeper.coming.discard(self._part)
        self._request.respond(self._status)

    def abandon(self) -> None:
        """Forget what is not whole."""
        if self._file is not None:
            self._fail(_OUT_OF_RESOURCES, "the association ended before it was whole")

    def _fail(self, status: int, why: str) -> None:
        self._status = status
        self._keeper.failed[self._uid] = why
        if self._file is not None:
            file, self._file = self._file, None
            with contextlib.suppress(OSError):  # what is left in its buffer cannot be written either
                file.close()
            self._part.unlink(missing_ok=True)
            self._keeper.coming.discard(self._part)
