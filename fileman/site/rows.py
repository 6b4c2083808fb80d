"""What every table of a site file is: a row of checked values, and the kinds of values that its fields hold."""

from __future__ import annotations

import re
from datetime import date, datetime
from math import isfinite
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from fileman.dates import to_fileman

_FILEMAN = re.compile(r"\d{7}(\.\d{1,6})?")


def _fileman_date(value: object) -> object:
    """Take a TOML date, an ISO date as text, or FileMan text as it is, impossible days included."""
    if isinstance(value, str) and value and not _FILEMAN.fullmatch(value):
        try:
            value = datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
        except ValueError:
            raise ValueError(f'"{value}" is no date: write 2024-01-31, 2024-01-31T10:30:00 or "3240131.103"') from None
    if isinstance(value, datetime) and value.tzinfo is not None:
        raise ValueError("dates carry no zone: write the site's own wall time")
    return to_fileman(value) if isinstance(value, date) else value


def _lock_date(value: object) -> object:
    return value if value == TOMORROW else _fileman_date(value)


#: What a user's `locked_until` may say instead of a date.
TOMORROW = "tomorrow"
FileManDate = Annotated[str, BeforeValidator(_fileman_date)]
LockDate = Annotated[str, BeforeValidator(_lock_date)]
FileType = Literal["ABSTRACT", "FULL", "BIG", "TEXT", "DICOM"]

#: Texts that no procedure answers as a piece; names as DICOM writes them.
_CARET_TAKEN = {
    "intro",
    "patches",
    "password",
    "path",
    "patient_name",
    "performing_physician",
    "post_sign_on",
    "referring_physician",
    "requesting_physician",
}

_DAY = "(?:MO|TU|WE|TH|FR|SA|SU)"
_TIMES = re.compile(rf"(?:{_DAY}(?:-{_DAY})?@)?([01]\d|2[0-3])[0-5]\d-(?:([01]\d|2[0-3])[0-5]\d|2400)")


def _times(value: object) -> object:
    """Check the form of prohibited times: ranges of the clock, each with its days before it where it has some."""
    if isinstance(value, str) and value and not all(_TIMES.fullmatch(part) for part in value.split(",")):
        raise ValueError(f'"{value}" is no list of times: write 0800-1630 or MO-FR@0800-1630, several apart by commas')
    return value


ProhibitedTimes = Annotated[str, BeforeValidator(_times)]


#: What a destination may be asked for, and who begins it: `C-STORE SCP`, `C-ECHO SCU SCP`.
TransmitServiceName = Annotated[str, Field(pattern=r"^[^ ]+( SCU)?( SCP)?$")]
#: A service and the role in which it is permitted: `C-STORE SCU`.
ServiceInRole = Annotated[str, Field(pattern="^.+ SC[UP]$")]


def _measure(value: object) -> object:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


#: A person's height or weight: whole or with decimals.
Measure = Annotated[float, BeforeValidator(_measure), Field(gt=0)]

#: The largest number of a database's column.
_LARGEST = 2**31 - 1
Ien = Annotated[int, Field(ge=1)]


def _parts(value: object) -> tuple[object, ...]:
    """Give what a value consists of: the items of an array, names and values of an inline table."""
    if isinstance(value, dict):
        return (*value.keys(), *value.values())
    return value if isinstance(value, tuple) else (value,)


class Row(BaseModel):
    """One table of the file; a key that is not named here is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @field_validator("*")
    @classmethod
    def _storable(cls, value: object, info: ValidationInfo) -> object:
        """Refuse control characters, carets where FileMan would take them for a field's end, numbers that no database holds."""
        for one in _parts(value):
            if isinstance(one, str) and any(ord(character) < 32 or ord(character) == 127 for character in one):
                raise ValueError("holds a control character")
            if isinstance(one, str) and "^" in one and info.field_name not in _CARET_TAKEN:
                raise ValueError("holds a caret, which separates fields in VistA")
            if isinstance(one, int) and abs(one) > _LARGEST:
                raise ValueError(f"is no number up to {_LARGEST}")
            if isinstance(one, float) and not isfinite(one):
                raise ValueError("is no number")
        return value
