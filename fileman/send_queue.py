"""SEND QUEUE (#2006.035): a file waits for a destination once, whoever has it wait again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sqlalchemy import Connection, bindparam, delete, select, update

from fileman.files import SendQueue

_TWIN = select(SendQueue.ien, SendQueue.priority).where(
    SendQueue.destination == bindparam("destination_"),
    SendQueue.status == "WAITING",
    SendQueue.image == bindparam("image_"),
    SendQueue.file_type == bindparam("file_type_"),
    SendQueue.ien != bindparam("ien_"),
)
_AS_IT_WAS = (SendQueue.ien == bindparam("ien_")) & (SendQueue.status == bindparam("was"))
_WAIT = (
    update(SendQueue)
    .where(_AS_IT_WAS)
    .values(status="WAITING", status_at=bindparam("now"), destination=bindparam("destination_"))
)
_DROP = delete(SendQueue).where(_AS_IT_WAS)
_RAISE = update(SendQueue).where(SendQueue.ien == bindparam("twin")).values(priority=bindparam("raised"))


class Waits(Enum):
    """What became of an entry that was to wait: it does, another stands for both, or its status had changed meanwhile."""

    ITSELF = "waits"
    DOUBLED = "doubled"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class CopyEntry:
    """An entry of the send queue: the file that is to be copied, where to (`14;MAG(2005.2,`), and the status it was seen with."""

    ien: int
    image: int
    file_type: str
    destination: str
    priority: int
    status: str


def let_wait(connection: Connection, entry: CopyEntry, destination: str, now: float) -> Waits:
    """Let an entry wait, for its own destination or another; where the file waits there already, that entry stands for both.

    The caller holds `send_queue_lock` of the image. `now` is in seconds since the epoch.
    """
    key = {"ien_": entry.ien, "was": entry.status}
    wanted = {"destination_": destination, "image_": entry.image, "file_type_": entry.file_type, "ien_": entry.ien}
    twin = connection.execute(_TWIN, wanted).first()
    if twin is None:
        done = connection.execute(_WAIT, {**key, "destination_": destination, "now": now}).rowcount
        return Waits.ITSELF if done else Waits.CHANGED
    if not connection.execute(_DROP, key).rowcount:
        return Waits.CHANGED
    if twin.priority < entry.priority:
        connection.execute(_RAISE, {"twin": twin.ien, "raised": entry.priority})
    return Waits.DOUBLED
