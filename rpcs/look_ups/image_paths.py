"""Where the files of an image lie, as procedures answer it (FINDFILE^MAGFILEB)."""

from __future__ import annotations

from typing import Any, NamedTuple

from fileman import big_file_name, file_name
from rpcs.image_processing import image_directory
from rpcs.site import SiteData


class ImagePath(NamedTuple):
    """A file's name, and the same with the share and directories before it."""

    name: str
    path: str


def find_file_of_image(site: SiteData, image: Any, file_type: str) -> ImagePath | None:
    """Find one of an image's files: FULL, ABSTRACT, BIG or TEXT; None where VistA answers an error in place of a name.

    A file on a short-term location that is off line is looked for on the jukebox.
    """
    short_term, name = _wanted(image, file_type)
    where = site.locations.get(short_term or image.jukebox_location or 0)
    if where is None or not name:
        return None
    if not where.online:
        where = site.locations.get(image.jukebox_location or 0)
        if where is None or not where.online:
            return None
    return ImagePath(name, image_directory(where, name)[0] + name)


def _wanted(image: Any, file_type: str) -> tuple[int | None, str]:
    """Give the short-term location that a file should be on, and its name; no name for a file that is not there."""
    if not image.file_ref:
        return None, ""
    if file_type == "ABSTRACT":
        return image.abstract_location, file_name(image.file_ref, file_type)
    if file_type == "BIG":
        if not (image.big_location or image.big_jukebox_location or image.big_extension):
            return None, ""
        return image.big_location or image.big_jukebox_location, big_file_name(image.file_ref, image.big_extension)
    return image.location, file_name(image.file_ref, file_type)
