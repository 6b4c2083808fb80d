"""Patients, their exams, consults and lab cases, and the notes that images of these belong to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Literal

from sqlalchemy import Connection, select

from fileman.errors import SiteFileError
from fileman.exam_groups import EXAM_POINTERS, groups_of
from fileman.files import ConsultGroup, Exam, File, LabGroup, Patient, Report, TiuImage, TiuNote
from fileman.site.rows import FileManDate, Ien, Measure, Row
from fileman.site.sections import Columns, Section


class PatientRow(Row):
    """[[patient]]: PATIENT (#2)."""

    dfn: Ien
    name: str
    ssn: str = ""
    birth_date: FileManDate = ""
    sex: str = ""
    icn: str = ""
    height_cm: Measure | None = None
    weight_kg: Measure | None = None
    employee: bool = False
    sensitive: bool = False


class ExamRow(Row):
    """[[exam]]: a radiology exam, consult or lab case."""

    service: Literal["RAD", "CON", "LAB"] = "RAD"
    accession: str
    site_accession: str = ""
    case: int | str = ""
    ien: Ien | None = None
    patient: int
    datetime: FileManDate
    procedure: str = ""
    procedure_ien: int | None = None
    cpt: str = ""
    status: str = ""
    urgency: Literal["", "ROUTINE", "URGENT", "STAT"] = ""
    request_type: str = ""
    location: int | None = None
    purged: FileManDate = ""
    registered: bool = True
    tiu_note: int | None = None
    pregnant: Literal["", "y", "n", "u"] = ""
    requester: str = ""


class TiuNoteRow(Row):
    """[[tiu_note]]: TIU DOCUMENT (#8925), the note of a consult or lab case that its images belong to."""

    ien: Ien
    patient: int


#: Children before parents.
PATIENT_FILES: tuple[type[File], ...] = (Exam, TiuNote, Patient)

_EXAMS = select(*EXAM_POINTERS)
_EXAMS_WITH_REPORTS = select(Report.exam).distinct()
_LINKS = [select(link.ien).limit(1) for link in (ConsultGroup, LabGroup, TiuImage)]


def numbered_exams(connection: Connection, rows: Sequence[ExamRow]) -> list[Columns]:
    """Number the file's exams: as they were where images were filed, in the order of the file otherwise.

    Raises SiteFileError when one that images were filed under is not there any more, or another patient's.
    """
    filed = set(connection.execute(_EXAMS_WITH_REPORTS).scalars()) | _with_groups(connection)
    before = {(row.service, row.accession): row for row in connection.execute(_EXAMS)} if filed else {}
    patients = {(row.service, row.accession): row.patient for row in rows}
    for place, row in before.items():
        if row.ien in filed and patients.get(place) != row.patient:
            raise SiteFileError(
                f"images are filed under exam {row.accession} of patient {row.patient}:"
                " keep it in the site file as it is, or reset imaging first"
            )
    fresh = count(max((row.ien for row in before.values()), default=0) + 1)
    exams = []
    for new in rows:
        old = before.get((new.service, new.accession))
        exams.append(
            {
                **new.model_dump(exclude={"case", "ien", "datetime"}),
                "ien": next(fresh) if old is None else old.ien,
                "report": None if old is None else old.report,
                "case_number": str(new.case),
                "service_ien": new.ien,
                "exam_date": new.datetime,
            }
        )
    return exams


def _with_groups(connection: Connection) -> set[int]:
    """Give the consults and lab cases that images are filed under, by note or in a temporary list."""
    if not any(connection.execute(links).first() for links in _LINKS):
        return set()
    return {row.ien for row in connection.execute(_EXAMS.where(Exam.service != "RAD")) if groups_of(connection, row)}


PATIENTS = Section("patient", Patient, PatientRow, "dfn")
EXAMS = Section(
    "exam",
    Exam,
    ExamRow,
    renamed={"case_number": "case", "service_ien": "ien", "exam_date": "datetime"},
    left_out=frozenset({"ien", "report"}),
)
TIU_NOTES = Section("tiu_note", TiuNote, TiuNoteRow)
