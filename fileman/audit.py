"""The audit of administrative actions: each is written down in its own transaction, and found by who, what and when."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, insert, select

from fileman.files import AuditChange, AuditRecord
from fileman.numbers import next_ien

#: Characters of a value of a request, of a reason, of a subject, and of a value before or after, that are kept.
VALUE_LIMIT, REASON_LIMIT, SUBJECT_LIMIT, CHANGE_LIMIT = 200, 500, 128, 20_000
#: Changes of one action that are kept one by one; of more, a last one tells how many there were.
MOST_CHANGES = 500

_PAGE = select(*AuditRecord.__table__.columns).order_by(AuditRecord.ien.desc()).limit(bindparam("most"))
_CHANGES = (
    select(*AuditChange.__table__.columns)
    .where(AuditChange.record.in_(bindparam("records", expanding=True)))
    .order_by(AuditChange.record, AuditChange.number)
)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that an action changed, by name; what it was and is, as values for JSON, None where there was or is nothing."""

    subject: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Audited:
    """An action that was asked for: by whom, how and from where, when, in which words, and what came of it.

    `outcome` is `done` or the kind of what `reason` tells; `at` is in seconds since the epoch.
    """

    at: float
    duz: int
    name: str
    via: str
    address: str
    action: str
    request: Mapping[str, str]
    outcome: str = "done"
    reason: str = ""
    changes: Sequence[Change] = ()
    ien: int = 0


@dataclass(frozen=True, slots=True)
class AuditWanted:
    """Which actions to list: what is empty counts for nothing. `before` is the number of the last one that was listed."""

    name: str = ""
    action: str = ""
    subject: str = ""
    outcome: str = ""
    since: float = 0.0
    until: float = 0.0
    before: int = 0


def write_audit(connection: Connection, audited: Audited) -> int:
    """Write an action down within the caller's transaction; give its number."""
    ien = next_ien(connection, "audit_record")
    row = {name: getattr(audited, name) for name in ("at", "duz", "name", "via", "address", "action", "outcome")}
    facts = {"reason": audited.reason[:REASON_LIMIT], "request": json.dumps(_told(audited.request))}
    connection.execute(insert(AuditRecord), {"ien": ien, **row, **facts})
    changes = list(audited.changes[:MOST_CHANGES])
    if len(audited.changes) > MOST_CHANGES:
        changes.append(Change(f"{len(audited.changes) - MOST_CHANGES} more", None, None))
    if changes:
        connection.execute(
            insert(AuditChange),
            [
                {
                    "record": ien,
                    "number": number,
                    "subject": change.subject[:SUBJECT_LIMIT],
                    "before": _written(change.before),
                    "after": _written(change.after),
                }
                for number, change in enumerate(changes, 1)
            ],
        )
    return ien


def _told(request: Mapping[str, str]) -> dict[str, str]:
    return {name: _cut(text, VALUE_LIMIT) for name, text in request.items()}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"


def _written(value: Any) -> str:
    """Write a value as JSON; one that is too long as a text that begins like it."""
    text = json.dumps(value)
    return text if len(text) <= CHANGE_LIMIT else json.dumps(_cut(text, CHANGE_LIMIT // 8))


def list_audit(connection: Connection, wanted: AuditWanted, most: int) -> list[Audited]:
    """List actions, the newest first."""
    rows = connection.execute(_PAGE.where(*_conditions(wanted)), {"most": most}).all()
    changes: dict[int, list[Change]] = {}
    for row in connection.execute(_CHANGES, {"records": [it.ien for it in rows]}):
        changes.setdefault(row.record, []).append(Change(row.subject, json.loads(row.before), json.loads(row.after)))
    return [Audited(**{**row._mapping, "request": json.loads(row.request), "changes": changes.get(row.ien, [])}) for row in rows]


def _conditions(wanted: AuditWanted) -> Iterator[ColumnElement[bool]]:
    for name in ("name", "action", "outcome"):
        if value := getattr(wanted, name):
            yield getattr(AuditRecord, name) == value
    if wanted.subject:
        yield AuditRecord.ien.in_(select(AuditChange.record).where(AuditChange.subject == wanted.subject))
    if wanted.since:
        yield AuditRecord.at >= wanted.since
    if wanted.until:
        yield AuditRecord.at < wanted.until
    if wanted.before:
        yield AuditRecord.ien < wanted.before
