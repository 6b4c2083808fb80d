"""What a trial is given as JSON: an image's facts by keyword, and beside them what no condition can ask for.

Of the latter `RESERVED` has the names, in lower case; any other name is a keyword's or a DICOM element's, in any letter case.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from fileman import from_fileman, to_fileman
from rules.evaluator.image_facts import KnownImage
from rules.judging.desk import PriorStudy
from rules.judging.facts import ImageFacts
from rules.judging.moment import DAYS, Moment
from rules.language.dicom_names import keyword_of
from rules.trials.errors import TrialError
from rules.trials.places import FILE_TYPES, Listed

#: Institution and task of images that neither is said of: those of the recorded cases.
LOCATION, TASK = 660, 777
URGENCIES = ("ROUTINE", "URGENT", "STAT")
#: Where an image's study and accession number are taken from when they are not said, in this order.
_STUDY_FROM = ("STUDY_INSTANCE_UID", "PACS_UID")
_ACCESSION_FROM = ("RADIOLOGY_REPORT", "ACCESSION_NUMBER")
#: An accession number with its site's before it: VistA's look-up of the urgency does not find those (PRI^MAGBRTE4).
_SITE_ACCESSION = re.compile(r"\w{3,}-\d{6}-\d+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Given:
    """An image to try rules on. `missing` is why no rule is asked: it has no file, or is not there at all.

    `destinations` are those that exist; None leaves that to the site, or to what the rules name. `holidays` are FileMan dates
    besides the site's, `priors` the images of the patient's earlier studies.
    """

    known: KnownImage
    now: str = ""
    location: int = LOCATION
    task: int = TASK
    destinations: tuple[Listed, ...] | None = None
    holidays: frozenset[str] = frozenset()
    priors: tuple[PriorStudy, ...] = ()
    missing: str = ""

    @property
    def facts(self) -> ImageFacts:
        """What conditions ask for."""
        return self.known.facts


#: An image of which nothing is known.
NOTHING = Given(KnownImage(ImageFacts(1, ""), "", 0, ""))


def read_moment(text: str) -> Moment:
    """Read a moment: `SAT 3261121.030449`, `3261121.0304`, `2026-11-21T03:04:49`. Raises TrialError."""
    day, _, rest = text.strip().partition(" ")
    weekday = day.upper() if day.upper() in DAYS else ""
    bare = rest.strip() if weekday else text.strip()
    try:
        at = from_fileman(bare)
    except ValueError:
        try:
            at = datetime.fromisoformat(bare).replace(tzinfo=None)
        except ValueError:
            raise TrialError(
                f'{json.dumps(text)} is no moment: write it as FileMan does, "SAT 3261121.030449", or as 2026-11-21T03:04:49.'
            ) from None
    if weekday and weekday != DAYS[at.weekday()]:
        raise TrialError(f"{bare} is a {DAYS[at.weekday()]}, not a {weekday}: say one of the two otherwise.")
    return Moment(at)


def read_facts(text: str) -> dict[str, Any]:
    """Read a JSON object of facts. Raises TrialError."""
    try:
        facts = json.loads(text)
    except json.JSONDecodeError as error:
        raise TrialError(f"The facts are no JSON, see line {error.lineno}, column {error.colno}: {error.msg}.") from None
    if not isinstance(facts, dict):
        raise TrialError('The facts are a JSON object of keywords and values, such as {"MODALITY": "CT"}.')
    return facts


def lay_over(base: Given, facts: Mapping[str, Any]) -> Given:
    """Lay facts over what is known of an image already. Raises TrialError that names the fact which cannot be used."""
    reserved: dict[str, Any] = {}
    values = dict(base.facts.values)
    for name, value in facts.items():
        if name in RESERVED:
            reserved[name] = RESERVED[name](name, value)
        elif name.upper() in ("NOW", "URGENCY"):
            reserved[name.lower()] = RESERVED[name.lower()](name, value)
        elif texts := _texts(name, value):
            values[keyword_of(name.strip())] = texts
        else:
            values.pop(keyword_of(name.strip()), None)
    return _given(base, values, reserved)


def _given(base: Given, values: Mapping[str, tuple[str, ...]], reserved: Mapping[str, Any]) -> Given:
    known, facts = base.known, base.facts
    accession = reserved.get("accession", known.accession or _first(values, _ACCESSION_FROM))
    findable = facts.urgency_found and not _SITE_ACCESSION.fullmatch(accession)
    study = reserved.get("study_uid", facts.study_uid or _first(values, _STUDY_FROM) or "1")
    told = ImageFacts(
        reserved.get("image", facts.image),
        study,
        values,
        reserved.get("urgency", facts.urgency),
        urgency_found=reserved.get("urgency_found", findable),
        group=reserved.get("group", facts.group),
    )
    group = reserved.get("group", known.group) or told.image
    whole = ("now", "location", "task", "destinations", "holidays", "priors", "missing")
    return replace(
        base,
        known=KnownImage(told, known.uid, group, accession),
        **{name: reserved[name] for name in whole if name in reserved},
    )


def _first(values: Mapping[str, tuple[str, ...]], names: tuple[str, ...]) -> str:
    return next((values[name][0] for name in names if name in values), "")


def _texts(name: str, value: Any) -> tuple[str, ...]:
    parts = value if isinstance(value, list) else [value]
    return tuple(text for part in parts if part is not None and (text := _text(name, part)))


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TrialError(f'"{name}" is {json.dumps(value)}: a fact is a text or a list of texts, null for an undefined one.')
    return str(value)


def _number(name: str, value: Any) -> int:
    if isinstance(value, bool) or not str(value or 0).isdigit():
        raise TrialError(f'"{name}" is {json.dumps(value)}: give it a whole number.')
    return int(value or 0)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TrialError(f'"{name}" is {json.dumps(value)}: give it true or false.')
    return value


def _urgency(name: str, value: Any) -> str:
    text = _text(name, value[0] if isinstance(value, list) and len(value) == 1 else value).upper()
    if text and text not in URGENCIES:
        raise TrialError(f'"{name}" is {json.dumps(value)}: it is one of {", ".join(URGENCIES)}, or null.')
    return text


def _days(name: str, value: Any) -> frozenset[str]:
    if not isinstance(value, list):
        raise TrialError(f'"{name}" is {json.dumps(value)}: give a list of days, such as ["2026-11-26"].')
    return frozenset(to_fileman(read_moment(_text(name, day)).at.date()) for day in value)


def _destinations(name: str, value: Any) -> tuple[Listed, ...]:
    """Read `["A", "B"]`, or an object of names with `{"number": 14, "files": ["FULL"]}`."""
    is_list = isinstance(value, list) and all(isinstance(it, str) for it in value)
    named = {place: {} for place in value} if is_list else value
    if not isinstance(named, dict) or not all(isinstance(it, dict) for it in named.values()):
        example = '["ARCHIVE"] or {"ARCHIVE": {"number": 14, "files": ["FULL", "BIG"]}}'
        raise TrialError(f'"{name}" is {json.dumps(value)}: give names of destinations, such as {example}.')
    return tuple(_listed(place, number, facts) for number, (place, facts) in enumerate(named.items(), start=1))


def _listed(name: str, number: int, facts: Mapping[str, Any]) -> Listed:
    files = facts.get("files", list(FILE_TYPES))
    if not isinstance(files, list) or not set(files) <= set(FILE_TYPES):
        raise TrialError(f"{name} is sent {json.dumps(files)}: file types are {', '.join(FILE_TYPES)}.")
    return Listed(name, _number("number", facts.get("number", number)), tuple(files))


def _priors(name: str, value: Any) -> tuple[PriorStudy, ...]:
    if not isinstance(value, list) or not all(isinstance(it, dict) and isinstance(it.get("images"), list) for it in value):
        example = '[{"group": 8, "study_uid": "9.4", "accession": "010123-90", "images": [9, 10]}]'
        raise TrialError(f'"{name}" is {json.dumps(value)}: give a list such as {example}.')
    return tuple(
        PriorStudy(
            _number("group", it.get("group")),
            _text("study_uid", it.get("study_uid")),
            _text("accession", it.get("accession")),
            tuple(_number("images", image) for image in it["images"]),
        )
        for it in value
    )


#: What no condition can ask for, and how it is read.
RESERVED: Mapping[str, Callable[[str, Any], Any]] = {
    "image": _number,
    "study_uid": _text,
    "group": _number,
    "accession": _text,
    "urgency": _urgency,
    "urgency_found": _flag,
    "now": _text,
    "location": _number,
    "task": _number,
    "destinations": _destinations,
    "holidays": _days,
    "priors": _priors,
    "missing": _text,
}
