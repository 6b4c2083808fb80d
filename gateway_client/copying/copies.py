"""A copy of a file: written beside its place, compared with what was read, and only then given its name."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from gateway_client.errors import GatewayError
from runtime import make_directories, sync_directory

_CHUNK = 1 << 20
#: What a location says that takes this file as little as any other.
_OF_THE_LOCATION = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EACCES, errno.EPERM, errno.ENODEV, errno.ENXIO),
    *(errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.ECONNRESET),
    *(errno.ECONNREFUSED, errno.ENOTCONN, errno.ENOTDIR, errno.ENOENT, errno.EMFILE, errno.ENFILE, errno.ENOMEM),
}


class Blame(StrEnum):
    """Whose fault it is that a file was not copied: what is done next depends on it."""

    CONNECTION = "connection"
    LOCATION = "location"
    ARCHIVE = "archive"
    FILE = "file"


class NotCopied(GatewayError):
    """A file was not copied."""

    def __init__(self, message: str, blame: Blame) -> None:
        self.blame = blame
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy that is there, durable; `anew` unless the same bytes lay there already. The size is in bytes."""

    size: int
    anew: bool


def copy_file(source: Path, target: Path, mark: str, now: float) -> Copied:
    """Copy a file and make the copy durable; what lies in its place already is replaced unless it is the same. Raises NotCopied.

    It is written as `.NAME.MARK.part` first: killed at any moment this leaves nothing under the name that is not whole, and done
    again it comes to the same. The copy is as old as `now`, in seconds since the epoch, for by that its retention is counted.
    """
    try:
        reader = source.open("rb")
    except OSError as error:
        raise _not_read(source, error) from error
    with reader:
        try:
            if _is_itself(reader, target):
                raise NotCopied(f"{target} is the file itself, and no copy: its purge would be its end.", Blame.FILE)
            there = _is_there(reader, target)
            if there:
                with target.open("rb") as copy:
                    _sync(copy, now)
            else:
                _write(reader, target, target.with_name(f".{target.name}.{mark}.part"), now)
            sync_names(target.parent)
            return Copied(os.fstat(reader.fileno()).st_size, anew=not there)
        except OSError as error:
            blame = Blame.LOCATION if error.errno in _OF_THE_LOCATION else Blame.FILE
            raise NotCopied(f"{target} cannot be written: {error.strerror or error}.", blame) from error


def sync_names(directory: Path) -> None:
    """Make the names in a directory durable; some shares know nothing of that, and are as durable as they are. Raises OSError."""
    try:
        sync_directory(directory)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def _not_read(source: Path, error: OSError) -> NotCopied:
    return NotCopied(f"{source} cannot be read: {error.strerror or error}.", Blame.FILE)


def _chunks(reader: BinaryIO) -> Iterator[bytes]:
    """Read a file from its beginning. Raises NotCopied."""
    try:
        reader.seek(0)
        while chunk := reader.read(_CHUNK):
            yield chunk
    except OSError as error:
        raise _not_read(Path(reader.name), error) from error


def _is_itself(reader: BinaryIO, target: Path) -> bool:
    """Tell whether the place is that of the file, whatever way leads there."""
    try:
        return os.path.samestat(os.fstat(reader.fileno()), target.lstat())
    except FileNotFoundError:
        return False


def _is_there(reader: BinaryIO, target: Path) -> bool:
    """Tell whether the very bytes lie in the place already, as they do when a kill came before they could be reported."""
    if target.is_symlink() or not target.is_file() or target.stat().st_size != os.fstat(reader.fileno()).st_size:
        return False
    digest = hashlib.sha256()
    for chunk in _chunks(reader):
        digest.update(chunk)
    return _digest_on_disk(target) == digest.digest()


def _write(reader: BinaryIO, target: Path, temporary: Path, now: float) -> None:
    make_directories(target.parent)
    digest = hashlib.sha256()
    try:
        with temporary.open("wb") as writer:
            for chunk in _chunks(reader):
                writer.write(chunk)
                digest.update(chunk)
            writer.flush()
            _sync(writer, now)
        if _digest_on_disk(temporary) != digest.digest():
            raise NotCopied(f"The copy {temporary} differs from what was read.", Blame.FILE)
        temporary.rename(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _digest_on_disk(file: Path) -> bytes:
    """Give the digest of what the disk, or the share, gives back, not of what the system remembers."""
    with file.open("rb") as reader:
        with contextlib.suppress(OSError):  # an advice, of which some file systems know nothing
            os.posix_fadvise(reader.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return hashlib.file_digest(reader, "sha256").digest()


def _sync(copy: BinaryIO, now: float) -> None:
    with contextlib.suppress(OSError):  # some shares set times themselves
        os.utime(copy.fileno(), (now, now))
    os.fsync(copy.fileno())
