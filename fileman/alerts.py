"""Alerts as rows: which there are, what became of one, what is muted. What changes is numbered, so that readers see it once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update

from fileman.files import Alert, AlertMute
from fileman.locks import lock_for_transaction
from fileman.numbers import next_ien
from fileman.upserting import upserts

#: The lock of whoever changes alerts: their revisions are committed in order.
LOCK = "alerts"
#: Characters of a text, a remark, and a subject that are kept.
TEXT_LIMIT, NOTE_LIMIT, SUBJECT_LIMIT = 1000, 200, 128

_ALERT = Alert.__table__
_NOT_CLEARED = select(*_ALERT.columns).where(Alert.cleared_at.is_(None))
_OPEN = (Alert.cleared_at.is_(None), Alert.raised_at.is_not(None))
_COUNTS = select(Alert.kind, func.count()).where(*_OPEN).group_by(Alert.kind).order_by(Alert.kind)
_PAGE = select(*_ALERT.columns).where(Alert.raised_at.is_not(None)).order_by(Alert.ien.desc()).limit(bindparam("most"))
_ONE = select(*_ALERT.columns).where(Alert.ien == bindparam("ien_"), Alert.raised_at.is_not(None))
_NEWEST = select(func.max(Alert.revision))
_CHANGED = (
    select(*_ALERT.columns)
    .where(Alert.revision > bindparam("after"), Alert.raised_at.is_not(None))
    .order_by(Alert.revision)
    .limit(bindparam("most"))
)
_DROP = delete(Alert).where(Alert.ien == bindparam("ien_"))
_FORGET = delete(Alert).where(Alert.cleared_at < bindparam("before"))
_MUTE = upserts(
    AlertMute,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[AlertMute.kind, AlertMute.subject],
        set_={name: insert.excluded[name] for name in ("until_at", "muted_by", "muted_at", "note")},
    ),
)
_UNMUTE = delete(AlertMute).where(AlertMute.kind == bindparam("kind_"), AlertMute.subject == bindparam("subject_"))
_MUTES = (
    select(*AlertMute.__table__.columns).where(AlertMute.until_at > bindparam("now")).order_by(AlertMute.kind, AlertMute.subject)
)
_FORGET_MUTES = delete(AlertMute).where(AlertMute.until_at <= bindparam("now"))


@dataclass(frozen=True, slots=True)
class AlertData:
    """An alert as its row has it; times are in seconds since the epoch. Without `raised_at` it is only watched."""

    ien: int
    kind: str
    subject: str
    text: str
    since_at: float
    raised_at: float | None
    seen_at: float
    well_at: float | None = None
    cleared_at: float | None = None
    acknowledged_by: str = ""
    acknowledged_at: float | None = None
    note: str = ""
    revision: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """What it is about."""
        return self.kind, self.subject


@dataclass(frozen=True, slots=True)
class Mute:
    """What nobody is told of until a time; without a subject all of a kind, without a kind all."""

    kind: str
    subject: str
    until_at: float
    muted_by: str
    muted_at: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class AlertsWanted:
    """Which alerts to list; what is empty counts for nothing. `before` is the number of the last one that was listed."""

    every: bool = False
    kind: str = ""
    subject: str = ""
    before: int = 0


def _alert(row: Any) -> AlertData:
    return AlertData(**row._mapping)


def alerts_not_cleared(connection: Connection) -> list[AlertData]:
    """Give those that are raised, and those that are watched as they may be."""
    return [_alert(row) for row in connection.execute(_NOT_CLEARED)]


def count_alerts(connection: Connection) -> dict[str, int]:
    """Count the open alerts by kind."""
    return {str(kind): int(count) for kind, count in connection.execute(_COUNTS)}


def list_alerts(connection: Connection, wanted: AlertsWanted, most: int) -> list[AlertData]:
    """List alerts that were raised, the newest first."""
    return [_alert(row) for row in connection.execute(_PAGE.where(*_conditions(wanted)), {"most": most})]


def _conditions(wanted: AlertsWanted) -> Iterator[ColumnElement[bool]]:
    if not wanted.every:
        yield Alert.cleared_at.is_(None)
    if wanted.kind:
        yield Alert.kind == wanted.kind
    if wanted.subject:
        yield Alert.subject == wanted.subject
    if wanted.before:
        yield Alert.ien < wanted.before


def read_alert(connection: Connection, ien: int) -> AlertData | None:
    """Read one that was raised."""
    row = connection.execute(_ONE, {"ien_": ien}).first()
    return None if row is None else _alert(row)


def newest_revision(connection: Connection) -> int:
    """Give the number of the last change."""
    return int(connection.execute(_NEWEST).scalar() or 0)


def alerts_changed(connection: Connection, after: int, most: int) -> list[AlertData]:
    """Give alerts that changed after a revision, in that order."""
    return [_alert(row) for row in connection.execute(_CHANGED, {"after": after, "most": most})]


def lock_alerts(connection: Connection) -> None:
    """Let nobody else change alerts until the transaction ends."""
    lock_for_transaction(connection, LOCK)


def add_alert(connection: Connection, kind: str, subject: str, text: str, now: float, *, raised: bool) -> AlertData:
    """Begin to watch a condition, or raise its alert at once; the caller holds the lock."""
    alert = AlertData(
        next_ien(connection, "alert"), kind, subject[:SUBJECT_LIMIT], text[:TEXT_LIMIT], now, now if raised else None, now
    )
    revision = newest_revision(connection) + 1 if raised else 0
    row = {field.name: getattr(alert, field.name) for field in fields(alert)} | {"revision": revision}
    connection.execute(insert(Alert), row)
    return alert


def change_alert(connection: Connection, ien: int, *, told: bool = True, **values: object) -> None:
    """Change an alert; what readers are to see of it is `told`. The caller holds the lock."""
    if told:
        values["revision"] = newest_revision(connection) + 1
    connection.execute(update(Alert).where(Alert.ien == ien).values(**values))


def drop_alert(connection: Connection, ien: int) -> None:
    """Forget what was only watched."""
    connection.execute(_DROP, {"ien_": ien})


def forget_alerts(connection: Connection, before: float) -> int:
    """Forget alerts that were cleared before a time; gives how many."""
    return connection.execute(_FORGET, {"before": before}).rowcount


def mute_alerts(connection: Connection, mute: Mute) -> None:
    """Have nobody told of something until a time; where that is over already, or never began, everybody is again."""
    connection.execute(_FORGET_MUTES, {"now": mute.muted_at})
    if mute.until_at <= mute.muted_at:
        connection.execute(_UNMUTE, {"kind_": mute.kind, "subject_": mute.subject})
        return
    row: Mapping[str, object] = {field.name: getattr(mute, field.name) for field in fields(mute)}
    connection.execute(_MUTE[connection.dialect.name], row)


def list_mutes(connection: Connection, now: float) -> list[Mute]:
    """List what is muted now."""
    return [Mute(**row._mapping) for row in connection.execute(_MUTES, {"now": now})]


def muted_until(mutes: Sequence[Mute], kind: str, subject: str) -> float | None:
    """Tell until when an alert is muted, None for one that is not."""
    meant = ((kind, subject), (kind, ""), ("", ""))
    return max((it.until_at for it in mutes if (it.kind, it.subject) in meant), default=None)
