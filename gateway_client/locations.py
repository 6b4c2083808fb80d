"""Network locations: a share's name as the broker says it, and where it lies on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway_client.errors import UnknownShare


@dataclass(frozen=True, slots=True)
class NetworkLocation:
    """One entry of NETWORK LOCATION (#2005.2): `physical` ends in a backslash, `root` is its directory here.

    A `relative` one lies in the data directory.
    """

    ien: int
    name: str
    physical: str
    root: Path
    relative: bool = False

    @property
    def is_there(self) -> bool:
        """Tell whether its folder is there, and answers."""
        try:
            return self.root.is_dir()
        except OSError:
            return False

    def path(self, name: str) -> Path:
        r"""Turn `SL00\00\name.DCM` into a path here. Raises UnknownShare for one that would lead out of the location."""
        parts = [part for part in name.split("\\") if part]
        if any(part in (".", "..") or "/" in part or "\0" in part for part in parts):
            raise UnknownShare(self.physical + name)
        return self.root.joinpath(*parts)


@dataclass(frozen=True, slots=True)
class NetworkLocations:
    """The site's locations, longest share name first, so that the most particular one wins."""

    entries: tuple[NetworkLocation, ...] = ()

    @classmethod
    def parse(cls, lines: Sequence[str], data: Path) -> NetworkLocations:
        """Read the lines `ien^name^physical^path` of MAGB NETWORK LOCATIONS; relative paths lie below the data directory."""
        entries = []
        for line in lines:
            ien, name, physical, path = [*line.split("^", 3), "", "", "", ""][:4]
            if ien.isdigit() and physical and path:
                relative = not Path(path).is_absolute()
                entries.append(NetworkLocation(int(ien), name, physical.rstrip("\\") + "\\", data / path, relative))
        return cls(tuple(sorted(entries, key=lambda it: len(it.physical), reverse=True)))

    def find(self, path: str) -> NetworkLocation:
        """Find the location that a UNC path lies on, whatever the case of its letters. Raises UnknownShare."""
        folded = path.casefold()
        for entry in self.entries:
            if folded.startswith(entry.physical.casefold()):
                return entry
        raise UnknownShare(path)

    def local_path(self, path: str) -> Path:
        r"""Turn `\\SERVER\SHARE$\SL00\00\name.DCM` into a path here.

        Raises UnknownShare, also for a path that would lead out of the share.
        """
        entry = self.find(path)
        return entry.path(path[len(entry.physical) :])
