"""The story of an image in words: what happened to it, step by step, and what it waits for now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, bindparam, or_, select

from fileman import rejection_of
from fileman.files import (
    BackgroundQueue,
    DerivedFile,
    DicomExportImage,
    DicomFailedImage,
    HeldDestination,
    Image,
    ImageAudit,
    ImageEvent,
    ImagingSite,
    NetworkLocation,
    Recall,
    SendQueue,
)
from rules.evaluator.decisions import read_decision
from rules.evaluator.explaining import why_not

#: What is said of a step, by its stage and how its outcome begins; the longest beginning that fits counts.
WORDS: dict[tuple[str, str], str] = {
    ("RECEIVE", "received"): "came to the gateway from {peer} ({detail})",
    ("STORE", "filed"): "was filed as image {image} for gateway {peer}",
    ("STORE", "duplicate"): "came again by gateway {peer} and was not filed a second time",
    ("STORE", "correct"): "fits no exam and patient ({detail}) and was put on the CORRECT list, where a person says whose it is",
    ("STORE", "refused"): "was refused when gateway {peer} wanted to file it: {detail}",
    ("PLACE", ""): "{outcome} in its place: {detail}",
    ("PLACE", "failed"): "could not be put in its place: {detail}",
    ("PLACE", "taken back"): "was taken back from its place: {detail}",
    ("PROCESSED", "queued"): "is in its place, as gateway {peer} said, and was queued for what follows",
    ("PROCESSED", "warning"): "is in its place, with a warning: {detail}",
    ("ROLLBACK", "deleted"): "was taken back by gateway {peer}, which could not copy its file",
    ("HOLD", "refused"): "is held in the gateway's spool for a person: {detail}",
    ("IGNORE", "dropped"): "was dropped by the gateway: {detail}",
    ("DUPLICATE", "dropped"): "was dropped by the gateway, which has it already: {detail}",
    ("IMPORT", "known"): "was on the imported medium and is known already ({detail})",
    ("CORRECT", "fixed"): "is to be filed anew with what {peer} said: {detail}",
    ("CORRECT", "to be deleted"): "is to be deleted by its gateway, as {peer} said: {detail}",
    ("CORRECT", "taken back"): "{peer} took back what was said of it ({detail})",
    ("CORRECT", "corrected"): "was corrected by its gateway: {detail}",
    ("CORRECT", "refused"): "could not be corrected by its gateway: {detail}",
    ("CORRECT", "deleted"): "was deleted by its gateway: {detail}",
    ("EVALUATE", ""): "was judged by the routing rules: {outcome}, {detail}",
    ("DERIVE", "there"): "has a file made of it: {detail}",
    ("DERIVE", ""): "a file that was to be made of it: {outcome}, {detail}",
    ("SEND", "queued"): "was queued to be sent: {detail}",
    ("SEND", "not queued"): "was {outcome}: {detail}",
    ("SEND", "requeued"): "was queued again to be sent: {detail}",
    ("SEND", "success"): "was sent by {peer} to {detail}",
    ("SEND", "success, sent again"): "was sent by {peer} to {detail}, which may have it twice",
    ("SEND", "sent"): "was copied by {peer}: {detail}",
    ("SEND", "retry"): "could not be sent by {peer} and is tried again: {detail}",
    ("SEND", "fail"): "was not sent: {detail}",
    ("SEND", "no file"): "could not be copied, for it has no such file: {detail}",
    ("SEND", "not found"): "could not be copied, for its file was not found: {detail}",
    ("SEND", "given up"): "was not sent in time and given up: {detail}",
    ("SEND", "cancelled"): "is not to be sent any more, as {peer} said: {detail}",
    ("COPY", "copied"): "was copied to {peer}: {detail}",
    ("COPY", "already there"): "is at {peer} already: {detail}",
    ("COPY", "failed"): "could not be copied to {peer}: {detail}",
    ("MOVE", "sent"): "was retrieved by C-MOVE to {peer}, {detail}",
    ("MOVE", "failed"): "could not be sent by C-MOVE to {peer}, {detail}",
    ("GET", "sent"): "was retrieved by C-GET, {detail}",
    ("GET", "failed"): "could not be given by C-GET, {detail}",
    ("COMMIT", "committed"): "was committed to {peer}",
    ("COMMIT", "not committed"): "was not committed to {peer}: {detail}",
    ("PRIOR", ""): "a prior study of it was looked for at {peer}: {outcome} {detail}",
    ("JUKEBOX", "copied"): "was copied to long-term location {detail}",
    ("JUKEBOX", ""): "was not copied to long-term storage ({outcome}): {detail}",
    ("RELEASE", "released"): "was released from short-term storage: {detail}",
    ("RELEASE", "failed"): "could not be released from short-term storage: {detail}",
    ("RECALL", "recalled"): "came back from long-term storage: {detail}",
    ("RECALL", "failed"): "could not come back from long-term storage: {detail}",
    ("PURGE", ""): "a copy of it was taken away ({outcome}): {detail}",
    ("DELETE", ""): "its file was to be deleted: {outcome} {detail}",
    ("DELETE", "entry deleted"): "was deleted by {peer}: {detail}",
    ("MERGE", "merged"): "its patient was merged by {peer}: {detail}",
    ("MOVE EXAM", "moved"): "was moved to another exam by {peer}: {detail}",
    ("TEXT", "corrected"): "its text file says now whose it is",
    ("TEXT", "not corrected"): "its text file still says what it said: {detail}",
    ("REJECT", "rejected"): "was rejected by {peer}: {detail}; nobody is shown or sent it",
    ("REJECT", "accepted"): "was accepted again by {peer}",
    ("RETRACT", "retracted"): "was called back by {peer}: {detail}",
}
#: Where nothing better is known.
_OTHERWISE = "{stage}: {outcome} {detail} {peer}"

_BY_UID = ImageEvent.uid == bindparam("uid_")
_EVENTS = select(*ImageEvent.__table__.columns).where(ImageEvent.ien > bindparam("after")).order_by(ImageEvent.ien)
_OF_OBJECT: dict[bool, Select[*tuple[Any, ...]]] = {
    True: _EVENTS.where(or_(_BY_UID, ImageEvent.image == bindparam("image_"))).limit(bindparam("most")),
    False: _EVENTS.where(_BY_UID).limit(bindparam("most")),
}
_DONE = select(ImageEvent.ien).where(ImageEvent.image == bindparam("image_"), ImageEvent.stage == "PROCESSED").limit(1)
_LISTED = (
    select(DicomFailedImage.ien, DicomFailedImage.reason, DicomFailedImage.queued, DicomFailedImage.machine)
    .where(DicomFailedImage.image_uid == bindparam("uid_"), DicomFailedImage.removed.is_(False))
    .order_by(DicomFailedImage.ien)
)
_DELETED = (
    select(ImageAudit.ien, ImageAudit.deleted_by, ImageAudit.deleted_at, ImageAudit.delete_reason)
    .where(ImageAudit.uid == bindparam("uid_"))
    .order_by(ImageAudit.ien)
)
_ON_FILE = select(Image.ien).where(Image.uid == bindparam("uid_"), Image.parent.is_not(None)).order_by(Image.ien).limit(1)
_PLACES = select(ImagingSite.ien).order_by(ImagingSite.ien)
QUEUED = select(
    BackgroundQueue.ien, BackgroundQueue.queue, BackgroundQueue.place, BackgroundQueue.status, BackgroundQueue.reason
).where(
    BackgroundQueue.place == bindparam("place_"),
    BackgroundQueue.queue.in_(["EVAL", "JUKEBOX", "JBTOHD"]),
    BackgroundQueue.image == bindparam("image_"),
)
EXPORTS = (
    select(
        DicomExportImage.export,
        DicomExportImage.sequence,
        DicomExportImage.application,
        DicomExportImage.status,
        DicomExportImage.status_at,
        DicomExportImage.next_try_at,
        DicomExportImage.tries,
        DicomExportImage.reason,
        HeldDestination.held_by,
    )
    .join(HeldDestination, HeldDestination.application == DicomExportImage.application, isouter=True)
    .where(DicomExportImage.image == bindparam("image_"))
    .order_by(DicomExportImage.export, DicomExportImage.sequence)
)
_ROUTERS = select(NetworkLocation.ien, NetworkLocation.name).where(NetworkLocation.router).order_by(NetworkLocation.ien)
COPIES = (
    select(SendQueue.ien, SendQueue.file_type, SendQueue.status, SendQueue.held)
    .where(
        SendQueue.destination == bindparam("destination_"),
        SendQueue.status.in_(["WAITING", "SENDING", "FAILED"]),
        SendQueue.image == bindparam("image_"),
    )
    .order_by(SendQueue.ien)
)
_DERIVED = select(DerivedFile.file_type).where(DerivedFile.image == bindparam("image_"), DerivedFile.state == "WAITING")
_RECALL = select(Recall.state, Recall.reason, Recall.asked_by).where(Recall.image == bindparam("image_"))
_QUEUES = {"EVAL": "the routing rules", "JUKEBOX": "its long-term copy", "JBTOHD": "its copy to come from long-term storage"}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a story; `told` says it in words, `at` is in seconds since the epoch."""

    ien: int
    at: float
    stage: str
    peer: str
    outcome: str
    detail: str
    told: str


def story_of(connection: Connection, uid: str, image: int | None, after: int, most: int) -> list[Step]:
    """Give the steps of an object behind one of them, in their order; an image that is filed is known by its number, too."""
    statement = _OF_OBJECT[image is not None]
    rows = connection.execute(statement, {"uid_": uid or None, "image_": image, "after": after, "most": most})
    return [Step(it.ien, it.at, it.stage, it.peer, it.outcome, it.detail, _told(it)) for it in rows]


def _told(event: Any) -> str:
    begins = [key for key in WORDS if key[0] == event.stage and event.outcome.startswith(key[1])]
    words = WORDS[max(begins, key=lambda key: len(key[1]))] if begins else _OTHERWISE
    facts = {name: getattr(event, name) for name in ("stage", "outcome", "image")}
    return words.format(**facts, peer=event.peer or "nobody named", detail=event.detail or "nothing more is known").strip()


def waits_of(connection: Connection, uid: str, image: int | None) -> list[str]:
    """Say what an object waits for now, and why it is not where somebody looks for it; nothing for one that is done."""
    if image is None:
        return list(_not_filed(connection, uid))
    found = list(_filed(connection, image))
    decision = read_decision(connection, image)
    if decision is not None and decision["fired"] == "[]":
        found.append(f"No routing rule fired for it: {why_not(connection, image)}")
    return found


def _not_filed(connection: Connection, uid: str) -> Iterator[str]:
    for row in connection.execute(_LISTED, {"uid_": uid}):
        where = f"It is on the CORRECT list (entry {row.ien}): {row.reason}."
        waits = {"FIXED": f"Gateway {row.machine} is to file it anew.", "DELETE": f"Gateway {row.machine} is to delete it."}
        yield f"{where} {waits.get(row.queued, 'A person is to say whose it is (MAGB CORRECT FIX).')}"
    for gone in connection.execute(_DELETED, {"uid_": uid}):
        yield f"Image {gone.ien} was deleted by user {gone.deleted_by}: {gone.delete_reason}."


def _filed(connection: Connection, image: int) -> Iterator[str]:
    if (rejection := rejection_of(connection, image)) is not None:
        yield f"It is rejected by {rejection.rejected_by}: {rejection.reason}. MAGB IMAGE ACCEPT takes that back."
    if connection.execute(_DONE, {"image_": image}).first() is None:
        yield "Its gateway has yet to say that its file is in its place."
    for row in queued_of(connection, image):
        if row.status == "NOT_PROCESSED":
            yield f"It waits for {_QUEUES[row.queue]} (place {row.place})."
        elif row.status in ("FAILED", "SKIPPED"):
            yield f"{_QUEUES[row.queue].capitalize()}: {row.status.lower()}, {row.reason or 'without a reason'}."
    for (file_type,) in connection.execute(_DERIVED, {"image_": image}):
        yield f"Its {file_type} file is yet to be made."
    for row in connection.execute(EXPORTS, {"image_": image}):
        if (waits := _export(row)) is not None:
            yield waits
    for row, router in copies_of(connection, image):
        why = ", once that is made" if row.held else ""
        yield f"Its {row.file_type} file {_COPY[row.status]} {router}{why}."
    for row in connection.execute(_RECALL, {"image_": image}):
        failed = f" could not come back: {row.reason}" if row.state == "FAILED" else " is to come back"
        yield f"It{failed} from long-term storage, as {row.asked_by or 'nobody named'} asked."


_COPY = {"WAITING": "waits to be copied to", "SENDING": "is being copied to", "FAILED": "could not be copied to"}


def _export(row: Any) -> str | None:
    """Say why an entry of the export queue is not sent; None for one that is."""
    where = row.application
    said = {
        "WAITING": f"It waits to be sent to {where}.",
        "RETRY": f"{where} did not take it ({row.reason}); it is tried again.",
        "XMIT": f"It is being sent to {where}.",
        "FAIL": f"It was not sent to {where}: {row.reason or 'no reason was told'}. MAGB EXPORT RELEASE has it tried again.",
        "HOLD": f"It is held for {where}" + (f", which {row.held_by} holds." if row.held_by else "."),
    }
    return said.get(row.status)


def queued_of(connection: Connection, image: int) -> list[Any]:
    """Give an image's entries of the background queues."""
    places: Sequence[int] = connection.execute(_PLACES).scalars().all()
    return [row for place in places for row in connection.execute(QUEUED, {"place_": place, "image_": image})]


def copies_of(connection: Connection, image: int) -> list[tuple[Any, str]]:
    """Give an image's entries of the send queue that are not done, each with the location that is to get it."""
    found = []
    for router in connection.execute(_ROUTERS).all():
        key = {"destination_": f"{router.ien};MAG(2005.2,", "image_": image}
        found += [(row, router.name) for row in connection.execute(COPIES, key)]
    return found


def image_of(connection: Connection, uid: str) -> int | None:
    """Give the image of a SOP Instance UID, None for one that is not on file."""
    found: int | None = connection.execute(_ON_FILE, {"uid_": uid}).scalar()
    return found
