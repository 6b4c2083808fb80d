"""An image's files in the folders of their network locations, and what is wrong when they are not there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fileman import Folder, UnsafePath
from taskman.errors import TaskManError

#: The number of no network location: a list of those that are away begins with it, for an empty one is looked up by a scan.
NOWHERE = -1


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
    if not folder.root.is_dir():
        raise LocationUnfit(f"the folder of {folder.name} is not there", folder.ien)
    return folder


def path_in(folder: Folder, name: str) -> Path:
    """Give the path of a file, whether it is there or not. Raises NoFile for a name that leads out of the location."""
    try:
        return folder.file(name)
    except UnsafePath as problem:
        raise NoFile(str(problem)) from problem


def file_in(folder: Folder, name: str) -> Path:
    """Give the path of a file that is there. Raises NoFile, and LocationUnfit for an empty folder: its share is not mounted."""
    path = path_in(folder, name)
    if not path.is_file():
        if not any(folder.root.iterdir()):
            raise LocationUnfit(f"the folder of {folder.name} is empty", folder.ien)
        raise NoFile(f"there is no file {path}")
    return path
