"""Exams as look-ups find them, and radiology's three subscripts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, or_, select

from fileman.files import Exam, Report
from rpcs.numbers import inverse_date, subscript

_SITE_ACCESSION = re.compile(r"\d{3}-\d{6}-\d{1,5}")
_ACCESSION = re.compile(r"\d{6}-\d{1,5}")
_CONSULT = re.compile(r"(?:\d{3}-GMR-|GMRC-)(\d{1,8})")

_COLUMNS = (
    Exam.ien,
    Exam.service,
    Exam.accession,
    Exam.site_accession,
    Exam.case_number,
    Exam.service_ien,
    Exam.patient,
    Exam.exam_date,
    Exam.procedure,
    Exam.procedure_ien,
    Exam.cpt,
    Exam.status,
    Exam.request_type,
    Exam.location,
    Exam.report,
    Exam.tiu_note,
    Exam.pregnant,
    Exam.requester,
)
_NUMBERED = or_(Exam.accession == bindparam("number"), Exam.site_accession == bindparam("number"))
_BY_ACCESSION = (
    select(*_COLUMNS)
    .where(Exam.service == bindparam("service"), _NUMBERED)
    .order_by(Exam.patient, Exam.exam_date.desc(), Exam.ien)
)
_BY_CASE = (
    select(*_COLUMNS)
    .where(Exam.service == "RAD", Exam.case_number == bindparam("number"))
    .order_by(Exam.patient, Exam.exam_date.desc(), Exam.ien)
)
_BY_CONSULT = select(*_COLUMNS).where(Exam.service == "CON", Exam.service_ien == bindparam("ien"))
_EARLIER_CASES = select(func.count()).where(
    Exam.patient == bindparam("patient"),
    Exam.exam_date == bindparam("exam_date"),
    Exam.service == "RAD",
    Exam.ien < bindparam("ien"),
)
_AT_PLACE = (
    select(*_COLUMNS)
    .where(Exam.patient == bindparam("patient"), Exam.exam_date == bindparam("moment"), Exam.service == "RAD")
    .order_by(Exam.ien)
    .limit(1)
    .offset(bindparam("earlier"))
)
_ACCESSION_OF_REPORT = select(Report.accession).where(Report.ien == bindparam("report"))


class AccessionUnknown(Exception):
    """Radiology finds no exam by this number; the argument is what it answers."""


@dataclass(frozen=True, slots=True)
class CasePlace:
    """Where ^RADPT keeps an exam: RADFN, RADTI and RACNI."""

    patient: int
    inverse_date: str
    case: int

    def __str__(self) -> str:
        return f"{self.patient}^{self.inverse_date}^{self.case}"


def case_place(connection: Connection, exam: Any) -> CasePlace:
    """Give the subscripts of an exam; cases of one patient and moment are numbered from 1."""
    key = {"patient": exam.patient, "exam_date": exam.exam_date, "ien": exam.ien}
    return CasePlace(exam.patient, inverse_date(exam.exam_date), 1 + connection.execute(_EARLIER_CASES, key).scalar_one())


def find_at_place(connection: Connection, patient: str, inverse: str, case: str) -> Any:
    """Find the radiology exam that ^RADPT keeps under RADFN, RADTI and RACNI, as a caller gives them; None for none."""
    number = subscript(case)
    if not number:
        return None
    key = {"patient": subscript(patient), "moment": inverse_date(inverse), "earlier": number - 1}
    return connection.execute(_AT_PLACE, key).first()


def find_by_accession(connection: Connection, number: str) -> list[Any]:
    """Find radiology exams ($$ACCFIND^RAAPI). Raises AccessionUnknown with its answer for none, and for a wrong format."""
    pieces = number.count("-") + 1
    if pieces == 3 and not _SITE_ACCESSION.fullmatch(number):
        raise AccessionUnknown(f"-1^invalid site accession number format^{number}")
    if pieces == 2 and not _ACCESSION.fullmatch(number):
        raise AccessionUnknown(f"-2^invalid accession number format^{number}")
    found = list(connection.execute(_BY_ACCESSION, {"service": "RAD", "number": number})) if number else []
    if not found:
        raise AccessionUnknown(f"-3^no data associated with this accession number^{number}")
    return found


def find_by_case(connection: Connection, number: str) -> Any:
    """Find the first radiology exam of a case number; None for none."""
    return connection.execute(_BY_CASE, {"number": number}).first()


def consult_of(number: str) -> int:
    """Give the consult that an accession number of either format names, 0 for any other text."""
    match = _CONSULT.fullmatch(number)
    return int(match[1]) if match else 0


def find_consult(connection: Connection, ien: int) -> Any:
    """Find a consult request by its entry number; None for none."""
    return connection.execute(_BY_CONSULT, {"ien": ien}).first()


def find_lab_case(connection: Connection, number: str) -> Any:
    """Find a lab case by its accession number; None for none."""
    return connection.execute(_BY_ACCESSION, {"service": "LAB", "number": number}).first()


def accession_of_report(connection: Connection, report: int) -> str | None:
    """Give the accession number that a report bears; None when there is no such report."""
    accession: str | None = connection.execute(_ACCESSION_OF_REPORT, {"report": report}).scalar()
    return accession
