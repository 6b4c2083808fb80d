"""Finding the exam, consult or lab case that an image belongs to, by accession number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select

from fileman.files import Exam, Patient

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

_COLUMNS = (
    Exam.ien,
    Exam.service,
    Exam.accession,
    Exam.site_accession,
    Exam.case_number,
    Exam.patient,
    Exam.exam_date,
    Exam.procedure,
    Exam.procedure_ien,
    Exam.status,
    Exam.report,
    Patient.name,
    Patient.ssn,
    Patient.birth_date,
    Patient.sex,
    Patient.icn,
)
_STUDY = select(*_COLUMNS).join_from(Exam, Patient, isouter=True)
_BY_ACCESSION = _STUDY.where(Exam.accession == bindparam("accession"))
_BY_SITE_ACCESSION = _STUDY.where(Exam.site_accession == bindparam("accession"))
_BY_CONSULT = _STUDY.where(Exam.service == "CON", Exam.accession.like("%-GMR-%"), Exam.service_ien == bindparam("ien"))


@dataclass(frozen=True, slots=True)
class Study:
    """The exam found, with its patient."""

    exam: int
    service: str
    accession: str
    site_accession: str
    case_number: str
    patient: int
    exam_date: str
    procedure: str
    procedure_ien: int | None
    status: str
    report: int | None
    patient_name: str
    ssn: str
    birth_date: str
    sex: str
    icn: str

    @property
    def cancelled(self) -> bool:
        """Tell whether the exam takes no images any more."""
        return self.status in CANCELLED[self.service]

    @property
    def full_accession(self) -> str:
        """The accession number that a report of this exam bears: the site-specific one where there is one."""
        return self.site_accession or self.accession


def find_study(connection: Connection, service: str, accession: str) -> Study | None:
    """Look an accession number up in one service after the other; two exams of the same number count as none."""
    if not accession:
        return None
    found = [
        *connection.execute(_BY_ACCESSION, {"accession": accession}),
        *connection.execute(_BY_SITE_ACCESSION, {"accession": accession}),
    ]
    if not found and (old := _OLD_CONSULT.fullmatch(accession)):
        found = list(connection.execute(_BY_CONSULT, {"ien": int(old[1])}))
    for candidate in SERVICE_ORDER[service]:
        rows = {row.ien: row for row in found if row.service == candidate}
        if len(rows) == 1:
            (row,) = rows.values()
            values: list[Any] = ["" if value is None and index not in (8, 10) else value for index, value in enumerate(row)]
            return Study(*values)
    return None
