"""Finding the exam, consult or lab case that an image belongs to, by accession number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select

from fileman import LAB_SECTIONS, lab_inverse, lab_section
from fileman.files import Exam, Patient
from rpcs.numbers import inverse_date

#: Own service first, then the others (LOOKUP^MAGDIR81).
SERVICE_ORDER = {
    "RAD": ("RAD", "CON", "LAB"),
    "CON": ("CON", "RAD", "LAB"),
    "LAB": ("LAB", "RAD", "CON"),
}
#: Statuses that refuse images.
CANCELLED = {
    "RAD": frozenset({"CANCELLED"}),
    "CON": frozenset({"CANCELLED", "DISCONTINUED", "DISCONTINUED/EDIT", "EXPIRED"}),
    "LAB": frozenset({"CANCELLED"}),
}
_OLD_CONSULT = re.compile(r"GMRC-(\d{1,9})")

_PATIENT = select(Patient.dfn, Patient.name, Patient.ssn, Patient.birth_date, Patient.sex, Patient.icn).where(
    Patient.dfn == bindparam("dfn")
)
_COLUMNS = (
    Exam.ien,
    Exam.service,
    Exam.accession,
    Exam.site_accession,
    Exam.case_number,
    Exam.service_ien,
    Exam.exam_date,
    Exam.procedure,
    Exam.procedure_ien,
    Exam.status,
    Exam.report,
    Exam.registered,
    Exam.purged,
    Exam.tiu_note,
    Exam.patient,
    Patient.name,
    Patient.ssn,
    Patient.birth_date,
    Patient.sex,
    Patient.icn,
)
#: How many of them are the exam's.
_OF_EXAM = 14
_STUDY = select(*_COLUMNS).join_from(Exam, Patient, isouter=True)
_BY_ACCESSION = _STUDY.where(or_(Exam.accession == bindparam("accession"), Exam.site_accession == bindparam("accession")))
_BY_CONSULT = _STUDY.where(Exam.service == "CON", Exam.accession.like("%-GMR-%"), Exam.service_ien == bindparam("ien"))


@dataclass(frozen=True, slots=True)
class PatientData:
    """A patient as DEM^VADPT has one; empty texts where the file has nothing, or no such patient."""

    dfn: int
    name: str = ""
    ssn: str = ""
    birth_date: str = ""
    sex: str = ""
    icn: str = ""


@dataclass(frozen=True, slots=True)
class Study:
    """The exam found, with its patient."""

    exam: int
    service: str
    accession: str
    site_accession: str
    case_number: str
    service_ien: int | None
    exam_date: str
    procedure: str
    procedure_ien: int | None
    status: str
    report: int | None
    registered: bool
    purged: str
    tiu_note: int | None
    patient: PatientData

    @property
    def cancelled(self) -> bool:
        """Tell whether the exam takes no images any more."""
        return self.status in CANCELLED[self.service]

    @property
    def full_accession(self) -> str:
        """The accession number that a report of this exam bears: the site-specific one where there is one."""
        return self.site_accession or self.accession

    @property
    def inverse_date(self) -> str:
        """The date and time of the exam, counted down from the end of all days, as radiology has it in its subscripts."""
        return inverse_date(self.exam_date)

    @property
    def lab_inverse(self) -> str:
        """The same as LAB DATA has it (LRI)."""
        return lab_inverse(self.exam_date)

    @property
    def section(self) -> str:
        """The section of a lab case: the first word of its accession number."""
        return lab_section(self.accession)


def patient_data(connection: Connection, dfn: int) -> PatientData:
    """Look a patient up; one that is not on file has nothing but a number."""
    row = connection.execute(_PATIENT, {"dfn": dfn}).first()
    return PatientData(dfn) if row is None else PatientData(*row)


def find_study(connection: Connection, service: str, accession: str) -> Study | None:
    """Look an accession number up in one service after the other; two exams of the same number count as none.

    A lab case counts when its section is one of anatomic pathology.
    """
    if not accession:
        return None
    found: Sequence[Any] = connection.execute(_BY_ACCESSION, {"accession": accession}).all()
    if not found and (old := _OLD_CONSULT.fullmatch(accession)):
        found = connection.execute(_BY_CONSULT, {"ien": int(old[1])}).all()
    for candidate in SERVICE_ORDER[service]:
        rows = {row.ien: row for row in found if row.service == candidate}
        if len(rows) == 1:
            (row,) = rows.values()
            patient = PatientData(row.patient, *(value or "" for value in row[_OF_EXAM + 1 :]))
            values: list[Any] = [*row[:_OF_EXAM], patient]
            study = Study(*values)
            if candidate != "LAB" or study.section in LAB_SECTIONS:
                return study
    return None
