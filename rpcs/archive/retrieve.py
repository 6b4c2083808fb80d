"""MAGB RETRIEVE: the instances that a C-MOVE or C-GET names (PS3.4 C.4.2), and where their files are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Integer, Select, bindparam, literal_column, select

from fileman import big_file_name
from fileman.files import ArchiveInstance, ArchivePatient, ArchiveSeries, ArchiveStudy, Image
from rpcs.archive.attributes import ATTRIBUTES, UNIQUE_KEYS
from rpcs.archive.errors import BadQuestion, TooMuch
from rpcs.archive.holdings import INSTORE, state_of
from rpcs.archive.matching import MOST_VALUES, kept
from rpcs.archive.question import answered, flag, page_size, paged, read_keys, read_level, read_request
from rpcs.call import Call
from rpcs.file_find import image_directory
from rpcs.registry import Access, listed, literal, procedure
from rpcs.site import LocationData
from xwb import ResultType

#: Hidden from the engine, which would rather walk over everything in its order than sort what the keys' indexes find.
_IMAGE = ArchiveInstance.image + literal_column("0")
_INSTANCES = (
    select(
        ArchiveInstance.image,
        ArchiveInstance.sop_class,
        ArchiveInstance.sop_uid,
        ArchiveInstance.transfer_syntax,
        ArchiveInstance.size,
        ArchiveInstance.short_term,
        ArchiveInstance.long_term,
        Image.digest,
        Image.file_ref,
        Image.big_extension,
    )
    .select_from(ArchiveInstance)
    .join(Image, Image.ien == ArchiveInstance.image)
    .join(ArchiveSeries, ArchiveSeries.ien == ArchiveInstance.series)
    .join(ArchiveStudy, ArchiveStudy.ien == ArchiveSeries.study)
    .join(ArchivePatient, ArchivePatient.ien == ArchiveStudy.patient)
    .where(bindparam("after", type_=Integer) < _IMAGE)
    .order_by(_IMAGE)
    .limit(bindparam("most"))
)


@procedure(
    "MAGB RETRIEVE",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="retrieve",
    parameters=(listed("REQUEST", 16000, required=True), literal("AFTER", 20), literal("COUNT", 4)),
)
def retrieve(call: Call) -> list[str]:
    """Answer the archived instances of patients, studies, series or images that are named by their unique keys.

    REQUEST is one JSON object, in as many elements as it takes: level (PATIENT, STUDY, SERIES or IMAGE), relational, and keys:
    lists of exact values of 00100020, 0020000D, 0020000E and 00080018, of which the level's own is needed. The first line is
    `{"more"}`: where the next page begins, to be given as AFTER, or null. Then a list for each instance, COUNT at most, or 1,000,
    in the order of entry numbers: SOP Class UID, SOP Instance UID, transfer syntax UID, entry number, digest of the data set,
    path, state (INSTORE, NEAR-LINE or OFFLINE), name of the location, size in bytes. The path is that of the short-term
    file where it is INSTORE, else of the long-term one; empty where no file holds the object as it was received. What no
    gateway told of an object is empty, a size 0. A question that cannot be answered gets `{"error", "status"}` with a status
    code of C-MOVE.
    """
    return answered(_retrieve, call)


def _retrieve(call: Call) -> list[str]:
    request = read_request(call.list(0))
    level, keys = read_level(request), _unique_keys(request)
    flag(request, "relational")
    if not keys.get(UNIQUE_KEYS[level]):
        raise BadQuestion(f"A retrieval of level {level.name} needs {UNIQUE_KEYS[level]}.")
    if below := [tag for tag in keys if ATTRIBUTES[tag].level > level]:
        raise BadQuestion(f"{below[0]} lies below level {level.name}.")
    rows = call.connection.execute(_statement(tuple(sorted(keys))), {**keys, **paged(call)}).all()
    size = page_size(call)
    more = str(rows[size - 1].image) if len(rows) > size else None
    return [json.dumps({"more": more}), *(json.dumps(_instance(call.site.locations, row)) for row in rows[:size])]


def _unique_keys(request: Mapping[str, Any]) -> dict[str, list[str]]:
    """Read the unique keys of a request; empty ones are none. Raises BadQuestion, and TooMuch."""
    keys = {tag: [kept(value) for value in values] for tag, values in read_keys(request).items()}
    if unknown := [tag for tag in keys if tag not in UNIQUE_KEYS.values()]:
        raise BadQuestion(f"{unknown[0][:40]!r} is no unique key.")
    told = {tag: values for tag, given in keys.items() if (values := [value for value in given if value])}
    if any(len(values) > MOST_VALUES for values in told.values()):
        raise TooMuch(f"A key has more than {MOST_VALUES} values.")
    return told


@lru_cache(maxsize=16)
def _statement(tags: tuple[str, ...]) -> Select[*tuple[Any, ...]]:
    """Give the statement of the instances that some keys name; each key's values are a parameter of its name."""
    return _INSTANCES.where(*(ATTRIBUTES[tag].column.in_(bindparam(tag, expanding=True)) for tag in tags))


def _instance(locations: Mapping[int, LocationData], row: Any) -> list[object]:
    state = state_of(locations, row.short_term, row.long_term)
    location = locations.get(row.short_term if state == INSTORE else row.long_term or row.short_term)
    path = ""
    if location is not None and (name := _object_name(row)):
        path = image_directory(location, name) + name
    where = "" if location is None else location.name
    return [
        *(row.sop_class, row.sop_uid, row.transfer_syntax, row.image, row.digest),
        *(path, state, where, row.size),
    ]


def _object_name(row: Any) -> str:
    """Name the file that holds an object as it was received; empty where none does."""
    if row.big_extension == "DCM":
        return big_file_name(row.file_ref, row.big_extension)
    return str(row.file_ref) if row.file_ref.endswith(".DCM") else ""
