"""Radiology's exams and reports."""

from __future__ import annotations

from sqlalchemy import Connection

from fileman.files import Exam, Report, ReportImage
from tests.oracle.nodes.writing import Nodes, header, inverse, pieces, rows_of

#: EXAMINATION STATUS (#72), and what REGISTERED EXAMS (#70.02) says of every recorded exam.
EXAM_STATUSES = {"WAITING FOR EXAM": 1}
TYPE_OF_IMAGING = IMAGING_LOCATION = 1


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
            nodes.put("^RADPT", dfn, "DT", inverse(day), *subscripts, value=value)

        put(0, value=pieces(row.exam_date, TYPE_OF_IMAGING, row.location, IMAGING_LOCATION))
        put("P", 0, value="^70.03A^1^1")
        exam: list[object] = [""] * 31
        exam[0], exam[1], exam[2] = row.case_number, row.procedure_ien, EXAM_STATUSES.get(row.status)
        exam[10], exam[16], exam[30] = row.ien, row.report, row.site_accession
        put("P", 1, 0, value=pieces(*exam))
        put("P", "B", row.case_number, 1)
