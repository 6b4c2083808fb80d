"""Where one of an image's files lies, or why it cannot be had (FILEFIND^MAGDFB)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from fileman import big_file_name, file_name, hashed_directories
from rpcs.site import LocationData

NO_BIG_FILE = "-1~BIG File Does NOT Exist"
NO_LOCATION = "-1~NO NETWORK OR JUKEBOX LOCATION DEFINED"


class ImageFiles(Protocol):
    """What an entry of IMAGE (#2005) says of its files."""

    @property
    def ien(self) -> int: ...
    @property
    def file_ref(self) -> str: ...
    @property
    def location(self) -> int | None: ...
    @property
    def abstract_location(self) -> int | None: ...
    @property
    def jukebox_location(self) -> int | None: ...
    @property
    def big_location(self) -> int | None: ...
    @property
    def big_jukebox_location(self) -> int | None: ...
    @property
    def big_extension(self) -> str: ...


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file's name and its name with the path before it; an error's text in place of both when `missing`."""

    name: str
    path: str
    missing: bool = False


def find_file(locations: Mapping[int, LocationData], image: ImageFiles, file_type: str) -> FoundFile:
    """Find the FULL, ABSTRACT, BIG, TEXT or DICOM file of an image: on its short-term location, or on the jukebox.

    The jukebox is where a file lies without a short-term location, or with one that is off line. VistA finds no DICOM file of
    its own; here it is that file which holds the object as it was received, where one does.
    """
    name, short_term, long_term = _place(image, file_type)
    if name.startswith("-"):
        return _missing(name)
    pointer = short_term or long_term
    if not (pointer and image.file_ref):
        return _missing(NO_LOCATION)
    location = locations.get(pointer)
    if location is None:
        return _missing(f"-1~INVALID NETWORK LOCATION POINTER ->{pointer}")
    if not location.online and location.kind == "MAG":
        location = locations.get(image.jukebox_location or 0)
        if location is None:
            return _missing(f"-1^{image.ien}^^NOWHERE")
    if not location.online:
        return _missing(f"-1^{image.ien}^{image.jukebox_location or ''}^OFFLINE")
    return FoundFile(name, f"{image_directory(location, name)}{name}")


def has_big_file(image: ImageFiles) -> bool:
    """Tell whether an image has a BIG file besides its full one (node FBIG)."""
    return bool(image.big_location or image.big_jukebox_location or image.big_extension)


def image_directory(location: LocationData, name: str) -> str:
    """Give the directory of a file on a network location: its share, and the hashed directories where it has some."""
    return location.physical + directory_hash(location.hash, name)


def directory_hash(hashed: bool, name: str) -> str:
    """Give the directories that a file lies in by its name, with a backslash at the end; none on a flat location."""
    return "\\".join(hashed_directories(name)) + "\\" if hashed else ""


def _place(image: ImageFiles, file_type: str) -> tuple[str, int | None, int | None]:
    """Give the name of a file, or what is said of one that is not there, and its short-term and long-term locations."""
    match file_type:
        case "BIG":
            if not has_big_file(image):
                return NO_BIG_FILE, None, None
            return big_file_name(image.file_ref, image.big_extension), image.big_location, image.big_jukebox_location
        case "ABSTRACT":
            return file_name(image.file_ref, file_type), image.abstract_location, image.jukebox_location
        case "DICOM":
            if image.big_extension == "DCM":
                return _place(image, "BIG")
            return _place(image, "FULL") if image.file_ref.endswith(".DCM") else (NO_LOCATION, None, None)
        case _:
            return file_name(image.file_ref, file_type), image.location, image.jukebox_location


def _missing(text: str) -> FoundFile:
    return FoundFile(text, text, missing=True)
