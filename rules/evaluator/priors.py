"""Which earlier exams of a patient go along with a radiology image (PRIOR1^MAGJEX2 with the baseline of #2006.65).

The newest exam before this one, of the same site and at most 1,800 days older, that has images.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, select

from fileman import RADIOLOGY_FILE, from_fileman, groups_of_report, to_fileman
from fileman.files import Exam, Image, Report
from rules.judging.desk import PriorStudy

#: Exams that are taken along, and how many days older they may be (VERSION LIMIT and DAYS LIMIT/AUTO-DISPLAY).
EXAMS, DAYS = 1, 1800
#: Exams of the patient that are looked at: those without images do not count.
LOOKED_AT = 50

_REPORT = select(Image.report, Image.parent_file, Image.parent_ien, Image.parent).where(Image.ien == bindparam("image_"))
_EXAM = select(Exam.ien, Exam.patient, Exam.exam_date, Exam.location).join(Report, Report.exam == Exam.ien)
_OF_REPORT = _EXAM.where(Report.ien == bindparam("report_"))
_EARLIER = (
    select(Report.ien, Report.accession)
    .join(Exam, Exam.ien == Report.exam)
    .where(
        Exam.patient == bindparam("patient_"),
        Exam.exam_date < bindparam("before"),
        Exam.exam_date >= bindparam("since"),
        Exam.service == "RAD",
        Exam.location.is_not_distinct_from(bindparam("location_")),
    )
    .order_by(Exam.exam_date.desc(), Report.ien.desc())
    .limit(LOOKED_AT)
)
_UID = select(Image.uid).where(Image.ien == bindparam("group_"))
_MEMBERS = select(Image.ien).where(Image.parent == bindparam("group_")).order_by(Image.group_sequence, Image.ien)


def prior_studies(connection: Connection, image: int) -> tuple[PriorStudy, ...]:
    """Give the prior studies of an image, in the order in which they are queued; none for an image that is not radiology's."""
    exam = _exam_of(connection, image)
    if exam is None:
        return ()
    try:
        since = to_fileman(from_fileman(exam.exam_date) - timedelta(days=DAYS))
    except ValueError:  # an exam without a date has no earlier ones
        return ()
    key = {"patient_": exam.patient, "before": exam.exam_date, "since": since, "location_": exam.location}
    found: list[PriorStudy] = []
    exams = 0
    for earlier in connection.execute(_EARLIER, key).all():
        if exams == EXAMS:
            break
        studies = [
            it
            for group in groups_of_report(connection, earlier.ien)
            if (it := _study(connection, group, earlier.accession)).images
        ]
        exams += bool(studies)
        found += studies
    return tuple(found)


def _exam_of(connection: Connection, image: int) -> Any:
    own = connection.execute(_REPORT, {"image_": image}).first()
    group = connection.execute(_REPORT, {"image_": own.parent}).first() if own is not None and own.parent else None
    for entry in (own, group):
        if entry is not None and (report := entry.report or entry.parent_ien):
            is_radiology = entry.report or entry.parent_file == RADIOLOGY_FILE
            return connection.execute(_OF_REPORT, {"report_": report}).first() if is_radiology else None
    return None


def _study(connection: Connection, group: int, accession: str) -> PriorStudy:
    uid = connection.execute(_UID, {"group_": group}).scalar() or ""
    images = tuple(connection.execute(_MEMBERS, {"group_": group}).scalars())
    return PriorStudy(group, uid, accession, images)
