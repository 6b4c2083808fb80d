"""Images of the small site with their long-term copies, and how full its short-term location is said to be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from fileman.files import Image, NetworkLocation
from taskman.system import releases
from tests.integration.system.conftest import Site

RELEASE, RECALL = "MAGB RELEASE SHORT-TERM", "MAGB RECALL IMAGES"
#: Bytes of an image's file here.
SIZE = 1_000


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system of 100,000 bytes."""

    used: int
    total: int = 100_000

    @property
    def free(self) -> int:
        return self.total - self.used


def archived(site: Site, *images: int, **columns: Any) -> list[Path]:
    """File images that have the same file on both locations."""
    files = []
    for image in images:
        content = f"image {image} ".encode().ljust(SIZE, b".")
        files.append(site.image(image, content=content, jukebox_location=2, **columns))
        copy = copy_of(site, files[-1])
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
    return files


def copy_of(site: Site, file: Path) -> Path:
    """Give the path of a file's long-term copy."""
    return site.data / "jukebox1" / file.relative_to(site.data / "image1")


def change(site: Site, file: Any, ien: int, **values: object) -> None:
    """Change an entry."""
    site.store.transact(lambda connection: connection.execute(update(file).where(file.ien == ien).values(values)))


def mark(site: Site, high: str = "90%", low: str = "80%") -> None:
    """Set the watermarks of the short-term location."""
    change(site, NetworkLocation, 1, high_watermark=high, low_watermark=low)


def fill(monkeypatch: pytest.MonkeyPatch, used: int) -> None:
    """Let the short-term location be so full."""
    monkeypatch.setattr(releases, "disk_usage", lambda _root: Disk(used))


def places(site: Site) -> dict[int, tuple[int | None, int | None]]:
    """Give each image's short-term and long-term location."""
    rows = site.all(select(Image.ien, Image.location, Image.jukebox_location).order_by(Image.ien))
    return {ien: (location, jukebox) for ien, location, jukebox in rows}


def released(site: Site) -> list[int]:
    """Name the images that are on the long-term location alone."""
    return [ien for ien, (location, _jukebox) in places(site).items() if location is None]
