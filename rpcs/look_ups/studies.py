"""Studies by accession, case or consult number, or by one of their images."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from fileman import IMAGE_POINTERS, RADIOLOGY_FILE, TIU_FILE, exam_of_image, groups_of
from fileman.files import Exam, Image, RadiologyProcedure
from rpcs.call import Call
from rpcs.look_ups.exams import (
    AccessionUnknown,
    accession_of_report,
    case_place,
    consult_of,
    find_by_accession,
    find_by_case,
    find_consult,
    find_lab_case,
)
from rpcs.look_ups.integrity import check_integrity
from rpcs.numbers import entry_number
from rpcs.registry import Access, literal, procedure
from xwb import ResultType

#: The service of a consult whose site file names none: the first of REQUEST SERVICES (#123.5).
ALL_SERVICES = (1, "ALL SERVICES")

_PROCEDURE = select(
    RadiologyProcedure.name,
    RadiologyProcedure.kind,
    RadiologyProcedure.cpt,
    RadiologyProcedure.cpt_name,
    RadiologyProcedure.imaging_type,
    RadiologyProcedure.modalities,
).where(RadiologyProcedure.ien == bindparam("ien"))
_POINTERS = select(*IMAGE_POINTERS).where(Image.ien == bindparam("ien"))


@procedure(
    "MAG DICOM LOOKUP RAD STUDY",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="RADLKUP^MAGDRPC3",
    parameters=(literal("CASENUMB", 30, required=True), literal("STUDYDAT", 20, required=True)),
    version=3,
)
def lookup_radiology_study(call: Call) -> list[str]:
    """Answer sixteen lines about a radiology exam: 1, its place in ^RADPT, procedure, CPT, status, patient, date, modalities,
    station, pregnancy and the accession number of its report.

    `-1` without a number, `-2` with radiology's reason when there is no such exam, `-9` for one without a procedure.
    """
    number = call.text(0)
    if not number:
        return ["-1,No Case Number Specified"]
    try:
        exam = find_by_accession(call.connection, number)[0]
    except AccessionUnknown as unknown:
        return [f"-2,Error in Accession Number Lookup: <<{unknown}>>"]
    if not exam.procedure_ien:
        return ["-9,No procedure identifier"]
    listed = call.connection.execute(_PROCEDURE, {"ien": exam.procedure_ien}).first()
    if listed is not None:
        name, kind, cpt, cpt_name, imaging_type, modalities = listed
    else:
        name, kind, cpt, cpt_name, imaging_type, modalities = exam.procedure, "D", exam.cpt, "", 1, ""
    place = case_place(call.connection, exam)
    institution = call.site.institutions.get(exam.location or 0)
    accession = accession_of_report(call.connection, exam.report) if exam.report else ""
    return [
        "1",
        str(place.patient),
        place.inverse_date,
        str(place.case),
        str(exam.procedure_ien),
        cpt,
        cpt_name or name,
        f"{name}^^^^^{kind}^^Y^{cpt}^^^{imaging_type}",
        exam.status,
        str(exam.patient),
        exam.exam_date,
        name,
        modalities,
        institution.station[:3] if institution else "",
        exam.pregnant,
        accession or "",
    ]


@procedure(
    "MAG DICOM GET RAD INFO BY ACN",
    access=Access.READS,
    routine="ACNUMB^MAGDRPCA",
    parameters=(literal("ACNUMB", 30, required=True),),
    word_wrap=False,
    version=3,
)
def radiology_info(call: Call) -> str:
    """Answer `count^RADFN^RADTI^RACNI^imaging location` of the first exam of an accession number, or radiology's reason."""
    try:
        found = find_by_accession(call.connection, call.text(0))
    except AccessionUnknown as unknown:
        return str(unknown)
    institution = call.site.institutions.get(found[0].location or 0)
    return f"{len(found)}^{case_place(call.connection, found[0])}^{institution.name if institution else ''}"


@procedure(
    "MAG DICOM LOOKUP CON STUDY",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="CONLKUP^MAGDRPCC",
    parameters=(literal("ACNUMB", 30, required=True),),
    word_wrap=False,
)
def lookup_consult_study(call: Call) -> list[str]:
    """Answer fifteen lines about a consult: 1, patient, service, procedure, their code, name and scheme, CPT's, the moment of
    the last activity, status, station, accession number, entry.

    `-1` without a number, `-2` when there is no such consult. Without a CPT code VistA's own code stands in its place.
    """
    if not call.text(0):
        return ["-1,No Accession Number Specified"]
    consult = find_consult(call.connection, consult_of(call.text(0)))
    if consult is None:
        return ["-2,Error in Accession Number Lookup"]
    named = (consult.procedure_ien or ALL_SERVICES[0], consult.procedure or ALL_SERVICES[1])
    if consult.request_type == "PROCEDURE":
        service, done = ALL_SERVICES, f"{named[0]}^{named[1]}"
        own = [f"P{named[0]}", named[1], "99PROC"]
    else:
        service, done = named, "^"
        own = [f"C{named[0]}", named[1], "99CON"]
    coded = [consult.cpt, named[1], "C4"] if consult.cpt else own
    return [
        "1",
        str(consult.patient),
        f"{service[0]}^{service[1]}",
        done,
        *own,
        *coded,
        consult.exam_date,
        consult.status,
        call.site.station_number(),
        _consult_accession(call, consult),
        str(consult.service_ien),
    ]


def _consult_accession(call: Call, consult: Exam) -> str:
    return f"{call.site.station_number()}-GMR-{consult.service_ien}"


@procedure(
    "MAG DICOM LOOKUP STUDY",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="LOOKUP^MAGDRPC4",
    parameters=(literal("NUMBER", 30, required=True),),
    version=3,
)
def lookup_study(call: Call) -> list[str]:
    """Answer a count and `file^entry^image group^accession number` of a study's groups.

    The number is radiology's, a consult's or a lab case's; R, C or L before it says which, otherwise one is tried after the
    other. As in VistA the first line may be the error of the service tried last, with what others found after it. With a
    letter and a grave accent before it the number is an image's, and its study's date, procedure and modifiers follow. File and
    entry are 74 and the report, 123 and the consult, 8925 and the note of a lab case, empty while it has none; by image 8925 and
    the note for a consult, too, and an error while there is none.
    """
    number = call.text(0)
    if not number:
        return ["-1,No Case or Consult Number Specified"]
    if number[1:2] == "`":
        return study_of_image(call, entry_number(number.split("`")[1]))
    kind = number[0] if number[0] in "RCL" else ""
    number = number[1:] if kind else number
    error, lines = "", list[str]()
    for service, look_up in (("R", _radiology), ("C", _consult), ("L", _lab)):
        if kind in ("", service) and not error:
            error, found = look_up(call, number)
            lines += found
    return [error or str(len(lines)), *lines]


Found = tuple[str, list[str]]


def _radiology(call: Call, number: str) -> Found:
    try:
        exam = find_by_case(call.connection, number) if number.isdecimal() else find_by_accession(call.connection, number)[0]
    except AccessionUnknown:
        return "", []
    if exam is None or not exam.report:
        return "", []
    accession = accession_of_report(call.connection, exam.report)
    if accession is None:
        return f"-11,Radiology Problem: -1^invalid file 74 IEN^{exam.report}", []
    return "", [f"74^{exam.report}^{group}^{accession}" for group in groups_of(call.connection, exam)]


def _consult(call: Call, number: str) -> Found:
    consult = find_consult(call.connection, consult_of(number) or (int(number) if number.isdecimal() and len(number) < 9 else 0))
    if consult is None:
        return "-5,Consult/procedure not on file", []
    number = _consult_accession(call, consult)
    lines = [f"123^{consult.service_ien}^{group}^{number}" for group in groups_of(call.connection, consult)]
    return ("-4,Consult is cancelled" if consult.status == "CANCELLED" else ""), lines


def _lab(call: Call, number: str) -> Found:
    case = find_lab_case(call.connection, number)
    if case is None:
        return "-6,Anatomic Pathology case not on file", []
    return "", [f"{TIU_FILE}^{case.tiu_note or ''}^{group}^{number}" for group in groups_of(call.connection, case)]


def study_of_image(call: Call, image: int) -> list[str]:
    """Look a study up by one of its images (IENLOOK^MAGDRPC9)."""
    connection = call.connection
    verdict = check_integrity(connection, image)
    if not verdict.startswith("1^"):
        return [f"-9,{verdict.partition('^')[2]}"]
    row = connection.execute(_POINTERS, {"ien": image}).one()
    if row.parent:
        verdict = check_integrity(connection, row.parent)
        if not verdict.startswith("1^"):
            return [f"-10,Group #{row.parent}: {verdict.partition('^')[2]}"]
        if not (row.parent_file and row.parent_ien):
            row = connection.execute(_POINTERS, {"ien": row.parent}).one()
    file, entry = row.parent_file, row.parent_ien
    plain = f"{file}^{entry or ''}^{image}^"
    if not (file and entry):
        return ["-6,Warning - Parent file entry is not present - no Accession Number.", plain]
    if file not in (RADIOLOGY_FILE, TIU_FILE):
        return [f"-7,Parent file {file} not yet supported - no Accession Number.", plain]
    exam = exam_of_image(connection, row)
    if exam is None:
        return [f"-8,Problem with parent file {file}, internal entry number {entry} - no Accession Number.", plain]
    day = 17000000 + int(exam.exam_date[:7])
    name = exam.procedure or (ALL_SERVICES[1] if exam.service == "CON" else "")
    return ["1", f"{plain}{exam.accession}^{day}^{name}^"]
