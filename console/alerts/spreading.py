"""What was to be told, and not yet over which channels, given to each channel that it is for."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from console.alerts.telling import Channel
from fileman import EVERY_CHANNEL, AlertData, AlertNoticeData, add_notices, alerts_of, change_notices, due_notices

_NO_CHANNEL = "No channel of the settings is for it."


def spread(connection: Connection, channels: Sequence[Channel], now: float) -> int:
    """Give what waits to the channels, within the caller's transaction; what is for none is over. Gives how much it was."""
    due = due_notices(connection, EVERY_CHANNEL, now)
    alerts = alerts_of(connection, due)
    for notice in due:
        alert = None if notice.alert is None else alerts.get(notice.alert)
        names = [it.name for it in channels if _is_for(it, alert)]
        add_notices(connection, names, notice.event, notice.made_at, alert=notice.alert, text=notice.text)
        _settle(connection, notice, names)
    return len(due)


def _is_for(channel: Channel, alert: AlertData | None) -> bool:
    return alert is None or not channel.kinds or alert.kind in channel.kinds


def _settle(connection: Connection, notice: AlertNoticeData, names: Sequence[str]) -> None:
    if names:
        change_notices(connection, [notice.ien], state="SKIPPED", reason=f"It is told over {', '.join(names)}.")
    else:
        change_notices(connection, [notice.ien], state="FAILED" if notice.event == "test" else "SKIPPED", reason=_NO_CHANNEL)
