"""Notes of what is being sent, made without waiting for the disk: they outlive a killed process, not a power cut."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterable
from enum import StrEnum
from pathlib import Path

#: Names the time since the machine was started (random(4)).
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
#: Bytes above which the notes are written anew, without those of transmissions that are over.
LIMIT = 1 << 20


class Mark(StrEnum):
    """BEGUN: what was noted before is of an earlier try. HANDED_OVER was noted before the last byte of an object went out,
    SENT when it was answered with success.
    """

    BEGUN = "BEGUN"
    HANDED_OVER = "HANDED_OVER"
    SENT = "SENT"


def boot_id() -> str:
    """Name the time since the machine was started; empty where it does not say."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


class Notes:
    """A file of marks, for all threads; those of another time since the machine was started are not believed. Raises OSError."""

    def __init__(self, path: Path, boot: str | None = None) -> None:
        self._boot = boot_id() if boot is None else boot
        self._path = path
        self._lock = threading.Lock()
        self._file = path.open("a+b", buffering=0)

    def begin(self, keys: Iterable[str], under_way: Collection[str] = ()) -> None:
        """Forget what was noted of some transmissions: they are SENDING from now on, beside those that are under way."""
        with self._lock:
            if not under_way:
                os.ftruncate(self._file.fileno(), 0)
                self._file.write(f"{self._boot}\n".encode("ascii"))
            elif os.fstat(self._file.fileno()).st_size > LIMIT:
                self._write_anew(under_way)
            self._file.write("".join(f"{key} {Mark.BEGUN}\n" for key in keys).encode("ascii"))

    def _write_anew(self, under_way: Collection[str]) -> None:
        """Put a file in place of this one that holds what is noted of transmissions under way only."""
        marks = self._read()
        if marks is None:  # nothing of it would be believed
            return
        kept = "".join(f"{key} {mark}\n" for key, mark in marks.items() if key in under_way)
        beside = self._path.with_suffix(".new")
        beside.write_text(f"{self._boot}\n{kept}", encoding="ascii")
        anew = beside.open("a+b", buffering=0)
        beside.replace(self._path)
        self._file.close()
        self._file = anew

    def add(self, key: str, mark: Mark) -> None:
        """Mark an entry."""
        with self._lock:
            self._file.write(f"{key} {mark}\n".encode("ascii"))

    def read(self) -> dict[str, Mark] | None:
        """Give the last mark of each entry that has one; None where the notes are not to be believed."""
        with self._lock:
            return self._read()

    def _read(self) -> dict[str, Mark] | None:
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
