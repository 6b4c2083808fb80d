"""The moment of an evaluation, in the forms that conditions compare with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from fileman.dates import from_fileman, to_fileman

#: A date of a DICOM header, with or without a time (DA and DT of PS3.5 6.2); a FileMan date has one digit less.
_DICOM = re.compile(r"(\d{8})(\d\d)?(\d\d)?(\d\d)?(?:\.\d{1,6})?(?:[+-]\d{4})?", re.ASCII)
DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


@dataclass(frozen=True, slots=True)
class Moment:
    """A wall-clock time without a zone."""

    at: datetime

    @property
    def vista(self) -> str:
        """Write the moment as NOW^MAGBRTE3 does: `MON 3240115.153045`, trailing zeros dropped."""
        return f"{DAYS[self.at.weekday()]} {to_fileman(self.at)}"

    @property
    def day(self) -> str:
        """Write the day as a FileMan date."""
        return to_fileman(self.at)[:7]

    @property
    def full(self) -> str:
        """Write the moment with all its 18 places."""
        return full_text(self.at)


@lru_cache(maxsize=256)
def full_text(at: datetime) -> str:
    """Write a time with weekday and all six digits of the clock."""
    return f"{DAYS[at.weekday()]} {to_fileman(at)[:7]}.{at:%H%M%S}"


@lru_cache(maxsize=4096)
def full_of_date(text: str) -> str | None:
    """Write a FileMan date, or one of a DICOM header, in full; None when it is none. A time zone is not heeded."""
    try:
        found = _DICOM.fullmatch(text)
        if found is None:
            return full_text(from_fileman(text))
        clock = "".join(part or "00" for part in found.groups()[1:])
        return full_text(datetime.fromisoformat(f"{found[1]}T{clock}"))
    except ValueError:
        return None
