"""An image's files in the folders of their network locations, and what is wrong when they are not there."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from fileman import Folder, UnsafePath
from runtime import sync_directory, write_file
from taskman.errors import TaskManError

#: The number of no network location: a list of those that are away begins with it, for an empty one is looked up by a scan.
NOWHERE = -1
#: Errors of a whole location that is gone, of which no file is the cause.
GONE = frozenset({errno.ESTALE, errno.ENODEV, errno.ENOTCONN, errno.EHOSTDOWN, errno.ETIMEDOUT})
#: What is wrong with a whole location and with none of its files: it is gone, or protected.
_UNFIT = {*GONE, errno.EROFS}
#: A file that keeps a location from being empty when its last image's file goes.
MARK = ".magbroker"


class NotDeleted(TaskManError):
    """The file cannot be deleted."""


class NoFile(TaskManError):
    """The image has no such file, nor will it have one."""


class LocationUnfit(TaskManError):
    """A network location takes or gives nothing now; `location` is its number."""

    def __init__(self, message: str, location: int) -> None:
        self.location = location
        super().__init__(message)


def of_object(big_extension: str, full: int | None, big: int | None) -> int | None:
    """Choose the location of the file that is an image's object as it was received: its BIG file's where that is it."""
    return big if big_extension == "DCM" else full


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


def remove_file(folder: Folder, name: str) -> bool:
    """Remove a file for good; False when it is not there any more.

    A location without any files is one that nothing is mounted on. One that is about to lose its last file is marked before,
    so that it is not taken for such. Raises LocationUnfit for a location that is away, NotDeleted for a file that cannot be
    removed, UnsafePath for a name that leads out of the location.
    """
    if not folder.online:
        raise LocationUnfit(f"{folder.name} is off line", folder.ien)
    check_there(folder)
    path = folder.file(name)
    try:
        if path.exists() and {it.name for it in islice(folder.root.iterdir(), 2)} == {name}:
            write_file(folder.root / MARK, b"")
        path.unlink()
        sync_directory(path.parent)
    except FileNotFoundError:
        check_mounted(folder)
        return False
    except OSError as error:
        if error.errno in _UNFIT:
            raise LocationUnfit(f"{folder.name}: {error.strerror}", folder.ien) from error
        raise NotDeleted(f"it cannot be removed: {error.strerror or error}") from error
    return True
