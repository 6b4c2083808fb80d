"""Lots: objects from media, durable beside the spool until the gateway takes them over, which it may do much later.

A lot is written in `new/`, locked by its writer, and enters `ready/` by a rename when all of it is on disk. Its files have the
names that they are to have in the spool; `lot.json` says where each came from.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway_client.errors import LotError
from runtime import Clock, make_directories, sync_directory, write_file

_LIST = "lot.json"


@dataclass(frozen=True, slots=True)
class LotEntry:
    """One object: its file's name, the digest of its data set, the path from which it was imported, and its origin.

    The origin is one of V (VA), F (fee basis), D (DoD) and N (not VA), as ORIGIN INDEX (#2005 field 45) has it.
    """

    name: str
    sop_instance_uid: str
    digest: str
    old_path: str
    origin: str


@dataclass(frozen=True, slots=True)
class Lot:
    """A lot that is ready."""

    directory: Path
    entries: tuple[LotEntry, ...]


class LotWriter:
    """Writes one lot: each object to the path that `path` gives, told by `add`; then `hand_over`. What is left is forgotten.

    Lots of writers that were killed go with the next one. Raises OSError.
    """

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._new, self._ready = directory / "new", directory / "ready"
        self._began, self._tag = int(clock.seconds() * 1e6), secrets.token_hex(4)
        self._directory = self._new / f"{self._began:017d}-{self._tag}"
        self._entries: list[LotEntry] = []
        for folder in (self._new, self._ready):
            make_directories(folder)
        _forget_abandoned(self._new)
        self._directory.mkdir()
        self._lock = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._lock)
        shutil.rmtree(self._directory, ignore_errors=True)

    def __len__(self) -> int:
        return len(self._entries)

    def path(self) -> Path:
        """Give the path of the next object."""
        return self._directory / f"{self._began:017d}-{len(self._entries):06d}-{self._tag}.dcm"

    def add(self, sop_instance_uid: str, digest: str, old_path: str, origin: str) -> None:
        """Tell of the object that lies at `path`, on disk."""
        self._entries.append(LotEntry(self.path().name, sop_instance_uid, digest, old_path, origin))

    def hand_over(self) -> None:
        """Let the gateway have the lot; when this returns it will, whatever happens."""
        content = json.dumps([asdict(entry) for entry in self._entries]).encode()
        write_file(self._directory / _LIST, content)
        sync_directory(self._directory)
        self._directory.rename(self._ready / self._directory.name)
        sync_directory(self._ready)
        sync_directory(self._new)


def ready_lots(directory: Path) -> list[str]:
    """Name the lots that are ready, the oldest first. Raises OSError."""
    try:
        return sorted(entry.name for entry in os.scandir(directory / "ready"))
    except FileNotFoundError:
        return []


def read_lot(directory: Path, name: str) -> Lot:
    """Read a lot. Raises LotError, after it was put aside in `held/`, for one that is none, and OSError."""
    ready = directory / "ready"
    try:
        entries = tuple(LotEntry(**entry) for entry in json.loads((ready / name / _LIST).read_bytes()))
        if any("/" in entry.name or entry.name.startswith(".") for entry in entries):
            raise ValueError("a file's name is none")
    except FileNotFoundError:
        entries = ()  # taken over but for its removal, which begins with the list
    except (ValueError, TypeError, NotADirectoryError) as error:
        make_directories(directory / "held")
        (ready / name).rename(directory / "held" / name)
        raise LotError(f"The lot {name} was put aside in {directory / 'held'}: {error}.") from error
    return Lot(ready / name, entries)


def remove_lot(lot: Lot) -> None:
    """Forget a lot, and what was left in it."""
    with contextlib.suppress(FileNotFoundError):
        (lot.directory / _LIST).unlink()
    shutil.rmtree(lot.directory)
    sync_directory(lot.directory.parent)


def _forget_abandoned(new: Path) -> None:
    """Remove lots whose writers are gone."""
    for folder in new.iterdir():
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
