"""The life of a modality performed procedure step: which attributes and changes are right (PS3.4 F.7.2). Values, no database."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

IN_PROGRESS, COMPLETED, DISCONTINUED = "IN PROGRESS", "COMPLETED", "DISCONTINUED"
#: What a step may become; what it has become for good is left alone.
NEXT = {IN_PROGRESS: frozenset({IN_PROGRESS, COMPLETED, DISCONTINUED}), COMPLETED: frozenset(), DISCONTINUED: frozenset()}
#: Statuses of PS3.7 annex C, and the error ID of PS3.4 F.7.2.2.2.
SUCCESS, INVALID_VALUE, PROCESSING_FAILURE, DUPLICATE = "0000", "0106", "0110", "0111"
NO_SUCH_INSTANCE, INVALID_INSTANCE, MISSING_ATTRIBUTE, MISSING_VALUE = "0112", "0117", "0120", "0121"
MAY_NO_LONGER_BE_UPDATED = "A710"

STATUS, SCHEDULED, SERIES = "00400252", "00400270", "00400340"
STATION_TITLE, STATION_NAME, STEP_ID = "00400241", "00400242", "00400253"
START_DATE, START_TIME, END_DATE, END_TIME = "00400244", "00400245", "00400250", "00400251"
PATIENT_NAME, PATIENT_ID, MODALITY = "00100010", "00100020", "00080060"
STUDY_UID, SERIES_UID, ACCESSION, SCHEDULED_STEP_ID = "0020000D", "0020000E", "00080050", "00400009"
IMAGES, OTHER_OBJECTS = "00081140", "00400220"
#: What N-CREATE has to tell, by itself or in each item of a sequence (type 1 of table F.7.2-1).
_AT_CREATION = ((STATUS,), (MODALITY,), (STEP_ID,), (STATION_TITLE,), (START_DATE,), (START_TIME,), (SCHEDULED, STUDY_UID))
#: And what has to be known when it ends.
_AT_THE_END = {
    COMPLETED: ((END_DATE,), (END_TIME,), (SERIES, SERIES_UID)),
    DISCONTINUED: ((END_DATE,), (END_TIME,)),
}
#: What N-SET does not change.
_FIXED = (SCHEDULED, PATIENT_NAME, PATIENT_ID, "00100030", "00100040", MODALITY, STEP_ID, STATION_TITLE, START_DATE, START_TIME)
_NAMES = {
    STATUS: "Performed Procedure Step Status",
    MODALITY: "Modality",
    STEP_ID: "Performed Procedure Step ID",
    STATION_TITLE: "Performed Station AE Title",
    START_DATE: "Performed Procedure Step Start Date",
    START_TIME: "Performed Procedure Step Start Time",
    END_DATE: "Performed Procedure Step End Date",
    END_TIME: "Performed Procedure Step End Time",
    SCHEDULED: "Scheduled Step Attributes Sequence",
    SERIES: "Performed Series Sequence",
    STUDY_UID: "Study Instance UID",
    SERIES_UID: "Series Instance UID",
}
_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")
#: Characters of what steps are found by.
_LIMIT = 64
#: Items of a sequence that are looked at: series of one step, steps that are done in one.
MOST_ITEMS = 1000

Attributes = Mapping[str, Any]


class Refused(Exception):
    """The request is refused. The argument says why, `status` and `error_id` what the modality is to be told."""

    def __init__(self, status: str, why: str, error_id: str = "") -> None:
        super().__init__(why)
        self.status = status
        self.error_id = error_id


@dataclass(frozen=True, slots=True)
class DoneFor:
    """What a step was done for: an item of its Scheduled Step Attributes Sequence."""

    accession: str
    step_id: str
    study_uid: str


@dataclass(frozen=True, slots=True)
class Series:
    """A series that was made: an item of the Performed Series Sequence."""

    series_uid: str
    description: str
    protocol: str
    physician: str
    operator: str
    retrieve_ae_title: str
    instances: int


def created(uid: str, attributes: Attributes) -> None:
    """Check an N-CREATE. Raises Refused."""
    _check_uid(uid)
    _check_form(attributes)
    if STATUS in attributes and text(attributes, STATUS) != IN_PROGRESS:
        raise Refused(INVALID_VALUE, f"{_NAMES[STATUS]} is to be IN PROGRESS at first")
    _check_told(attributes, _AT_CREATION)


def changed(before: Attributes, change: Attributes) -> dict[str, Any]:
    """Give what a step is after an N-SET. Raises Refused; one that says again what ended a step changes nothing."""
    _check_form(change)
    after = {**before, **change}
    if after == before:
        return after
    status = text(before, STATUS)
    if not NEXT[status]:
        raise Refused(PROCESSING_FAILURE, "Performed Procedure Step Object may no longer be updated", MAY_NO_LONGER_BE_UPDATED)
    if text(after, STATUS) not in NEXT[status]:
        raise Refused(INVALID_VALUE, f"{_NAMES[STATUS]} is to be one of {', '.join(sorted(NEXT[status]))}")
    if fixed := next((tag for tag in _FIXED if tag in change and change[tag] != before.get(tag, [])), None):
        raise Refused(INVALID_VALUE, f"{_NAMES.get(fixed, fixed)} is not to be changed")
    _check_told(after, _AT_THE_END.get(text(after, STATUS), ()))
    return after


def _check_uid(uid: str) -> None:
    if len(uid) > _LIMIT or not _UID.fullmatch(uid):
        raise Refused(INVALID_INSTANCE, "the SOP Instance UID is no UID")


def _check_form(attributes: Attributes) -> None:
    """See to it that each attribute has a list, of texts or of items, and that what steps are found by is short enough."""
    for tag, values in attributes.items():
        if not isinstance(values, list) or not (all(map(_is_text, values)) or all(map(_is_item, values))):
            raise Refused(INVALID_VALUE, f"{tag[:8]} is to have a list of texts, or of items")
    for tag in (PATIENT_ID, STEP_ID, STATION_TITLE, STATION_NAME, MODALITY, STATUS, START_DATE, START_TIME, END_DATE, END_TIME):
        _check_length(tag, text(attributes, tag))
    for sequence, tags in ((SCHEDULED, (ACCESSION, SCHEDULED_STEP_ID, STUDY_UID)), (SERIES, (SERIES_UID,))):
        found = items(attributes, sequence)
        if len(found) > MOST_ITEMS:
            raise Refused(INVALID_VALUE, f"{_NAMES[sequence]} has more than {MOST_ITEMS} items")
        for item in found:
            for tag in tags:
                _check_length(tag, text(item, tag))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_item(value: object) -> bool:
    return isinstance(value, dict)


def _check_length(tag: str, value: str) -> None:
    if len(value) > _LIMIT:
        raise Refused(INVALID_VALUE, f"{_NAMES.get(tag, tag)} is longer than {_LIMIT} characters")


def _check_told(attributes: Attributes, wanted: Sequence[tuple[str, ...]]) -> None:
    for path in wanted:
        _check_path(attributes, path)


def _check_path(attributes: Attributes, path: Sequence[str]) -> None:
    tag, *rest = path
    if tag not in attributes:
        raise Refused(MISSING_ATTRIBUTE, f"{_NAMES[tag]} is missing")
    if not rest:
        if not text(attributes, tag):
            raise Refused(MISSING_VALUE, f"{_NAMES[tag]} has no value")
        return
    if not items(attributes, tag):
        raise Refused(MISSING_VALUE, f"{_NAMES[tag]} has no item")
    for item in items(attributes, tag):
        _check_path(item, rest)


def text(attributes: Attributes, tag: str) -> str:
    """Give the first value of an attribute, "" for none."""
    values = attributes.get(tag)
    return values[0].strip() if isinstance(values, list) and values and isinstance(values[0], str) else ""


def items(attributes: Attributes, tag: str) -> list[Attributes]:
    """Give the items of a sequence."""
    values = attributes.get(tag)
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def done_for(attributes: Attributes) -> Iterator[DoneFor]:
    """Give what a step was done for."""
    for item in items(attributes, SCHEDULED):
        yield DoneFor(text(item, ACCESSION), text(item, SCHEDULED_STEP_ID), text(item, STUDY_UID))


def series_of(attributes: Attributes) -> Iterator[Series]:
    """Give the series that were made."""
    for item in items(attributes, SERIES):
        yield Series(
            series_uid=text(item, SERIES_UID),
            description=text(item, "0008103E"),
            protocol=text(item, "00181030"),
            physician=text(item, "00081050"),
            operator=text(item, "00081070"),
            retrieve_ae_title=text(item, "00080054"),
            instances=len(items(item, IMAGES)) + len(items(item, OTHER_OBJECTS)),
        )
