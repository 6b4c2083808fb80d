"""Radiology reports (#74) node by node, for gateways that walk through them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, func, select

from fileman import groups_of_report
from fileman.files import Exam, Report
from rpcs.call import Call
from rpcs.errors import MError
from rpcs.numbers import entry_number
from rpcs.registry import Access, literal, procedure
from xwb import m_number, m_text

_REPORT = (
    select(Report.accession, Report.patient, Report.exam_date, Report.entered, Report.entered_by, Exam.case_number)
    .join(Exam, Exam.ien == Report.exam, isouter=True)
    .where(Report.ien == bindparam("ien"), Report.service == "RAD")
)
_NEXT = select(func.min(Report.ien)).where(Report.ien > bindparam("ien"), Report.service == "RAD")
_BEFORE = select(func.max(Report.ien)).where(Report.ien < bindparam("ien"), Report.service == "RAD")
#: The multiples of a report that are kept: its image groups, and its activity log.
_IMAGES, _LOG = "2005", "L"


@procedure(
    "MAG DICOM GET RAD RPT INFO",
    access=Access.READS,
    routine="RARPTO^MAGDRPC1",
    parameters=(
        literal("TYPE", 30, required=True),
        literal("D0", 30, required=True),
        literal("F", 30, required=True),
        literal("D1", 30, required=True),
    ),
    version=3,
)
def report_info(call: Call) -> str:
    """Answer a piece of the report file: the next report (O1) or entry of a multiple (O2), a report's zero node (G1) or that of
    an entry (G2).

    With O1, F is the direction, 1 or -1; with O2 and G2 it names the multiple, 2005 for the image groups. 0 says that nothing
    follows; what is not there is empty. `-1` for any other type.
    """
    kind, report, which, entry = call.text(0), entry_number(call.text(1)), call.text(2, "1"), entry_number(call.text(3))
    if kind == "O1":
        return _neighbour(call, report, which)
    if kind not in ("O2", "G1", "G2"):
        return f'-1,Invalid request type ("{kind}")'
    row = call.connection.execute(_REPORT, {"ien": report}).first()
    if row is None:
        return "0" if kind == "O2" else ""
    if kind == "G1":
        return f"{row.accession}^{row.patient}^{row.exam_date}^{row.case_number or ''}^^{row.entered.partition('.')[0]}"
    entries = _multiple(call, report, row, m_text(m_number(which)) if m_number(which) else which)
    if kind == "O2":
        return str(entry + 1) if entry < len(entries) else "0"
    return entries[entry - 1] if 0 < entry <= len(entries) else ""


def _neighbour(call: Call, report: int, direction: str) -> str:
    """Give the report after one, or before it. An M error for a direction that $ORDER does not know."""
    if m_number(direction) not in (1, -1):
        raise MError("RARPTO+2^MAGDRPC1, Direction argument of $ORDER() must be 1 or -1,150373442,-%GTM-E-ORDER2")
    query = _NEXT if m_number(direction) == 1 else _BEFORE
    if not report and call.text(1) in ("", "0"):
        return "0" if call.text(1) == "" or query is _BEFORE else str(call.connection.execute(query, {"ien": 0}).scalar() or 0)
    return str(call.connection.execute(query, {"ien": report}).scalar() or 0)


def _multiple(call: Call, report: int, row: Any, which: str) -> list[str]:
    """Give the zero nodes of a multiple's entries, which are numbered from 1."""
    if which == _IMAGES:
        return [str(group) for group in groups_of_report(call.connection, report)]
    if which == _LOG:
        return [f"{row.entered}^C^{row.entered_by}"]
    return []
