"""Files, and directories whose names are there, after a power cut."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def sync_directory(directory: Path) -> None:
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
    make_directories(file.parent)
    temporary = file.with_name(f".{file.name}.part")
    try:
        with temporary.open("wb") as writer:
            writer.write(content)
            writer.flush()
            os.fsync(writer.fileno())
        temporary.rename(file)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
