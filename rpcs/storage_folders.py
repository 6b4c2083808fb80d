"""What a network location's folder is like on this machine: whether it is there, may be written to, and has room."""

from __future__ import annotations

import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore, Thread

#: Folders that are looked at at the same time: a share that hangs keeps the thread that looks at it.
AT_ONCE = 4
_ROOM = BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True, slots=True)
class FolderState:
    """How a folder was found on `machine`; sizes are bytes, None where nobody can tell. `reason` says what is wrong."""

    machine: str
    path: str
    there: bool
    writable: bool = False
    total: int | None = None
    free: int | None = None
    reason: str = ""


def look_at(path: Path, seconds: float) -> FolderState:
    """Look at a folder; one that does not answer within so many seconds is told as such. Not for the reactor's thread."""
    machine = socket.gethostname()
    if not _ROOM.acquire(blocking=False):
        return FolderState(machine, str(path), there=False, reason="Other folders do not answer at this moment.")
    found: list[FolderState] = []

    def look() -> None:
        try:
            found.append(_look(machine, path))
        finally:
            _ROOM.release()

    thread = Thread(target=look, name="look at folder", daemon=True)
    thread.start()
    thread.join(seconds)
    silent = FolderState(machine, str(path), there=False, reason=f"It does not answer within {seconds:g} s.")
    return found[0] if found else silent


def _look(machine: str, path: Path) -> FolderState:
    try:
        if not path.is_dir():
            what = "It is no folder." if path.exists() else "It is not there."
            return FolderState(machine, str(path), there=False, reason=what)
        usage = shutil.disk_usage(path)
    except OSError as error:
        return FolderState(machine, str(path), there=False, reason=f"{error.strerror or error}.")
    writable = os.access(path, os.W_OK | os.X_OK)
    reason = "" if writable else "The broker may not write there."
    return FolderState(machine, str(path), there=True, writable=writable, total=usage.total, free=usage.free, reason=reason)
