"""What is told of alerts, as rows: written in the transaction that raises or clears one, and taken by who tells it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from fileman.alerts import AlertData
from fileman.files import Alert, AlertNotice
from fileman.numbers import next_iens

#: The channel of a notice that is for every channel there is: who asks for a test does not know them.
EVERY_CHANNEL = ""
#: Characters of a reason.
REASON_LIMIT = 300
#: Notices that one look takes.
MOST_TAKEN = 100

_NOTICE, _ALERT = AlertNotice.__table__, Alert.__table__
_COLUMNS = tuple(_NOTICE.columns)
_DUE = (
    select(*_COLUMNS)
    .where(
        AlertNotice.channel == bindparam("channel_"),
        AlertNotice.state == bindparam("state_"),
        AlertNotice.due_at <= bindparam("now"),
    )
    .order_by(AlertNotice.due_at, AlertNotice.ien)
    .limit(MOST_TAKEN)
)
_OF_MESSAGE = select(*_COLUMNS).where(
    AlertNotice.channel == bindparam("channel_"),
    AlertNotice.state.in_(("WAITING", "SENDING")),
    AlertNotice.message == bindparam("message_"),
)
_OF_ALERTS = select(*_COLUMNS).where(
    AlertNotice.channel == bindparam("channel_"), AlertNotice.alert.in_(bindparam("alerts", expanding=True))
)
_ALERTS = select(*_ALERT.columns).where(Alert.ien.in_(bindparam("alerts", expanding=True)))
_LEFT_BEHIND = (
    update(AlertNotice)
    .where(AlertNotice.channel == bindparam("channel_"), AlertNotice.state == "SENDING")
    .values(state="WAITING", due_at=bindparam("now"))
)
_PAGE = (
    select(*_COLUMNS, Alert.kind, Alert.subject)
    .join(Alert, Alert.ien == AlertNotice.alert, isouter=True)
    .order_by(AlertNotice.ien.desc())
    .limit(bindparam("most"))
)
_FORGET = delete(AlertNotice).where(AlertNotice.state == bindparam("state_"), AlertNotice.made_at < bindparam("before"))
_ENDED = ("SENT", "FAILED", "SKIPPED")


@dataclass(frozen=True, slots=True)
class AlertNoticeData:
    """Something to be told over a channel: an alert raised or cleared, or a test."""

    ien: int
    channel: str
    alert: int | None
    event: str
    text: str
    made_at: float
    due_at: float
    state: str
    held: str = ""
    message: str = ""
    tries: int = 0
    told_at: float | None = None
    reason: str = ""


def add_notices(
    connection: Connection, channels: Collection[str], event: str, now: float, *, alert: int | None = None, text: str = ""
) -> None:
    """Have something told over some channels, once this transaction is committed."""
    if channels:
        numbers = next_iens(connection, "alert_notice", len(channels))
        common = {"alert": alert, "event": event, "text": text, "made_at": now, "due_at": now, "state": "WAITING"}
        connection.execute(
            insert(AlertNotice),
            [{"ien": ien, "channel": channel, **common} for ien, channel in zip(numbers, channels, strict=True)],
        )


def due_notices(connection: Connection, channel: str, now: float) -> list[AlertNoticeData]:
    """Give what is due over a channel; what began to be sent long ago, and never ended, is due again."""
    found = [_notice(row) for state in ("SENDING", "WAITING") for row in connection.execute(_DUE, _key(channel, state, now))]
    for notice in found:
        if notice.message:  # what went out together goes together again, and first
            key = {"channel_": channel, "message_": notice.message}
            return sorted((_notice(row) for row in connection.execute(_OF_MESSAGE, key)), key=lambda it: it.ien)
    return sorted(found, key=lambda it: it.ien)[:MOST_TAKEN]


def _key(channel: str, state: str, now: float) -> dict[str, object]:
    return {"channel_": channel, "state_": state, "now": now}


def notices_of(connection: Connection, channel: str, alerts: Collection[int]) -> list[AlertNoticeData]:
    """Give what a channel was, or is to be, told of some alerts."""
    return [_notice(row) for row in connection.execute(_OF_ALERTS, {"channel_": channel, "alerts": sorted(alerts)})]


def alerts_of(connection: Connection, notices: Iterable[AlertNoticeData]) -> dict[int, AlertData]:
    """Read the alerts that notices are about."""
    numbers = sorted({it.alert for it in notices if it.alert is not None})
    return {row.ien: AlertData(**row._mapping) for row in connection.execute(_ALERTS, {"alerts": numbers})}


def change_notices(connection: Connection, numbers: Sequence[int], **values: object) -> None:
    """Change notices."""
    if "reason" in values:
        values["reason"] = str(values["reason"])[:REASON_LIMIT]
    if numbers:
        connection.execute(update(AlertNotice).where(AlertNotice.ien.in_(numbers)).values(**values))


def take_up_again(connection: Connection, channel: str, now: float) -> int:
    """Let what another process left in the middle of being sent be due now; gives how much that is."""
    return connection.execute(_LEFT_BEHIND, {"channel_": channel, "now": now}).rowcount


def list_notices(connection: Connection, before: int, most: int, **wanted: str) -> list[Mapping[str, Any]]:
    """List what was told, and is to be told, the newest first, with the kind and subject of its alert."""
    conditions = [_NOTICE.c[name] == value for name, value in wanted.items() if value]
    if before:
        conditions.append(AlertNotice.ien < before)
    return [dict(row._mapping) for row in connection.execute(_PAGE.where(*conditions), {"most": most})]


def forget_notices(connection: Connection, before: float) -> None:
    """Forget what was told, or was not, before a time."""
    for state in _ENDED:
        connection.execute(_FORGET, {"state_": state, "before": before})


def _notice(row: Any) -> AlertNoticeData:
    return AlertNoticeData(**row._mapping)
