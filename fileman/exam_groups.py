"""Which image groups an exam has, and which exam an image is of.

Radiology's groups stand under a report, those of consults and lab cases under a TIU note or, while there is none, in a
temporary list: DICOM GMRC TEMP LIST (#2006.5839), DICOM LAB TEMP LIST (#2006.5838). Databases of the first versions have
reports for consults, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, select

from fileman.files import ConsultGroup, Exam, Image, LabGroup, Report, TiuImage

#: What the parent data file of an image says: where the entry is that it belongs to.
RADIOLOGY_FILE, TIU_FILE, CONSULT_LIST, LAB_LIST = "74", "8925", "2006.5839", "2006.5838"
#: The sections of anatomic pathology, each with its subfile of LAB DATA (#63).
LAB_SECTIONS = {"CY": "63.09", "EM": "63.02", "SP": "63.08"}
_LAST_DAY = Decimal(9999999)
#: OBJECT TYPE of an image group.
GROUP_OBJECT_TYPE = 11

#: What has to be read of an image for `exam_of_image`.
IMAGE_POINTERS = (
    Image.ien,
    Image.parent,
    Image.patient,
    Image.report,
    Image.parent_file,
    Image.parent_ien,
    Image.parent_inverse,
)
#: What has to be read of an exam for `groups_of`.
EXAM_POINTERS = (
    Exam.ien,
    Exam.service,
    Exam.accession,
    Exam.service_ien,
    Exam.patient,
    Exam.exam_date,
    Exam.report,
    Exam.tiu_note,
)
_GROUPS = select(Image.ien).where(Image.object_type == GROUP_OBJECT_TYPE)
_OF_REPORT = _GROUPS.where(Image.report == bindparam("report_")).order_by(Image.ien)
_OF_NOTE = _GROUPS.join(TiuImage, TiuImage.image == Image.ien).where(TiuImage.note == bindparam("note_")).order_by(TiuImage.ien)
_OF_CONSULT = (
    _GROUPS.join(ConsultGroup, ConsultGroup.group == Image.ien)
    .where(ConsultGroup.consult == bindparam("consult_"))
    .order_by(ConsultGroup.ien)
)
_OF_CASE = (
    _GROUPS.join(LabGroup, LabGroup.group == Image.ien)
    .where(
        LabGroup.lab_patient == bindparam("lab_patient"),
        LabGroup.inverse == bindparam("inverse"),
        LabGroup.parent_file == bindparam("parent_file"),
    )
    .order_by(LabGroup.ien)
)

_EXAM = (
    *EXAM_POINTERS,
    Exam.site_accession,
    Exam.procedure,
    Exam.cpt,
    Exam.requester,
    Exam.urgency,
)
_KEYS: BindParameter[Any] = bindparam("keys", expanding=True)
_BY_REPORT = (
    select(Report.ien.label("key"), Report.accession.label("told_accession"), *_EXAM)
    .join(Exam, Exam.ien == Report.exam)
    .where(Report.ien.in_(_KEYS))
)
_BY_NOTE = select(Exam.tiu_note.label("key"), *_EXAM).where(Exam.tiu_note.in_(_KEYS)).order_by(Exam.ien.desc())
_BY_CONSULT = (
    select(Exam.service_ien.label("key"), *_EXAM)
    .where(Exam.service == "CON", Exam.service_ien.in_(_KEYS))
    .order_by(Exam.ien.desc())
)
_BY_MOMENT = (
    select(*_EXAM)
    .where(Exam.service == "LAB", Exam.patient == bindparam("dfn"), Exam.exam_date == bindparam("moment"))
    .order_by(Exam.ien)
)
_SECTIONS = select(LabGroup.group, LabGroup.parent_file).where(LabGroup.group.in_(_KEYS))


@dataclass(frozen=True, slots=True)
class ExamOfImage:
    """The exam, consult or lab case that an image is of.

    `accession` is what its images go under: the number that the report bears, or else the site-specific one where there is one.
    `urgency_found` tells whether VistA's look-up of the order's urgency, by legacy accession number of a report, finds it.
    """

    ien: int
    service: str
    accession: str
    patient: int
    exam_date: str
    procedure: str
    cpt: str
    requester: str
    urgency: str
    urgency_found: bool


def lab_inverse(exam_date: str) -> str:
    """Give the date and time of a lab case counted down from the end of all days, as LAB DATA has it (LRI); and back again."""
    return format((_LAST_DAY - Decimal(exam_date or 0)).normalize(), "f")


def lab_section(accession: str) -> str:
    """Give the section of a lab case: the first word of its accession number."""
    return accession.partition(" ")[0]


def lab_key(accession: str, lab_patient: int, exam_date: str) -> dict[str, object]:
    """Give the subscripts of a case of anatomic pathology in DICOM LAB TEMP LIST. Raises KeyError for another section."""
    return {
        "parent_file": LAB_SECTIONS[lab_section(accession)],
        "lab_patient": lab_patient,
        "inverse": lab_inverse(exam_date),
    }


def groups_of(connection: Connection, exam: Any) -> list[int]:
    """Give the image groups of an exam (its EXAM_POINTERS) in their order: under its note, then those that wait for one."""
    found: list[int] = []
    if exam.tiu_note:
        found += connection.execute(_OF_NOTE, {"note_": exam.tiu_note}).scalars()
    if exam.service == "CON" and exam.service_ien:
        found += connection.execute(_OF_CONSULT, {"consult_": exam.service_ien}).scalars()
    if exam.service == "LAB" and lab_section(exam.accession) in LAB_SECTIONS:
        key = lab_key(exam.accession, exam.service_ien or exam.patient, exam.exam_date)
        found += connection.execute(_OF_CASE, key).scalars()
    if exam.report:
        found += groups_of_report(connection, exam.report)
    return list(dict.fromkeys(found))


def groups_of_report(connection: Connection, report: int) -> list[int]:
    """Give the image groups of a report, in their order."""
    return list(connection.execute(_OF_REPORT, {"report_": report}).scalars())


def exam_of_image(connection: Connection, image: Any) -> ExamOfImage | None:
    """Give the exam of one image or group, of which IMAGE_POINTERS were read; None when it is of none."""
    return exams_of_images(connection, [image]).get(image.ien)


def exams_of_images(connection: Connection, images: Iterable[Any]) -> dict[int, ExamOfImage]:
    """Give the exams of images or groups, of which IMAGE_POINTERS were read, by entry numbers of the images; with few queries."""
    by_report: dict[int, int] = {}
    by_note: dict[int, int] = {}
    by_consult: dict[int, int] = {}
    lab = []
    for image in images:
        if image.report or (image.parent_file == RADIOLOGY_FILE and image.parent_ien):
            by_report[image.ien] = image.report or image.parent_ien
        elif image.parent_file == TIU_FILE and image.parent_ien:
            by_note[image.ien] = image.parent_ien
        elif image.parent_file == CONSULT_LIST and image.parent_ien:
            by_consult[image.ien] = image.parent_ien
        elif image.parent_file == LAB_LIST and image.parent_inverse:
            lab.append(image)
    found: dict[int, ExamOfImage] = {}
    for statement, pointers in ((_BY_REPORT, by_report), (_BY_NOTE, by_note), (_BY_CONSULT, by_consult)):
        exams = _by_key(connection, statement, pointers.values())
        found |= {image: _exam(exams[key]) for image, key in pointers.items() if key in exams}
    return found | _lab_cases(connection, lab)


def _by_key(connection: Connection, statement: Any, keys: Iterable[int]) -> dict[int, Any]:
    """Select rows by the key that they begin with; of several the last stays."""
    wanted = sorted(set(keys))
    return {row.key: row for row in connection.execute(statement, {"keys": wanted})} if wanted else {}


def _lab_cases(connection: Connection, images: list[Any]) -> dict[int, ExamOfImage]:
    """Find the lab cases of images that wait for a note; of a deleted group the section is not kept, any of that moment fits."""
    groups = sorted({image.parent or image.ien for image in images})
    sections: Mapping[int, str] = (
        {row.group: row.parent_file for row in connection.execute(_SECTIONS, {"keys": groups})} if groups else {}
    )
    cases: dict[tuple[int, str, str | None, int | None], ExamOfImage | None] = {}
    found = {}
    for image in images:
        section = sections.get(image.parent or image.ien)
        place = (image.patient, image.parent_inverse, section, image.parent_ien)
        if place not in cases:
            cases[place] = _lab_case(connection, *place)
        if (case := cases[place]) is not None:
            found[image.ien] = case
    return found


def _lab_case(connection: Connection, dfn: int, inverse: str, section: str | None, lab_patient: int | None) -> ExamOfImage | None:
    for row in connection.execute(_BY_MOMENT, {"dfn": dfn, "moment": lab_inverse(inverse)}):
        if (row.service_ien or row.patient) != lab_patient:
            continue
        if section in (None, LAB_SECTIONS.get(lab_section(row.accession))):
            return _exam(row)
    return None


def _exam(row: Any) -> ExamOfImage:
    told = getattr(row, "told_accession", None)
    return ExamOfImage(
        row.ien,
        row.service,
        row.site_accession or row.accession if told is None else told,
        row.patient,
        row.exam_date,
        row.procedure,
        row.cpt,
        row.requester,
        row.urgency,
        urgency_found=told is not None and told != row.site_accession,
    )
