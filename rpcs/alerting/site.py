"""What the rest of the site tells: gateways, evaluators, TaskMan, the CORRECT list, media, disks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from fileman import list_operator_requests
from fileman.files import DicomFailedImage, GatewayStatus, NetworkLocation, TaskManager
from rpcs.actions.queues import counting
from rpcs.alerting.finding import Finding, Look, Room, lasting
from rpcs.alerting.queues import unevaluated
from rpcs.queues.entries import seconds_of
from rpcs.queues.walking import Ranges
from rules.evaluator import died_by_location, subject_of
from taskman import api

#: A disk that was too full is well again when so many percent more are free.
MARGIN = 2.0

_GATEWAYS = select(GatewayStatus.machine, GatewayStatus.heartbeat_at, GatewayStatus.status)
_PATHS = (
    select(NetworkLocation.name, NetworkLocation.path)
    .where(NetworkLocation.online, NetworkLocation.path != "")
    .order_by(NetworkLocation.ien)
)
_LAST_SIGN = select(func.max(TaskManager.heartbeat_at))
_FAILED = Ranges((DicomFailedImage.machine, DicomFailedImage.location))
_TO_CORRECT = (
    DicomFailedImage.machine == bindparam("machine_"),
    DicomFailedImage.location == bindparam("location_"),
    DicomFailedImage.queued == "",
    DicomFailedImage.removed.is_(False),
)
_SOME = counting(select(DicomFailedImage.ien).where(*_TO_CORRECT).limit(bindparam("most")))
_FIRST = select(DicomFailedImage.entered).where(*_TO_CORRECT).order_by(DicomFailedImage.ien).limit(1)


def gateways(look: Look) -> Iterator[Finding]:
    """Find gateways that were heard of and are silent; one that was silent for very long is gone for good."""
    for row in look.connection.execute(_GATEWAYS):
        silent = look.now - row.heartbeat_at
        if look.limits.gateway_seconds < silent <= look.limits.gateway_days * 86400:
            yield Finding("gateway", row.machine, f"Gateway {row.machine} was heard of last {lasting(silent)} ago.")


def received(look: Look) -> Iterator[Finding]:
    """Find living gateways that hold images which are not filed for too long."""
    for row in look.connection.execute(_GATEWAYS):
        facts = _facts(row.status)
        oldest = _number(facts.get("spool_oldest_seconds"))
        if look.now - row.heartbeat_at > look.limits.gateway_seconds or oldest < look.limits.stage_minutes * 60:
            continue
        count = sum(int(_number(facts.get(f"spool_{it}"))) for it in ("received", "waiting", "storing", "stored", "placed"))
        text = f"{row.machine} has {count} images that are not filed; the first came {lasting(oldest)} ago."
        yield Finding("received", row.machine, text)


def evaluation(look: Look) -> Iterator[Finding]:
    """Find locations whose images wait for rules: for an evaluator that does not run, or for one that does not get on."""
    waiting = {it.location: it for it in unevaluated(look)}
    died = died_by_location(look.connection)
    for location in sorted({*waiting, *died}):
        one = waiting.get(location)
        if api.is_running(look.connection, subject_of({"location": location}), look.now):
            if one is not None and one.age > look.limits.stage_minutes * 60:
                yield Finding("evaluation", str(location), one.told(look))
        elif one is not None and one.age > look.limits.evaluator_minutes * 60:
            yield Finding("evaluator", str(location), f"The rule evaluator of location {location} does not run. {one.told(look)}")
        elif location in died:
            text = f"The rule evaluator of location {location} died: {died[location]}"
            yield Finding("evaluator", str(location), text, look.limits.evaluator_minutes * 60)


def taskman(look: Look) -> Iterator[Finding]:
    """Find that no TaskMan worker gives a sign."""
    last = look.connection.execute(_LAST_SIGN).scalar()
    if last is None:
        yield Finding("taskman", "TaskMan", "No TaskMan worker runs.", look.limits.taskman_seconds)
    elif look.now - last > look.limits.taskman_seconds:
        yield Finding("taskman", "TaskMan", f"The last TaskMan worker gave a sign {lasting(look.now - last)} ago.")


def correct(look: Look) -> Iterator[Finding]:
    """Find that too many images, or some for too long, wait for somebody to correct them."""
    limits, count, oldest = look.limits, 0, look.now
    for machine, location in _FAILED.found(look.connection, {}):
        key = {"machine_": machine, "location_": location}
        count += int(look.connection.execute(_SOME, {**key, "most": limits.correct_images + 1}).scalar_one())
        first = look.connection.execute(_FIRST, key).scalar()
        oldest = min(oldest, (seconds_of(first) if first else None) or oldest)
    age = look.now - oldest
    if count > limits.correct_images:
        yield Finding("correct", "CORRECT", f"More than {limits.correct_images} images wait on the CORRECT list.")
    elif count and age > limits.correct_hours * 3600:
        yield Finding("correct", "CORRECT", f"An image waits on the CORRECT list for {lasting(age)}; {count} wait there.")


def media(look: Look) -> Iterator[Finding]:
    """Find media that operators were asked for a while ago, and did not put in."""
    for it in list_operator_requests(look.connection):
        age = look.now - it.asked_at
        if age > look.limits.stage_minutes * 60:
            text = f"{it.label} is asked for by {it.asked_by or 'nobody named'} for {lasting(age)}; {it.images} images wait."
            yield Finding("media", it.label, text)


def disks(look: Look) -> Iterator[Finding]:
    """Find file systems with little room, those of gateways on other machines too; those on one device are told as one."""
    told: set[int] = set()
    for room in look.rooms:
        if room.answers and room.device in told:
            continue
        told |= {room.device} if room.answers else set()
        yield from _room(look, room)
    for row in look.connection.execute(_GATEWAYS):
        facts = _facts(row.status)
        here = facts.get("host") == look.host and int(_number(facts.get("spool_device"))) in told
        if "free_percent" in facts and not here and look.now - row.heartbeat_at <= look.limits.gateway_seconds:
            share = _number(facts["free_percent"])
            yield from _room(look, Room(f"spool of {row.machine}", int(_number(facts.get("free_bytes"))), 0), share)


def _room(look: Look, room: Room, percent: float | None = None) -> Iterator[Finding]:
    if not room.answers:
        yield Finding("disk", room.name, f"{room.name} does not answer.")
        return
    share = room.percent if percent is None else percent
    limit = look.limits.disk_percent + (MARGIN if ("disk", room.name) in look.open else 0.0)
    if share < limit:
        yield Finding("disk", room.name, f"{room.name} has {share:.1f} % free, {room.free / 1e9:.1f} GB.")


def _facts(text: str) -> dict[str, Any]:
    facts = json.loads(text)
    return facts if isinstance(facts, dict) else {}


def _number(value: Any) -> float:
    """Read a number that a gateway told; what is none counts as 0."""
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        return 0.0


def network_paths(connection: Connection) -> list[tuple[str, str]]:
    """Give names and paths of the network locations that are on line."""
    return [(row.name, row.path) for row in connection.execute(_PATHS)]
