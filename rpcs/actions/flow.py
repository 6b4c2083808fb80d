"""The road of an image at a glance: what waits at each stage and since when, whether everybody who works on it is there.

Everything is counted in an index and not to the end, or was counted by who works there: nothing here grows with what is stored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from fileman import AlertsWanted, list_alerts
from fileman.files import DicomFailedImage, GatewayStatus, Institution, TaskError
from rpcs.actions.action import Act, action
from rpcs.actions.status import Status, read_status
from rpcs.queues import QUEUES, Filter, Queue, depths_of, page_of
from rpcs.queues.entries import seconds_of

#: Seconds without a sign after which somebody who works on images is silent.
SILENT_AFTER = 30.0
#: Seconds of which the errors of tasks are told.
ERRORS_OF = 3600.0
#: Open alerts that are told one by one, the newest.
MOST_ALERTS = 20
#: What a gateway tells of its spool that is still to be filed.
_SPOOLED = ("spool_received", "spool_waiting", "spool_storing", "spool_stored", "spool_placed")

_HEARD = select(GatewayStatus.machine, GatewayStatus.heartbeat_at, GatewayStatus.status).order_by(GatewayStatus.machine)
_OLDEST_FAILED = (
    select(DicomFailedImage.entered)
    .where(DicomFailedImage.removed.is_(False), DicomFailedImage.related_to.is_(None), DicomFailedImage.queued == "")
    .order_by(DicomFailedImage.ien)
    .limit(1)
)
_ERRORS = select(func.count()).select_from(TaskError)
_NAMES = select(Institution.ien, Institution.name)


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the road: what waits there and is held or failed, and since when, None where nobody noted it."""

    name: str
    waiting: int
    held: int
    failed: int
    oldest_at: float | None


@dataclass(frozen=True, slots=True)
class Light:
    """Somebody who works on images: `state` is GOOD, BAD, or IDLE where he is not needed; `told` says why."""

    kind: str
    name: str
    state: str
    told: str


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a person is to do: how much of it there is, and what it is."""

    what: str
    count: int
    told: str


@action(
    "MAGB FLOW",
    lists={
        "stages": ("name", "waiting", "held", "failed", "oldest_at"),
        "lights": ("kind", "name", "state", "told"),
        "needs": ("what", "count", "told"),
    },
)
def flow(act: Act) -> dict[str, object]:
    """Tell what waits at each stage of the road of an image and since when, who works there, and what needs a person now."""
    return {"at": act.now, **read_flow(act.connection, act.now)}


def read_flow(connection: Connection, now: float) -> dict[str, object]:
    """Read the state of the road from the database; `now` is seconds since the epoch."""
    status = read_status(connection, now)
    stages = list(_stages(connection, status))
    return {
        "stages": stages,
        "lights": list(_lights(connection, status, now)),
        "needs": list(_needs(connection, status, stages, now)),
    }


def _stages(connection: Connection, status: Status) -> Iterator[Stage]:
    spooled = sum(int(told.get(name, 0)) for told in status.gateways.values() for name in _SPOOLED)
    yield Stage("SPOOL", spooled, 0, 0, None)
    entered = connection.execute(_OLDEST_FAILED).scalar()
    yield Stage("CORRECT", status.correct, 0, 0, None if entered is None else seconds_of(entered))
    depths, _more = depths_of(connection)
    for name in ("EVAL", "SEND", "EXPORT"):
        queue = QUEUES[name]
        kinds = _kinds(queue)
        waiting, held, failed = (sum(it.entries for it in depths if (it.queue, it.status) in kind) for kind in kinds)
        yield Stage(name, waiting, held, failed, _oldest(connection, queue))


def _kinds(queue: Queue) -> Sequence[set[tuple[str, str]]]:
    """Give which entries of a queue wait or are being worked on, which are held, and which failed, by queue and status."""
    held = {"HOLD"} & {*queue.statuses}
    waiting = ({*queue.waiting, queue.busy} - {""}) - held
    failed = {*queue.failed} - held - {"SKIPPED"}
    return [{(queue.name, status) for status in statuses} for statuses in (waiting, held, failed)]


def _oldest(connection: Connection, queue: Queue) -> float | None:
    """Give since when the oldest entry waits that nobody holds."""
    order = "AGE" if any(it.name == "AGE" for it in queue.orders) else "NUMBER"
    waiting = tuple(status for status in queue.waiting if status != "HOLD")
    firsts = [page_of(connection, queue, Filter((status,)), order, "", 1)[0] for status in waiting]
    times = [at for page in firsts for it in page if (at := it.status_at or it.queued_at)]
    return min(times, default=None)


def _lights(connection: Connection, status: Status, now: float) -> Iterator[Light]:
    for name in status.brokers:
        yield Light("broker", name, "GOOD", "answers")
    for manager in status.managers:
        yield Light("worker", manager.partition(",")[0], "GOOD", manager)
    for row in connection.execute(_HEARD):
        ago = now - row.heartbeat_at
        state = "GOOD" if ago < SILENT_AFTER else "BAD"
        yield Light("gateway", row.machine, state, f"heard {ago:.0f} s ago, {_listening(json.loads(row.status))}")
    names = {f"{ien}": name for ien, name in connection.execute(_NAMES)}
    for told in status.evaluators:
        subject = told.partition(" (")[0]
        yield Light("evaluator", names.get(subject.rpartition(" ")[2], subject), "GOOD", told)


def _listening(told: Mapping[str, object]) -> str:
    return f"listens on port {told['dicom_port']}" if told.get("dicom_port") else "does not listen"


def _needs(connection: Connection, status: Status, stages: Sequence[Stage], now: float) -> Iterator[Need]:
    errors = int(connection.execute(_ERRORS.where(TaskError.at > now - ERRORS_OF)).scalar_one())
    failed = {stage.name: stage.failed for stage in stages}
    found = (
        ("CORRECT", status.correct, "studies or images whose patient or exam does not fit"),
        ("EXPORT", failed["EXPORT"], "images that a destination did not take"),
        ("SEND", failed["SEND"], "files that could not be copied"),
        ("EVAL", failed["EVAL"], "images that no rule could be tried on"),
        ("HELD", len(status.held), f"destinations on hold: {', '.join(status.held)[:200]}"),
        ("MEDIA", len(status.media), "media to be put in"),
        ("ARCHIVE", status.long_term_faults, "images whose long-term copy is not as it should be"),
        ("ORPHANS", len(status.orphans), "images whose file was never reported in place"),
        ("ERRORS", errors, "errors of tasks in the last hour"),
    )
    yield from (Need("ALERT", 1, it.text) for it in list_alerts(connection, AlertsWanted(), MOST_ALERTS))
    yield from (Need(*need) for need in found if need[1])
