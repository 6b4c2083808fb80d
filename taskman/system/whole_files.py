"""Files copied from one network location to another, whole and compared on disk, and what is wrong when they are not."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fileman import Folder
from runtime import make_directories, sync_directory
from taskman.errors import TaskManError
from taskman.system.folders import GONE, LocationUnfit, file_in, path_in

_CHUNK = 1 << 20
#: What is wrong with the location that is written to, and no image's fault: it is gone, full or protected.
_UNFIT = {*GONE, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM}


class NotCopied(TaskManError):
    """The file cannot be copied, or read."""


class _Gone(TaskManError):
    """A file cannot be read because its whole location is gone."""

    def __init__(self, message: str, file: Path) -> None:
        self.file = file
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Contents:
    """How many bytes a file has, and their SHA-256."""

    size: int
    digest: str


def copy_file(source: Folder, target: Folder, name: str, expected: str = "") -> Contents:
    """Copy one file beside its place, compare it on disk, give it its name; tell what it holds.

    What is there already is never written over. With an `expected` digest nothing else is copied. Raises NoFile, NotCopied and
    LocationUnfit.
    """
    if not target.is_there and not target.relative:
        raise LocationUnfit(f"the folder of {target.name} is not there", target.ien)
    from_path = file_in(source, name)
    to_path = path_in(target, name)
    try:
        return _copy(from_path, to_path, expected)
    except _Gone as gone:
        of = source if gone.file == from_path else target
        raise LocationUnfit(str(gone), of.ien) from gone
    except OSError as error:
        if error.errno in _UNFIT:
            raise LocationUnfit(f"{target.name}: {error.strerror}", target.ien) from error
        raise NotCopied(f"{to_path} cannot be written: {error.strerror or error}") from error


def contents_of(folder: Folder, name: str) -> Contents:
    """Read a file whole. Raises NoFile, NotCopied and LocationUnfit."""
    try:
        return _read(file_in(folder, name))
    except _Gone as gone:
        raise LocationUnfit(str(gone), folder.ien) from gone


def _copy(source: Path, target: Path, expected: str) -> Contents:
    """Copy a file; an OSError is the target's. Raises _Gone and NotCopied."""
    make_directories(target.parent)
    if target.exists():
        contents = _read(source)
        _check(source, contents, expected)
        if _read(target) != contents:
            raise NotCopied(f"another file is at {target} already")
        sync_directory(target.parent)  # the process may have died before it was
        return contents
    temporary = target.with_name(f".{target.name}.part")
    try:
        with temporary.open("wb") as writer:
            contents = _read(source, writer.write)
            _check(source, contents, expected)
            writer.flush()
            os.fsync(writer.fileno())
        if _read(temporary) != contents:
            raise NotCopied(f"the copy at {temporary} differs from its source")
        temporary.rename(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_directory(target.parent)
    return contents


def _check(source: Path, contents: Contents, expected: str) -> None:
    if expected and contents.digest != expected:
        raise NotCopied(f"{source} is not what was released: its digest differs")


def _read(file: Path, write: Callable[[bytes], object] = len) -> Contents:
    """Read a file, hand its bytes on, and tell what it holds."""
    digest, size = hashlib.sha256(), 0
    for chunk in _chunks(file):
        write(chunk)
        digest.update(chunk)
        size += len(chunk)
    return Contents(size, digest.hexdigest())


def _chunks(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as reader:
            while chunk := reader.read(_CHUNK):
                yield chunk
    except OSError as error:
        problem = f"{file} cannot be read: {error.strerror or error}"
        raise (_Gone(problem, file) if error.errno in GONE else NotCopied(problem)) from error
