"""Statistics of images: what instruments sent per day, what was routed, and what a gateway reports home of both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, select

from fileman import from_fileman, to_fileman
from fileman.files import AcquisitionCount, Image, RoutedCopy, TextMessageCount
from rpcs.call import Call
from rpcs.numbers import LAST_DAY, count
from rpcs.registry import Access, literal, procedure
from xwb import ResultType, m_number

#: Lines of one answer unless MAX says otherwise.
USUAL = 100
#: Days of which text messages and routed images are reported.
TEXT_DAYS, ROUTE_DAYS = 25, 4
#: Below so many seconds an image is in the first, the second, the third bucket; else in the fourth.
BUCKETS = (300, 900, 3600)

_COUNTS = (
    select(*AcquisitionCount.__table__.columns)
    .where(
        AcquisitionCount.location == bindparam("location_"),
        AcquisitionCount.day >= bindparam("first"),
        AcquisitionCount.day <= bindparam("last"),
        (AcquisitionCount.acquired > 0) | (AcquisitionCount.processed > 0),
    )
    .order_by(AcquisitionCount.day, AcquisitionCount.instrument)
)
_TEXTS = (
    select(TextMessageCount.day, TextMessageCount.message, TextMessageCount.count)
    .where(TextMessageCount.location == bindparam("location_"), TextMessageCount.day > bindparam("first"))
    .order_by(TextMessageCount.day, TextMessageCount.message)
)
_SENT = (
    select(RoutedCopy.queued, RoutedCopy.began, RoutedCopy.sent, RoutedCopy.image, Image.parent)
    .join(Image, Image.ien == RoutedCopy.image, isouter=True)
    .where(
        RoutedCopy.destination == bindparam("location"),
        RoutedCopy.copy.is_not(None),
        RoutedCopy.sent >= bindparam("first"),
    )
    .order_by(RoutedCopy.sent, RoutedCopy.image, RoutedCopy.copy)
)


@procedure(
    "MAG DICOM IMAGE AUDIT GET",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="GET2^MAGDRPC7",
    parameters=(
        literal("LOCATION", 10, required=True),
        literal("START", 10),
        literal("STOP", 10),
        literal("MAX", 10),
        literal("OFFSET", 10),
    ),
    version=3,
)
def image_audit_get(call: Call) -> list[str]:
    """Answer what instruments sent to a location per day, from START to STOP (FileMan dates), at most MAX lines after OFFSET.

    First `lines,OFFSET of the next call` (0 after the last), then `^^instrument` for every instrument of the time, then
    `date^acquired^instrument^last acquired^processed^last processed` by date and instrument.
    """
    start, stop, most, offset = (call.text(index) for index in range(1, 5))
    days = {
        "first": f"{min(max(0, int(m_number(start))), LAST_DAY):07d}",
        "last": f"{min(int(m_number(stop)), LAST_DAY) if m_number(stop) > 0 else LAST_DAY:07d}",
    }
    rows = call.connection.execute(_COUNTS, {"location_": call.text(0), **days}).all()
    begin = count(offset)
    shown = rows[begin : begin + (count(most) or USUAL)]
    lines = [f"^^{instrument}" for instrument in sorted({row.instrument for row in rows})]
    lines += [
        f"{row.day}^{row.acquired or ''}^{row.instrument}^{row.acquired_at}^{row.processed or ''}^{row.processed_at}".rstrip("^")
        for row in shown
    ]
    return [f"{len(lines)},{begin + len(shown) if shown else 0}", *lines]


@dataclass(slots=True)
class Tally:
    """Studies of a day and destination by how long something took them, in seconds, and the longest."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    longest: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one study."""
        self.buckets[sum(seconds >= bound for bound in BUCKETS)] += 1
        self.longest = max(self.longest, seconds)

    def __str__(self) -> str:
        """Write the buckets, empty ones as nothing, and the longest time."""
        return "^".join([*(str(number or "") for number in self.buckets), str(int(self.longest) or "")])


@dataclass(slots=True)
class StudySent:
    """A study that was sent to a destination on a day: when its first file began, its last was queued, and how long all took."""

    began: datetime
    queued: datetime
    seconds: float = 0.0


@procedure(
    "MAG DICOM ET PHONE HOME",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="INFO^MAGDRPC1",
    parameters=(literal("LOCATION", 20, required=True),),
    version=3,
)
def phone_home(call: Call) -> list[str]:
    """Answer the statistics that a gateway of a location reports: how many lines follow, the domain, routing, text messages.

    `Route` begins routing: `RDT=day`, and for each destination `DST=name` and `RST=` with studies sent within 5 minutes, 15
    minutes, an hour, later, and the longest time; five pieces for the sending of all files, five for the wait before it.
    `RouteEnd` ends it. Copies count that transmitters reported in the last days and that are still there. `Audit` begins
    messages: `STTX=day^class^count`. A part without anything is left out.
    """
    lines = [call.site.settings.domain, *_routed(call)]
    since = to_fileman((call.clock.now() - timedelta(days=TEXT_DAYS)).date())
    texts = call.connection.execute(_TEXTS, {"location_": call.text(0), "first": since}).all()
    lines += ["Audit"] if texts else []
    lines += [f"STTX={row.day}^{row.message}^{row.count}" for row in texts]
    return [str(len(lines)), *lines]


def _routed(call: Call) -> list[str]:
    first = to_fileman((call.clock.now() - timedelta(days=ROUTE_DAYS)).date())
    tallies: dict[tuple[str, int], tuple[Tally, Tally]] = {}
    routers = {it.ien: it.name for it in call.site.locations.values() if it.router}
    for location in routers:
        rows = call.connection.execute(_SENT, {"location": location, "first": first})
        for (day, _study), sent in _studies(rows).items():
            sending, waiting = tallies.setdefault((day, location), (Tally(), Tally()))
            sending.add(sent.seconds)
            waiting.add((sent.began - sent.queued).total_seconds())
    lines, last = [], ""
    for (day, location), (sending, waiting) in sorted(tallies.items()):
        lines += [f"RDT={day}"] if day != last else []
        lines += [f"DST={routers[location]}", f"RST={sending}^{waiting}"]
        last = day
    return ["Route", *lines, "RouteEnd"] if lines else []


def _studies(rows: Iterable[Row[*tuple[Any, ...]]]) -> dict[tuple[str, int], StudySent]:
    """Put the copies at a destination together by day and study; those whose moments are none are left out."""
    found: dict[tuple[str, int], StudySent] = {}
    for row in rows:
        try:
            queued, began, sent = from_fileman(row.queued), from_fileman(row.began), from_fileman(row.sent)
        except ValueError:
            continue
        one = found.setdefault((row.sent.partition(".")[0], row.parent or row.image), StudySent(began, queued))
        one.began, one.queued = min(one.began, began), max(one.queued, queued)
        one.seconds += (sent - began).total_seconds()
    return found
