"""Routing's tables written as the recorded nodes of VistA's globals are; moments and what depends on the day are left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from fileman import to_fileman
from fileman.files import DicomExport, DicomExportImage, NetworkLocation, RoutedCopy, SendQueue
from fileman.numbers import last_numbers

_KINDS = {"JUKEBOX": "WORM-OTG"}
#: The day of the recording, as FileMan and as $HOROLOG have it.
_RECORDED, _HOROLOG = "3261121", "67895"


def without_moments(nodes: Iterable[str]) -> list[str]:
    """Sort nodes and put a word in place of moments of the recording's day, and of today's and yesterday's."""
    today = datetime.now().date()  # noqa: DTZ005  VistA's moments are local time
    days = "|".join((_RECORDED, to_fileman(today), to_fileman(today - timedelta(days=1))))
    moment = re.compile(rf"({days})(\.\d{{1,6}})?|{_HOROLOG},\d+")
    return sorted(moment.sub("<when>", node) for node in nodes)


def _quoted(text: str) -> str:
    return f'"{text}"'


def send_queue(connection: Connection) -> Iterator[str]:
    """Give the nodes of SEND QUEUE (#2006.035) with the cross-references that entries are found by."""
    last = last_numbers(connection, ["send_queue"]).get("send_queue", 0)
    yield f'^MAGQUEUE(2006.035,0)="SEND QUEUE^2006.035^{last}^{last}"'
    for row in connection.execute(select(SendQueue.__table__)).mappings():
        first = "^".join(str(row[name]) for name in ("image", "destination", "file_type", "mechanism", "origin", "transaction"))
        status = row["status"] or row["unlisted_status"]
        sent = f"^{row['finished']}" if row["finished"] else ""
        yield f'^MAGQUEUE(2006.035,{row["ien"]},0)="{first}"'
        yield f'^MAGQUEUE(2006.035,{row["ien"]},1)="{status}^{row["priority"]}^{row["queued"]}{sent}"'
        if row["status"]:
            where, state = _quoted(row["destination"]), _quoted(row["status"])
            file = f"{row['image']},{_quoted(row['file_type'])}"
            yield f'^MAGQUEUE(2006.035,"DEST",{where},{state},{file},{row["ien"]})=""'
            yield f'^MAGQUEUE(2006.035,"STS",{row["origin"]},{state},{row["priority"]},{where},{row["ien"]})=""'


def network_locations(connection: Connection) -> Iterator[str]:
    """Give nodes 0 and 3 of NETWORK LOCATION (#2005.2), of each the first entry's shape."""
    for row in connection.execute(select(NetworkLocation.__table__)).mappings():
        kind = _KINDS.get(row["kind"], row["kind"])
        flags = f"{'Y' if row['hash'] else 'N'}^{int(row['router'])}^{row['site']}"
        tail = f"^{kind}^{flags}" if row["name"] else ""
        yield f'^MAG(2005.2,{row["ien"]},0)="{row["name"]}^{row["physical"]}^^^^{int(row["online"])}{tail}"'
        names = ("retention_days", "retry_connect", "retry_transmit", "last_purge", None, "offline_since")
        pieces = [None if name is None else row[name] for name in names]
        while pieces and pieces[-1] is None:
            pieces.pop()
        text = "^".join("" if piece is None else str(piece) for piece in pieces)
        yield f"^MAG(2005.2,{row['ien']},3)={text if text.isdigit() else _quoted(text)}"


def routed_copies(connection: Connection) -> Iterator[str]:
    """Give what stands in nodes 4 of images, and the cross-references that purges go by."""
    for row in connection.execute(select(RoutedCopy.__table__).where(RoutedCopy.copy.is_not(None))).mappings():
        image, copy, destination, sent = (row[name] for name in ("image", "copy", "destination", "sent"))
        pieces = f"{sent}^{destination}^{row['file_type']}^{row['file']}"
        yield f'^MAG(2005,{image},4,{copy},0)="{pieces}"'
        yield f'^MAG(2005,"ROUTE",{destination},{sent},{image},{copy})=""'


def dicom_export(connection: Connection) -> Iterator[str]:
    """Give the nodes of DICOM OBJECT EXPORT (#2006.574)."""
    last = last_numbers(connection, ["dicom_export"]).get("dicom_export", 0)
    yield f'^MAGDOUTP(2006.574,0)="DICOM OBJECT EXPORT^2006.574^{last}^{last}"'
    for row in connection.execute(select(DicomExport.__table__)).mappings():
        names = ("application", "group", "accession", "origin", "priority", "to_hipaa", "requested")
        node = f"^MAGDOUTP(2006.574,{row['ien']}"
        yield f'{node},0)="{"^".join(str(row[name]) for name in names)}"'
        yield f'{node},1,0)="^2006.5744^{row["last_sequence"]}^{row["image_count"]}"'
        yield f"{node},2)={row['study_uid']}"
        yield f'^MAGDOUTP(2006.574,"C",{row["requested"]},{row["ien"]})=""'
        yield f'^MAGDOUTP(2006.574,"STUDY",{row["study_uid"]},{row["ien"]})=""'
    for row in connection.execute(select(DicomExportImage.__table__)).mappings():
        where = f"{row['export']},{row['sequence']}"
        yield f'^MAGDOUTP(2006.574,{row["export"]},1,{row["sequence"]},0)="{row["image"]}^{row["status"]}^{_HOROLOG},0"'
        yield f'^MAGDOUTP(2006.574,"STS",{row["origin"]},{row["priority"]},"{row["status"]}",{where})=""'
