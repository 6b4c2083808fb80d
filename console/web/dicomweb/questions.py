"""What a query asks (PS3.18 8.3.4): attributes to match and to give, read into what MAGB QUERY takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from console.web.dicomweb.archive import Wanted
from console.web.dicomweb.errors import BadAsked
from gateway_client.archive.identifiers import vr_of_attribute
from gateway_client.archive.levels import is_universal
from rpcs.archive import ATTRIBUTES, Level

#: Matches of one answer at most, and how many of them are given where nothing is said.
MOST_MATCHES = 1000
#: The largest offset that is understood.
MOST_OFFSET = 10**9
STUDY_UID, SERIES_UID, INSTANCE_UID = "0020000D", "0020000E", "00080018"
AVAILABILITY, RETRIEVE_URL = "00080056", "00081190"
#: What is told of a match, and nothing is matched with.
_TOLD = frozenset((AVAILABILITY, RETRIEVE_URL))
#: What is given of each level where nothing is said (PS3.18 tables 10.6.3-3, 10.6.3-4 and 10.6.3-5), by the level.
GIVEN: Mapping[Level, tuple[str, ...]] = {
    Level.STUDY: (
        *("00080020", "00080030", "00080050", "00080061", "00080090", "00081030"),
        *("00100010", "00100020", "00100030", "00100040", STUDY_UID, "00200010", "00201206", "00201208"),
    ),
    Level.SERIES: (*("00080060", "0008103E", SERIES_UID, "00200011", "00201209", "00400244", "00400245", "00400275>00401001"),),
    Level.IMAGE: ("00080016", INSTANCE_UID, "00200013", "00280008", "00280010", "00280011", "00280100"),
}
#: The unique keys of levels, which are always given: addresses are made of them.
_UNIQUE: Mapping[Level, tuple[str, ...]] = {
    Level.STUDY: (STUDY_UID,),
    Level.SERIES: (STUDY_UID, SERIES_UID),
    Level.IMAGE: (STUDY_UID, SERIES_UID, INSTANCE_UID),
}
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_WHOLE = re.compile(r"[0-9]{1,10}")
_UIDS = re.compile(r"[,\\]")
#: Parameters that no attributes are.
_OPTIONS = frozenset(("includefield", "fuzzymatching", "limit", "offset", "accept", "charset"))
_SERVICE = "299 magbroker"
_NOT_FUZZY = "The fuzzymatching parameter is not supported. Only literal matching has been performed."
MORE = f'{_SERVICE} "The number of results exceeded the maximum supported by the server. Additional results can be requested."'


@dataclass(frozen=True, slots=True)
class Question:
    """A query: its level, what has to match and what is given, by paths of tags as `00400275>00401001`."""

    level: Level
    keys: Mapping[str, Sequence[str]]
    given: frozenset[str]
    limit: int = MOST_MATCHES
    offset: int = 0
    warnings: tuple[str, ...] = ()
    #: Whether so many were asked for as are ever given, or more.
    unlimited: bool = True

    @property
    def request(self) -> dict[str, Any]:
        """Give it as MAGB QUERY takes it."""
        keys = {tag: list(self.keys.get(tag, ())) for tag in sorted({*self.given, *self.keys} - _TOLD)}
        return self._asked(keys)

    @property
    def conditions(self) -> dict[str, Any]:
        """Give what has to match alone."""
        return self._asked({tag: list(values) for tag, values in self.keys.items() if not is_universal(values)})

    def _asked(self, keys: Mapping[str, list[str]]) -> dict[str, Any]:
        return {"level": self.level.name, "root": "STUDY", "relational": True, "fold_names": True, "keys": keys}


@dataclass(slots=True)
class _Reading:
    level: Level
    keys: dict[str, list[str]] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    unmatched: list[str] = field(default_factory=list)

    def match(self, name: str, value: str) -> None:
        """Take a condition."""
        path = path_of(name)
        if path in ATTRIBUTES and ATTRIBUTES[path].level <= self.level:
            parted = _UIDS.split(value) if vr_of_attribute(path.rpartition(">")[2]) == "UI" else [value]
            self.keys.setdefault(path, []).extend(part.strip() for part in parted)
            self.given.add(path)
        elif value.strip("*"):
            self.unmatched.append(name)

    def include(self, names: Iterable[str]) -> None:
        """Take what is to be given besides."""
        for name in filter(None, (name.strip() for name in names)):
            if name.lower() == "all":
                self.given |= {path for path, attribute in ATTRIBUTES.items() if attribute.level <= self.level}
                continue
            path = path_of(name)
            within = (known for known in ATTRIBUTES if known == path or known.startswith(f"{path}>"))
            self.given |= {known for known in within if ATTRIBUTES[known].level <= self.level}


def read_question(level: Level, wanted: Wanted, parameters: Sequence[tuple[str, str]]) -> Question:
    """Read a query below a study or a series, or of all. Raises BadAsked."""
    reading, options = _Reading(level), dict[str, list[str]]()
    for name, value in parameters:
        if name.lower() in _OPTIONS:
            options.setdefault(name.lower(), []).append(value)
        else:
            reading.match(name, value)
    for uid, told in ((STUDY_UID, wanted.study), (SERIES_UID, wanted.series)):
        if told:
            if reading.keys.get(uid, [told]) != [told]:
                raise BadAsked(f"The path names another {keyword_for_tag(int(uid, 16))} than the query.")
            reading.keys[uid] = [told]
    reading.given |= {*_UNIQUE[level], *_given(level, wanted)}
    reading.include(name for value in options.get("includefield", ()) for name in value.split(","))
    warnings = [f'{_SERVICE} "{_NOT_FUZZY}"'] if _flag("fuzzymatching", options) else []
    if reading.unmatched:
        named = ", ".join(name[:64] for name in reading.unmatched[:20])
        warnings.append(f'{_SERVICE} "Not matched at this level: {named}."')
    limit = _whole("limit", options, MOST_MATCHES, MOST_OFFSET)
    offset = _whole("offset", options, 0, MOST_OFFSET)
    few = min(limit, MOST_MATCHES)
    return Question(level, reading.keys, frozenset(reading.given), few, offset, tuple(warnings), limit >= MOST_MATCHES)


def _given(level: Level, wanted: Wanted) -> Iterable[str]:
    """Give what is told of a level, and of those above it that the path does not name (PS3.18 10.6.3.3)."""
    levels = {level}
    if not wanted.study:
        levels |= {it for it in GIVEN if it <= level}
    elif not wanted.series and level is Level.IMAGE:
        levels.add(Level.SERIES)
    return (path for it in levels for path in GIVEN[it])


def path_of(name: str) -> str:
    """Read an attribute by its keyword or tag, parted by dots within sequences. Raises BadAsked for what is none."""
    tags: list[str] = []
    for part in name.split("."):
        tag = tag_for_keyword(part) if not _TAG.fullmatch(part) else int(part, 16)
        if tag is None or len(tags) > 8:
            raise BadAsked(f"{name[:64]!r} is no attribute of DICOM.")
        tags.append(f"{tag:08X}")
    if any(_is_sequence(tag) is False for tag in tags[:-1]):
        raise BadAsked(f"{name[:64]!r} names something within what is no sequence.")
    return ">".join(tags)


def _is_sequence(tag: str) -> bool | None:
    """Tell whether an attribute is a sequence; None of one that no dictionary has."""
    try:
        return dictionary_VR(int(tag, 16)) == "SQ"
    except KeyError:
        return None


def _whole(name: str, options: Mapping[str, Sequence[str]], otherwise: int, most: int) -> int:
    (text,) = options.get(name, [""])[-1:]
    if not text:
        return otherwise
    if not _WHOLE.fullmatch(text) or int(text) > most:
        raise BadAsked(f"{name} is to be a whole number up to {most}.")
    return int(text)


def _flag(name: str, options: Mapping[str, Sequence[str]]) -> bool:
    (text,) = options.get(name, ["false"])[-1:]
    if text.lower() not in ("true", "false"):
        raise BadAsked(f"{name} is to be true or false.")
    return text.lower() == "true"
