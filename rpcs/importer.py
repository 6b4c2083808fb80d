"""The importer: whether objects of a medium are there already, whose an image is, and taking objects off the import list."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, delete, select

from fileman import CONSULT_LIST, GROUP_OBJECT_TYPE, IMAGE_POINTERS, RADIOLOGY_FILE, TIU_FILE, exam_of_image
from fileman.files import Image, ImportableObject, Patient
from rpcs.call import Call
from rpcs.icn import full_icn
from rpcs.image_processing.image import DICOM_OBJECT_TYPE, STILL_OBJECT_TYPE
from rpcs.numbers import count, entry_number
from rpcs.registry import Access, listed, literal, procedure
from xwb import LocalArray, ResultType, m_number

#: Most UIDs of one call.
MOST = 10_000
_DIRECT = (Image.parent_file, Image.parent_ien, Image.parent_image_pointer)
_OF_UID = select(Image.ien, Image.object_type, Image.patient, *_DIRECT).where(Image.uid == bindparam("uid_")).order_by(Image.ien)
_IMAGE = select(*IMAGE_POINTERS).where(Image.ien == bindparam("ien_"))
_PATIENT = select(*Patient.__table__.columns).where(Patient.dfn == bindparam("dfn_"))
_BY_PATH = (
    select(ImportableObject.ien, ImportableObject.image_uid)
    .where(ImportableObject.machine == bindparam("machine_"), ImportableObject.file_path == bindparam("path_"))
    .order_by(ImportableObject.ien)
    .limit(1)
)
_TAKE = delete(ImportableObject).where(ImportableObject.ien == bindparam("ien_"))
_TAKE_UID = delete(ImportableObject).where(ImportableObject.image_uid == bindparam("uid_"))

_NOT_A_GROUP = "-5,Study Instance UID not pointing to an XRAY Group -- MAGIEN = {}"
_NO_IMAGE = "-6,SOP Instance UID not pointing to an XRAY or a DICOM object -- MAGIEN = {}"
_NO_PARENT = "-6,Warning - Parent file entry is not present - no Accession Number."
_OTHER_PARENT = "-7,Parent file {} not yet supported - no Accession Number."
_LOOKED_UP = " detected in IENLOOK^MAGDRPC9"


@procedure(
    "MAG DICOM IMPORTER CHECK UIDS",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="CHECKUID^MAGDRPCA",
    parameters=(listed("UIDLIST", 30, required=True), literal("LEVEL", required=True)),
    version=3,
)
def check_uids(call: Call) -> list[str] | LocalArray[str]:
    """Tell of each UID of a list whether it is on file, and whose: LEVEL is STUDY or SOP.

    Node 1 of UIDLIST counts the UIDs, which follow. Node 1 of the answer counts them, or is -100 when some are on file as
    something else; the others are empty, or what MAG DICOM IMPORTER LOOKUP answers with the images that share the UID behind
    it, `^count^image^image`; -5 and -6 name the image that is no group, or no image. -1 to -4 say what is wrong with the call.
    """
    uids, level = call.list(0), call.text(1)
    if not call.arguments:
        return ["-1,A list of UIDs must be supplied."]
    if len(call.arguments) < 2:
        return ["-2,Study or SOP Instance level must be specified."]
    if level not in ("STUDY", "SOP"):
        return [f'-3,Level must be either "STUDY" or "SOP -- the value "{level}" was specified.']
    wanted = min(count(uids.get(1) or ""), MOST)
    if not wanted:
        return ["-4,Count of UIDs in list must be greater than zero."]
    answers = [_checked(call, uids.get(number) or "", level) for number in range(2, wanted + 2)]
    errors = sum(answer.startswith(("-5,", "-6,")) for answer in answers)
    if errors:
        what = "A database inconsistency error was" if errors == 1 else f"There were {errors} database inconsistency errors"
        return [f"-100,{what} detected. {'' if errors == 1 else ' '}Look at returned data.", *answers]
    return [str(wanted), *answers]


def _checked(call: Call, uid: str, level: str) -> str:
    rows = call.connection.execute(_OF_UID, {"uid_": uid}).all() if uid else []
    if not rows:
        return ""
    kind = rows[0].object_type
    if level == "STUDY" and kind != GROUP_OBJECT_TYPE:
        return _NOT_A_GROUP.format(rows[0].ien)
    if level == "SOP" and kind not in (DICOM_OBJECT_TYPE, STILL_OBJECT_TYPE):
        return _NO_IMAGE.format(rows[0].ien)
    places = {(row.patient, row.parent_file, row.parent_ien, row.parent_image_pointer) for row in rows}
    same = [] if level == "STUDY" and len(places) == 1 else [row.ien for row in rows]
    return "^".join([_whose(call, rows[0].ien), str(len(same)), *map(str, same)])


@procedure(
    "MAG DICOM IMPORTER LOOKUP",
    access=Access.READS,
    routine="LOOKUP^MAGDRPCA",
    parameters=(literal("MAGIEN", required=True),),
)
def importer_lookup(call: Call) -> str:
    """Answer whose an image is: `^DFN^name^identification^birth date^sex^ICN^accession^study date^procedure^modifier`.

    Dates are written as in DICOM. Where the study is not known a text says so in place of all of it.
    """
    return _whose(call, entry_number(call.text(0)))


def _whose(call: Call, image: int) -> str:
    row = call.connection.execute(_IMAGE, {"ien_": image}).first()
    if row is None:
        return _NO_PARENT + _LOOKED_UP
    if not row.parent_ien and row.parent:
        group = call.connection.execute(_IMAGE, {"ien_": row.parent}).first()
        row = row if group is None else group
    if not row.parent_ien or not row.parent_file:
        return _NO_PARENT + _LOOKED_UP
    if row.parent_file not in (RADIOLOGY_FILE, TIU_FILE, CONSULT_LIST):
        return _OTHER_PARENT.format(row.parent_file) + _LOOKED_UP
    exam = exam_of_image(call.connection, row)
    if exam is None:
        return _NO_PARENT + _LOOKED_UP
    patient = call.connection.execute(_PATIENT, {"dfn_": row.patient}).first()
    return "^".join(["", str(row.patient), *_person(patient), exam.accession, _dicom_date(exam.exam_date), exam.procedure, ""])


def _person(patient: Any) -> list[str]:
    if patient is None:
        return ["", "", "-1,Invalid date of birth", "", "-1,NO MPI NODE"]
    ssn = patient.ssn
    number = f"{ssn[:3]}-{ssn[3:5]}-{ssn[5:]}" if len(ssn) == 9 else ssn
    birth = _dicom_date(patient.birth_date) if m_number(patient.birth_date) else "-1,Invalid date of birth"
    return [patient.name, number, birth, patient.sex, full_icn(patient.icn).replace("^", ",")]


def _dicom_date(fileman_date: str) -> str:
    return str(17000000 + int(m_number(fileman_date.partition(".")[0])))


@procedure(
    "MAG DICOM IMPORTER DELETE",
    returns=ResultType.ARRAY,
    access=Access.WRITES,
    routine="DELETE^MAGDRPCA",
    parameters=(
        literal("IMAGEUID", 30, required=True),
        literal("MACHID", 30, required=True),
        literal("FILEPATH", 30, required=True),
    ),
    version=3,
)
def importer_delete(call: Call) -> list[str]:
    """Take an object off the import list, by gateway and path, and every other of its SOP Instance UID; answer 0.

    -99 is answered when the entry of that path is another object: it stays.
    """
    uid, machine, path = (call.text(index) for index in range(3))
    row = call.connection.execute(_BY_PATH, {"machine_": machine, "path_": path}).first()
    other = row is not None and row.image_uid != uid
    if row is not None and not other:
        call.connection.execute(_TAKE, {"ien_": row.ien})
    if uid:
        call.connection.execute(_TAKE_UID, {"uid_": uid})
    return ["-99" if other else "0"]
