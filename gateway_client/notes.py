"""Notes of what is being sent, made without waiting for the disk: they outlive a killed process, not a power cut."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

#: Names the time since the machine was started (random(4)).
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Mark(StrEnum):
    """HANDED_OVER was noted before the last byte of an object went out, SENT when it was answered with success."""

    HANDED_OVER = "HANDED_OVER"
    SENT = "SENT"


def boot_id() -> str:
    """Name the time since the machine was started; empty where it does not say."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


class Notes:
    """A file of marks; those of another time since the machine was started are not believed. Raises OSError."""

    def __init__(self, path: Path, boot: str | None = None) -> None:
        self._boot = boot_id() if boot is None else boot
        self._file = path.open("a+b", buffering=0)

    def begin(self) -> None:
        """Forget all marks: what follows is of the transmissions that are SENDING from now on."""
        os.ftruncate(self._file.fileno(), 0)
        self._file.write(f"{self._boot}\n".encode("ascii"))

    def add(self, key: str, mark: Mark) -> None:
        """Mark an entry; any thread may."""
        self._file.write(f"{key} {mark}\n".encode("ascii"))

    def read(self) -> dict[str, Mark] | None:
        """Give the last mark of each entry that has one; None where the notes are not to be believed."""
        self._file.seek(0)
        boot, *lines = self._file.read().decode("ascii", "replace").split("\n")
        if not boot or boot != self._boot or not lines:
            return None
        marks = dict[str, Mark]()
        try:
            for line in lines[:-1]:
                key, mark = line.split(" ")
                marks[key] = Mark(mark)
        except ValueError:  # a full disk took half a line
            return None
        return marks

    def close(self) -> None:
        """Close the file."""
        self._file.close()
