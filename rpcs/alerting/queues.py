"""What queues tell: destinations that take nothing, entries that nobody sends, images that wait to be evaluated.

Everything here is a look into an index: the first entry of a range, the values that a column has, the newest that was sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, func, select

from fileman.files import (
    BackgroundQueue,
    DicomExportImage,
    GatewayStatus,
    HeldDestination,
    ImagingSite,
    Institution,
    NetworkLocation,
    SendQueue,
)
from rpcs.actions.queues import COUNT_LIMIT, counting
from rpcs.alerting.finding import Finding, Look, lasting
from rpcs.queues.entries import seconds_of
from rpcs.queues.walking import Ranges

#: Entries in one of these wait to be sent, or are being sent.
_UNDER_WAY = ("WAITING", "RETRY", "XMIT")
#: Of each priority so many of the newest entries that were sent are looked at.
_NEWEST_SENT = 20
#: Locations and destinations that one look goes through at most.
_MOST = 500

_EXPORTS = Ranges((DicomExportImage.origin, DicomExportImage.status, DicomExportImage.application))
_PRIORITIES = Ranges((DicomExportImage.origin, DicomExportImage.status, DicomExportImage.application, DicomExportImage.priority))
_RANGE = (
    DicomExportImage.origin == bindparam("origin_"),
    DicomExportImage.status == bindparam("status_"),
    DicomExportImage.application == bindparam("application_"),
)
_HEAD = (
    select(DicomExportImage.tries, DicomExportImage.reason)
    .where(*_RANGE)
    .order_by(DicomExportImage.priority, DicomExportImage.export, DicomExportImage.sequence)
    .limit(1)
)
_SENT = (
    select(DicomExportImage.status_at)
    .where(*_RANGE, DicomExportImage.priority == bindparam("priority_"))
    .order_by(DicomExportImage.export.desc(), DicomExportImage.sequence.desc())
    .limit(_NEWEST_SENT)
)
_WAITING = counting(select(DicomExportImage.export).where(*_RANGE).limit(COUNT_LIMIT))
_HELD = select(HeldDestination.application)
_STATUSES = select(GatewayStatus.machine, GatewayStatus.heartbeat_at, GatewayStatus.status)
_NAMES = select(Institution.ien, Institution.name)
_COPIES = Ranges((SendQueue.origin, SendQueue.status, SendQueue.destination))
_TO_COPY = select(SendQueue.ien).where(
    SendQueue.origin == bindparam("origin_"),
    SendQueue.status == bindparam("status_"),
    SendQueue.destination == bindparam("destination_"),
    SendQueue.held.is_(False),
)
_ANY_TO_COPY = _TO_COPY.limit(1)
_COUNT_TO_COPY = counting(_TO_COPY.limit(COUNT_LIMIT))
_LAST_COPY = select(func.max(SendQueue.status_at)).where(
    SendQueue.destination == bindparam("destination_"), SendQueue.status == "SENT"
)
_ROUTERS = select(NetworkLocation.ien, NetworkLocation.name).where(NetworkLocation.router)
_PLACES = select(ImagingSite.ien, ImagingSite.institution)
_UNEVALUATED = (
    BackgroundQueue.place == bindparam("place_"),
    BackgroundQueue.queue == "EVAL",
    BackgroundQueue.status == "NOT_PROCESSED",
)
_OLDEST = select(BackgroundQueue.requested).where(*_UNEVALUATED).order_by(BackgroundQueue.ien).limit(1)
_COUNT_UNEVALUATED = counting(select(BackgroundQueue.ien).where(*_UNEVALUATED).limit(COUNT_LIMIT))


@dataclass(slots=True)
class _Lane:
    """What waits for a destination at a location: in which states, and whether anybody had any of it in hand."""

    origin: int
    application: str
    statuses: list[str] = field(default_factory=list)
    tries: int = 0
    reason: str = ""
    touched: bool = False


@dataclass(frozen=True, slots=True)
class Failing:
    """What a gateway tells of a destination: how many associations in a row failed, and why the last one did."""

    failures: int
    reason: str


@dataclass(slots=True)
class _Delivered:
    """When something went to a destination last, as far as that is within a time."""

    look: Look
    within: float
    _known: dict[tuple[int, str], bool] = field(default_factory=dict)

    def lately(self, lane: _Lane) -> bool:
        key = lane.origin, lane.application
        if key not in self._known:
            self._known[key] = self._look(*key)
        return self._known[key]

    def _look(self, origin: int, application: str) -> bool:
        since, connection = self.look.now - self.within, self.look.connection
        wanted = {"origin": (origin,), "status": ("SUCCESS",), "application": (application,)}
        for *_known, priority in _PRIORITIES.found(connection, wanted):
            asked = {"origin_": origin, "status_": "SUCCESS", "application_": application, "priority_": priority}
            if any(at > since for at in connection.execute(_SENT, asked).scalars()):
                return True
        return False


def unsent(look: Look) -> Iterator[Finding]:
    """Find destinations that take nothing, and locations whose entries nobody takes in hand; what is held waits for a person."""
    limits = look.limits
    failing = failing_destinations(look)
    delivered = _Delivered(look, limits.destination_minutes * 60)
    lanes = _lanes(look)
    idle = {origin for origin in {it.origin for it in lanes} if _idle(origin, lanes, failing, delivered)}
    names = {row.ien: row.name for row in look.connection.execute(_NAMES)} if idle else {}
    for origin in sorted(idle):
        count = _count(look, [it for it in lanes if it.origin == origin])
        text = f"{_many(count, of=names.get(origin) or str(origin))} to be sent, and nobody has taken any in hand."
        yield Finding("sending", str(origin), text, limits.stage_minutes * 60)
    by_name: dict[str, list[_Lane]] = {}
    for lane in lanes:
        if lane.origin not in idle:
            by_name.setdefault(lane.application, []).append(lane)
    for name, some in by_name.items():
        if (finding := _destination(look, name, some, failing.get(name), delivered)) is not None:
            yield finding


def _lanes(look: Look) -> list[_Lane]:
    held = set(look.connection.execute(_HELD).scalars())
    found: dict[tuple[int, str], _Lane] = {}
    for origin, status, application in _EXPORTS.found(look.connection, {"status": _UNDER_WAY}):
        if application in held or len(found) >= _MOST:
            continue
        key = {"origin_": origin, "status_": status, "application_": application}
        head = look.connection.execute(_HEAD, key).first()
        if head is None:
            continue
        lane = found.setdefault((origin, application), _Lane(origin, application))
        lane.statuses.append(status)
        lane.tries = max(lane.tries, head.tries)
        lane.reason = head.reason or lane.reason
        lane.touched |= status != "WAITING" or bool(head.tries or head.reason)
    return list(found.values())


def _count(look: Look, lanes: list[_Lane]) -> int:
    """Count what waits, once it is to be told."""
    keys = [
        {"origin_": lane.origin, "status_": status, "application_": lane.application}
        for lane in lanes
        for status in lane.statuses
    ]
    return sum(int(look.connection.execute(_WAITING, key).scalar_one()) for key in keys)


def _idle(origin: int, lanes: list[_Lane], failing: Mapping[str, Failing], delivered: _Delivered) -> bool:
    mine = [it for it in lanes if it.origin == origin]
    return not any(it.touched or it.application in failing or delivered.lately(it) for it in mine)


def _destination(look: Look, name: str, lanes: list[_Lane], failing: Failing | None, delivered: _Delivered) -> Finding | None:
    limits = look.limits
    if failing is not None and failing.failures >= limits.destination_failures:
        waits = f"{_many(_count(look, lanes))}."
        return Finding("destination", name, _failed(name, failing.failures, failing.reason, waits))
    if any(delivered.lately(lane) for lane in lanes):
        return None
    waits = f"{_many(_count(look, lanes))}."
    tries, reason = max((it.tries, it.reason) for it in lanes)
    why = f" {_sentence(reason)}" if reason else ""
    if tries >= limits.destination_failures:
        return Finding("destination", name, _failed(name, tries, reason, waits))
    hold = limits.destination_minutes * 60
    return Finding("destination", name, f"Nothing was sent to {name} for {lasting(hold)} and more.{why} {waits}", hold)


def _failed(name: str, times: int, reason: str, waits: str) -> str:
    return " ".join(filter(None, (f"{name} takes nothing: {times} tries in a row failed.", _sentence(reason), waits)))


def failing_destinations(look: Look) -> dict[str, Failing]:
    """Read what living gateways tell of destinations that they do not reach."""
    found: dict[str, Failing] = {}
    for row in look.connection.execute(_STATUSES):
        if look.now - row.heartbeat_at > look.limits.gateway_seconds:
            continue
        for name, value in _facts(row.status).items():
            if name.startswith("failing_"):
                failures, _, rest = str(value).partition("^")
                destination, _, reason = rest.partition("^")
                one = Failing(int(failures) if failures.isdigit() else 0, reason)
                found[destination] = max(one, found.get(destination, one), key=lambda it: it.failures)
    return found


def _facts(text: str) -> Mapping[str, Any]:
    facts = json.loads(text)
    return facts if isinstance(facts, dict) else {}


def uncopied(look: Look) -> Iterator[Finding]:
    """Find routers to which nothing is copied although files wait."""
    hold = look.limits.destination_minutes * 60
    waiting: dict[str, list[dict[str, object]]] = {}
    for origin, status, destination in _COPIES.found(look.connection, {"status": ("WAITING", "SENDING")}):
        key = {"origin_": origin, "status_": status, "destination_": destination}
        if len(waiting) < _MOST and look.connection.execute(_ANY_TO_COPY, key).first() is not None:
            waiting.setdefault(destination, []).append(key)
    if not waiting:
        return
    names = {f"{row.ien};MAG(2005.2,": row.name for row in look.connection.execute(_ROUTERS)}
    for destination, keys in waiting.items():
        last = look.connection.execute(_LAST_COPY, {"destination_": destination}).scalar()
        if last is None or look.now - last > hold:
            name = names.get(destination, destination)
            count = sum(int(look.connection.execute(_COUNT_TO_COPY, key).scalar_one()) for key in keys)
            text = f"Nothing was copied to {name} for {lasting(hold)} and more. {_many(count, 'file')}."
            yield Finding("destination", name, text, hold)


@dataclass(frozen=True, slots=True)
class Unevaluated:
    """What waits for the evaluator of a location, and for how many seconds the first of it does."""

    location: int
    place: int
    age: float

    def told(self, look: Look) -> str:
        """Say so."""
        names = {row.ien: row.name for row in look.connection.execute(_NAMES.where(Institution.ien == self.location))}
        count = int(look.connection.execute(_COUNT_UNEVALUATED, {"place_": self.place}).scalar_one())
        of = names.get(self.location) or str(self.location)
        return f"{_many(count, of=of)} to be evaluated, the first for {lasting(self.age)}."


def unevaluated(look: Look) -> Iterator[Unevaluated]:
    """Give the locations whose EVAL queue has entries that wait."""
    for place in look.connection.execute(_PLACES).all():
        oldest = look.connection.execute(_OLDEST, {"place_": place.ien}).scalar()
        since = seconds_of(oldest) if oldest else None
        if since is None:
            continue
        yield Unevaluated(place.institution, place.ien, look.now - since)


def _many(count: int, what: str = "image", of: str = "") -> str:
    """Say how many wait."""
    more, whose = " or more" if count >= COUNT_LIMIT else "", f" of {of}" if of else ""
    return f"1 {what}{whose} waits" if count == 1 else f"{count}{more} {what}s{whose} wait"


def _sentence(text: str) -> str:
    return text if text.endswith(".") or not text else f"{text}."
