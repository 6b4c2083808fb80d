"""Files, and directories whose names are there, after a power cut."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

#: Files that are written before the first is waited for: so many are open.
_TOGETHER = 128
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC

#: A file, the one beside it that is to take its place, and the descriptor of that.
_Begun = tuple[Path, str, int]


def sync_directory(directory: Path | str) -> None:
    """Make the names in a directory durable. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directories(directory: Path) -> None:
    """Make a directory and those above it, each durable before anything lies in it. Raises OSError."""
    missing = []
    while not directory.is_dir():
        missing.append(directory)
        directory = directory.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
        sync_directory(new.parent)


def write_file(file: Path, content: bytes) -> None:
    """Write a file whole or not at all, in place of what was there; directories are made. Raises OSError.

    Its name is durable after `sync_directory`.
    """
    for problem in write_files([(file, content)]).values():
        raise problem


def write_files(contents: Iterable[tuple[Path, bytes]]) -> dict[Path, OSError]:
    """Write files as `write_file` does, and give those that could not be written.

    The disk begins on many before the first is waited for: in a file system with a journal that is one commit, not one for each.
    """
    problems: dict[Path, OSError] = {}
    begun: list[_Begun] = []
    for file, content in contents:
        try:
            begun.append(_begin(file, content))
        except OSError as problem:
            problems[file] = problem
        if len(begun) == _TOGETHER:
            _end(begun, problems)
            begun.clear()
    _end(begun, problems)
    return problems


def _begin(file: Path, content: bytes) -> _Begun:
    """Write beside a file what it is to be, and let the disk begin on it."""
    directory, name = os.path.split(file)
    temporary = os.path.join(directory, f".{name}.part")
    try:
        descriptor = os.open(temporary, _FLAGS, 0o666)
    except FileNotFoundError:
        make_directories(file.parent)
        descriptor = os.open(temporary, _FLAGS, 0o666)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        with contextlib.suppress(OSError):  # an advice: Linux begins to write what is dirty
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    except BaseException:
        os.close(descriptor)
        _forget(temporary)
        raise
    return file, temporary, descriptor


def _end(begun: Iterable[_Begun], problems: dict[Path, OSError]) -> None:
    """Wait for what was begun, and give the files their names."""
    for file, temporary, descriptor in begun:
        try:
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(temporary, file)
        except OSError as problem:
            _forget(temporary)
            problems[file] = problem


def _forget(file: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(file)
