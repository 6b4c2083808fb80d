"""The folders of images that a backup holds: network locations, each file once, and nothing that is no image's."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from console.backup.errors import BackupError
from console.backup.manifest import KeptPlace
from fileman import Folder


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that is to be kept, and what in it is not."""

    kept: KeptPlace
    root: Path
    without: frozenset[Path]

    def files(self) -> Iterator[Found]:
        """Give the files, as far as they are there. Raises BackupError for a folder that cannot be read."""
        yield from _below(self.root, self.without)


class Found(NamedTuple):
    """A file that was found: where, its size, when it was changed (nanoseconds), and whether it is a plain one."""

    path: str
    size: int
    changed_at: int
    plain: bool


def places_of(
    folders: Mapping[int, Sequence[Folder]], directories: Mapping[int, Path], without: Sequence[Path], *, outside: bool
) -> tuple[list[Place], list[str]]:
    """Say which folders are kept, of the locations as each data directory has them, and which are not, with the reason.

    What is `without` is never looked into. A location outside of all data directories is kept only if that is asked for. Two
    locations that are one folder are one.
    """
    found: dict[Path, KeptPlace] = {}
    left_out: dict[str, None] = {}
    resolved = {number: path.resolve() for number, path in directories.items()}
    for number, known in folders.items():
        for folder in known:
            root = folder.root.resolve()
            if root in found or not (folder.relative or number == min(folders)):
                continue
            home, path = _home(folder.root, resolved)
            if home and path == Path():
                left_out[f"network location {folder.name}: it is the data directory itself"] = None
            elif not home and not outside:
                left_out[f"network location {folder.name}: {path} lies outside of the data directory"] = None
            elif root.is_dir():
                found[root] = _kept(folder, home, path)
            elif not home:
                left_out[f"network location {folder.name}: {path} is not there"] = None
    reserved = {path.resolve() for path in without} | set(resolved.values()) | found.keys()
    return [Place(kept, root, frozenset(reserved - {root})) for root, kept in found.items()], list(left_out)


def _home(root: Path, directories: Mapping[int, Path]) -> tuple[int, Path]:
    """Give the data directory that a folder belongs to, and its path there; 0 and its own path where it belongs to none.

    One that is told as a path in a data directory belongs there, though it may be a link to another disk.
    """
    for path in (Path(os.path.normpath(root.absolute())), root.resolve()):
        for number, directory in directories.items():
            if path.is_relative_to(directory):
                return number, path.relative_to(directory)
    return 0, root.resolve()


def _kept(folder: Folder, home: int, path: Path) -> KeptPlace:
    kept = f"directories/{home}/images/{folder.ien}" if home else f"locations/{folder.ien}"
    return KeptPlace(folder.name, kept, home, path.as_posix(), "" if folder.relative else str(folder.root))


def _below(folder: Path | str, without: frozenset[Path]) -> Iterator[Found]:
    try:
        entries = sorted(os.scandir(folder), key=lambda it: it.name)
    except FileNotFoundError:
        return
    except OSError as error:
        raise BackupError(f"{folder} cannot be read: {error.strerror}.") from error
    for entry in entries:
        if Path(entry.path) in without or _is_unfinished(entry.name):
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        if stat.S_ISDIR(status.st_mode):
            yield from _below(entry.path, without)
        else:
            yield Found(entry.path, status.st_size, status.st_mtime_ns, stat.S_ISREG(status.st_mode))


def _is_unfinished(name: str) -> bool:
    """Tell a file that is being written, and gets its name when it is whole."""
    return name.startswith(".") and name.endswith(".part")
