"""The state of the whole site at this moment, from counters, indexes and small files: nothing here grows with what is stored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, bindparam, func, select

from fileman import count_alerts, list_operator_requests, to_fileman
from fileman.files import (
    AcquisitionCount,
    DicomExportImage,
    DicomFailedImage,
    GatewayStatus,
    Image,
    ImageEvent,
    LongTermFault,
    QueuePointer,
    RunningTask,
    Task,
    TaskManager,
)
from rpcs.actions.action import Act, action
from rpcs.actions.queues import COUNT_LIMIT, counting
from rpcs.export.holding import STATUSES, held_destinations
from rpcs.sign_on.sign_on_log import living_brokers
from taskman import Status as TaskStatus

#: An image whose PROCESSED did not come within this many seconds after it was stored is an orphan.
ORPHAN_AFTER = 60.0
#: Orphans are looked for among so many images, the newest, and so many are told.
NEWEST, MOST_ORPHANS = 2000, 100

_STORED, _DONE = ImageEvent.__table__.alias("stored"), ImageEvent.__table__.alias("done")
_IMAGES = select(func.count()).select_from(Image).where(Image.parent.is_not(None))
_CORRECT = counting(select(DicomFailedImage.ien).where(DicomFailedImage.removed.is_(False)).limit(COUNT_LIMIT))
_QUEUES = select(QueuePointer.queue, func.sum(QueuePointer.total)).group_by(QueuePointer.queue).order_by(QueuePointer.queue)
_EXPORTS = counting(select(DicomExportImage.export).where(DicomExportImage.status == bindparam("status_")).limit(COUNT_LIMIT))
_TASKS = select(Task.status, func.count()).group_by(Task.status).order_by(Task.status)
_EVALUATORS = select(RunningTask.subject, RunningTask.task).where(RunningTask.expires_at > bindparam("now"))
_MANAGERS = select(TaskManager.executor, TaskManager.host, TaskManager.pid, TaskManager.heartbeat_at)
_GATEWAYS = select(GatewayStatus.machine, GatewayStatus.heartbeat_at, GatewayStatus.status).order_by(GatewayStatus.machine)
_FAULTS = counting(select(LongTermFault.image).limit(COUNT_LIMIT))
_INSTRUMENTS = (
    select(AcquisitionCount.instrument, func.sum(AcquisitionCount.acquired), func.sum(AcquisitionCount.processed))
    .where(AcquisitionCount.day == bindparam("today"))
    .group_by(AcquisitionCount.instrument)
    .order_by(AcquisitionCount.instrument)
)
_AMONG = select(Image.ien).order_by(Image.ien.desc()).limit(NEWEST)
_ORPHANS = (
    select(_STORED.c.image, _STORED.c.uid, _STORED.c.at, _STORED.c.peer)
    .where(
        _STORED.c.image.in_(select(_AMONG.subquery().c.ien)),
        _STORED.c.stage == "STORE",
        _STORED.c.outcome == "filed",
        _STORED.c.at <= bindparam("before"),
        ~select(_DONE.c.image).where(_DONE.c.image == _STORED.c.image, _DONE.c.stage == "PROCESSED").exists(),
    )
    .order_by(_STORED.c.image)
    .limit(MOST_ORPHANS)
)


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the whole: counts, brokers, workers, gateways, and what needs a person.

    Of each instrument it has what was acquired and processed today (#2006.5762). What is counted entry by entry is counted to
    COUNT_LIMIT, which stands for that many or more; orphans are looked for among the NEWEST images.
    """

    images: int
    correct: int
    alerts: dict[str, int]
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


@action("MAGB STATUS")
def status(act: Act) -> Status:
    """Tell images, queues, evaluators, gateways, today's counts by instrument, media asked for, images cut off (orphans).

    `alerts` has the open alerts by kind.
    """
    return read_status(act.connection, act.now)


def read_status(connection: Connection, now: float) -> Status:
    """Read the state of the whole from the database; `now` is seconds since the epoch."""
    today = to_fileman(datetime.fromtimestamp(now).date())  # noqa: DTZ006  VistA's days carry no zone
    return Status(
        images=_number(connection, _IMAGES),
        correct=_number(connection, _CORRECT),
        alerts=count_alerts(connection),
        queues={queue: int(total) for queue, total in connection.execute(_QUEUES) if total},
        exports=_exports(connection),
        held=[it.destination for it in held_destinations(connection)],
        tasks={TaskStatus(code).text: int(count) for code, count in connection.execute(_TASKS)},
        evaluators=[f"{row.subject} (task {row.task})" for row in connection.execute(_EVALUATORS, {"now": now})],
        brokers=living_brokers(connection, now),
        managers=[
            f"{row.executor} on {row.host}, pid {row.pid}, heard {now - row.heartbeat_at:.0f} s ago"
            for row in connection.execute(_MANAGERS)
        ],
        gateways={
            row.machine: {**json.loads(row.status), "heard": f"{now - row.heartbeat_at:.0f} s ago"}
            for row in connection.execute(_GATEWAYS)
        },
        instruments={
            name: {"acquired": int(acquired), "processed": int(done)}
            for name, acquired, done in connection.execute(_INSTRUMENTS, {"today": today})
        },
        media=[
            f"{it.label}: asked for by {it.asked_by or 'nobody named'} {now - it.asked_at:.0f} s ago, {it.images} images wait"
            for it in list_operator_requests(connection)
        ],
        long_term_faults=_number(connection, _FAULTS),
        orphans=orphans(connection, now),
    )


def _number(connection: Connection, statement: Select[int]) -> int:
    return int(connection.execute(statement).scalar_one())


def _exports(connection: Connection) -> dict[str, int]:
    """Count the export queue by status; those that no entry has are left out."""
    counts = {it: int(connection.execute(_EXPORTS, {"status_": it}).scalar_one()) for it in sorted(STATUSES)}
    return {status: count for status, count in counts.items() if count}


def orphans(connection: Connection, now: float) -> list[dict[str, object]]:
    """List images that were stored some time ago and whose file was never reported in place, among the newest.

    Their gateway was cut off between STORE and PROCESSED; it either goes on by itself, or somebody has to roll them back.
    """
    rows = connection.execute(_ORPHANS, {"before": now - ORPHAN_AFTER})
    return [{"image": row.image, "uid": row.uid, "stored": f"{now - row.at:.0f} s ago", "gateway": row.peer} for row in rows]
