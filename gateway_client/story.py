"""The gateway's steps in the story of an image, on their way to the broker (MAGB IMAGE EVENTS)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from gateway_client.broker import Broker
from gateway_client.journal import Journal
from xwb import RemoteError

log = logging.getLogger(__name__)

#: Events in one call, and characters of one detail.
EVENTS_AT_ONCE, DETAIL_LIMIT = 500, 500
#: Events that wait for a broker which takes none; older ones are forgotten.
EVENTS_KEPT = 100_000
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

    A broker that refuses them, as a VistA without this procedure does, keeps nothing else from working: they wait, so many at
    most. One that it refuses though it takes the next is left out.
    """
    lines, numbers = journal.events(EVENTS_AT_ONCE)
    if not lines:
        return 0
    told = len(lines) if _taken(broker, lines) else _told_singly(broker, lines[:2])
    journal.forget_events(numbers[told - 1] if told else journal.last_event() - EVENTS_KEPT)
    return told


def _told_singly(broker: Broker, lines: Sequence[str]) -> int:
    """Give how many events are told, or are never to be, of some that were refused together."""
    for count, line in enumerate(lines, start=1):
        if _taken(broker, [line]):
            if count > 1:
                log.error("The broker does not take an event, which is left out: %s", lines[0])
            return count
    return 0


def _taken(broker: Broker, lines: Sequence[str]) -> bool:
    try:
        broker.call("MAGB IMAGE EVENTS", list(lines))
    except RemoteError:
        return False
    return True
