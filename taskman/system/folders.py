"""An image's files in the folders of their network locations, and what is wrong when they are not there."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path

from fileman import Folder, UnsafePath
from taskman.errors import TaskManError

#: The number of no network location: a list of those that are away begins with it, for an empty one is looked up by a scan.
NOWHERE = -1
#: Errors of a whole location that is gone, of which no file is the cause.
GONE = frozenset({errno.ESTALE, errno.ENODEV, errno.ENOTCONN, errno.EHOSTDOWN, errno.ETIMEDOUT})


class NoFile(TaskManError):
    """The image has no such file, nor will it have one."""


class LocationUnfit(TaskManError):
    """A network location takes or gives nothing now; `location` is its number."""

    def __init__(self, message: str, location: int) -> None:
        self.location = location
        super().__init__(message)


def folder_of(location: int | None, folders: Mapping[int, Folder]) -> Folder:
    """Give the folder of an image's network location. Raises NoFile when there is none, LocationUnfit when it is gone now."""
    folder = folders.get(location or 0)
    if folder is None:
        raise NoFile("the image names no network location that is there")
    check_there(folder)
    return folder


def check_there(folder: Folder) -> None:
    """Raise LocationUnfit for a folder that is not there."""
    if not folder.is_there:
        raise LocationUnfit(f"the folder of {folder.name} is not there", folder.ien)


def check_mounted(folder: Folder) -> None:
    """Raise LocationUnfit for a folder without any files, and for one that cannot be read: its share is not mounted."""
    try:
        empty = not any(folder.root.iterdir())
    except OSError as error:
        raise LocationUnfit(f"the folder of {folder.name} cannot be read: {error.strerror or error}", folder.ien) from error
    if empty:
        raise LocationUnfit(f"the folder of {folder.name} is empty", folder.ien)


def path_in(folder: Folder, name: str, checked: set[str] | None = None) -> Path:
    """Give the path of a file, whether it is there or not; `checked` as for `Folder.file`.

    Raises NoFile for a name that leads out of the location.
    """
    try:
        return folder.file(name, checked)
    except UnsafePath as problem:
        raise NoFile(str(problem)) from problem


def is_file_in(folder: Folder, name: str) -> bool:
    """Tell whether a file is there. Raises NoFile for one that nobody can see, LocationUnfit when the whole location is gone."""
    return _is_file(folder, path_in(folder, name))


def file_in(folder: Folder, name: str, checked: set[str] | None = None) -> Path:
    """Give the path of a file that is there; `checked` as for `Folder.file`.

    Raises NoFile, and LocationUnfit for an empty folder: its share is not mounted.
    """
    path = path_in(folder, name, checked)
    if not _is_file(folder, path):
        check_mounted(folder)
        raise NoFile(f"there is no file {path}")
    return path


def _is_file(folder: Folder, path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        if error.errno in GONE:
            raise LocationUnfit(f"{folder.name}: {error.strerror}", folder.ien) from error
        raise NoFile(f"{path} cannot be looked at: {error.strerror or error}") from error
