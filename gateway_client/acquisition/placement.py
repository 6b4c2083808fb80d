"""Bringing a file to its network location: a hard link where spool and location share a file system, else a copy."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from gateway_client.errors import NotPart10, PlacementError, PlaceTaken
from gateway_client.objects.part10 import digest_of
from runtime import make_directories, sync_directory, write_files

_CHUNK = 1 << 20
#: The files that lie beside an object and show what is in it.
_MADE_FROM_IT = (".ABS", ".TGA", ".BIG", ".TXT")
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES}


class Placed(StrEnum):
    """How a file came to its place."""

    LINKED = "linked"
    COPIED = "copied"
    THERE = "already there"


def place(source: Path, target: Path, digest: str) -> Placed:
    """Put a file in its place; `digest` is the SHA-256 of its data set. Raises PlacementError.

    The name is durable only after `sync_parents`. A file that is there already is compared: the same data set is an earlier
    attempt, another one is an orphan of an older database under a number that was given again; it is put aside, not lost.
    """
    try:
        return bring(source, target, digest)
    except PlaceTaken:
        try:
            _put_aside(target)
        except OSError as error:
            raise _not_written(target, error) from error
        return bring(source, target, digest)


def bring(source: Path, target: Path, digest: str) -> Placed:
    """Put a file in a place where nothing is, or the same data set already. Raises PlaceTaken, and PlacementError.

    The name is durable only after `sync_parents`.
    """
    try:
        try:
            return _link_or_copy(source, target, digest)
        except (FileNotFoundError, FileExistsError):
            make_directories(target.parent)
        if target.exists():
            if _same(target, digest):
                return Placed.THERE
            raise PlaceTaken(f"{target} is there already, with another object.")
        return _link_or_copy(source, target, digest)
    except OSError as error:
        raise _not_written(target, error) from error


def move(source: Path, target: Path, digest: str) -> None:
    """Rename a file, also into another file system, durable. Raises PlaceTaken, and PlacementError."""
    bring(source, target, digest)
    sync_parents([target])
    if source.resolve() == target.resolve():
        return
    try:
        source.unlink(missing_ok=True)
    except OSError as error:
        raise PlacementError(f"{source} cannot be removed: {error.strerror or error}.") from error
    sync_parents([source])


def write(file: Path, data: bytes) -> None:
    """Write a file, durable but for its name. Raises PlacementError."""
    for error in write_files([(file, data)]).values():
        raise _not_written(file, error) from error


def unusable(source: Path, digest: str) -> str:
    """Say why a file can be placed nowhere: it is gone, or is not any more what was received. Empty where it can be."""
    try:
        same = digest_of(source) == digest
    except FileNotFoundError:
        return f"{source} is gone."
    except NotPart10:
        same = False
    except OSError:  # it may be read another time
        same = True
    return "" if same else f"{source} is not any more what was received."


def place_texts(texts: Iterable[tuple[Path, bytes]]) -> dict[Path, PlacementError]:
    """Write the text files of placed objects beside them, durable but for their names, which `sync_parents` makes so.

    Gives the text files that could not be written.
    """
    problems = write_files((text_path(target), text) for target, text in texts)
    return {file: _not_written(file, error) for file, error in problems.items()}


def text_path(target: Path) -> Path:
    """Say where the text file of a placed object lies."""
    return target.with_suffix(".TXT")


def sync_parents(targets: Iterable[Path]) -> None:
    """Make the names of placed files durable, each directory once. Raises PlacementError."""
    for directory in {os.path.dirname(target) or os.curdir for target in targets}:
        try:
            sync_directory(directory)
        except OSError as error:
            raise PlacementError(f"{directory} cannot be made durable: {error.strerror or error}.") from error


def _not_written(file: Path, error: OSError) -> PlacementError:
    return PlacementError(f"{file} cannot be written: {error.strerror or error}.")


def _link_or_copy(source: Path, target: Path, digest: str) -> Placed:
    """Raise FileNotFoundError where the directory is missing, FileExistsError where there is a file."""
    try:
        os.link(source, target)
        return Placed.LINKED
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
    if target.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    _copy(source, target, digest)
    return Placed.COPIED


def _same(path: Path, digest: str) -> bool:
    try:
        return digest_of(path) == digest
    except NotPart10:
        return False


def _put_aside(target: Path) -> None:
    """Put an orphan aside, after what was made from it: its picture must not become that of the image that comes in its place."""
    for file in (*(target.with_suffix(suffix) for suffix in _MADE_FROM_IT), target):
        number = 1
        while (aside := file.with_name(f"{file.name}.orphan{number}")).exists():
            number += 1
        with contextlib.suppress(FileNotFoundError):
            file.rename(aside)


def _copy(source: Path, target: Path, digest: str) -> None:
    """Copy beside the target, compare what is on disk with the digest, and rename."""
    temporary = target.with_name(f".{target.name}.part")
    try:
        with source.open("rb") as reader, temporary.open("wb") as writer:
            while chunk := reader.read(_CHUNK):
                writer.write(chunk)
            writer.flush()
            os.fsync(writer.fileno())
        if not _same(temporary, digest):
            raise PlacementError(f"The copy {temporary} differs from what was received.")
        temporary.rename(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
