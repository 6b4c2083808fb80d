"""Images that are to come back from long-term storage: a gateway asks for them and waits until they are there."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

import taskman.api as taskman
from fileman import FILE_POINTERS, ImageLocationStatus, ask_operator, image_location_status, recalls, upserts
from fileman.files import Image, Recall, Task
from rpcs.call import Call
from rpcs.errors import RpcError
from rpcs.file_find import find_file
from rpcs.numbers import LARGEST
from rpcs.registry import Access, Answer, listed, literal, procedure
from rpcs.session import AskWhenWoken
from rpcs.site import LocationData
from taskman.api import OPTION_ENTRY_POINT
from taskman.record import CREATED, SCHEDULED
from xwb import ResultType, m_number

#: The option that brings images back, and the subject of its runs.
OPTION, SUBJECT = "MAGB RECALL IMAGES", "SHORT-TERM^MAGBSYS"
#: Images of one call.
MOST_IMAGES = 1000
#: Characters of who asks, of which an AE title has 16.
ASKED_BY_LIMIT = 64
#: Seconds for which an image that could not come back is not tried again.
RETRY_FAILED = 300.0
#: Seconds that a call waits at most where the task may run in another process, whose commits nobody here hears of.
LONGEST_UNHEARD = 5.0

INSTORE, WAITING, OFFLINE, FAILED = "INSTORE", "WAITING", "OFFLINE", "FAILED"

#: A row of the selection below.
Entry = Row[*tuple[Any, ...]]

_IMAGES = (
    select(
        *FILE_POINTERS,
        Recall.state,
        Recall.reason,
        Recall.failed_at,
    )
    .join(Recall, Recall.image == Image.ien, isouter=True)
    .where(Image.ien.in_(bindparam("images", expanding=True)))
)
_ASK = upserts(
    Recall,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[Recall.image],
        set_={name: getattr(insert.excluded, name) for name in ("location", "state", "reason", "asked_by", "asked_at")},
        where=Recall.state == FAILED,
    ),
)
_PENDING = (
    select(Task.number)
    .where(Task.status.in_([CREATED, SCHEDULED]), Task.entry_point == OPTION_ENTRY_POINT, Task.option == OPTION)
    .limit(1)
)


class BadRecall(RpcError):
    """The request is not `{"images": [number, ...], "for": "AE TITLE"}`, as JSON."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which images are to come back, and for whom."""

    images: tuple[int, ...]
    asked_by: str

    @classmethod
    def read(cls, text: str) -> Asked:
        """Read a request. Raises BadRecall."""
        try:
            asked = json.loads(text)
        except (ValueError, RecursionError):
            raise BadRecall from None
        images = asked.get("images") if isinstance(asked, dict) else None
        who = asked.get("for", "") if isinstance(asked, dict) else None
        if not isinstance(images, list) or not isinstance(who, str) or not all(map(_is_number, images)):
            raise BadRecall
        if len(images) > MOST_IMAGES:
            raise BadRecall(f"At most {MOST_IMAGES} images are asked for at once.")
        return cls(tuple(dict.fromkeys(images)), who.strip()[:ASKED_BY_LIMIT])


@dataclass(frozen=True, slots=True)
class Standing:
    """How an image stands: its path where it is in store, what there is to be said otherwise.

    `wanted_from` is the location that it is to come from, where it is not waited for yet.
    """

    image: int
    state: str
    path: str = ""
    detail: str = ""
    wanted_from: int = 0

    def line(self) -> str:
        """Write it as it is answered."""
        return json.dumps([self.image, self.state, self.path, self.detail])


@procedure(
    "MAGB RECALL",
    returns=ResultType.ARRAY,
    access=Access.WRITES,
    routine="recall",
    parameters=(listed("REQUEST", required=True), literal("WAIT", 10)),
)
def recall(call: Call) -> Answer | list[str]:
    """Ask that images come back to a short-term location; answer a JSON array `[ien, state, path, detail]` for each.

    REQUEST is JSON, its elements one text: `{"images": [ien, ...], "for": "AE TITLE"}`, 1000 images at most. The state is
    INSTORE, with the path of the object as it was received; WAITING; OFFLINE, with the label of the medium, which an operator
    is asked for now; or FAILED, with the reason. While some are WAITING the answer waits until one comes back, WAIT seconds at
    most: it may be asked again until none is. Who asks for what is waited for already waits along. A request that cannot be
    understood is answered with one line `{"error": ...}`.
    """
    since = call.store.sleepers.count
    try:
        asked = Asked.read("".join(call.list(0).values()))
    except BadRecall as error:
        return [json.dumps({"error": str(error)})]
    now = call.clock.seconds()
    rows = call.connection.execute(_IMAGES, {"images": [0, *asked.images]}).all()
    found = {row.ien: row for row in rows}
    standings = [_standing(call.site.locations, image, found.get(image), now) for image in asked.images]
    wanted = [it for it in standings if it.wanted_from]
    if wanted:
        _ask(call.connection, wanted, asked.asked_by, now)
    for location in sorted({it.wanted_from for it in standings if it.state == OFFLINE}):
        medium = call.site.locations[location]
        ask_operator(call.connection, location, medium.label or medium.name, asked.asked_by, now)
    if any(it.state == WAITING for it in standings):
        if any(it.state == WAITING for it in wanted) or not taskman.is_running(call.connection, SUBJECT, now):
            queue_run(call.connection, call.session.duz, now)
        seconds = float(m_number(call.text(1)))
        if seconds > 0 and not call.waited:
            seconds = seconds if call.store.sqlite else min(seconds, LONGEST_UNHEARD)
            return Answer(effects=(AskWhenWoken((recalls(),), seconds, since),))
    return [it.line() for it in standings]


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST


def _standing(locations: Mapping[int, LocationData], image: int, row: Entry | None, now: float) -> Standing:
    """Tell how an image stands, and what is to be asked for."""
    if row is None:
        return Standing(image, FAILED, detail="there is no such image")
    if not row.file_ref:
        return Standing(image, FAILED, detail="the image has no file")
    match image_location_status(locations, row.location, row.jukebox_location):
        case ImageLocationStatus.ONLINE:
            found = find_file(locations, row, "DICOM")
            return Standing(image, INSTORE, "" if found.missing else found.path)
        case ImageLocationStatus.NEARLINE:
            if row.state == FAILED and now - row.failed_at < RETRY_FAILED:
                return Standing(image, FAILED, detail=row.reason)
            return Standing(image, WAITING, wanted_from=0 if row.state == WAITING else row.jukebox_location)
        case ImageLocationStatus.OFFLINE:
            location = row.jukebox_location if row.jukebox_location in locations else row.location
            medium = locations[location]
            return Standing(image, OFFLINE, detail=medium.label or medium.name, wanted_from=location)
        case _:
            return Standing(image, FAILED, detail="the image lies on no network location")


def _ask(connection: Connection, wanted: Collection[Standing], asked_by: str, now: float) -> None:
    facts = {"state": WAITING, "reason": "", "asked_by": asked_by, "asked_at": now, "failed_at": 0.0}
    connection.execute(_ASK[connection.dialect.name], [{"image": it.image, "location": it.wanted_from, **facts} for it in wanted])


def queue_run(connection: Connection, duz: int, now: float) -> None:
    """Queue a run of the task that brings images back, unless one waits to begin."""
    if connection.execute(_PENDING).first() is None:
        taskman.load(connection, OPTION_ENTRY_POINT, {}, OPTION, duz, now, option=OPTION)
