"""A clock that goes on as the machine's does, on the day of the recording: ages and warnings are told by the day."""

from __future__ import annotations

from datetime import date, datetime

from runtime import SystemClock

RECORDED = date(2026, 11, 21)


class RecordedDay(SystemClock):
    """The time of today on the recorded day; after midnight it is the day after that."""

    def __init__(self) -> None:
        self._ago = datetime.combine(RECORDED, datetime.min.time()) - datetime.combine(super().now().date(), datetime.min.time())

    def now(self) -> datetime:
        """Give the local wall time."""
        return super().now() + self._ago

    def seconds(self) -> float:
        """Give the seconds since the epoch."""
        return super().seconds() + self._ago.total_seconds()
