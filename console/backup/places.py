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
            if root in found or not root.is_dir() or not (folder.relative or number == min(folders)):
                continue
            home = next((it for it, path in resolved.items() if root.is_relative_to(path)), 0)
            if home and root == resolved[home]:
                left_out[f"network location {folder.name}: it is the data directory itself"] = None
            elif home or outside:
                found[root] = _kept(folder, root, home, resolved)
            else:
                left_out[f"network location {folder.name}: {root} lies outside of the data directory"] = None
    reserved = {path.resolve() for path in without} | set(resolved.values()) | found.keys()
    return [Place(kept, root, frozenset(reserved - {root})) for root, kept in found.items()], list(left_out)


def _kept(folder: Folder, root: Path, home: int, directories: Mapping[int, Path]) -> KeptPlace:
    if not home:
        return KeptPlace(folder.name, f"locations/{folder.ien}", 0, str(root))
    path = root.relative_to(directories[home]).as_posix()
    return KeptPlace(folder.name, f"directories/{home}/images/{folder.ien}", home, path)


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
