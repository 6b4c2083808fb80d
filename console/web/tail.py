"""Reading image events as they are committed, by whichever process, each of them once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from fileman.files import ImageEvent

#: Events that one look reads, numbers that may still come, and seconds for which they are waited for.
LOT, MOST_GAPS, GAP_SECONDS = 2000, 2000, 30.0

_COLUMNS = tuple(ImageEvent.__table__.columns)
_NEWEST = select(func.max(ImageEvent.ien))
_NEW = select(*_COLUMNS).where(ImageEvent.ien > bindparam("last")).order_by(ImageEvent.ien).limit(LOT)
_LATE = select(*_COLUMNS).where(ImageEvent.ien.in_(bindparam("numbers", expanding=True))).order_by(ImageEvent.ien)
_SINCE = select(*_COLUMNS).where(ImageEvent.ien > bindparam("last"), ImageEvent.ien <= bindparam("until"))
_PAGE = _SINCE.order_by(ImageEvent.ien.desc()).limit(bindparam("most"))


@dataclass(slots=True)
class Tail:
    """How far image events were read. A number that is left out may be committed later: it is asked for again for a while."""

    last: int | None = None
    gaps: dict[int, float] = field(default_factory=dict)

    def look(self, connection: Connection, now: float) -> Sequence[Any]:
        """Give the events that nobody was given yet, LOT at most and what came late; the first look gives none."""
        if self.last is None:
            self.last = int(connection.execute(_NEWEST).scalar() or 0)
            return []
        for number in [number for number, since in self.gaps.items() if now - since > GAP_SECONDS]:
            del self.gaps[number]
        rows = list(connection.execute(_NEW, {"last": self.last}))
        late = list(connection.execute(_LATE, {"numbers": list(self.gaps)})) if self.gaps else []
        self._expect(rows, now)
        for row in late:
            self.gaps.pop(row.ien, None)
        return [*late, *rows]

    def _expect(self, rows: Sequence[Any], now: float) -> None:
        """Note the numbers that were passed over, the newest of them when these are too many."""
        for row in rows:
            if self.last is not None:
                for number in range(max(self.last + 1, row.ien - MOST_GAPS), row.ien):
                    self.gaps[number] = now
            self.last = row.ien
        while len(self.gaps) > MOST_GAPS:
            del self.gaps[next(iter(self.gaps))]


def events_between(connection: Connection, last: int, until: int, most: int) -> Sequence[Any]:
    """Give the newest events behind one number, up to another: for who was away for a moment."""
    return list(connection.execute(_PAGE, {"last": last, "until": until, "most": most}))[::-1]
