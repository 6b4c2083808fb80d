"""How full a network location may get: watermarks as people write them, and how much is to go when one is passed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from fileman.errors import FileManError

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15}
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,3})?) ?%")
_BYTES = re.compile(rf"(\d{{1,15}}(?:\.\d{{1,3}})?) ?({'|'.join(_UNITS)})", re.IGNORECASE)


class BadWatermark(FileManError):
    """A watermark is written 90% or 500 GB."""


class Usage(Protocol):
    """How much of a file system is used, in bytes; `shutil.disk_usage` tells it."""

    @property
    def total(self) -> int: ...
    @property
    def used(self) -> int: ...
    @property
    def free(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Watermark:
    """A share of the file system that a location lies on, or a number of bytes used there."""

    amount: float
    percent: bool

    @classmethod
    def parse(cls, text: str) -> Watermark:
        """Read `90%`, `500 GB` (decimal units). Raises BadWatermark."""
        if share := _PERCENT.fullmatch(text.strip()):
            if float(share[1]) <= 100:
                return cls(float(share[1]), percent=True)
        elif size := _BYTES.fullmatch(text.strip()):
            return cls(float(size[1]) * _UNITS[size[2].upper()], percent=False)
        raise BadWatermark(f'"{text[:40]}" is no watermark: write 90% or 500 GB')

    def bytes_above(self, usage: Usage) -> int:
        """Give how many bytes are used beyond it; 0 or less when it is not passed.

        A percentage is one of what can be used: room that is kept for the system's own user counts as none, as in df(1).
        """
        limit = (usage.used + usage.free) * self.amount / 100 if self.percent else self.amount
        return usage.used - int(limit)


@dataclass(frozen=True, slots=True)
class Watermarks:
    """When releasing begins at a location, and how far it goes."""

    high: Watermark
    low: Watermark

    @classmethod
    def parse(cls, high: str, low: str) -> Watermarks | None:
        """Read them; None where there is no high one. Without a low one releasing goes to the high one. Raises BadWatermark."""
        if not high.strip():
            if low.strip():
                raise BadWatermark("low_watermark is for a location that has a high_watermark")
            return None
        above = Watermark.parse(high)
        below = Watermark.parse(low) if low.strip() else above
        if below.percent != above.percent:
            raise BadWatermark("high_watermark and low_watermark are both percentages or both sizes")
        if below.amount > above.amount:
            raise BadWatermark("low_watermark is above high_watermark")
        return cls(above, below)

    def to_release(self, usage: Usage) -> int:
        """Give how many bytes are to go: none until the high one is passed, then what is above the low one."""
        return max(self.low.bytes_above(usage), 0) if self.high.bytes_above(usage) > 0 else 0
