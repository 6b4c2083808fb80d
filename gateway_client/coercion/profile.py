"""The Basic Application Level Confidentiality Profile and its options, as the table of attributes says them (PS3.15 E.1-1)."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from importlib.resources import files

from runtime import DeidentificationSettings


class Action(Enum):
    """What becomes of an attribute (PS3.15 E.1.1); CLEAN is what can be cleaned alone, SHIFT what is put back in time.

    INNER keeps a sequence, and goes into it.
    """

    DUMMY = "D"
    ZERO = "Z"
    REMOVE = "X"
    KEEP = "K"
    UID = "U"
    CLEAN = "C"
    SHIFT = "S"
    INNER = "U*"


#: What is done where the table leaves it to the IOD: what keeps the object valid, whichever type the attribute has there.
_RESOLVED = {"X/Z": Action.ZERO, "X/D": Action.DUMMY, "Z/D": Action.DUMMY, "X/Z/D": Action.DUMMY, "X/Z/U*": Action.INNER}
#: Tags of repeating groups are looked up by the first.
_CURVES, _OVERLAYS = range(0x5000, 0x5100), range(0x6000, 0x6100)


@dataclass(frozen=True, slots=True)
class Option:
    """A choice beside the profile: its code (PS3.16 CID 7050), what the code means, and its column in the table."""

    code: str
    meaning: str
    column: str = ""


BASIC = Option("113100", "Basic Application Confidentiality Profile")
GRAPHICS = Option("113103", "Clean Graphics Option", "graphics")
STRUCTURED = Option("113104", "Clean Structured Content Option", "structured")
DESCRIPTORS = Option("113105", "Clean Descriptors Option", "descriptors")
FULL_DATES = Option("113106", "Retain Longitudinal Temporal Information Full Dates Option", "full_dates")
MODIFIED_DATES = Option("113107", "Retain Longitudinal Temporal Information Modified Dates Option", "modified_dates")
PATIENT = Option("113108", "Retain Patient Characteristics Option", "patient")
DEVICE = Option("113109", "Retain Device Identity Option", "device")
UIDS = Option("113110", "Retain UIDs Option", "uids")
SAFE_PRIVATE = Option("113111", "Retain Safe Private Option")
INSTITUTION = Option("113112", "Retain Institution Identity Option", "institution")


def options_of(settings: DeidentificationSettings) -> tuple[Option, ...]:
    """Give the options that settings choose."""
    chosen = {
        GRAPHICS: settings.clean_graphics,
        STRUCTURED: settings.clean_structured_content,
        DESCRIPTORS: bool(settings.clean_descriptors),
        FULL_DATES: settings.retain_dates == "full",
        MODIFIED_DATES: settings.retain_dates == "modified",
        PATIENT: settings.retain_patient_characteristics,
        DEVICE: settings.retain_device_identity,
        UIDS: settings.retain_uids,
        SAFE_PRIVATE: bool(settings.safe_private),
        INSTITUTION: settings.retain_institution_identity,
    }
    return tuple(option for option, is_chosen in chosen.items() if is_chosen)


@dataclass(frozen=True, slots=True)
class Profile:
    """The actions by tag under some options; `otherwise` is what is done where something cannot be cleaned or put back."""

    actions: Mapping[int, Action]
    otherwise: Mapping[int, Action]

    def action(self, tag: int) -> Action | None:
        """Give what becomes of an attribute; None where the table does not name it."""
        return self.actions.get(_looked_up(tag))

    def plain(self, tag: int) -> Action:
        """Give what becomes of an attribute without options."""
        return self.otherwise.get(_looked_up(tag), Action.REMOVE)


def profile_with(options: tuple[Option, ...]) -> Profile:
    """Give the profile under some options. What one of them keeps stays, but for dates that are put back."""
    actions, basic = {}, {}
    for tag, row in _table():
        plain = _RESOLVED.get(row["basic"]) or Action(row["basic"])
        chosen = {option.column: row[option.column] for option in options if option.column and row[option.column]}
        basic[tag] = plain
        if MODIFIED_DATES.column in chosen:
            actions[tag] = Action.SHIFT
        elif "K" in chosen.values():
            actions[tag] = Action.KEEP
        elif "structured" in chosen:
            actions[tag] = Action.INNER
        else:
            actions[tag] = Action.CLEAN if chosen else plain
    return Profile(actions, basic)


def _looked_up(tag: int) -> int:
    group = tag >> 16
    if group in _CURVES:
        return 0x50000000
    return 0x60000000 | (tag & 0xFFFF) if group in _OVERLAYS else tag


@lru_cache(maxsize=1)
def _rows() -> tuple[dict[str, str], ...]:
    text = files(__package__).joinpath("table_e_1_1.csv").read_text(encoding="ascii")
    return tuple(csv.DictReader(text.splitlines()))


def _table() -> Iterator[tuple[int, Mapping[str, str]]]:
    for row in _rows():
        yield _looked_up(int(row["tag"].replace("X", "0"), 16)), row
