"""Two patients who are one: all that is of the one becomes the other's, who is found by both numbers from then on."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import (
    BindParameter,
    Connection,
    Float,
    String,
    Update,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from fileman.archive_index import describe_patient, index_images, merge_patients
from fileman.archive_rules import DEFAULT_RULE, PATIENT_SCOPE
from fileman.exam_groups import LAB_LIST, LAB_SECTIONS, TIU_FILE, lab_key, lab_section
from fileman.files import (
    AmendedPatient,
    ArchiveOverride,
    Exam,
    Image,
    ImageAudit,
    ImageEvent,
    LabGroup,
    MergedPatient,
    Patient,
    RadiologyOrder,
    Report,
    TiuNote,
)
from fileman.locks import lock_for_transaction
from fileman.patients import Person, entry_prefix, rename_patient
from fileman.upserting import upserts

STAGE = "MERGE"

_FROM: BindParameter[int] = bindparam("from_dfn")
_INTO: BindParameter[int] = bindparam("into_dfn")
_EXAMS = select(Exam.ien, Exam.service, Exam.accession, Exam.service_ien, Exam.exam_date).where(Exam.patient == _FROM)
_NOTES_OF_EXAMS = select(Exam.tiu_note).where(Exam.patient == _FROM, Exam.tiu_note.is_not(None))
_NOTES_OF_IMAGES = select(Image.parent_ien).where(Image.patient == _FROM, Image.parent_file == TIU_FILE)
_LAB_GROUPS = (
    update(LabGroup)
    .where(
        LabGroup.lab_patient == _FROM,
        LabGroup.inverse == bindparam("inverse_"),
        LabGroup.parent_file == bindparam("parent_file_"),
    )
    .values(lab_patient=_INTO)
)
_LAB_IMAGES = (
    update(Image)
    .where(
        Image.patient == _FROM,
        Image.parent_file == LAB_LIST,
        Image.parent_ien == _FROM,
        Image.parent_inverse == bindparam("inverse_"),
    )
    .values(parent_ien=_INTO)
)
#: The story of each image, before it is another patient's.
_TELL = insert(ImageEvent).from_select(
    ["uid", "image", "stage", "at", "peer", "outcome", "detail"],
    select(
        Image.uid,
        Image.ien,
        literal(STAGE, String),
        bindparam("now_", type_=Float),
        bindparam("by_", type_=String),
        literal("merged", String),
        bindparam("detail_", type_=String),
    )
    .where(Image.patient == _FROM, Image.parent.is_not(None))
    .order_by(Image.ien),
)


def _become(file: type[Image] | type[ImageAudit]) -> Update:
    """Make entries the survivor's; their names begin with the patient's and his number."""
    old, new = bindparam("old_name", type_=String), bindparam("new_name", type_=String)
    length: BindParameter[int] = bindparam("old_length")
    named = case((func.substr(file.name, 1, length) == old, new + func.substr(file.name, length + 1)), else_=file.name)
    return update(file).where(file.patient == _FROM).values(patient=_INTO, name=named)


_IMAGES, _DELETED_IMAGES = _become(Image), _become(ImageAudit)
_POINTERS = (
    update(TiuNote).where(or_(TiuNote.ien.in_(_NOTES_OF_EXAMS), TiuNote.ien.in_(_NOTES_OF_IMAGES))).values(patient=_INTO),
    update(Report).where(Report.patient == _FROM).values(patient=_INTO),
    update(RadiologyOrder).where(RadiologyOrder.patient == _FROM).values(patient=_INTO),
    update(Exam).where(Exam.patient == _FROM).values(patient=_INTO),
)
_RULE = ArchiveOverride.scope == PATIENT_SCOPE
_HAS_RULE = select(ArchiveOverride.rule).where(_RULE, ArchiveOverride.subject == bindparam("subject_"))
_DROP_RULE = delete(ArchiveOverride).where(_RULE, ArchiveOverride.subject == bindparam("subject_"))
_GIVE_RULE = (
    update(ArchiveOverride)
    .where(_RULE, ArchiveOverride.subject == bindparam("subject_"))
    .values(subject=bindparam("new_subject"))
)
_LATER = update(MergedPatient).where(MergedPatient.into == _FROM).values(into=_INTO)
_KEEP = upserts(
    MergedPatient,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[MergedPatient.dfn],
        set_={
            name: getattr(insert.excluded, name)
            for name in ("into", "name", "ssn", "birth_date", "sex", "icn", "merged_by", "merged_at")
        },
    ),
)
_FORGET = (delete(AmendedPatient).where(AmendedPatient.dfn == _FROM), delete(Patient).where(Patient.dfn == _FROM))


@dataclass(frozen=True, slots=True)
class MergedCounts:
    """How many exams and images became the survivor's."""

    exams: int
    images: int


def merge_persons(connection: Connection, person: Person, survivor: Person, by: str, now: float) -> MergedCounts:
    """Make all that is of one patient another's, and take the one off PATIENT (#2). The caller has locked both.

    Groups of images keep their numbers, and images theirs; their stories say who merged whom.
    """
    both = {"from_dfn": person.dfn, "into_dfn": survivor.dfn}
    exams = connection.execute(_EXAMS, both).all()
    lock_for_transaction(connection, "merging", *(f"exam:{exam.ien}" for exam in exams))
    for exam in exams:
        if exam.service == "LAB" and not exam.service_ien and lab_section(exam.accession) in LAB_SECTIONS:
            key = lab_key(exam.accession, person.dfn, exam.exam_date)
            connection.execute(_LAB_GROUPS, {**both, "inverse_": key["inverse"], "parent_file_": key["parent_file"]})
            connection.execute(_LAB_IMAGES, {**both, "inverse_": key["inverse"]})
    detail = f"{person.name} (patient {person.dfn}) into {survivor.name} (patient {survivor.dfn})"
    connection.execute(_TELL, {**both, "now_": now, "by_": by, "detail_": detail})
    again = merge_patients(connection, person.dfn, survivor.dfn)
    for statement in _POINTERS:
        connection.execute(statement, both)
    old_name, new_name = entry_prefix(person.name, person.ssn), entry_prefix(survivor.name, survivor.ssn)
    renamed = {**both, "old_name": old_name, "new_name": new_name, "old_length": len(old_name)}
    images = connection.execute(_IMAGES, renamed).rowcount
    connection.execute(_DELETED_IMAGES, renamed)
    _merge_rules(connection, str(person.dfn), str(survivor.dfn))
    connection.execute(_LATER, both)
    kept = {**asdict(person), "into": survivor.dfn, "merged_by": by, "merged_at": now}
    connection.execute(_KEEP[connection.dialect.name], kept)
    for gone in _FORGET:
        connection.execute(gone, both)
    index_images(connection, again)
    describe_patient(connection, survivor.dfn)
    rename_patient(connection, person, survivor.dfn, now)
    return MergedCounts(len(exams), images)


def _merge_rules(connection: Connection, subject: str, survivor: str) -> None:
    """Let what was said of the one's images be said of the other's, where nothing is said of these."""
    rule = connection.execute(_HAS_RULE, {"subject_": survivor}).scalar()
    if rule is None or rule == DEFAULT_RULE:
        connection.execute(_DROP_RULE, {"subject_": survivor})
        connection.execute(_GIVE_RULE, {"subject_": subject, "new_subject": survivor})
    else:
        connection.execute(_DROP_RULE, {"subject_": subject})
