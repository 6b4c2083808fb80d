"""Files copied one after another: whole, for their owner's eyes alone, with a digest of what was read, and durable at the end."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from console.backup.errors import BackupError
from console.backup.manifest import Entry
from runtime import sync_directory

#: Bytes that are read at a time, and files that the disk writes before the first is waited for: in a file system with a journal
#: that is one commit, not one for each.
_CHUNK, _TOGETHER = 1 << 20, 64
_TO_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW


class Gone(Exception):
    """The file is not there any more; what that means is for the caller to say."""


@dataclass(slots=True)
class Copier:
    """Copies files; `tell` hears how many bytes were copied. Everything is durable once `finish` has returned."""

    tell: Callable[[int], None] = lambda _: None
    _open: list[int] = field(default_factory=list)
    _directories: set[Path] = field(default_factory=set)

    def copy(self, source: Path, target: Path) -> Entry:
        """Copy a file with its time of change, in place of what is there. Raises Gone, and BackupError that names the file."""
        try:
            reading = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise Gone(source) from error
        except OSError as error:
            raise _unread(source, error) from error
        try:
            self.make_directory(target.parent)
            try:
                writing = os.open(target, _TO_WRITE, 0o600)
            except OSError as error:
                raise _unwritten(target, error) from error
            self._open.append(writing)
            return self._copy(source, reading, target, writing)
        finally:
            os.close(reading)
            if len(self._open) >= _TOGETHER:
                self._sync()

    def _copy(self, source: Path, reading: int, target: Path, writing: int) -> Entry:
        digest, size = hashlib.sha256(), 0
        while True:
            try:
                chunk = os.read(reading, _CHUNK)
            except OSError as error:
                raise _unread(source, error) from error
            if not chunk:
                break
            digest.update(chunk)
            size += len(chunk)
            try:
                left = memoryview(chunk)
                while left:
                    left = left[os.write(writing, left) :]
            except OSError as error:
                raise _unwritten(target, error) from error
            self.tell(len(chunk))
        changed_at = os.fstat(reading).st_mtime_ns
        os.utime(writing, ns=(changed_at, changed_at))
        with contextlib.suppress(OSError):  # an advice: Linux begins to write what is dirty
            os.posix_fadvise(writing, 0, 0, os.POSIX_FADV_DONTNEED)
        return Entry(size, digest.hexdigest())

    def make_directory(self, directory: Path) -> None:
        """Make a directory, and those above it, for its owner alone. Raises BackupError."""
        if directory in self._directories:
            return
        missing = []
        above = directory
        while not above.is_dir():
            missing.append(above)
            above = above.parent
        try:
            for new in reversed(missing):
                new.mkdir(mode=0o700)
        except OSError as error:
            raise _unwritten(directory, error) from error
        self._directories |= {directory, *missing, *(new.parent for new in missing)}

    def finish(self) -> None:
        """Wait until all is on disk, names included. Raises BackupError."""
        self._sync()
        for directory in self._directories:
            try:
                sync_directory(directory)
            except OSError as error:
                raise _unwritten(directory, error) from error
        self._directories.clear()

    def close(self) -> None:
        """Close what is open, however far it is."""
        while self._open:
            os.close(self._open.pop())

    def _sync(self) -> None:
        try:
            for descriptor in self._open:
                os.fsync(descriptor)
        except OSError as error:
            raise BackupError(f"What was copied cannot be kept: {error.strerror}.") from error
        finally:
            self.close()


def digest_of_file(file: Path, tell: Callable[[int], None]) -> Entry:
    """Read a file, and give what it is; `tell` hears of its bytes. Raises Gone and BackupError."""
    try:
        with file.open("rb", buffering=0) as opened:
            digest, size = hashlib.sha256(), 0
            while chunk := opened.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                tell(len(chunk))
            return Entry(size, digest.hexdigest())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Gone(file) from error
    except OSError as error:
        raise _unread(file, error) from error


def _unread(file: Path, error: OSError) -> BackupError:
    return BackupError(f"{file} cannot be read: {error.strerror}.")


def _unwritten(file: Path, error: OSError) -> BackupError:
    return BackupError(f"{file} cannot be written: {error.strerror}.")
