"""Walking over radiology reports, by date of the exam or by patient."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select, tuple_

from fileman.files import Exam, Report
from rpcs.call import Call
from rpcs.numbers import count, entry_number
from rpcs.registry import Access, Availability, literal, procedure
from xwb import m_number

_RADIOLOGY = (Exam.service == "RAD", Exam.report.is_not(None))
_COLUMNS = (Exam.exam_date, Exam.patient, Exam.ien, Exam.report)
_PLACE = tuple_(Exam.exam_date, Exam.patient)
_LATER = (
    select(*_COLUMNS)
    .where(*_RADIOLOGY)
    .where(tuple_(bindparam("date"), bindparam("dfn")) < _PLACE)
    .order_by(Exam.exam_date, Exam.patient, Exam.ien)
    .limit(1)
)
_EARLIER = (
    select(*_COLUMNS)
    .where(*_RADIOLOGY)
    .where(tuple_(bindparam("date"), bindparam("dfn")) > _PLACE)
    .order_by(Exam.exam_date.desc(), Exam.patient.desc(), Exam.ien.desc())
    .limit(1)
)
#: The cases of a patient at one time: their places are the numbers (D2) that VistA gives them.
_CASES = (
    select(Exam.ien, Exam.report)
    .where(Exam.service == "RAD", Exam.exam_date == bindparam("date"), Exam.patient == bindparam("dfn"))
    .order_by(Exam.ien)
)
_REPORTS = select(func.min(Report.ien)).where(Report.service == "RAD", Report.patient == bindparam("dfn"))
_NEXT = select(func.min(Report.ien)).where(
    Report.service == "RAD", Report.patient == bindparam("dfn"), Report.ien > bindparam("origin")
)
_PREVIOUS = select(func.max(Report.ien)).where(
    Report.service == "RAD", Report.patient == bindparam("dfn"), Report.ien < bindparam("origin")
)
#: After every date, and after every patient: where a walk backwards begins.
_END, _LAST = "9999999.999999", 2**31 - 1


@dataclass(frozen=True, slots=True)
class Case:
    """A case of radiology: its report, and where it stands among the exams."""

    report: int
    date: str
    dfn: int
    number: int

    def __str__(self) -> str:
        """Write it as the procedure answers it, and takes it as the seed of the next call."""
        return f"{self.report}^{self.date}^{self.dfn}^{self.number}"


@procedure(
    "MAG RAD GET NEXT RPT BY DATE",
    access=Access.READS,
    routine="NEXT^MAGDRPC9",
    parameters=(literal("SEED", 60, required=True), literal("DIR", 20)),
    word_wrap=False,
    version=3,
)
def next_report_by_date(call: Call) -> str:
    """Answer `report^exam date^patient^case` of the next radiology report; -1 after the last.

    SEED is what the last call answered, without the report: `exam date^patient^case`; an empty one begins. DIR below zero
    goes backwards.
    """
    date, dfn, number, *_ = [*call.text(0).split("^"), "", "", ""]
    backwards = m_number(call.text(1)) < 0
    if date and dfn and (found := _same_time(call.connection, date, entry_number(dfn), count(number), backwards)):
        return str(found)
    patient = entry_number(dfn) if date and dfn else (_LAST if backwards else -1)
    place = {"date": date or (_END if backwards else ""), "dfn": patient}
    row = call.connection.execute(_EARLIER if backwards else _LATER, place).first()
    if row is None:
        return "-1"
    return str(_same_time(call.connection, row.exam_date, row.patient, 0, backwards))


def _same_time(connection: Connection, date: str, dfn: int, after: int, backwards: bool) -> Case | None:
    """Give the next case with a report among those of a patient at one time; `after` 0 is before the first, or the last."""
    rows = connection.execute(_CASES, {"date": date, "dfn": dfn}).all()
    cases = [Case(row.report or 0, date, dfn, number) for number, row in enumerate(rows, 1)]
    if backwards:
        cases = [case for case in reversed(cases) if not after or case.number < after]
    else:
        cases = [case for case in cases if case.number > after]
    return next((case for case in cases if case.report), None)


@procedure(
    "MAG RAD GET NEXT RPT BY PT",
    access=Access.READS,
    routine="NXTPTRPT^MAGDRPC9",
    parameters=(literal("DFN", required=True), literal("RARPT1", required=True), literal("DIR")),
    availability=Availability.PUBLIC,
)
def next_report_by_patient(call: Call) -> str:
    """Answer the patient's radiology report after RARPT1, before it when DIR is below zero; empty after the last.

    An empty RARPT1 begins. `-1,Patient DFN not passed` and `-2,Patient does not have any radiology reports` are the errors.
    """
    if not m_number(call.text(0)):
        return "-1,Patient DFN not passed"
    patient = {"dfn": entry_number(call.text(0))}
    first = call.connection.execute(_REPORTS, patient).scalar()
    if first is None:
        return "-2,Patient does not have any radiology reports"
    backwards, origin = m_number(call.text(2)) < 0, call.text(1)
    begin = count(origin) if origin else (_LAST if backwards else 0)
    found = call.connection.execute(_PREVIOUS if backwards else _NEXT, {**patient, "origin": begin}).scalar()
    return "" if found is None else str(found)
