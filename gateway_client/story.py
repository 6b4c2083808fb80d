"""The gateway's steps in the story of an image, on their way to the broker (MAGB IMAGE EVENTS)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from gateway_client.broker import Broker
from gateway_client.journal import Journal
from xwb import RemoteError

#: Events in one call, and characters of one detail.
EVENTS_AT_ONCE, DETAIL_LIMIT = 500, 500
_CLEAN = str.maketrans(dict.fromkeys((*range(32), ord("^")), " "))


class Event(NamedTuple):  # several for each image: a frozen dataclass takes three times as long to make
    """One step: of which object, which stage, when, who was on the other side, how it went."""

    uid: str
    stage: str
    at: float
    outcome: str
    ien: int | None = None
    peer: str = ""
    detail: str = ""

    @property
    def line(self) -> str:
        """Write it as `uid^ien^stage^time^peer^outcome^detail`, the time in UTC."""
        moment = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds")
        pieces = (self.uid, str(self.ien or ""), self.stage, moment, self.peer, self.outcome, self.detail[:DETAIL_LIMIT])
        line = "^".join(pieces)
        if line.isprintable() and line.count("^") == len(pieces) - 1:  # as nearly every one
            return line
        return "^".join([piece.translate(_CLEAN) for piece in pieces])


def report_events(broker: Broker, journal: Journal) -> int:
    """Send the events that wait; they are kept until the broker has them. Gives how many were sent.

    A broker that refuses them, as a VistA without this procedure does, keeps nothing else from working: they wait.
    """
    lines, last = journal.events(EVENTS_AT_ONCE)
    if not lines:
        return 0
    try:
        broker.call("MAGB IMAGE EVENTS", lines)
    except RemoteError:
        return 0
    journal.forget_events(last)
    return len(lines)
