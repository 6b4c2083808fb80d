"""MAG DICOM IMAGE PROCESSING: the procedure by which gateways file images (ENTRY^MAGDIR8)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import bindparam, insert, select

from fileman import Event, index_images, lock_for_transaction, record_events
from fileman.files import AnsweredRequest
from fileman.sop_classes import sop_class_uid, sop_class_uids
from rpcs.call import Call
from rpcs.errors import MError, undefined
from rpcs.image_processing.again import digests_told, in_place_before
from rpcs.image_processing.correct import correct
from rpcs.image_processing.found import Found
from rpcs.image_processing.group import Filing, external_sex
from rpcs.image_processing.header_data import HeaderData
from rpcs.image_processing.messages import Results
from rpcs.image_processing.pending import Pending
from rpcs.image_processing.processed import Processing, acquired, processed_images
from rpcs.image_processing.request import Item, StoreRequest, read_items
from rpcs.image_processing.rollback import rollback
from rpcs.image_processing.safety import patient_safety
from rpcs.image_processing.store import Stored, hold_objects, store_image
from rpcs.registry import Access, Answer, listed, procedure
from rpcs.session import Delay, Pause
from xwb import ResultType

__all__ = [
    "external_sex",
    "image_processing",
    "sop_class_uid",
    "sop_class_uids",
]

_ANSWERED = select(AnsweredRequest.answer, AnsweredRequest.body_digest).where(
    AnsweredRequest.machine == bindparam("machine"), AnsweredRequest.uuid == bindparam("uuid")
)
_REMEMBER = insert(AnsweredRequest)

#: What the story of an image says for the codes of STORE.
_OUTCOMES = {"0": "filed", "-1 Image already in database": "duplicate", "-2 Image Association Problem": "correct"}


@dataclass(slots=True)
class _Work:
    """One call in progress."""

    call: Call
    items: list[Item]
    found: Found
    pending: Pending
    digests: dict[str, str] | None = None
    results: Results = field(default_factory=Results)
    headers: HeaderData = field(default_factory=HeaderData)
    events: list[Event] = field(default_factory=list)
    images: dict[str, int] = field(default_factory=dict)
    processing: Processing | None = None
    position: int = 0
    waits: bool = False

    def tell(self, uid: str, image: int | None, stage: str, outcome: str, detail: str = "") -> None:
        """Add a step to an image's story."""
        now, peer = self.call.clock.seconds(), self.call.session.machine
        self.events.append(Event(uid, image, stage, now, peer, outcome, detail))


def _store(work: _Work, first: Item) -> None:
    """Take STORE1 and the STORE2 that must follow it."""
    work.position += 1
    if work.position >= len(work.items):
        raise undefined("ENTRY+37^MAGDIR81", f"REQUEST({first.number + 1})")
    second = work.items[work.position]
    if second.opcode != "STORE2":
        work.results.add("STORE", f'-101 Expecting STORE2, got "{second.opcode}"')
        return
    filing = Filing(work.call, StoreRequest.read(first, second), work.results.messages, work.found, work.pending, work.digests)
    stored: Stored = store_image(filing, work.results)
    if stored.image is not None:
        work.images[stored.uid] = stored.image
    work.tell(stored.uid, stored.image, "STORE", _OUTCOMES.get(stored.code, "refused"), stored.reason)


def _acquired(work: _Work, item: Item) -> None:
    acquired(item, work.pending)


def _processed(work: _Work, item: Item) -> None:
    if work.processing is None:
        judged = () if work.digests is None else in_place_before(work.call.connection, processed_images(work.items))
        work.processing = Processing(work.call, work.found, work.pending, work.items, judged)
    done = work.processing.processed(item, work.results)
    if done is not None:
        image, uid = done
        work.tell(uid, image, "PROCESSED", "queued")


def _correct(work: _Work, item: Item) -> None:
    correct(work.call, item, work.results)


def _patient_safety(work: _Work, item: Item) -> None:
    work.pending.write()
    work.waits = patient_safety(work.call, item, work.results) or work.waits


def _rollback(work: _Work, item: Item) -> None:
    work.pending.write()
    done = rollback(work.call, item, work.results)
    work.found.forget_images()
    if done is not None:
        image, uid = done
        work.tell(uid, image, "ROLLBACK", "deleted")


def _crash(_work: _Work, _item: Item) -> None:
    """Divide by zero on purpose: a gateway's test of the error trap."""
    raise MError("ENTRY+22^MAGDIR8, Attempt to divide by zero,150373210,-%GTM-E-DIVZERO")


_OPCODES: dict[str, Callable[[_Work, Item], None]] = {
    "STORE1": _store,
    "ACQUIRED": _acquired,
    "PROCESSED": _processed,
    "CORRECT": _correct,
    "PATIENT SAFETY": _patient_safety,
    "ROLLBACK": _rollback,
    "HEADER": lambda work, item: work.headers.add_header(item),
    "DIGEST": lambda work, item: work.headers.add_digest(item),
    "CRASH": _crash,
}


@procedure(
    "MAG DICOM IMAGE PROCESSING",
    returns=ResultType.ARRAY,
    access=Access.WRITES,
    routine="ENTRY^MAGDIR8",
    parameters=(listed("REQUEST", 32000, required=True),),
    version=3.0,
)
def image_processing(call: Call) -> Answer | list[str]:
    """Carry out a list of requests about images and answer a list of results.

    Element 1 is the subscript of the last element; the others are `OPCODE|arguments`: STORE1 with STORE2, ACQUIRED, PROCESSED,
    CORRECT, PATIENT SAFETY, ROLLBACK, CRASH, and, from our own gateway, REQUEST, HEADER and DIGEST. Unknown opcodes are
    ignored. A call whose first request is `REQUEST|uuid` is carried out once: sent again, it gets the answer of the first time.
    An error is `OPCODE|code|title|routine|critical` and `MSG||line` elements, of which the last is `MSG|END|line`; critical 1
    asks the gateway to stop until somebody has resolved it. An element that is missing, STORE1 without STORE2, and CRASH, are M
    errors.
    """
    items = read_items(call.list(0))
    uuid = items[0].pieces(1)[0] if items and items[0].opcode == "REQUEST" else ""
    digest = hashlib.sha256("\r".join(call.list(0).values()).encode()).hexdigest() if uuid else ""
    if uuid:
        lock_for_transaction(call.connection, f"request:{call.session.machine}:{uuid}")
        before = call.connection.execute(_ANSWERED, {"machine": call.session.machine, "uuid": uuid}).first()
        if before is not None and before.body_digest != digest:
            return Answer([], application=f"REQUEST {uuid} was answered before, for another list")
        if before is not None:
            return before.answer.split("\n") if before.answer else []
    work = _Work(call, items, Found(call.connection), Pending(call), digests_told(items) if uuid else None)
    hold_objects(work.found, work.pending, items)
    while work.position < len(items):
        item = items[work.position]
        handler = _OPCODES.get(item.opcode)
        if handler is not None:
            handler(work, item)
        work.position += 1
    work.headers.save(call.connection, work.images, work.pending)
    work.pending.write()
    if work.processing is not None:
        index_images(call.connection, list(work.processing.in_place))
    record_events(call.connection, work.events)
    answer = work.results.answer()
    if uuid:
        call.connection.execute(
            _REMEMBER,
            {
                "machine": call.session.machine,
                "uuid": uuid,
                "answered_at": call.clock.seconds(),
                "body_digest": digest,
                "answer": "\n".join(answer),
            },
        )
    return Answer(answer, effects=(Pause(Delay.MISSING_IMAGES),)) if work.waits else answer
