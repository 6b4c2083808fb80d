"""Where an image's files lie: network locations (#2005.2) as folders of this machine, and the names of files in them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from sqlalchemy import Connection, select

from fileman.errors import FileManError
from fileman.files import Image, NetworkLocation

_LOCATIONS = select(
    NetworkLocation.ien,
    NetworkLocation.name,
    NetworkLocation.path,
    NetworkLocation.kind,
    NetworkLocation.online,
    NetworkLocation.router,
    NetworkLocation.hash,
    NetworkLocation.subdirectory,
    NetworkLocation.retention_days,
    NetworkLocation.physical,
    NetworkLocation.site,
    NetworkLocation.label,
    NetworkLocation.high_watermark,
    NetworkLocation.low_watermark,
    NetworkLocation.retrieve_seconds,
).where(NetworkLocation.name != "")  # a nameless one is no place: only its state was ever told
#: What an entry of IMAGE (#2005) says of its files.
FILE_POINTERS = (
    Image.ien,
    Image.file_ref,
    Image.location,
    Image.abstract_location,
    Image.jukebox_location,
    Image.big_location,
    Image.big_jukebox_location,
    Image.big_extension,
)
#: The extension of each file of an image; FULL is the file that the image names.
EXTENSIONS = {"ABSTRACT": "ABS", "BIG": "BIG", "TEXT": "TXT", "DICOM": "DCM"}
#: Matches what leads nowhere but into the directory that it stands behind.
_STAYS_INSIDE = re.compile(r"(?!\.\.?\Z)[^/\\\0]*").fullmatch


class UnsafePath(FileManError):
    """The path leads out of its network location."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A network location as a folder here; a relative path of the site file lies below the data directory.

    `physical` is its path as procedures tell it, `site` its place (#2006.1), `label` that of a medium which may be off line.
    """

    ien: int
    name: str
    root: Path
    kind: str = "MAG"
    online: bool = True
    router: bool = False
    hash: bool = False
    subdirectory: str = ""
    retention_days: int | None = None
    relative: bool = False
    physical: str = ""
    site: int = 0
    label: str = ""
    high_watermark: str = ""
    low_watermark: str = ""
    retrieve_seconds: int | None = None

    @property
    def medium(self) -> str:
        """What operators know it by: its label, or else its name."""
        return self.label or self.name

    @property
    def is_there(self) -> bool:
        """Tell whether its folder is there now; a share that answers with an error is not."""
        return os.path.isdir(self.root)

    def file(self, name: str, checked: set[str] | None = None) -> Path:
        """Give the path of a file of this location: its subdirectory, its hashed directories, its name. Raises UnsafePath.

        Links are followed for the check, so that no name and no link leads out of the location. Who asks for many files at once
        brings a set: a directory that is in it was checked already, one that is not comes into it.
        """
        parts = [part for part in self.subdirectory.replace("\\", "/").split("/") if part]
        parts += [*(hashed_directories(name) if self.hash else ()), name]
        if not name or not all(map(_STAYS_INSIDE, parts)):
            raise UnsafePath(f"{name!r} leads out of network location {self.name}.")
        directory = os.path.join(self.root, *parts[:-1])
        path = Path(directory, name)
        if checked is None or directory not in checked:
            directories = accumulate(parts[:-1], os.path.join, initial=str(self.root))
            next(directories)  # the root may be a link itself
            # without a link on the way nothing has to be followed, which takes many times as long
            if any(map(os.path.islink, directories)) and not path.parent.resolve().is_relative_to(self.root.resolve()):
                raise UnsafePath(f"{path} leads out of network location {self.name} by a link.")
            if checked is not None:
                checked.add(directory)
        return path

    def overlaps(self, other: Folder) -> bool:
        """Tell whether files of one location may be files of the other."""
        mine, its = self.root.resolve(), other.root.resolve()
        return mine.is_relative_to(its) or its.is_relative_to(mine)


def hashed_directories(file_ref: str) -> list[str]:
    """Give the directories of a file on a location with hierarchical ones (DIRHASH^MAGFILEB).

    They are the name's first four characters, then two by two all but the last two.
    """
    root = file_ref.partition(".")[0]
    return [root[:4], *(root[index : index + 2] for index in range(4, len(root) - 2, 2))]


def file_name(file_ref: str, file_type: str) -> str:
    """Give the name of one of an image's files."""
    extension = EXTENSIONS.get(file_type)
    return file_ref if extension is None else f"{file_ref.partition('.')[0]}.{extension}"


def big_file_name(file_ref: str, big_extension: str) -> str:
    """Give the name of an image's BIG file, which is a DICOM object where its entry says so."""
    return f"{file_ref.partition('.')[0]}.{big_extension or EXTENSIONS['BIG']}"


def read_folders(connection: Connection, data: Path) -> dict[int, Folder]:
    """Read every network location, by its number."""
    return {
        row.ien: Folder(
            row.ien,
            row.name,
            data / row.path,
            row.kind,
            row.online,
            row.router,
            row.hash,
            row.subdirectory,
            row.retention_days,
            relative=not Path(row.path).is_absolute(),
            physical=row.physical,
            site=row.site,
            label=row.label,
            high_watermark=row.high_watermark,
            low_watermark=row.low_watermark,
            retrieve_seconds=row.retrieve_seconds,
        )
        for row in connection.execute(_LOCATIONS)
    }
