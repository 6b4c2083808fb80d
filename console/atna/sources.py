"""The logs that are told, read from where they were told up to: each gives messages, and the position behind them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, or_, select

from console.atna.mapping import (
    ImageFact,
    Security,
    SignOn,
    Site,
    action_message,
    image_messages,
    kind_of,
    security_message,
    sign_on_message,
)
from console.atna.message import Message
from fileman import Audited, Change, dashed, to_fileman
from fileman.files import (
    AuditChange,
    AuditRecord,
    DicomFailedImage,
    Image,
    ImageEvent,
    NewPerson,
    Patient,
    SecurityEvent,
    SignOnLog,
)
from fileman.sop_classes import sop_class_uid
from runtime import Clock

#: Entries that one look reads.
LOT = 500
#: Seconds after which a number that was left out is not waited for any more: on PostgreSQL it may be committed late.
GAP_SECONDS = 30.0
#: Seconds that the end of a session is behind before it is read: others of the same second are there then.
SETTLED_AFTER = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Position:
    """How far a log was read: up to an entry, or to an entry of a moment."""

    last: int = 0
    moment: str = ""


@dataclass(frozen=True, slots=True)
class Lot:
    """Messages, the position behind them, and whether there may be more at once."""

    messages: Sequence[Message]
    behind: Position
    more: bool


Reader = Callable[[Connection, Position], Lot]
Told = Callable[[Connection, Sequence[Any]], list[Message]]


@dataclass(slots=True)
class Numbered:
    """A log whose entries are numbered as they come; what is told of its rows is `told`."""

    rows: Select[*tuple[Any, ...]]
    newest: Select[Any]
    told: Told
    clock: Clock
    _gap: tuple[int, float] | None = field(default=None)

    def end(self, connection: Connection) -> Position:
        """Give the position behind everything there is."""
        return Position(int(connection.execute(self.newest).scalar() or 0))

    def read(self, connection: Connection, position: Position) -> Lot:
        """Read on behind a position, as far as no number is left out that may still come."""
        rows = connection.execute(self.rows, {"after": position.last, "most": LOT}).all()
        taken = rows if connection.dialect.name == "sqlite" else self._whole(position.last, rows)
        behind = Position(taken[-1].ien) if taken else position
        return Lot(self.told(connection, taken), behind, len(taken) == LOT)

    def _whole(self, last: int, rows: Sequence[Any]) -> Sequence[Any]:
        now = self.clock.monotonic()
        for place, row in enumerate(rows):
            if row.ien != last + 1 and last:
                if self._gap is None or self._gap[0] != row.ien:
                    self._gap = row.ien, now
                if now - self._gap[1] < GAP_SECONDS:
                    return rows[:place]
            last = row.ien
        return rows


_EVENTS = (
    select(*ImageEvent.__table__.columns)
    .where(ImageEvent.ien > bindparam("after"))
    .order_by(ImageEvent.ien)
    .limit(bindparam("most"))
)
_GROUP = Image.__table__.alias("study")
_KNOWN = (
    select(
        Image.ien,
        Image.uid,
        Image.sop_class,
        Image.patient,
        _GROUP.c.uid.label("study"),
        Patient.name,
        Patient.ssn,
    )
    .join(_GROUP, _GROUP.c.ien == Image.parent, isouter=True)
    .join(Patient, Patient.dfn == Image.patient, isouter=True)
)
_BY_NUMBER = _KNOWN.where(Image.ien.in_(bindparam("images", expanding=True)))
_BY_UID = _KNOWN.where(Image.uid.in_(bindparam("uids", expanding=True)), Image.parent.is_not(None))
_FAILED = select(
    DicomFailedImage.image_uid, DicomFailedImage.study_uid, DicomFailedImage.patient_id, DicomFailedImage.name
).where(DicomFailedImage.image_uid.in_(bindparam("uids", expanding=True)))
_SENDERS = select(ImageEvent.uid, ImageEvent.peer).where(
    ImageEvent.uid.in_(bindparam("uids", expanding=True)), ImageEvent.stage == "RECEIVE"
)


def images(site: Site) -> Told:
    """Give how image events are told."""

    def told(connection: Connection, rows: Sequence[Any]) -> list[Message]:
        wanted = [row for row in rows if kind_of(row.stage, row.outcome) is not None]
        if not wanted:
            return []
        numbers = {row.image for row in wanted if row.image}
        by_number = {it.ien: it for it in connection.execute(_BY_NUMBER, {"images": sorted(numbers)})}
        uids = sorted({row.uid for row in wanted if row.uid and row.image not in by_number})
        by_uid = {it.uid: it for it in connection.execute(_BY_UID, {"uids": uids})} if uids else {}
        failed = {it.image_uid: it for it in connection.execute(_FAILED, {"uids": uids})} if uids else {}
        stored = sorted({row.uid for row in wanted if row.stage == "STORE" and row.uid})
        senders = {it.uid: it.peer for it in connection.execute(_SENDERS, {"uids": stored})} if stored else {}
        return image_messages((_fact(row, by_number, by_uid, failed, senders) for row in wanted), site)

    return told


def _fact(
    row: Any, by_number: Mapping[int, Any], by_uid: Mapping[str, Any], failed: Mapping[str, Any], senders: Mapping[str, str]
) -> ImageFact:
    known = by_number.get(row.image) or by_uid.get(row.uid)
    facts: dict[str, str] = {}
    if known is not None:
        facts = {
            "study": known.study or "",
            "sop_class": sop_class_uid(known.sop_class or 0),
            "patient": dashed(known.ssn) if known.ssn else str(known.patient),
            "patient_name": known.name or "",
        }
    elif (other := failed.get(row.uid)) is not None:
        facts = {"study": other.study_uid, "patient": other.patient_id, "patient_name": other.name}
    uid = row.uid or (known.uid if known is not None else "")
    return ImageFact(row.stage, row.outcome, row.at, row.peer, row.detail, uid, sender=senders.get(row.uid, ""), **facts)


_ACTIONS = (
    select(*AuditRecord.__table__.columns)
    .where(AuditRecord.ien > bindparam("after"))
    .order_by(AuditRecord.ien)
    .limit(bindparam("most"))
)
_CHANGES = (
    select(AuditChange.record, AuditChange.subject)
    .where(AuditChange.record.in_(bindparam("records", expanding=True)))
    .order_by(AuditChange.record, AuditChange.number)
)


def actions(site: Site) -> Told:
    """Give how administrative actions are told."""

    def told(connection: Connection, rows: Sequence[Any]) -> list[Message]:
        changes: dict[int, list[Change]] = {}
        for row in connection.execute(_CHANGES, {"records": [it.ien for it in rows]}):
            changes.setdefault(row.record, []).append(Change(row.subject, None, None))
        return [
            action_message(
                Audited(**{**row._mapping, "request": json.loads(row.request), "changes": changes.get(row.ien, [])}), site
            )
            for row in rows
        ]

    return told


_SIGN_ONS = (
    select(SignOnLog.ien, SignOnLog.duz, NewPerson.name, SignOnLog.signed_on, SignOnLog.address)
    .join(NewPerson, NewPerson.duz == SignOnLog.duz, isouter=True)
    .where(SignOnLog.ien > bindparam("after"))
    .order_by(SignOnLog.ien)
    .limit(bindparam("most"))
)


def sign_ons(site: Site) -> Told:
    """Give how sign-ons are told."""
    return lambda _connection, rows: [
        sign_on_message(SignOn(row.duz, row.name or "", row.signed_on, row.address, over=False), site) for row in rows
    ]


_SECURITY = (
    select(*SecurityEvent.__table__.columns)
    .where(SecurityEvent.ien > bindparam("after"))
    .order_by(SecurityEvent.ien)
    .limit(bindparam("most"))
)
_WHO = select(NewPerson.duz, NewPerson.name).where(NewPerson.duz.in_(bindparam("users", expanding=True)))


def security(site: Site, events: Iterable[str]) -> Told:
    """Give how processes, or failed sign-ons, are told."""
    wanted = frozenset(events)

    def told(connection: Connection, rows: Sequence[Any]) -> list[Message]:
        its = [row for row in rows if row.event in wanted]
        users = sorted({it.duz for it in its if it.duz})
        names = {row.duz: row.name for row in connection.execute(_WHO, {"users": users})}
        return [
            security_message(Security(it.at, it.event, it.duz, it.name or names.get(it.duz, ""), it.address, it.detail), site)
            for it in its
        ]

    return told


_OVER = (
    select(SignOnLog.ien, SignOnLog.duz, NewPerson.name, SignOnLog.signed_off, SignOnLog.address)
    .join(NewPerson, NewPerson.duz == SignOnLog.duz, isouter=True)
    .where(
        SignOnLog.signed_off >= bindparam("moment"),
        SignOnLog.signed_off < bindparam("until"),
        or_(SignOnLog.signed_off > bindparam("moment"), SignOnLog.ien > bindparam("after")),
    )
    .order_by(SignOnLog.signed_off, SignOnLog.ien)
    .limit(bindparam("most"))
)
_LAST_OVER = select(func.max(SignOnLog.signed_off)).where(SignOnLog.signed_off < bindparam("until"))


@dataclass(slots=True)
class Ended:
    """The ends of sessions, which are noted in entries that are there: they are found by their moments."""

    site: Site
    clock: Clock

    def end(self, connection: Connection) -> Position:
        """Give the position behind everything there is."""
        moment = connection.execute(_LAST_OVER, {"until": self._until()}).scalar() or self._until()
        return Position(2**31 - 1, str(moment))

    def read(self, connection: Connection, position: Position) -> Lot:
        """Read on behind a position, up to a few seconds ago."""
        moment = position.moment or "0"
        key = {"moment": moment, "after": position.last, "until": self._until(), "most": LOT}
        rows = connection.execute(_OVER, key).all()
        if not rows:
            return Lot((), position, more=False)
        messages = [
            sign_on_message(SignOn(row.duz, row.name or "", row.signed_off, row.address, over=True), self.site) for row in rows
        ]
        return Lot(messages, Position(rows[-1].ien, rows[-1].signed_off), len(rows) == LOT)

    def _until(self) -> str:
        return to_fileman(self.clock.now() - SETTLED_AFTER)


Source = Numbered | Ended


def sources(of: Iterable[str], site: Site, clock: Clock) -> dict[str, Source]:
    """Make the logs that are to be told, by the names of their positions."""
    wanted = set(of)
    newest = {file: select(func.max(file.ien)) for file in (SecurityEvent, SignOnLog, AuditRecord, ImageEvent)}
    failed = ["FAILED"] if "sign-ons" in wanted else []
    began = ["START", "STOP"] if "processes" in wanted else []
    made: dict[str, Source] = {}
    if failed or began:
        told = security(site, (*failed, *began))
        made["security"] = Numbered(_SECURITY, newest[SecurityEvent], told, clock)
    if "sign-ons" in wanted:
        made["sign-ons"] = Numbered(_SIGN_ONS, newest[SignOnLog], sign_ons(site), clock)
        made["sign-offs"] = Ended(site, clock)
    if "actions" in wanted:
        made["actions"] = Numbered(_ACTIONS, newest[AuditRecord], actions(site), clock)
    if "images" in wanted:
        made["images"] = Numbered(_EVENTS, newest[ImageEvent], images(site), clock)
    return made
