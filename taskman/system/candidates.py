"""Images that may be released from a short-term location, least recently looked at first, and what is against it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from heapq import merge
from typing import Any

from sqlalchemy import Connection, Executable, Integer, Row, Select, String, bindparam, exists, literal, or_, select, union_all

from fileman import ARE_MADE, FILE_POINTERS, WAITING, handlings
from fileman.files import (
    BackgroundQueue,
    DerivedFile,
    DicomExportImage,
    EvaluatorFlag,
    Image,
    ImagingSite,
    LongTermFault,
    NetworkLocation,
    SendQueue,
)
from taskman.context import TaskContext
from taskman.system.batches import rows_of
from taskman.system.folders import NOWHERE

#: Images that are looked up at a time.
BATCH = 100

#: A row of the selections below.
Entry = Row[*tuple[Any, ...]]

_ARCHIVED = (
    select(
        *FILE_POINTERS,
        Image.uid,
        Image.last_access,
        Image.saved_at,
    )
    .where(
        Image.location == bindparam("of_location"),
        Image.jukebox_location.is_not(None),
        Image.jukebox_location.not_in(bindparam("away", expanding=True)),
        Image.file_ref != "",
        ~exists().where(LongTermFault.image == Image.ien),
    )
    .limit(BATCH)
)
#: Images that nobody ever looked at, in the order in which they came; then those that somebody did, by when that was.
_UNTOUCHED = _ARCHIVED.where(Image.last_access == "", Image.ien > bindparam("after_image")).order_by(Image.ien)
_TOUCHED = _ARCHIVED.where(
    Image.last_access > "",
    Image.last_access >= bindparam("after_moment", type_=String),
    or_(Image.last_access > bindparam("after_moment", type_=String), Image.ien > bindparam("after_image")),
).order_by(Image.last_access, Image.ien)
_PLACES = select(ImagingSite.ien).order_by(ImagingSite.ien)
_ROUTERS = select(NetworkLocation.ien).where(NetworkLocation.router | (NetworkLocation.kind == "ROUTER"))


def _is_there(name: str, *conditions: Any) -> Select[str]:
    return select(literal(name)).where(exists().where(*conditions))


_OF_IMAGE = bindparam("of_image", type_=Integer)


def _queued(queue: str) -> tuple[Any, ...]:
    return (
        BackgroundQueue.place.in_(bindparam("places", expanding=True)),
        BackgroundQueue.queue == queue,
        BackgroundQueue.image == _OF_IMAGE,
        BackgroundQueue.status == "NOT_PROCESSED",
    )


#: What an image's files are still needed for on the short-term location.
_HINDRANCES = union_all(
    _is_there(
        "it is being sent",
        SendQueue.image == _OF_IMAGE,
        SendQueue.destination.in_(bindparam("destinations", expanding=True)),
        SendQueue.status.in_(["WAITING", "SENDING"]),
    ),
    _is_there(
        "it is being exported",
        DicomExportImage.image == _OF_IMAGE,
        DicomExportImage.status.in_(["WAITING", "RETRY", "HOLD", "XMIT"]),
    ),
    _is_there("it is being copied", *_queued("JUKEBOX")),
    # where no rules are judged, the queue for them is never emptied
    _is_there("rules are to be judged", *_queued("EVAL"), exists().where(EvaluatorFlag.id == 1, EvaluatorFlag.running)),
    _is_there("files are made from it", DerivedFile.image == _OF_IMAGE, DerivedFile.state == WAITING, ARE_MADE),
)


@dataclass(frozen=True, slots=True)
class Queues:
    """Where an image may wait for something: places with their background queues, routers' locations as destinations."""

    places: Collection[int]
    destinations: Collection[str]

    @classmethod
    def read(cls, task: TaskContext) -> Queues:
        """Read them."""
        places = [row.ien for row in rows_of(task, _PLACES, {})]
        return cls(places, [f"{row.ien};MAG(2005.2," for row in rows_of(task, _ROUTERS, {})])

    def hindrance(self, connection: Connection, image: int) -> str:
        """Say what keeps an image's files where they are; "" when nothing does."""
        key = {"of_image": image, "places": [NOWHERE, *self.places], "destinations": ["", *self.destinations]}
        if (why := connection.execute(_HINDRANCES, key).scalar()) is not None:
            return str(why)
        handling = handlings(connection, [image]).get(image)
        if handling is not None and (handling.keep_online or handling.do_not_archive):
            what = "keep it on line" if handling.keep_online else "never archive it"
            return f"{handling.said_by} says: {what}"
        return ""


def candidates(task: TaskContext, location: int, away: Collection[int]) -> Iterator[Entry]:
    """Give the images of a location that have a long-term copy, by when they were last looked at, or else came.

    Images whose copy is known to be at fault are left out, and those whose long-term location is `away`, which may grow.
    """
    return merge(
        _pages(task, _UNTOUCHED, location, away), _pages(task, _TOUCHED, location, away), key=lambda row: (_moment(row), row.ien)
    )


def _moment(row: Entry) -> str:
    return str(row.last_access or row.saved_at)


def _pages(task: TaskContext, statement: Executable, location: int, away: Collection[int]) -> Iterator[Entry]:
    moment, image = "", 0
    while True:
        key = {"of_location": location, "away": [NOWHERE, *away], "after_moment": moment, "after_image": image}
        rows = rows_of(task, statement, key)
        yield from rows
        if len(rows) < BATCH:
            return
        moment, image = rows[-1].last_access, rows[-1].ien
