"""Notes of what is being sent, made without waiting for the disk: they outlive a killed process, not a power cut."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Noted:
    """A mark; of what was answered with success also the SOP Instance UID under which it was sent, where that is not its own,
    and what is to be told of it.
    """

    mark: Mark
    sent_as: str = ""
    remark: str = ""

    def line(self, key: str) -> str:
        """Write it as one line."""
        detail = f" {json.dumps([self.sent_as, self.remark])}" if self.sent_as or self.remark else ""
        return f"{key} {self.mark}{detail}\n"

    @classmethod
    def read(cls, line: str) -> tuple[str, Noted]:
        """Read key and note of a line. Raises ValueError."""
        key, mark, *detail = line.split(" ", 2)
        sent_as, remark = json.loads(detail[0]) if detail else ("", "")
        return key, cls(Mark(mark), sent_as, remark)


def boot_id() -> str:
    """Name the time since the machine was started; empty where it does not say."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


_BEGUN = Noted(Mark.BEGUN)


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
                self._write(f"{self._boot}\n")
            elif os.fstat(self._file.fileno()).st_size > LIMIT:
                self._write_anew(under_way)
            self._write("".join(map(_BEGUN.line, keys)))

    def _write(self, text: str) -> None:
        """Write all or nothing, as what follows the half of a line could not be read."""
        written = self._file.write(text.encode("ascii"))
        if written != len(text):
            os.ftruncate(self._file.fileno(), os.fstat(self._file.fileno()).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _write_anew(self, under_way: Collection[str]) -> None:
        """Put a file in place of this one that holds what is noted of transmissions under way only."""
        notes = self._read()
        if notes is None:  # nothing of it would be believed
            return
        kept = "".join(noted.line(key) for key, noted in notes.items() if key in under_way)
        beside = self._path.with_suffix(".new")
        beside.write_text(f"{self._boot}\n{kept}", encoding="ascii")
        anew = beside.open("a+b", buffering=0)
        beside.replace(self._path)
        self._file.close()
        self._file = anew

    def add(self, key: str, noted: Noted) -> None:
        """Note something of an entry."""
        with self._lock:
            self._write(noted.line(key))

    def read(self) -> dict[str, Noted] | None:
        """Give what was noted last of each entry; None where the notes are not to be believed."""
        with self._lock:
            return self._read()

    def _read(self) -> dict[str, Noted] | None:
        self._file.seek(0)
        boot, *lines = self._file.read().decode("ascii", "replace").split("\n")
        if not boot or boot != self._boot or not lines:
            return None
        try:
            return dict(map(Noted.read, lines[:-1]))
        except ValueError:  # a full disk took half a line
            return None

    def close(self) -> None:
        """Close the file."""
        self._file.close()
