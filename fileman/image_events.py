"""The story of an image: one row per step in `image_event`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, update

from fileman.files import Image, ImageEvent
from fileman.many_rows import ManyRows

_ACCESSED = (
    update(Image)
    .where(Image.ien.in_(bindparam("images", expanding=True)), Image.last_access < bindparam("today"))
    .values(last_access=bindparam("today"))
)
_EVENTS = ManyRows(ImageEvent)

#: Characters of a UID (PS3.5 section 9); an event of what claims a longer one tells of its beginning.
UID_LENGTH = 64
#: A detail is cut to this many characters, so that no peer can fill the database with one event.
DETAIL_LIMIT = 1000


class Event(NamedTuple):  # several for each image: a frozen dataclass takes three times as long to make
    """One step: which object, which stage, when (seconds since the epoch), who, and how it went."""

    uid: str
    image: int | None
    stage: str
    at: float
    peer: str = ""
    outcome: str = ""
    detail: str = ""


def record_events(connection: Connection, events: Sequence[Event]) -> None:
    """Write steps down, within the caller's transaction."""
    _EVENTS.write(connection, [_row(event) for event in events])


def note_access(connection: Connection, images: Collection[int], today: str) -> None:
    """Note LAST ACCESS DATE of images that somebody looked at, by FileMan's date: once a day is enough for who asks which."""
    if images:
        connection.execute(_ACCESSED, {"images": sorted(images), "today": today})


def _row(event: Event) -> dict[str, object]:
    return {
        "uid": event.uid[:UID_LENGTH],
        "image": event.image,
        "stage": event.stage,
        "at": event.at,
        "peer": event.peer,
        "outcome": event.outcome,
        "detail": event.detail[:DETAIL_LIMIT],
    }
