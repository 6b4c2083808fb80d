"""The spool: where an object lies, durable, from before its C-STORE is answered until it is filed.

`tmp/` holds what is being received and is emptied at every start, `in/` what was promised to a sender, `held/` what was
refused and waits for a person. A file enters `in/` by a rename when all its bytes are on disk.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import logging
import os
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from gateway_client.errors import ObjectTooLarge, SpoolError, SpoolFull, SpoolShort
from gateway_client.objects.elements import Elements, scan_beginning, scan_file
from gateway_client.objects.header import InstanceHeader
from gateway_client.objects.part10 import HEAD_LIMIT, FileMeta, decode_head, digest_of, encode_head, read_meta
from gateway_client.objects.wholeness import ENDING
from runtime import Clock, make_directories, sync_directory

log = logging.getLogger(__name__)

#: Pieces that one system call takes.
_AT_ONCE = 64
#: Bytes at the beginning of a data set that a writer keeps, so that it can be identified without reading the file.
HEAD = 1 << 16
_FULL = {errno.ENOSPC, errno.EDQUOT}
_SHORT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
#: Seconds from which on an fsync is slow: files that wait for slow ones are synced at once, by so many threads.
_SLOW, _SYNCING = 0.0003, 8


@dataclass(frozen=True, slots=True)
class Origin:
    """Who sent an object, to whom, from which address, and to which instrument's port, none if to the default one.

    The association is one of a kind, and empty where it is not known.
    """

    calling: str = ""
    called: str = ""
    peer: str = ""
    instrument: str = ""
    association: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class SpooledFile:
    """An object in the spool; `name` is its file's name, `size` and `digest` (SHA-256) are the data set's.

    The `header` is there where it was read from what was received.
    """

    name: str
    meta: FileMeta
    size: int
    digest: str
    received_at: float
    origin: Origin = Origin()
    header: InstanceHeader | None = field(default=None, compare=False, repr=False)


class Spool:
    """The spool's directories. Raises SpoolError when they cannot be made. Objects are put in by one thread.

    Several processes may have the same, each with a tag of its own, which ends the names of the files that it puts in.
    """

    def __init__(
        self, directory: Path, clock: Clock, *, max_object_bytes: int = 1 << 32, free_space_floor: int = 0, tag: str = ""
    ) -> None:
        self.directory = directory
        self.max_object_bytes = max_object_bytes
        self.free_space_floor = free_space_floor
        self._clock = clock
        self._numbers = itertools.count()
        self._tag = tag or secrets.token_hex(4)
        self._temporary, self._in, self._held, self._kept = (directory / name for name in ("tmp", "in", "held", "kept"))
        try:
            for folder in (self._temporary, self._in, self._held, self._kept):
                make_directories(folder)
            self._in_descriptor = os.open(self._in, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise _problem(error) from error
        self._syncing = ThreadPoolExecutor(_SYNCING, thread_name_prefix="fsync")

    def begin(self, meta: FileMeta, origin: Origin = Origin()) -> SpoolWriter:
        """Begin to receive an object. Raises SpoolFull when the free space is below the floor, and SpoolError."""
        received_at = self._clock.seconds()
        instrument = f"{quote(origin.instrument, safe='')}-" if origin.instrument else ""
        name = f"{int(received_at * 1e6):017d}-{next(self._numbers):06d}-{instrument}{self._tag}.dcm"
        try:
            if self.free_space_floor and self.free_bytes() < self.free_space_floor:
                raise SpoolFull(f"Less than {self.free_space_floor} bytes are free in {self.directory}.")
            return SpoolWriter(self, name, meta, origin, received_at)
        except OSError as error:
            raise _problem(error) from error

    def keep(self, writers: Sequence[SpoolWriter]) -> list[SpooledFile | SpoolError]:
        """Make files durable and give them, or why one is not kept; only now may their senders hear of success.

        Their bytes are on disk before their names, and one fsync of the directory does for all names.
        """
        self._sync(writers)
        for writer in writers:
            writer.rename(self._in)
        try:
            os.fsync(self._in_descriptor)
        except OSError as error:
            for writer in writers:
                writer.take_back(error)
        return [writer.outcome() for writer in writers]

    def _sync(self, writers: Sequence[SpoolWriter]) -> None:
        """Sync files: one after another where that is quick, else together, so that the disk does it once for all."""
        began, slow = time.perf_counter(), False
        for place, writer in enumerate(writers):
            writer.sync()
            slow = time.perf_counter() - began > _SLOW
            if slow:
                for _ in self._syncing.map(SpoolWriter.sync, writers[place + 1 :]):
                    pass
                return

    def clear(self, tag: str = "") -> None:
        """Remove what was being received, all of it or that of a process that died; nobody was told that it is safe.

        Raises SpoolError where it cannot be listed.
        """
        try:
            names = _of(self._temporary, tag)
        except OSError as error:
            raise _problem(error) from error
        for name in names:
            try:
                (self._temporary / name).unlink()
            except OSError as error:
                log.error("%s stays in %s: %s", name, self._temporary, error)

    def take_over(self, files: Sequence[Path]) -> None:
        """Move files that are on disk, in the spool's file system, among those that wait. Raises SpoolError."""
        try:
            for file in files:
                file.rename(self.path(file.name))
            os.fsync(self._in_descriptor)
        except OSError as error:
            raise _problem(error) from error

    def path(self, name: str) -> Path:
        """Give the path of a file that waits to be filed."""
        return self._in / name

    def held_path(self, name: str) -> Path:
        """Give the path of a file that was refused."""
        return self._held / name

    def names(self, tag: str = "") -> list[str]:
        """List the files that wait, all or those of a process, oldest first."""
        return sorted(_of(self._in, tag))

    def read(self, name: str) -> SpooledFile:
        """Describe a file that was found without a journal entry; its sender's address is not known any more.

        Which instrument's port took it stands in its name.

        Raises NotPart10, and SpoolError when it cannot be read, SpoolShort when it may be another time.
        """
        path = self.path(name)
        try:
            meta, status = read_meta(path), path.stat()
            digest = digest_of(path)
        except OSError as error:
            raise _problem(error) from error
        origin = Origin(meta.sending_ae_title, meta.receiving_ae_title, "", _instrument_of(name))
        return SpooledFile(name, meta, status.st_size - meta.offset, digest, status.st_mtime, origin)

    def remove(self, name: str) -> None:
        """Forget a file that is filed or superfluous; one that is gone already is no error. Raises SpoolError."""
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self._in}/{name}")
        except OSError as error:
            raise _problem(error) from error

    def hold(self, name: str) -> None:
        """Put a refused file aside; one that is there already is no error. Raises SpoolError."""
        try:
            with contextlib.suppress(FileNotFoundError):
                self.path(name).rename(self.held_path(name))
                sync_directory(self._held)
        except OSError as error:
            raise _problem(error) from error

    def retain(self, name: str) -> None:
        """Put a file that is filed where it is kept; one that is there already is no error. Raises SpoolError."""
        try:
            with contextlib.suppress(FileNotFoundError):
                self.path(name).rename(self._kept / name)
        except OSError as error:
            raise _problem(error) from error

    def let_go(self, names: Sequence[str]) -> None:
        """Remove files that were kept, wherever a kill left them; what is gone already is no error. Raises SpoolError."""
        try:
            for name in names:
                for path in (self.path(name), self._kept / name):
                    with contextlib.suppress(FileNotFoundError):
                        path.unlink()
            sync_directory(self._kept)
        except OSError as error:
            raise _problem(error) from error

    def room(self) -> dict[str, object]:
        """Tell the free space, its share of what can be used, and on which device that is."""
        status = os.statvfs(self.directory)
        usable = status.f_blocks - status.f_bfree + status.f_bavail
        share = 100 * status.f_bavail / usable if usable else 100.0
        device = self.directory.stat().st_dev
        return {"free_bytes": status.f_bavail * status.f_frsize, "free_percent": f"{share:.1f}", "spool_device": device}

    def free_bytes(self) -> int:
        """Give the free space."""
        status = os.statvfs(self.directory)
        return status.f_bavail * status.f_frsize

    def close(self) -> None:
        """Give the directory up."""
        self._syncing.shutdown()
        os.close(self._in_descriptor)


class SpoolWriter:
    """One object on its way in: `write` its data set in pieces, then `commit`, or `discard` it.

    The first problem discards the file; it is raised and every later call raises it again.
    """

    def __init__(self, spool: Spool, name: str, meta: FileMeta, origin: Origin, received_at: float) -> None:
        self.meta = meta
        self.origin = origin
        self.size = 0
        self.head, self.end = bytearray(), b""
        #: What was read of the object's header.
        self.header: InstanceHeader | None = None
        self._spool = spool
        self._name = name
        self._path = f"{spool._temporary}/{name}"
        self._received_at = received_at
        self._digest = hashlib.sha256()
        self._begun = False
        self._problem: SpoolError | None = None
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)

    def write(self, *pieces: bytes | bytearray | memoryview) -> None:
        """Add bytes of the data set, in one write. Raises ObjectTooLarge, SpoolFull or SpoolError."""
        if self._problem is not None:
            raise self._problem
        self.size += sum(map(len, pieces))
        if self.size > self._spool.max_object_bytes:
            self._fail(ObjectTooLarge(f"The object is larger than {self._spool.max_object_bytes} bytes."))
        for piece in pieces:
            if len(self.head) < HEAD:
                self.head += piece[: HEAD - len(self.head)]
            self._digest.update(piece)
        for piece in pieces[-ENDING:]:  # a peer may send it byte by byte
            self.end = (self.end + bytes(piece[-ENDING:]))[-ENDING:]
        self._put(pieces)

    def commit(self) -> SpooledFile:
        """Make the file durable and give it. Raises SpoolFull or SpoolError."""
        if self._problem is not None:
            raise self._problem
        (kept,) = self._spool.keep([self])
        if isinstance(kept, SpoolError):
            raise kept
        return kept

    def show(self) -> Path:
        """Have all bytes on disk and say where they lie; the object is not kept yet. Raises SpoolFull or SpoolError."""
        self.sync()
        if self._problem is not None:
            raise self._problem
        return Path(self._path)

    def elements(self, wanted: frozenset[int]) -> Elements:
        """Read elements of what was written, those before the pixel data. Raises NotAnObject, and SpoolError."""
        found, pixels = scan_beginning(bytes(self.head), self.meta.transfer_syntax, wanted)
        if pixels is not None or len(self.head) == self.size:
            return found
        try:
            with open(self._path, "rb") as file:
                head = file.read(HEAD_LIMIT)
                return scan_file(file, head, decode_head(head, self._path).offset, self.meta.transfer_syntax, wanted)
        except OSError as error:
            raise _problem(error) from error

    @property
    def digest(self) -> str:
        """The SHA-256 of what was written of the data set."""
        return self._digest.hexdigest()

    def discard(self) -> None:
        """Forget the object."""
        self._problem = self._problem or SpoolError("The object was discarded.")
        self._close()
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    # What `Spool.keep` does with each; nothing is raised, and after a problem nothing more is done.

    def sync(self) -> None:
        """Have all bytes on disk."""
        try:
            if self._problem is None and self._descriptor >= 0:
                if not self._begun:
                    self._put(())
                os.fsync(self._descriptor)
                self._close()
        except OSError as error:
            self.take_back(error)
        except SpoolError:
            pass  # the outcome says it

    def rename(self, directory: Path) -> None:
        """Have it lie among those that were received."""
        if self._problem is None:
            target = f"{directory}/{self._name}"
            try:
                os.rename(self._path, target)
                self._path = target
            except OSError as error:
                self.take_back(error)

    def take_back(self, cause: OSError) -> None:
        """Forget it, as the disk does not keep it."""
        if self._problem is None:
            self._problem = _problem(cause)
            self._problem.__cause__ = cause
        self.discard()

    def outcome(self) -> SpooledFile | SpoolError:
        """Give what became of it."""
        if self._problem is not None:
            return self._problem
        return SpooledFile(self._name, self.meta, self.size, self.digest, self._received_at, self.origin, self.header)

    def _put(self, pieces: Sequence[bytes | bytearray | memoryview]) -> None:
        """Write pieces, before the first of them the file's head."""
        left = [piece for piece in pieces if piece]
        if not self._begun:
            self._begun = True
            left.insert(0, encode_head(self.meta))
        try:
            while left:
                written = os.writev(self._descriptor, left[:_AT_ONCE])
                while left and written >= len(left[0]):
                    written -= len(left.pop(0))
                if written:
                    left[0] = memoryview(left[0])[written:]
        except OSError as error:
            self._fail(_problem(error), error)

    def _fail(self, problem: SpoolError, cause: OSError | None = None) -> None:
        self._problem = problem
        self.discard()
        raise problem from cause

    def _close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


def _of(directory: Path, tag: str) -> list[str]:
    ending = f"-{tag}.dcm" if tag else ""
    return [entry.name for entry in os.scandir(directory) if entry.is_file() and entry.name.endswith(ending)]


def _instrument_of(name: str) -> str:
    """Read the instrument in a file's name; older ones have none."""
    return unquote("".join(name.split("-", 2)[2:]).rpartition("-")[0])


def _problem(error: OSError) -> SpoolError:
    if error.errno in _FULL:
        return SpoolFull(f"{error.strerror}.")
    return (SpoolShort if error.errno in _SHORT else SpoolError)(f"The spool does not work: {error}.")
