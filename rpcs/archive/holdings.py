"""What the archive holds of patients, studies and series: how many there are below them, where they lie, how soon they come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from fileman import FOLDER_STATES, NEVER_BY_ITSELF, image_location_status, retrieve_seconds
from fileman.files import ArchiveHolding, ArchiveSeries, ArchiveStudy
from rpcs.archive.attributes import Level
from rpcs.site import LocationData

#: Where instances are, from the best: on a short-term location that is on line, on a long-term one, nowhere on line.
INSTORE, NEAR_LINE, OFFLINE = STATES = ("INSTORE", "NEAR-LINE", "OFFLINE")
#: Bytes per second after the first, by which the time of a retrieval is estimated.
_SPEED = {INSTORE: 50_000_000, NEAR_LINE: 20_000_000}

_ENTRIES: BindParameter[Any] = bindparam("entries", expanding=True)
#: The number of the entry that a series belongs to, by level.
_OWNERS: dict[Level, Any] = {
    Level.PATIENT: ArchiveStudy.patient,
    Level.STUDY: ArchiveSeries.study,
    Level.SERIES: ArchiveHolding.series,
}
_SOURCES: dict[Level, Any] = {
    Level.SERIES: ArchiveHolding.__table__,
    Level.STUDY: ArchiveHolding.__table__.join(ArchiveSeries.__table__, ArchiveSeries.ien == ArchiveHolding.series),
}
_SOURCES[Level.PATIENT] = _SOURCES[Level.STUDY].join(ArchiveStudy.__table__, ArchiveStudy.ien == ArchiveSeries.study)
_HELD = {
    level: select(
        owner,
        ArchiveHolding.short_term,
        ArchiveHolding.long_term,
        func.sum(ArchiveHolding.instances),
        func.sum(ArchiveHolding.bytes),
    )
    .select_from(_SOURCES[level])
    .where(owner.in_(_ENTRIES))
    .group_by(owner, ArchiveHolding.short_term, ArchiveHolding.long_term)
    for level, owner in _OWNERS.items()
}
_WITH_STUDIES = ArchiveSeries.__table__.join(ArchiveStudy.__table__, ArchiveStudy.ien == ArchiveSeries.study)
#: How many entries of a level there are below others.
_COUNTS = {
    (Level.PATIENT, Level.STUDY): select(ArchiveStudy.patient, func.count())
    .where(ArchiveStudy.patient.in_(_ENTRIES))
    .group_by(ArchiveStudy.patient),
    (Level.PATIENT, Level.SERIES): select(ArchiveStudy.patient, func.count())
    .select_from(_WITH_STUDIES)
    .where(ArchiveStudy.patient.in_(_ENTRIES))
    .group_by(ArchiveStudy.patient),
    (Level.STUDY, Level.SERIES): select(ArchiveSeries.study, func.count())
    .where(ArchiveSeries.study.in_(_ENTRIES))
    .group_by(ArchiveSeries.study),
}
_MODALITIES = (
    select(ArchiveSeries.study, ArchiveSeries.modality)
    .where(ArchiveSeries.study.in_(_ENTRIES), ArchiveSeries.modality != "")
    .distinct()
    .order_by(ArchiveSeries.study, ArchiveSeries.modality)
)
_CLASSES = (
    select(ArchiveSeries.study, ArchiveHolding.sop_class)
    .select_from(_SOURCES[Level.STUDY])
    .where(ArchiveSeries.study.in_(_ENTRIES), ArchiveHolding.sop_class != "")
    .distinct()
    .order_by(ArchiveSeries.study, ArchiveHolding.sop_class)
)


@dataclass(slots=True)
class Held:
    """How many instances of an entry there are, their bytes, how soon all of them come, and which locations have some."""

    instances: int = 0
    bytes: int = 0
    state: str = INSTORE
    delay: int = 0
    locations: set[str] = field(default_factory=set)

    def add(self, instances: int, size: int, state: str, location: str, delay: int) -> None:
        """Add instances that lie at one place, whose first byte comes after so many seconds."""
        self.instances += instances
        self.bytes += size
        self.state = max(self.state, state, key=STATES.index)
        self.delay = max(self.delay, delay)
        if location:
            self.locations.add(location)

    @property
    def seconds(self) -> int:
        """Estimate how long it takes to retrieve them; below zero where some are off line, and wait for a person."""
        return NEVER_BY_ITSELF if self.state == OFFLINE else self.delay + ceil(self.bytes / _SPEED[self.state])


def state_of(locations: Mapping[int, LocationData], short_term: int, long_term: int) -> str:
    """Tell where an instance is that lies at a pair of locations, 0 for none."""
    return FOLDER_STATES[image_location_status(locations, short_term, long_term)]


def held_at(locations: Mapping[int, LocationData], rows: Iterable[Sequence[int]]) -> dict[int, Held]:
    """Sum up rows of an entry, its short-term and long-term location, instances and bytes."""
    found: dict[int, Held] = {}
    for entry, short_term, long_term, instances, size in rows:
        state = state_of(locations, short_term, long_term)
        name = locations[short_term].name if state == INSTORE else ""
        delay = retrieve_seconds(locations, short_term, long_term)
        found.setdefault(entry, Held()).add(instances, int(size), state, name, delay)
    return found


def held_by(
    connection: Connection, locations: Mapping[int, LocationData], level: Level, entries: Sequence[int]
) -> dict[int, Held]:
    """Give what is held of patients, studies or series."""
    rows: Iterable[Any] = connection.execute(_HELD[level], {"entries": entries}) if entries else ()
    return held_at(locations, rows)


def counts_below(connection: Connection, level: Level, of: Level, entries: Sequence[int]) -> dict[int, int]:
    """Count the studies or series below entries."""
    rows: Iterable[Any] = connection.execute(_COUNTS[level, of], {"entries": entries}) if entries else ()
    return {row[0]: int(row[1]) for row in rows}


def modalities_in(connection: Connection, studies: Sequence[int]) -> dict[int, list[str]]:
    """Give the modalities of studies, in their alphabetic order (0008,0061)."""
    return _lists(connection, _MODALITIES, studies)


def classes_in(connection: Connection, studies: Sequence[int]) -> dict[int, list[str]]:
    """Give the SOP Class UIDs of studies (0008,0062)."""
    return _lists(connection, _CLASSES, studies)


def _lists(connection: Connection, statement: Any, studies: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for study, value in connection.execute(statement, {"entries": studies}) if studies else []:
        found.setdefault(study, []).append(value)
    return found
