"""Reading what changes of alerts, whichever process changes it, each change once."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from fileman import AlertData, AlertsWanted, alerts_changed, list_alerts, newest_revision

#: Alerts that one look gives, and that somebody who begins to listen is told of.
LOT = 200


@dataclass(slots=True)
class AlertTail:
    """How far changes were read: they are committed in the order of their numbers."""

    last: int | None = None

    def look(self, connection: Connection) -> list[AlertData]:
        """Give the alerts that changed since the last look; the first gives none."""
        newest = newest_revision(connection)
        if self.last is None or newest <= self.last:
            self.last = newest
            return []
        changed = alerts_changed(connection, self.last, LOT)
        self.last = changed[-1].revision if changed else newest
        return changed


def open_alerts(connection: Connection) -> list[AlertData]:
    """Give the alerts that are open, the oldest first."""
    return list_alerts(connection, AlertsWanted(), LOT)[::-1]
