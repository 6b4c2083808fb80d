"""Our tables as the nodes of VistA's globals, to be compared with what was recorded of them.

Each file is one function that puts its nodes into `Nodes`; `RENDERERS` names them by the beginning of their nodes. A node is
compared whole, its cross-references too. What the product does not keep of a file is a constant here, named for what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Table, select

from fileman import site_settings
from fileman.files import (
    AcquisitionCount,
    AcquisitionDevice,
    BackgroundQueue,
    ConsultGroup,
    CurrentImage,
    DicomFailedImage,
    Exam,
    File,
    Image,
    ImageAudit,
    ImportableObject,
    LabGroup,
    LostMember,
    QueuePointer,
    Report,
    ReportImage,
    SendQueue,
)
from fileman.numbers import last_numbers
from xwb import m_number, m_text

#: Characters of a name in cross-reference B.
NAME_IN_INDEX = 30
#: EXAMINATION STATUS (#72), and what REGISTERED EXAMS (#70.02) says of every recorded exam.
EXAM_STATUSES = {"WAITING FOR EXAM": 1}
TYPE_OF_IMAGING = IMAGING_LOCATION = 1

Entry = Row[tuple[Any, ...]]


def shown(value: object) -> str:
    """Write a value or a subscript as M does: a number bare, any other text in quotes."""
    text = "" if value is None else str(value)
    if text and m_text(m_number(text)) == text:
        return text
    return '"' + text.replace('"', '""') + '"'


@dataclass
class Nodes:
    """Nodes by their names, as M writes both."""

    values: dict[str, str] = field(default_factory=dict)

    def put(self, name: str, *subscripts: object, value: object = "") -> None:
        """Set a node of a global, `^MAG` or `^RARPT`."""
        self.values[f"{name}({','.join(map(shown, subscripts))})"] = shown(value)

    def lines(self) -> set[str]:
        """Give the nodes as lines of a dump."""
        return {f"{name}={value}" for name, value in self.values.items()}


def pieces(*values: object, strip: bool = True) -> str:
    """Join the pieces of a node; FileMan sets none after the last that has a value."""
    text = "^".join("" if value is None else str(value) for value in values)
    return text.rstrip("^") if strip else text


def rows_of(connection: Connection, file: type[File], *order: str) -> Sequence[Entry]:
    """Read a whole file."""
    table = file.__table__
    assert isinstance(table, Table)
    return connection.execute(select(table).order_by(*(table.c[name] for name in order or ("ien",)))).all()


def header(nodes: Nodes, name: str, file: str, title: str, last: object, count: int) -> None:
    """Set the zero node of a file."""
    nodes.put(name, *_number(file), 0, value=f"{title}^{last or ''}^{count}")


def _number(file: str) -> tuple[str, ...]:
    return (file,) if file else ()


def _last(connection: Connection, file: str) -> int:
    return last_numbers(connection, [file]).get(file, 0)


def images(connection: Connection, nodes: Nodes) -> None:
    """IMAGE (#2005)."""
    rows = rows_of(connection, Image)
    header(nodes, "^MAG", "2005", "IMAGE^2005", max((row.ien for row in rows), default=0), len(rows))
    members: dict[int, list[tuple[int, int, str, str]]] = {}
    for row in rows:
        if row.parent is not None:
            members.setdefault(row.parent, []).append((row.group_sequence, row.ien, row.series_number, row.image_number))
    for lost in rows_of(connection, LostMember, "group", "sequence"):
        members.setdefault(lost.group, []).append((lost.sequence, lost.image, lost.series_number, lost.image_number))
    for row in rows:
        _image(nodes, "2005", row, sorted(members.get(row.ien, [])))
        if row.last_member:
            nodes.put("^MAG", "2005", row.ien, 1, 0, value=f"^2005.04P^{row.last_member}^{row.members}")
        if row.acquisition_site is not None:
            nodes.put("^MAG", "2005", "D", row.acquisition_site, row.ien)


def deleted_images(connection: Connection, nodes: Nodes) -> None:
    """IMAGE AUDIT (#2005.1)."""
    rows = rows_of(connection, ImageAudit)
    header(nodes, "^MAG", "2005.1", "IMAGE AUDIT^2005.1I", max((row.ien for row in rows), default=0), len(rows))
    for row in rows:
        _image(nodes, "2005.1", row, [])
        nodes.put("^MAG", "2005.1", row.ien, 30, value=pieces(row.deleted_by, row.deleted_at, row.delete_reason))
        if row.parent is None:
            nodes.put("^MAG", "2005.1", row.ien, 1, 0, value="^2005.14P^^0")
            nodes.put("^MAG", "2005.1", "APDTPX", row.patient, _inverse(row.procedure_time), row.procedure, row.ien)


def _image(nodes: Nodes, file: str, row: Entry, members: Iterable[tuple[int, int, str, str]]) -> None:
    def put(*subscripts: object, value: object = "") -> None:
        nodes.put("^MAG", file, *subscripts, value=value)

    zero = (row.name, row.file_ref, row.location, row.abstract_location, row.jukebox_location, row.object_type)
    put(row.ien, 0, value=pieces(*zero, row.patient, row.procedure, row.last_access, row.parent))
    for sequence, image, series, number in members:
        put(row.ien, 1, sequence, 0, value=pieces(image, series, number))
        put(row.ien, 1, "B", image, sequence)
    parent = (row.parent_file, row.parent_ien, row.parent_inverse or row.parent_image_pointer)
    saved = (row.saved_at, row.saved_by or "", "", row.short_description, row.procedure_time)
    put(row.ien, 2, value=pieces(*saved, *parent, "", "", "", row.transmission))
    terms = (row.package, row.image_class, row.image_type, row.procedure_or_event, row.specialty, row.origin)
    put(row.ien, 40, value=pieces(*terms))
    acquired = ("", "", row.acquisition_site, row.acquisition_device, "", row.creation_date, "", row.status)
    put(row.ien, 100, value=pieces(*acquired))
    put(row.ien, "PACS", value=pieces(row.uid, row.report, row.procedure_ien))
    if row.series_uid:
        put(row.ien, "SERIESUID", value=row.series_uid)
        put("SERIESUID", row.series_uid, row.ien)
    if row.sop_class is not None:
        put(row.ien, "SOP", value=row.sop_class)
    if row.big_location is not None:
        put(row.ien, "FBIG", value=pieces(row.big_location, row.big_jukebox_location, row.big_extension))
    put("AC", row.patient, row.ien)
    put("AD", row.saved_at.partition(".")[0], row.ien)
    put("B", row.name[:NAME_IN_INDEX], row.ien)
    if row.parent is None:
        put("APDT", row.procedure_time, row.ien)
    if row.file_ref:
        put("F", row.file_ref.partition(".")[0], row.ien)
    if row.uid:
        put("P", row.uid, row.ien)


def _inverse(date: str) -> str:
    return m_text(m_number("9999999.9999") - m_number(date))


def reports(connection: Connection, nodes: Nodes) -> None:
    """RAD/NUC MED REPORTS (#74)."""
    rows = rows_of(connection, Report)
    cases = {row.ien: row.case_number for row in rows_of(connection, Exam)}
    header(nodes, "^RARPT", "", "RAD/NUC MED REPORTS^74", max((row.ien for row in rows), default=0), len(rows))
    links: dict[int, list[tuple[int, int]]] = {}
    for link in rows_of(connection, ReportImage, "report", "sequence"):
        links.setdefault(link.report, []).append((link.sequence, link.image))
    for row in rows:
        of_report = links.get(row.ien, [])
        entered = row.entered.partition(".")[0]
        nodes.put("^RARPT", row.ien, 0, value=pieces(row.accession, row.patient, row.exam_date, cases[row.exam], "", entered))
        last = of_report[-1][0] if of_report else ""
        nodes.put("^RARPT", row.ien, 2005, 0, value=f"^74.02005P^{last}^{len(of_report)}")
        for sequence, image in of_report:
            nodes.put("^RARPT", row.ien, 2005, sequence, 0, value=image)
            nodes.put("^RARPT", row.ien, 2005, "B", image, sequence)
        nodes.put("^RARPT", row.ien, "L", 0, value="^74.01DA^1^1")
        nodes.put("^RARPT", row.ien, "L", 1, 0, value=f"{row.entered}^C^{row.entered_by}")
        nodes.put("^RARPT", "B", row.accession, row.ien)
        nodes.put("^RARPT", "C", row.patient, row.ien)


def exams(connection: Connection, nodes: Nodes) -> None:
    """REGISTERED EXAMS (#70.02) with their one examination each; an exam's order is its own number."""
    for row in rows_of(connection, Exam):
        if row.service != "RAD":
            continue

        def put(*subscripts: object, value: object = "", dfn: int = row.patient, day: str = row.exam_date) -> None:
            nodes.put("^RADPT", dfn, "DT", _inverse(day), *subscripts, value=value)

        put(0, value=pieces(row.exam_date, TYPE_OF_IMAGING, row.location, IMAGING_LOCATION))
        put("P", 0, value="^70.03A^1^1")
        exam: list[object] = [""] * 31
        exam[0], exam[1], exam[2] = row.case_number, row.procedure_ien, EXAM_STATUSES.get(row.status)
        exam[10], exam[16], exam[30] = row.ien, row.report, row.site_accession
        put("P", 1, 0, value=pieces(*exam))
        put("P", "B", row.case_number, 1)


def current_images(connection: Connection, nodes: Nodes) -> None:
    """CURRENT IMAGE (#2006.5715)."""
    rows = rows_of(connection, CurrentImage)
    header(nodes, "^MAGD", "2006.5715", "CURRENT IMAGE^2006.5715", _last(connection, "current_image"), len(rows))
    for row in rows:
        nodes.put("^MAGD", "2006.5715", row.ien, 0, value=f"{row.machine}^{row.uid}")
        nodes.put("^MAGD", "2006.5715", "B", row.machine, row.ien)


def devices(connection: Connection, nodes: Nodes) -> None:
    """ACQUISITION DEVICE (#2006.04)."""
    rows = rows_of(connection, AcquisitionDevice)
    header(nodes, "^MAG", "2006.04", "ACQUISITION DEVICE^2006.04", _last(connection, "acquisition_device"), len(rows))
    for row in rows:
        nodes.put("^MAG", "2006.04", row.ien, 0, value=f"{row.name}^{row.location}^")
        nodes.put("^MAG", "2006.04", "B", row.name, row.ien)


def failed_images(connection: Connection, nodes: Nodes) -> None:
    """DICOM FAILED IMAGES (#2006.575)."""

    def put(*subscripts: object, value: object = "") -> None:
        nodes.put("^MAGD", "2006.575", *subscripts, value=value)

    rows = rows_of(connection, DicomFailedImage)
    there = [row for row in rows if not row.removed]
    header(nodes, "^MAGD", "2006.575", "DICOM FAILED IMAGES^2006.575", _last(connection, "dicom_failed_image"), len(there))
    for row in rows:
        if row.first_of_study:
            put("F", row.location, row.study_uid, row.ien)
        if row.queued:
            put("AFX", row.location, row.machine, row.ien, value="D" if row.queued == "DELETE" else "")
    for row in there:
        zero = (row.file_path, row.reason, row.patient_id, row.name, row.original_name)
        put(row.ien, 0, value=pieces(*zero, strip=False))
        one = (row.accession, row.case_number, row.entered, row.machine, row.location)
        put(row.ien, 1, value=pieces(*one, strip=False))
        put(row.ien, "ACSTXT")
        put(row.ien, "AIUID", value=row.image_uid)
        put(row.ien, "AMFG", value=f"{row.instrument}^^^^^{row.modality}^^^{row.location}")
        put(row.ien, "ASUID", value=row.study_uid)
        put(row.ien, "TYPE", value=row.service)
        if row.fixed:
            new = (row.fixed, row.fixed_by, row.new_name, row.new_patient_id, row.new_accession)
            put(row.ien, "FIXD", value=pieces(*new, strip=False))
        put("B", row.file_path, row.ien)
        related = [other for other in rows if other.related_to == row.ien]
        if row.last_related:
            put(row.ien, "RLATE", 0, value=f"^2006.57526PA^{row.last_related}^{len(related)}")
        for other in related:
            put(row.ien, "RLATE", other.related_sequence, 0, value=other.ien)
            put(row.ien, "RLATE", "B", other.ien, other.related_sequence)


def importable_objects(connection: Connection, nodes: Nodes) -> None:
    """IMPORTABLE DICOM OBJECTS (#2006.5752)."""
    file = "2006.5752"
    rows = rows_of(connection, ImportableObject)
    header(nodes, "^MAGD", file, f"IMPORTABLE DICOM OBJECTS^{file}", _last(connection, "importable_object"), len(rows))
    for row in rows:
        nodes.put("^MAGD", file, row.ien, 0, value=f"{row.name}^{row.patient_id}^{row.machine}")
        nodes.put("^MAGD", file, row.ien, 1, value=f"{row.study_date}^{row.accession}^{row.study_uid}")
        nodes.put("^MAGD", file, row.ien, 2, value=f"{row.modality}^{row.series_uid}")
        nodes.put("^MAGD", file, row.ien, 3, value=f"{row.file_path}^{row.image_uid}")
        nodes.put("^MAGD", file, "C", row.image_uid, row.ien)
        nodes.put("^MAGD", file, "D", row.machine, row.file_path, row.ien)


def consult_groups(connection: Connection, nodes: Nodes) -> None:
    """DICOM GMRC TEMP LIST (#2006.5839)."""
    file = "2006.5839"
    rows = rows_of(connection, ConsultGroup)
    header(nodes, "^MAG", file, f"DICOM GMRC TEMP LIST^{file}", _last(connection, "consult_group"), len(rows))
    for row in rows:
        nodes.put("^MAG", file, row.ien, 0, value=f"123^{row.consult}^{row.group}")
        nodes.put("^MAG", file, "C", 123, row.consult, row.ien)


def lab_groups(connection: Connection, nodes: Nodes) -> None:
    """DICOM LAB TEMP LIST (#2006.5838)."""
    file = "2006.5838"
    rows = rows_of(connection, LabGroup)
    header(nodes, "^MAG", file, f"DICOM LAB TEMP LIST^{file}S", _last(connection, "lab_group"), len(rows))
    for row in rows:
        nodes.put("^MAG", file, row.ien, 0, value=f"{row.parent_file}^{row.lab_patient}^{row.inverse}^{row.group}")
        nodes.put("^MAG", file, "C", row.parent_file, row.lab_patient, row.inverse, row.ien)


def acquisition_counts(connection: Connection, nodes: Nodes) -> None:
    """DICOM INSTRUMENT STATISTICS (#2006.5762)."""
    file = "2006.5762"
    rows = rows_of(connection, AcquisitionCount, "day", "location", "sequence")
    days = sorted({row.day for row in rows})
    header(nodes, "^MAGDAUDT", file, f"DICOM INSTRUMENT STATISTICS^{file}", days[-1] if days else "", len(days))
    for day in days:
        nodes.put("^MAGDAUDT", file, day, 0, value=day)
        nodes.put("^MAGDAUDT", file, "B", day, day)
    for row in rows:
        place = (file, row.day, 1, row.location)
        nodes.put("^MAGDAUDT", *place, 0, value=row.location)
        nodes.put("^MAGDAUDT", *place, 1, 0, value=f"^2006.576211^{row.sequence}^{row.sequence}")
        counts = (row.acquired or "", row.acquired_at, row.processed or "", row.processed_at)
        nodes.put("^MAGDAUDT", *place, 1, row.sequence, 0, value=pieces(row.instrument, *counts))
        nodes.put("^MAGDAUDT", *place, 1, "B", row.instrument, row.sequence)


def background_queue(connection: Connection, nodes: Nodes) -> None:
    """IMAGE BACKGROUND QUEUE (#2006.03)."""
    rows = rows_of(connection, BackgroundQueue)
    file, volume = "2006.03", site_settings(connection).volume
    last = _last(connection, "background_queue")
    header(nodes, "^MAGQUEUE", file, f"IMAGE BACKGROUND QUEUE^{file}I", last, len(rows))
    for row in rows:
        first = (row.queue, row.duz, volume, row.requested, row.status, row.requested, row.image or "")
        nodes.put("^MAGQUEUE", file, row.ien, 0, value=pieces(*first, "", "", row.file_path, "", row.place))
        nodes.put("^MAGQUEUE", file, "C", row.place, row.queue, row.ien)
        nodes.put("^MAGQUEUE", file, "D", row.place, row.queue, row.status, row.ien)
        if row.queue == "JUKEBOX":
            nodes.put("^MAGQUEUE", file, "E", row.place, row.image, row.ien)


def queue_pointers(connection: Connection, nodes: Nodes) -> None:
    """IMAGE BACKGROUND QUEUE POINTER (#2006.031)."""
    file = "2006.031"
    rows = rows_of(connection, QueuePointer)
    waiting = [(row.place, row.queue) for row in rows_of(connection, BackgroundQueue)]
    last = _last(connection, "queue_pointer")
    header(nodes, "^MAGQUEUE", file, f"IMAGE BACKGROUND QUEUE POINTER^{file}", last, len(rows))
    for row in rows:
        count = waiting.count((row.place, row.queue))
        nodes.put("^MAGQUEUE", file, row.ien, 0, value=pieces(row.queue, row.last_pointer, count, row.place, row.total))
        nodes.put("^MAGQUEUE", file, "C", row.place, row.queue, row.ien)


def send_queue(connection: Connection, nodes: Nodes) -> None:
    """SEND QUEUE (#2006.035), as far as it is empty."""
    rows = rows_of(connection, SendQueue)
    last = max((row.ien for row in rows), default="")
    nodes.put("^MAGQUEUE", "2006.035", 0, value=f"SEND QUEUE^2006.035P^{last}^{len(rows) or ''}")


#: The files that can be rendered, by the beginning of their nodes.
RENDERERS: dict[str, Callable[[Connection, Nodes], None]] = {
    "^MAG(2005,": images,
    "^MAG(2005.1,": deleted_images,
    "^MAG(2006.04,": devices,
    "^MAG(2006.5838,": lab_groups,
    "^MAG(2006.5839,": consult_groups,
    "^MAGD(2006.5715,": current_images,
    "^MAGD(2006.575,": failed_images,
    "^MAGD(2006.5752,": importable_objects,
    "^MAGDAUDT(2006.5762,": acquisition_counts,
    "^MAGQUEUE(2006.03,": background_queue,
    "^MAGQUEUE(2006.031,": queue_pointers,
    "^MAGQUEUE(2006.035,": send_queue,
    "^RADPT(": exams,
    "^RARPT(": reports,
}
#: Dumps that show parts of files only: which.
PARTS = {
    "b1_store-007": {"^RADPT(": ('^RADPT(1,"DT",6759389.9069,',)},
    "b2_duplicates-015": {"^MAG(2005,": ('^MAG(2005,"P",', "^MAG(2005,1,1,")},
    "b9_correct-036": {"^MAGD(2006.575,": ("^MAGD(2006.575,1,", '^MAGD(2006.575,"AFX",')},
}
_RECORDED_DAY = "3261121"


class UnknownFile(AssertionError):
    """A dump shows a file that nobody renders."""


def differences(connection: Connection, record: dict[str, Any], days: set[str]) -> list[str]:
    """Compare a dump with our tables: `-` a node that VistA had, `+` one that only we have.

    The moment of each is blanked: `days` are the FileMan days on which our entries may have been made.
    """
    recorded = {_blanked(line, {_RECORDED_DAY}) for line in record["globals"]}
    beginnings = {_beginning(line) for line in record["globals"]}
    nodes = Nodes()
    for beginning in beginnings:
        RENDERERS[beginning](connection, nodes)
    parts = PARTS.get(record["id"], {})
    wanted = tuple(part for beginning in beginnings for part in parts.get(beginning, (beginning,)))
    rendered = {_blanked(line, days) for line in nodes.lines() if line.startswith(wanted)}
    return [*(f"- {line}" for line in sorted(recorded - rendered)), *(f"+ {line}" for line in sorted(rendered - recorded))]


def _beginning(line: str) -> str:
    found = next((beginning for beginning in RENDERERS if line.startswith(beginning)), None)
    if found is None:
        raise UnknownFile(f"no renderer for {line}")
    return found


def _blanked(line: str, days: set[str]) -> str:
    """Put <now> for a moment of those days, <today> for the day alone."""
    for day in days:
        line = re.sub(rf"(?<!\d){day}\.\d{{1,6}}(?!\d)", "<now>", line)
        line = re.sub(rf"(?<![\d.]){day}(?![\d.])", "<today>", line)
    return line
