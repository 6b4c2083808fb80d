"""Routers' network locations: where files are copied to, how often that is tried, how long a copy is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway_client.copying.copies import Blame, NotCopied
from gateway_client.errors import UnknownShare
from gateway_client.locations import NetworkLocation, NetworkLocations
from runtime import make_directories

#: How often it is tried again to reach a location, and to write a file there, where the location does not say.
RETRIES = 3


@dataclass(frozen=True, slots=True)
class Router:
    """A router's entry of NETWORK LOCATION (#2005.2); without `retention_days` copies stay.

    `archive` are the locations in whose folders, or around them, it must not lie: a copy there would be the original, and to
    purge the one would be to lose the other.
    """

    location: NetworkLocation
    retention_days: int | None
    retry_connect: int
    retry_transmit: int
    archive: tuple[NetworkLocation, ...]

    @property
    def ien(self) -> int:
        """Its number."""
        return self.location.ien

    @property
    def name(self) -> str:
        """Its name."""
        return self.location.name

    def connect(self, *, to_purge: bool = False) -> None:
        """See whether its folder is there: one in the data directory is made, another is a share that has to be mounted.

        Where there is something to purge a folder in which nothing lies is that of a share which is not. Raises NotCopied.
        """
        root = self.location.root
        try:
            if self.location.relative:
                make_directories(root)
            if not root.is_dir():
                raise NotCopied(f"The folder of {self.name}, {root}, is not there.", Blame.CONNECTION)
            if to_purge and not self.location.relative and not any(root.iterdir()):
                raise NotCopied(f"Nothing lies in {root}, the folder of {self.name}: its share is not mounted.", Blame.CONNECTION)
            real = root.resolve()
            for other in self.archive:
                its = other.root.resolve()
                if real.is_relative_to(its) or its.is_relative_to(real):
                    why = f"The folders of {self.name} and of {other.name} lie in one another; nothing is copied or purged."
                    raise NotCopied(why, Blame.CONNECTION)
        except OSError as error:
            why = f"The folder of {self.name}, {root}, does not answer: {error.strerror or error}."
            raise NotCopied(why, Blame.CONNECTION) from error

    def path(self, name: str) -> Path:
        r"""Turn `\SUB\SL00\00\name.DCM` into a path here. Raises NotCopied where it leads out, if only by a link."""
        root = self.location.root
        try:
            path = self.location.path(name)
            inside = path != root and path.parent.resolve().is_relative_to(root.resolve())
        except UnknownShare:
            inside = False
        if not inside:
            raise NotCopied(f"{name!r} leads out of {self.name}.", Blame.FILE)
        return path


def read_routers(lines: Sequence[str], locations: NetworkLocations) -> list[Router]:
    """Read the lines of MAGB ROUTE DESTINATIONS: `ien^name^retention days^retries to connect^retries to transmit`."""
    pieces = [[*line.split("^"), *[""] * 5][:5] for line in lines]
    numbers = {int(ien) for ien, *_ in pieces if ien.isdigit()}
    places = {entry.ien: entry for entry in locations.entries}
    archive = tuple(entry for entry in locations.entries if entry.ien not in numbers)
    return [
        Router(places[int(ien)], _number(days), _times(connect), _times(transmit), archive)
        for ien, _name, days, connect, transmit in pieces
        if ien.isdigit() and int(ien) in places
    ]


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _times(text: str) -> int:
    return int(text) if text.isdigit() else RETRIES
