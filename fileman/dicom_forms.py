"""What VistA's files hold in DICOM's form: names, days, times of day; and how texts compare without regard to case."""

from __future__ import annotations

import unicodedata

from fileman.dates import from_fileman

_SUFFIXES = frozenset({"JR", "SR", "II", "III", "IV", "V"})


def dicom_name(name: str) -> str:
    """Write VistA's `FAMILY,GIVEN MIDDLE SUFFIX` as DICOM does."""
    family, _, rest = name.partition(",")
    given, *others = rest.split() or [""]
    suffix = others.pop() if others and others[-1] in _SUFFIXES else ""
    return "^".join((family.strip(), given, " ".join(others), "", suffix)).rstrip("^")


def dicom_day(text: str) -> str:
    """Write the day of a FileMan date as DICOM does; nothing for one that no calendar has."""
    try:
        return f"{from_fileman(text):%Y%m%d}"
    except ValueError:
        return ""


def dicom_time(text: str) -> str:
    """Write the time of a FileMan date as DICOM does; nothing without one."""
    return f"{from_fileman(text):%H%M%S}" if "." in text and dicom_day(text) else ""


def folded(text: str) -> str:
    """Give a text as it compares where upper and lower case are the same, whichever way its accents were written."""
    return unicodedata.normalize("NFC", text).casefold()
