"""What the road did with images: read from the database for tables and for `magbroker status`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, func, select
from sqlalchemy.orm import InstrumentedAttribute

from fileman import list_operator_requests, to_fileman
from fileman.files import (
    AcquisitionCount,
    BackgroundQueue,
    DicomExport,
    DicomExportImage,
    DicomFailedImage,
    GatewayStatus,
    Image,
    ImageEvent,
    LongTermFault,
    RunningTask,
    Task,
    TaskManager,
)
from rpcs import held_destinations, living_brokers
from rules.evaluator.decisions import read_decision
from rules.evaluator.explaining import why_not
from taskman import Status as TaskStatus

#: An image whose PROCESSED did not come within this many seconds after it was stored is an orphan.
ORPHAN_AFTER = 60.0


@dataclass(frozen=True, slots=True)
class Sending:
    """One export of an image: where to, how far, why not."""

    destination: str
    status: str
    reason: str
    repeated: bool


@dataclass(frozen=True, slots=True)
class ImageState:
    """Where an object is on the road. `image` is None while it is not filed; `correct` why it waits for a person."""

    uid: str
    image: int | None
    file: str
    rules: tuple[str, ...]
    evaluated: bool
    why_no_rule: str
    sendings: tuple[Sending, ...]
    correct: str


def image_states(connection: Connection, uids: Iterable[str]) -> dict[str, ImageState]:
    """Look objects up by SOP Instance UID."""
    return {uid: _state(connection, uid) for uid in uids}


def _state(connection: Connection, uid: str) -> ImageState:
    image = connection.execute(
        select(Image.ien, Image.file_ref).where(Image.uid == uid, Image.parent.is_not(None)).order_by(Image.ien).limit(1)
    ).first()
    if image is None:
        waiting = select(DicomFailedImage.reason).where(DicomFailedImage.image_uid == uid, DicomFailedImage.removed.is_(False))
        reason = connection.execute(waiting.order_by(DicomFailedImage.ien.desc()).limit(1)).scalar()
        return ImageState(uid, None, "", (), False, "", (), reason or "")
    decision = read_decision(connection, image.ien)
    exports = connection.execute(
        select(DicomExport.application, DicomExportImage.status, DicomExportImage.reason, DicomExportImage.repeated)
        .join(DicomExport, DicomExport.ien == DicomExportImage.export)
        .where(DicomExportImage.image == image.ien)
        .order_by(DicomExport.ien)
    ).all()
    fired = tuple(str(rule) for rule in json.loads(decision["fired"])) if decision is not None else ()
    why = why_not(connection, image.ien) if decision is not None and not fired else ""
    return ImageState(
        uid,
        image.ien,
        image.file_ref,
        fired,
        decision is not None,
        why,
        tuple(Sending(*row) for row in exports),
        "",
    )


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the whole: counts, brokers, workers, gateways, and what needs a person.

    Of each instrument it has what was acquired and processed today (#2006.5762).
    """

    images: int
    correct: int
    queues: dict[str, int]
    exports: dict[str, int]
    held: list[str]
    tasks: dict[str, int]
    evaluators: list[str]
    brokers: list[str]
    managers: list[str]
    gateways: dict[str, dict[str, str]]
    instruments: dict[str, dict[str, int]]
    media: list[str]
    long_term_faults: int
    orphans: list[dict[str, object]]


def read_status(connection: Connection, now: float) -> Status:
    """Read the state of the whole from the database; `now` is seconds since the epoch."""
    return Status(
        images=_count(connection, select(func.count()).select_from(Image).where(Image.parent.is_not(None))),
        correct=_count(connection, select(func.count()).where(DicomFailedImage.removed.is_(False))),
        queues=_grouped(connection, BackgroundQueue.queue),
        exports=_grouped(connection, DicomExportImage.status),
        held=[it.destination for it in held_destinations(connection)],
        tasks={TaskStatus(code).text: count for code, count in _grouped(connection, Task.status).items()},
        evaluators=[
            f"{row.subject} (task {row.task})"
            for row in connection.execute(select(RunningTask.subject, RunningTask.task).where(RunningTask.expires_at > now))
        ],
        brokers=living_brokers(connection, now),
        managers=[
            f"{row.executor} on {row.host}, pid {row.pid}, heard {now - row.heartbeat_at:.0f} s ago"
            for row in connection.execute(
                select(TaskManager.executor, TaskManager.host, TaskManager.pid, TaskManager.heartbeat_at)
            )
        ],
        gateways=_gateways(connection, now),
        instruments=_instruments(connection, now),
        media=[
            f"{it.label}: asked for by {it.asked_by or 'nobody named'} {now - it.asked_at:.0f} s ago, {it.images} images wait"
            for it in list_operator_requests(connection)
        ],
        long_term_faults=_count(connection, select(func.count()).select_from(LongTermFault)),
        orphans=orphans(connection, now),
    )


def _count(connection: Connection, statement: Select[Any]) -> int:
    return int(connection.execute(statement).scalar_one())


def _grouped(connection: Connection, column: InstrumentedAttribute[str]) -> dict[str, int]:
    rows = connection.execute(select(column, func.count()).group_by(column).order_by(column))
    return {str(value): int(count) for value, count in rows}


def _gateways(connection: Connection, now: float) -> dict[str, dict[str, str]]:
    rows = connection.execute(select(GatewayStatus.machine, GatewayStatus.heartbeat_at, GatewayStatus.status))
    return {row.machine: {**json.loads(row.status), "heard": f"{now - row.heartbeat_at:.0f} s ago"} for row in rows}


def _instruments(connection: Connection, now: float) -> dict[str, dict[str, int]]:
    today = to_fileman(datetime.fromtimestamp(now).date())  # noqa: DTZ006  VistA's days carry no zone
    counted = (
        select(AcquisitionCount.instrument, func.sum(AcquisitionCount.acquired), func.sum(AcquisitionCount.processed))
        .where(AcquisitionCount.day == today)
        .group_by(AcquisitionCount.instrument)
        .order_by(AcquisitionCount.instrument)
    )
    return {name: {"acquired": int(acquired), "processed": int(done)} for name, acquired, done in connection.execute(counted)}


def orphans(connection: Connection, now: float) -> list[dict[str, object]]:
    """List images that were stored some time ago and whose file was never reported in place.

    Their gateway was cut off between STORE and PROCESSED; it either goes on by itself, or somebody has to roll them back.
    """
    stored = (
        select(ImageEvent.image, ImageEvent.uid, ImageEvent.at, ImageEvent.peer)
        .where(ImageEvent.stage == "STORE", ImageEvent.outcome == "filed", ImageEvent.at <= now - ORPHAN_AFTER)
        .subquery()
    )
    done = (select(ImageEvent.image).where(and_(ImageEvent.image == stored.c.image, ImageEvent.stage == "PROCESSED"))).exists()
    rows = connection.execute(select(stored).where(~done).order_by(stored.c.image))
    return [{"image": row.image, "uid": row.uid, "stored": f"{now - row.at:.0f} s ago", "gateway": row.peer} for row in rows]
