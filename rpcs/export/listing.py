"""What stands in the export queue, and for which locations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select

from fileman import to_horolog
from fileman.files import DicomExport, DicomExportImage
from fileman.files.routing import EXPORT_TAKEN_FOR
from rpcs.call import Call
from rpcs.registry import Access, procedure
from xwb import ResultType

#: States in the order of the list; what waits to be tried again waits.
STATES = ("FAIL", "HOLD", "XMIT", "WAITING", "SUCCESS")
_SHOWN_AS = {"RETRY": "WAITING"}
#: Seconds within which what happened to images of an export is told as one.
TOGETHER = 600.0

_ENTRIES = (
    select(
        DicomExport.ien,
        DicomExport.application,
        DicomExport.group,
        DicomExport.accession,
        DicomExport.origin,
        DicomExport.priority,
        DicomExport.requested,
        DicomExportImage.status,
        DicomExportImage.status_at,
        func.count().label("images"),
    )
    .join(DicomExportImage, DicomExportImage.export == DicomExport.ien)
    .group_by(DicomExport.ien, DicomExportImage.status, DicomExportImage.status_at)
    .order_by(DicomExport.ien, DicomExportImage.status_at)
)
_NEXT_ORIGIN = select(func.min(DicomExportImage.origin)).where(DicomExportImage.origin > bindparam("after"))

Entry = Row[*tuple[Any, ...]]


@procedure(
    "MAG DICOM GET EXPORT IMAGE STS",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="LOOKUP^MAGDIWDV",
)
def export_status(call: Call) -> list[str]:
    """Answer a count and what stands in the export queue, by location, application, state, priority and entry.

    A line is `location^application^priority^entry^accession^requested^group`, then `^state|$H|images` for each moment of the
    state; ten minutes are one moment. An export with images in several states has a line for each. A failed image is a BAD IMAGE,
    one that was taken is in TRANSMIT, and NOT SENT when five minutes have passed.
    """
    now = call.clock.seconds()
    lines: list[tuple[tuple[str, str, int, int, int], str]] = []
    for ien, entries in groupby(call.connection.execute(_ENTRIES), key=lambda row: row.ien):
        for state, rows in _by_state(entries).items():
            one = rows[0]
            if state not in STATES:
                continue
            moments = "".join(
                f"^{_name(state, now - at)}|{to_horolog(datetime.fromtimestamp(at))}|{images}"  # noqa: DTZ006  $H is local time
                for at, images in _moments(rows)
            )
            head = f"{one.origin}^{one.application}^{one.priority}^{ien}^{one.accession}^{one.requested}^{one.group}"
            lines.append(((f"{one.origin:012d}", one.application, STATES.index(state), one.priority, ien), head + moments))
    return [str(len(lines)), *(text for _key, text in sorted(lines))]


def _by_state(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for row in entries:
        found.setdefault(_SHOWN_AS.get(row.status, row.status), []).append(row)
    return found


def _moments(rows: Iterable[Entry]) -> Iterator[tuple[float, int]]:
    """Give moments and numbers of images, in order: what follows within ten minutes of the first belongs to it."""
    first, images = 0.0, 0
    for row in rows:
        if images and row.status_at - first >= TOGETHER:
            yield first, images
            images = 0
        if not images:
            first = row.status_at
        images += row.images
    yield first, images


def _name(state: str, age: float) -> str:
    if state == "XMIT":
        return "TRANSMIT" if age < EXPORT_TAKEN_FOR else "NOT SENT"
    return "BAD IMAGE" if state == "FAIL" else state


@procedure(
    "MAG GET DICOM XMIT ORIGIN",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="LISTORIG^MAGDRPC1",
    version=3,
)
def export_origins(call: Call) -> list[str]:
    """Answer how many lines these are, and `location^name` of each location that the export queue has entries of.

    An empty queue is the one line `No entries in transmission queue`. Entries that were sent count until they are purged.
    """
    lines = []
    for origin in origins_in_queue(call.connection):
        institution = call.site.institutions.get(origin)
        lines.append(f"{origin}^{institution.name if institution is not None else ''}")
    return [str(len(lines) + 1), *lines] if lines else ["No entries in transmission queue"]


def origins_in_queue(connection: Connection) -> Iterator[int]:
    """Give every origin of the queue in order, each found by one look into the index."""
    last: int | None = -1
    while (last := connection.execute(_NEXT_ORIGIN, {"after": last}).scalar()) is not None:
        yield last
