"""Where images can be had, and how long that takes: Image Location Status (0029,xx53), Estimated Retrieve Time (0029,xx54).

An image lies on a short-term location, a long-term one, or both. What counts is which of them are on line.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

#: Seconds that the images of a location without `retrieve_seconds` take to come, by its kind.
RETRIEVE_SECONDS = {"MAG": 0, "JUKEBOX": 60}
#: What is answered as time for images that do not come by themselves.
NEVER_BY_ITSELF = -1


class ImageLocationStatus(StrEnum):
    """Where an image is: the terms of Image Location Status, in the order from best to worst."""

    ONLINE = "ONLINE"
    NEARLINE = "NEARLINE"
    OFFLINE = "OFFLINE"
    INVALID = "INVALID"


#: As Storage Media File-Set ID (0088,0130) has them, for queries.
FOLDER_STATES: Mapping[ImageLocationStatus, str] = {
    ImageLocationStatus.ONLINE: "INSTORE",
    ImageLocationStatus.NEARLINE: "NEAR-LINE",
    ImageLocationStatus.OFFLINE: "OFFLINE",
    ImageLocationStatus.INVALID: "OFFLINE",
}


class StorageLocation(Protocol):
    """What is to be known of a network location (#2005.2)."""

    @property
    def online(self) -> bool: ...
    @property
    def kind(self) -> str: ...
    @property
    def retrieve_seconds(self) -> int | None: ...


def image_location_status(
    locations: Mapping[int, StorageLocation], short_term: int | None, long_term: int | None
) -> ImageLocationStatus:
    """Tell where an image can be had that lies on these locations, of which one may be none (0)."""
    here, there = locations.get(short_term or 0), locations.get(long_term or 0)
    if here is not None and here.online:
        return ImageLocationStatus.ONLINE
    if there is not None and there.online:
        return ImageLocationStatus.NEARLINE
    return ImageLocationStatus.INVALID if here is None and there is None else ImageLocationStatus.OFFLINE


def retrieve_seconds(locations: Mapping[int, StorageLocation], short_term: int | None, long_term: int | None) -> int:
    """Estimate how many seconds an image takes to come; below zero for one that is off line, or nowhere."""
    match image_location_status(locations, short_term, long_term):
        case ImageLocationStatus.ONLINE:
            return _seconds(locations[short_term or 0])
        case ImageLocationStatus.NEARLINE:
            return _seconds(locations[long_term or 0])
        case _:
            return NEVER_BY_ITSELF


def _seconds(location: StorageLocation) -> int:
    if location.retrieve_seconds is not None:
        return location.retrieve_seconds
    return RETRIEVE_SECONDS.get(location.kind, 0)
