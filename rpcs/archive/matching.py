"""The keys of a query, read: what is compared, in a shape of which one statement serves all queries, and the values apart.

PS3.4 C.2.2.2: single value, list of UIDs, universal, wild card and range matching; of several values any may match.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from fileman import TAIL_LEAST, TAIL_MOST, date_of, folded, name_group, number_key, time_key
from rpcs.archive.attributes import Attribute, Matching
from rpcs.archive.errors import BadQuestion, TooMuch

#: Values of one key that are compared as they are, and other ones; characters of a value, and stars in it.
MOST_VALUES, MOST_PATTERNS, MOST_CHARACTERS, MOST_STARS = 10_000, 100, 1024, 20

_WILD = re.compile(r"[*?]")
_STARS = re.compile(r"\*+")
_RANGE = re.compile(r"([^-]*)-([^-]*)")
_NUMBERS = re.compile(r"\s*([+-]?\d+)\s*(?:-\s*([+-]?\d+)\s*)?")
#: What no database holds in a text.
_UNKEPT = re.compile("[\\0\\ud800-\\udfff]")
_FULL_TIME, _END_OF_TIME = "000000", "235959.999999"


class Compare(Enum):
    """How one value is compared. A range has both ends.

    BEGINS is what a pattern with its one wild card, a star, at the end asks for; ANYWHERE one that begins with a wild card, and
    WITHIN such a one of a value whose tails are kept, with characters in a row to look for there.
    """

    EQUAL = "equal"
    BEGINS = "begins"
    PATTERN = "pattern"
    ANYWHERE = "anywhere"
    WITHIN = "within"
    RANGE = "range"


#: A comparison with the values that it takes.
Compared: TypeAlias = tuple[Compare, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Alternative:
    """One value of a key. Of a person name there is a comparison for each group that says something, by the group's number.

    Group 0 is any group, and the whole of what is no name.
    """

    groups: tuple[tuple[int, Compared], ...]


@dataclass(frozen=True, slots=True)
class Key:
    """One key: one of `equal` or of the other alternatives has to match. `fold` says that upper and lower case are the same."""

    attribute: Attribute
    equal: tuple[object, ...] = ()
    others: tuple[Alternative, ...] = ()
    fold: bool = False


def read_key(attribute: Attribute, values: Sequence[str], *, fold_names: bool = False) -> Key | None:
    """Read a key; None for universal matching. Raises BadQuestion, and TooMuch."""
    told = [kept(value) for value in values]
    if not any(told) or any(value and not value.strip("*") for value in told):
        return None
    if any(len(value) > MOST_CHARACTERS for value in told):
        raise TooMuch(f"A value of {attribute.tag} has more than {MOST_CHARACTERS} characters.")
    if len(told) > MOST_VALUES:
        raise TooMuch(f"{attribute.tag} has more than {MOST_VALUES} values.")
    fold = fold_names and attribute.matching is Matching.NAME
    alternatives = [_READERS[attribute.matching](attribute, value, fold) for value in dict.fromkeys(filter(None, told))]
    equal = [value for it in alternatives for value in _plain(it) or ()]
    others = [it for it in alternatives if _plain(it) is None]
    if any(not it.groups for it in others):
        return None
    if len(others) > MOST_PATTERNS:
        raise TooMuch(f"{attribute.tag} has more than {MOST_PATTERNS} ranges and values with wild cards.")
    return Key(attribute, tuple(equal), tuple(others), fold)


def kept(value: str) -> str:
    """Give a value without the blanks around it; a character that no database keeps is one that no value has."""
    return _UNKEPT.sub("\N{REPLACEMENT CHARACTER}", value.strip(" \0"))


def _plain(alternative: Alternative) -> tuple[object, ...] | None:
    """Give the value of an alternative that is compared as it is, whichever group of a name it may be."""
    match alternative.groups:
        case ((0, (Compare.EQUAL, values)),):
            return values
    return None


def _whole(compared: Compared) -> Alternative:
    return Alternative(((0, compared),))


def _text(attribute: Attribute, value: str, fold: bool) -> Alternative:
    return _whole(_compared(attribute, value))


def _compared(attribute: Attribute, value: str) -> Compared:
    value = _STARS.sub("*", value)
    if value.count("*") > MOST_STARS:
        raise TooMuch(f"A value of {attribute.tag} has more than {MOST_STARS} wild cards.")
    wild = _WILD.search(value)
    if wild is None:
        return Compare.EQUAL, (value,)
    if value[wild.start() :] == "*":
        return Compare.BEGINS, (value[:-1],)
    if wild.start():
        return Compare.PATTERN, (value,)
    run = max(_WILD.split(value), key=len)[:TAIL_MOST]
    if attribute.has_tails and len(run) >= TAIL_LEAST:
        return Compare.WITHIN, (value, run)
    return Compare.ANYWHERE, (value,)


def _name(attribute: Attribute, value: str, fold: bool) -> Alternative:
    groups = [name_group(group) for group in value.split("=")]
    if len(groups) > 3:
        raise BadQuestion(f"A value of {attribute.tag} has more than three groups.")
    told = {number: folded(group) if fold else group for number, group in enumerate(groups, 1 if "=" in value else 0)}
    return Alternative(tuple((number, _compared(attribute, group)) for number, group in told.items() if group.strip("*")))


def _uid(attribute: Attribute, value: str, fold: bool) -> Alternative:
    return _whole((Compare.EQUAL, (value,)))


def _date(attribute: Attribute, value: str, fold: bool) -> Alternative:
    ends = _ends(attribute, value)
    dates = [date_of(end) for end in ends]
    if any(end and not date for end, date in zip(ends, dates, strict=True)):
        raise BadQuestion(f"{value!r} of {attribute.tag} is no date and no range of dates.")
    if len(dates) == 1:
        return _whole((Compare.EQUAL, (dates[0],)))
    return _whole((Compare.RANGE, (dates[0] or "0", dates[1] or "99999999")))


def _time(attribute: Attribute, value: str, fold: bool) -> Alternative:
    ends = _ends(attribute, value)
    if any(end and not time_key(end) for end in ends):
        raise BadQuestion(f"{value!r} of {attribute.tag} is no time and no range of times.")
    first, last = time_key(ends[0]) or _FULL_TIME, _end_of_time(ends[-1]) or _END_OF_TIME
    return _whole((Compare.RANGE, (first, last)))


def _end_of_time(text: str) -> str:
    """Give the last moment of a time that is told as far as to hours, minutes or seconds."""
    digits = text.replace(":", "")
    if not digits:
        return ""
    clock, _, fraction = digits.partition(".")
    return f"{clock}{_END_OF_TIME[len(clock) : 6]}.{fraction.ljust(6, '9')}"


def _ends(attribute: Attribute, value: str) -> tuple[str, ...]:
    """Split a range; what is none has one end."""
    if "-" not in value:
        return (value,)
    found = _RANGE.fullmatch(value)
    ends = () if found is None else tuple(end.strip() for end in found.groups())
    if not any(ends):
        raise BadQuestion(f"{value!r} of {attribute.tag} is no range.")
    return ends


def _number(attribute: Attribute, value: str, fold: bool) -> Alternative:
    found = _NUMBERS.fullmatch(value)
    if found is None:
        raise BadQuestion(f"{value!r} of {attribute.tag} is no number.")
    ends = [number_key(end) for end in found.groups() if end is not None]
    if None in ends:
        raise BadQuestion(f"{value!r} of {attribute.tag} is out of bounds.")
    return _whole((Compare.EQUAL, (ends[0],)) if len(ends) == 1 else (Compare.RANGE, tuple(ends)))


_READERS: dict[Matching, Callable[[Attribute, str, bool], Alternative]] = {
    Matching.TEXT: _text,
    Matching.VALUES: _text,
    Matching.NAME: _name,
    Matching.UID: _uid,
    Matching.DATE: _date,
    Matching.TIME: _time,
    Matching.NUMBER: _number,
    Matching.MODALITIES: _text,
    Matching.CLASSES: _uid,
    Matching.COUNT: _number,
}
