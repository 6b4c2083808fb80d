"""What a DICOM query means, in plain Python over a list of objects: what our answers and other systems' are compared with.

It knows no database and shares no code with the archive: PS3.4 C.2.2.2 read once more. Objects are dictionaries of values by
tag, `ggggeeee` or `ggggeeee>ggggeeee`; a missing element is an empty list.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

#: An object's header, and the keys of a query: values by tag.
Values = Mapping[str, Sequence[str]]

LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")
#: The attribute that names an entry of each level.
UNIQUE = {"PATIENT": "00100020", "STUDY": "0020000D", "SERIES": "0020000E", "IMAGE": "00080018"}
#: What is counted for each count, by the entries' own unique keys.
COUNTS = {
    "00201200": ("PATIENT", "STUDY"),
    "00201202": ("PATIENT", "SERIES"),
    "00201204": ("PATIENT", "IMAGE"),
    "00201206": ("STUDY", "SERIES"),
    "00201208": ("STUDY", "IMAGE"),
    "00201209": ("SERIES", "IMAGE"),
}
#: What a study has of its series and instances.
SETS = {"00080061": "00080060", "00080062": "00080016"}
REQUEST_ID = "00401001"

_DATES = {"00080020", "00080021", "00080023", "00100030", "00400244", "00400250", "00700082"}
_TIMES = {"00080030", "00080031", "00080033", "00400245", "00400251", "00700083"}
_NAMES = {"00080090", "00081060", "00100010", "00700084"}
_UIDS = {"00080016", "00080018", "00080062", "0020000D", "0020000E"}
_NUMBERS = {"00200011", "00200013", "00280008", "00280010", "00280011", "00280100", "00280101", *COUNTS}


def matches(objects: Iterable[Values], level: str, keys: Values, *, fold_names: bool = False) -> list[dict[str, list[str]]]:
    """Give the entries of a level that match, each with the values of every key; their order means nothing."""
    everything = list(objects)
    entries: dict[tuple[str, ...], list[Values]] = {}
    for it in everything:
        entries.setdefault(_identity(it, level), []).append(it)
    found = []
    for those in entries.values():
        described = {tag: values_of(everything, those[-1], tag) for tag in keys}
        if all(key_matches(tag, keys[tag], described[tag], fold_names=fold_names) for tag in keys):
            found.append(described)
    return found


def _identity(it: Values, level: str) -> tuple[str, ...]:
    """Give the unique keys of an object down to a level."""
    return tuple(_first(it, UNIQUE[above]) for above in LEVELS[: LEVELS.index(level) + 1])


def _first(it: Values, tag: str) -> str:
    return next(iter(it.get(tag, ())), "")


def values_of(objects: Sequence[Values], it: Values, tag: str) -> list[str]:
    """Give the values of an attribute, of the object itself or of all that belong to the same entry."""
    if tag in COUNTS:
        level, of = COUNTS[tag]
        mine = _identity(it, level)
        return [str(len({_identity(other, of) for other in objects if _identity(other, level) == mine}))]
    if tag in SETS:
        mine = _identity(it, "STUDY")
        return sorted({_first(other, SETS[tag]) for other in objects if _identity(other, "STUDY") == mine} - {""})
    return [value for value in it.get(tag.rpartition(">")[2] if tag.endswith(REQUEST_ID) else tag, ()) if value]


def key_matches(tag: str, wanted: Sequence[str], values: Sequence[str], *, fold_names: bool = False) -> bool:
    """Tell whether any of a key's values matches any of an attribute's; an empty key, or only stars, matches all."""
    asked = [value for value in wanted if value]
    if not asked or any(not value.strip("*") for value in asked):
        return True
    one = _comparison(tag.rpartition(">")[2], fold_names)
    return any(one(key, value) for key in asked for value in values)


def _comparison(tag: str, fold_names: bool) -> Callable[[str, str], bool]:
    if tag in _NAMES:
        return lambda key, value: _same_name(_folded(key), _folded(value)) if fold_names else _same_name(key, value)
    if tag in _DATES:
        return _same_date
    if tag in _TIMES:
        return _same_time
    if tag in _NUMBERS:
        return _same_number
    return (lambda key, value: key == value) if tag in _UIDS else _wild


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _wild(key: str, value: str) -> bool:
    return fnmatchcase(value, key.replace("[", "[[]"))


def _group(text: str) -> str:
    return re.sub(r"\^+$", "", re.sub(r" *\^ *", "^", text.strip(" ")))


def _same_name(key: str, value: str) -> bool:
    """Compare the groups that a key names; a key without `=` may match any group."""
    groups = [_group(group) for group in value.split("=")]
    if "=" not in key:
        return not _group(key).strip("*") or any(group and _wild(_group(key), group) for group in groups)
    groups += [""] * 3
    asked = [_group(group) for group in key.split("=")]
    return all(not one.strip("*") or (group and _wild(one, group)) for one, group in zip(asked, groups, strict=False))


def _same_date(key: str, value: str) -> bool:
    first, dash, last = key.replace(".", "").partition("-")
    value = value.replace(".", "")
    return (first or "00000000") <= value <= (last or "99999999") if dash else value == first


def _same_time(key: str, value: str) -> bool:
    """Compare times by seconds; a time that is told to the minute is as long as the minute."""
    first, dash, last = key.partition("-")
    begin = _seconds(first, "000000") if first else 0.0
    end = _seconds(last if dash else first, "235959.999999") if (last or not dash) else 86400.0
    return begin <= _seconds(value, "000000") <= end


def _seconds(text: str, rest: str) -> float:
    text = text.replace(":", "")
    whole, _, fraction = text.partition(".")
    whole += rest[len(whole) : 6]
    digit = "9" if rest.endswith("9") else "0"
    return int(whole[:2]) * 3600 + int(whole[2:4]) * 60 + int(whole[4:6]) + int(fraction.ljust(6, digit)) / 1e6


def _same_number(key: str, value: str) -> bool:
    found = re.fullmatch(r"([+-]?\d+)(?:-([+-]?\d+))?", key.replace(" ", ""))
    assert found is not None, f"{key!r} is no number"
    first, last = found.groups()
    return int(first) <= int(value) <= int(last or first)
