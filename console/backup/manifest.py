"""The manifest of a backup: what it holds, and by which it is a backup. It is written last."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from console.backup.errors import BackupError, NoBackup
from runtime import sync_directory

MANIFEST = "manifest.json"
DATABASE = "database.db"
FORMAT = 1
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Entry(NamedTuple):  # one for each file: a frozen dataclass takes more room and time
    """A file's bytes and their SHA-256."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class KeptDatabase:
    """The database: the engine that it was on, its schema's revision, and how many rows each table has."""

    engine: str
    revision: str
    rows: dict[str, int]


@dataclass(frozen=True, slots=True)
class KeptDirectory:
    """A data directory: where it was, and whether a gateway's directory is in it. The first one is the site's own."""

    number: int
    path: str
    gateway: bool

    @property
    def folder(self) -> str:
        """Where it lies in the backup."""
        return f"directories/{self.number}"


@dataclass(frozen=True, slots=True)
class KeptPlace:
    """A network location's folder: where it lies in the backup, and where it was.

    `directory` is the number of the data directory that it lies in, `path` its path from there; outside of all it is 0, and the
    path is absolute. `told` is the path that the database tells, where that is an absolute one.
    """

    name: str
    folder: str
    directory: int
    path: str
    told: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. Files are named by their paths in it; `left_out` are those that are no plain files."""

    id: str
    taken_at: datetime
    magbroker: str
    database: KeptDatabase | None
    directories: tuple[KeptDirectory, ...]
    places: tuple[KeptPlace, ...]
    left_out: tuple[str, ...]
    files: Mapping[str, Entry]

    @property
    def bytes(self) -> int:
        """Count the bytes of all files."""
        return sum(entry.size for entry in self.files.values())

    def summary(self) -> dict[str, Any]:
        """Give all but the files one by one, for people and programs."""
        return {
            "id": self.id,
            "taken_at": self.taken_at.isoformat(),
            "magbroker": self.magbroker,
            "database": None if self.database is None else asdict(self.database),
            "directories": [asdict(it) for it in self.directories],
            "places": [asdict(it) for it in self.places],
            "left_out": list(self.left_out),
            "totals": {"files": len(self.files), "bytes": self.bytes},
        }


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make a folder a backup: everything in it is durable by now. Raises BackupError."""
    content = {"format": FORMAT, **manifest.summary(), "files": manifest.files}
    temporary = folder / f".{MANIFEST}.part"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=None, separators=(",", ":"))
            file.write("\n")
            file.flush()
            os.fsync(descriptor)
        temporary.rename(folder / MANIFEST)
        sync_directory(folder)
        sync_directory(folder.absolute().parent)
    except OSError as error:
        raise BackupError(f"{folder / MANIFEST} cannot be written: {error.strerror}. There is no backup.") from error


def read_manifest(folder: Path) -> Manifest:
    """Read what a backup holds. Raises NoBackup for what is none, and BackupError for one of a later version's."""
    file = folder / MANIFEST
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        why = f"there is no {MANIFEST}, which is written last: it was cut off, or is none"
        raise NoBackup(f"{folder} holds no backup: {why}.") from error
    except NotADirectoryError as error:
        raise NoBackup(f"{folder} is no folder.") from error
    except OSError as error:
        raise BackupError(f"{file} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise NoBackup(f"{file} is no manifest of a backup, or is damaged.") from error
    if not isinstance(content, dict) or "format" not in content:
        raise NoBackup(f"{file} is no manifest of a backup.")
    if content["format"] != FORMAT:
        raise BackupError(f"{folder} has format {content['format']}, this version knows {FORMAT}: use the version that took it.")
    try:
        return _manifest(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NoBackup(f"{file} is no manifest of a backup, or is damaged: {error!r}.") from error


def _manifest(content: Mapping[str, Any]) -> Manifest:
    database = content["database"]
    manifest = Manifest(
        content["id"],
        datetime.fromisoformat(content["taken_at"]),
        content["magbroker"],
        None if database is None else KeptDatabase(**database),
        tuple(KeptDirectory(**it) for it in content["directories"]),
        tuple(KeptPlace(**it) for it in content["places"]),
        tuple(content["left_out"]),
        {name: Entry(int(size), str(sha256)) for name, (size, sha256) in content["files"].items()},
    )
    for name, entry in manifest.files.items():
        if not _stays_inside(name) or not _DIGEST.fullmatch(entry.sha256):
            raise ValueError(f"{name!r} is no file of it")
    for place in manifest.places:
        if not _stays_inside(place.folder) or (place.directory and not _stays_inside(place.path)):
            raise ValueError(f"{place.path!r} is no place")
    if manifest.taken_at.tzinfo is None or len(manifest.files) != content["totals"]["files"]:
        raise ValueError("its totals")
    return manifest


def _stays_inside(path: str) -> bool:
    """Tell whether a path leads into the folder that it stands behind, or is that folder."""
    return not path.startswith("/") and ".." not in path.split("/") and "\0" not in path
