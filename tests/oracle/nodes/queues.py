"""The background queue and its pointers, the send queue and the export queue."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from fileman import site_settings, to_horolog
from fileman.files import BackgroundQueue, DicomExport, DicomExportImage, QueuePointer, SendQueue
from tests.oracle.nodes.writing import Entry, Nodes, header, last_ien, pieces, rows_of

#: What a change of state in d4 entered past the header, which a purge counts down nevertheless.
UNCOUNTED = 3
#: Dumps after EVAL PURGE, which writes the header without what its first field is.
AFTER_PURGE = ("d4_eval_purge_and_extras-024", "d4_eval_purge_and_extras-027")


def background_queue(connection: Connection, nodes: Nodes) -> None:
    """IMAGE BACKGROUND QUEUE (#2006.03). Entries from before there were places stand in B, and were not begun."""
    rows = rows_of(connection, BackgroundQueue)
    file, volume = "2006.03", site_settings(connection).volume
    count = len(rows) - (UNCOUNTED if any(not row.place for row in rows) else 0)
    title = f"IMAGE BACKGROUND QUEUE^{file}{'' if nodes.dump in AFTER_PURGE else 'I'}"
    header(nodes, "^MAGQUEUE", file, title, last_ien(connection, "background_queue"), count)
    for row in rows:
        _work(nodes, file, row, volume)


def _work(nodes: Nodes, file: str, row: Entry, volume: str) -> None:
    begun = row.requested if row.place else ""
    first = (row.queue, row.duz, volume, row.requested, row.status, begun, row.image or "")
    nodes.put("^MAGQUEUE", file, row.ien, 0, value=pieces(*first, "", "", row.file_path, "", row.place or ""))
    if not row.place:
        nodes.put("^MAGQUEUE", file, "B", row.queue, row.ien)
        return
    nodes.put("^MAGQUEUE", file, "C", row.place, row.queue, row.ien)
    nodes.put("^MAGQUEUE", file, "D", row.place, row.queue, row.status, row.ien)
    if row.queue == "JUKEBOX":
        nodes.put("^MAGQUEUE", file, "E", row.place, row.image, row.ien)


def queue_pointers(connection: Connection, nodes: Nodes) -> None:
    """IMAGE BACKGROUND QUEUE POINTER (#2006.031)."""
    file = "2006.031"
    rows = rows_of(connection, QueuePointer)
    waiting = [(row.place, row.queue) for row in rows_of(connection, BackgroundQueue)]
    last = last_ien(connection, "queue_pointer")
    header(nodes, "^MAGQUEUE", file, f"IMAGE BACKGROUND QUEUE POINTER^{file}", last, len(rows))
    for row in rows:
        total = row.total if row.total or row.last_processed else ""  # an evaluator makes its queue's pointer without one
        counts = (row.last_pointer, waiting.count((row.place, row.queue)), row.place, total)
        moment = (row.last_processed,) if row.last_processed else ()
        nodes.put("^MAGQUEUE", file, row.ien, 0, value=pieces(row.queue, *counts, *moment, strip=False))
        nodes.put("^MAGQUEUE", file, "C", row.place, row.queue, row.ien)


def send_queue(connection: Connection, nodes: Nodes) -> None:
    """SEND QUEUE (#2006.035): its header counts what it ever got, and says what its first field is until then."""

    def put(*subscripts: object, value: object = "") -> None:
        nodes.put("^MAGQUEUE", "2006.035", *subscripts, value=value)

    last = last_ien(connection, "send_queue")
    put(0, value=f"SEND QUEUE^2006.035^{last}^{last}" if last else "SEND QUEUE^2006.035P^^")
    for row in rows_of(connection, SendQueue):
        entry = (row.image, row.destination, row.file_type, row.mechanism, row.origin, row.transaction)
        put(row.ien, 0, value=pieces(*entry, strip=False))
        put(row.ien, 1, value=pieces(row.status or row.unlisted_status, row.priority, row.queued, row.finished))
        if row.status:
            put("DEST", row.destination, row.status, row.image, row.file_type, row.ien)
            put("STS", row.origin, row.status, row.priority, row.destination, row.ien)


def dicom_export(connection: Connection, nodes: Nodes) -> None:
    """DICOM OBJECT EXPORT (#2006.574) and its images (#2006.5744)."""

    def put(*subscripts: object, value: object = "") -> None:
        nodes.put("^MAGDOUTP", "2006.574", *subscripts, value=value)

    rows = rows_of(connection, DicomExport)
    header(nodes, "^MAGDOUTP", "2006.574", "DICOM OBJECT EXPORT^2006.574", last_ien(connection, "dicom_export"), len(rows))
    for row in rows:
        entry = (row.application, row.group, row.accession, row.origin, row.priority, row.to_hipaa, row.requested)
        put(row.ien, 0, value=pieces(*entry))
        put(row.ien, 1, 0, value=f"^2006.5744^{row.last_sequence}^{row.image_count}")
        put(row.ien, 2, value=row.study_uid)
        put("C", row.requested, row.ien)
        put("STUDY", row.study_uid, row.ien)
    for image in rows_of(connection, DicomExportImage, "export", "sequence"):
        at = to_horolog(datetime.fromtimestamp(image.status_at))  # noqa: DTZ006  $H is local time
        put(image.export, 1, image.sequence, 0, value=pieces(image.image, image.status, at))
        put("STS", image.origin, image.priority, image.status, image.export, image.sequence)
