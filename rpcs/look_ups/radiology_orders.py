"""Radiology orders (#75.1) of a patient, and what an importer sets for an outside study."""

from __future__ import annotations

from sqlalchemy import bindparam, select, update

from fileman import to_fileman
from fileman.files import Exam, HospitalLocation, ImagingLocation, Patient, ProcedureModifier, RadiologyOrder, RadiologyProcedure
from rpcs.call import Call
from rpcs.look_ups.exams import case_place, find_at_place
from rpcs.numbers import subscript
from rpcs.registry import Access, literal, procedure
from xwb import ResultType

#: The room that an outside study is registered in.
OUTSIDE_ROOM = "OUTSIDE STUDY"
_CLOSED = frozenset({"", "COMPLETE", "DISCONTINUED", "UNRELEASED"})

_PATIENT = select(Patient.dfn).where(Patient.dfn == bindparam("dfn"))
_ORDERS = (
    select(
        RadiologyOrder.ien,
        RadiologyOrder.procedure,
        RadiologyOrder.modifiers,
        RadiologyOrder.status,
        RadiologyOrder.entered,
        RadiologyOrder.reason,
        RadiologyOrder.accession,
        RadiologyOrder.imaging_location,
        RadiologyProcedure.inactive,
    )
    .join(RadiologyProcedure, RadiologyProcedure.ien == RadiologyOrder.procedure)
    .where(RadiologyOrder.patient == bindparam("dfn"))
    .order_by(RadiologyOrder.ien)
)
_EXAM = select(Exam.ien, Exam.patient, Exam.exam_date, Exam.accession).where(
    Exam.service == "RAD", Exam.accession == bindparam("accession")
)
_MODIFIER = select(ProcedureModifier.name).where(ProcedureModifier.ien == bindparam("ien"))
_ORDER = select(RadiologyOrder.imaging_location).where(RadiologyOrder.ien == bindparam("order"))
_LOCATION = (
    select(ImagingLocation.ien, ImagingLocation.outside_room, HospitalLocation.name)
    .join(HospitalLocation, HospitalLocation.ien == ImagingLocation.hospital_location, isouter=True)
    .where(ImagingLocation.ien == bindparam("location"))
)
_SET_LOCATION = (
    update(RadiologyOrder).where(RadiologyOrder.ien == bindparam("order")).values(imaging_location=bindparam("location"))
)
_SET_ROOM = update(ImagingLocation).where(ImagingLocation.ien == bindparam("location")).values(outside_room=True)
_ORDER_OF_EXAM = select(RadiologyOrder.imaging_location).where(
    RadiologyOrder.patient == bindparam("dfn"), RadiologyOrder.accession == bindparam("accession")
)


@procedure(
    "MAG DICOM GET RAD ORDERS",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="ORDERS^MAGDRPCB",
    parameters=(literal("DFN", required=True),),
    word_wrap=False,
)
def get_radiology_orders(call: Call) -> list[str]:
    """Answer a count and `order^procedure^modifiers^status^entered^reason^RADTI^RACNI^accession^exam date^imaging location` of
    a patient's open orders; modifiers are `name|ien`, apart by tildes.

    `-1` for what is no patient number, `-2` for a patient that radiology does not know.
    """
    text = call.text(0)
    dfn = subscript(text)
    if not dfn:
        return [f'-1,Invalid or missing patient identifier: "{text}".']
    if call.connection.execute(_PATIENT, {"dfn": dfn}).first() is None:
        return [
            f"-2,Patient with DFN #{dfn} is not defined in the RAD/NUC MED PATIENT file (#70).",
            f"-1^Patient {dfn} is not in file 2",
        ]
    today = to_fileman(call.clock.now().date())
    lines = []
    for row in call.connection.execute(_ORDERS, {"dfn": dfn}).all():
        if row.status in _CLOSED or (row.inactive and row.inactive < today):
            continue
        modifiers = "~".join(_modifier(call, ien) for ien in row.modifiers.split(",") if ien)
        exam = call.connection.execute(_EXAM, {"accession": row.accession}).first() if row.accession else None
        registered = ["", "", "", "", ""]
        if exam is not None:
            place = case_place(call.connection, exam)
            location = call.connection.execute(_LOCATION, {"location": row.imaging_location}).first()
            where = (location.name or "") if location is not None else ""
            registered = [place.inverse_date, str(place.case), exam.accession, exam.exam_date, where]
        pieces = [str(row.ien), str(row.procedure), modifiers, row.status, row.entered, row.reason, *registered]
        lines.append("^".join(pieces))
    return [str(len(lines)), *lines]


def _modifier(call: Call, ien: str) -> str:
    return f"{call.connection.execute(_MODIFIER, {'ien': int(ien)}).scalar() or ''}|{ien}"


@procedure(
    "MAG DICOM SET IMAGING LOCATION",
    access=Access.WRITES,
    routine="IMAGELOC^MAGDRPCB",
    parameters=(literal("RAOIEN", required=True), literal("RAMLC", required=True)),
    word_wrap=False,
)
def set_imaging_location(call: Call) -> str:
    """Give an order an imaging location: `1,` when it is set, `2,` when it has one already, negative and why otherwise."""
    order, location = subscript(call.text(0)), subscript(call.text(1))
    if not order:
        return f'-1,Invalid or missing Radiology Order pointer: "{call.text(0)}".'
    if not location:
        return f'-2,Invalid or missing Radiology Image Location identifier: "{call.text(1)}".'
    row = call.connection.execute(_ORDER, {"order": order}).first()
    if row is None:
        return f'-3,Missing Radiology Order for pointer: "{order}".'
    if call.connection.execute(_LOCATION, {"location": location}).first() is None:
        return f'-4,Missing Radiology Image Location for pointer: "{location}".'
    if row.imaging_location:
        return f'2,Radiology Image Location already set for pointer: "{order}", operation ignored.'
    call.connection.execute(_SET_LOCATION, {"order": order, "location": location})
    return f'1,Radiology Image Location set for pointer: "{order}".'


@procedure(
    "MAG DICOM ADD CAMERA EQUIP RM",
    returns=ResultType.ARRAY,
    access=Access.WRITES,
    routine="ADDROOM^MAGDRPCB",
    parameters=(literal("RAEXAM", required=True),),
    word_wrap=False,
)
def add_camera_room(call: Call) -> list[str]:
    """Add the room OUTSIDE STUDY to the imaging location of an exam, `RADFN^RADTI^RACNI`: `1,` added, `2,` there already.

    `-1` for what is no exam, `-2` for one whose order has no imaging location.
    """
    text = call.text(0)
    if "^" not in text:
        return [f'-1,Invalid or missing Radiology Exam pointer: "{text}".']
    exam = find_at_place(call.connection, *[*text.split("^"), ""][:3])
    location = 0
    if exam is not None:
        key = {"dfn": exam.patient, "accession": exam.accession}
        location = next((it for it in call.connection.execute(_ORDER_OF_EXAM, key).scalars() if it), 0)
    row = call.connection.execute(_LOCATION, {"location": location}).first()
    if row is None:
        return [f'-2,Invalid or missing Radiology IMAGING LOCATION for Exam pointer: "{text}".']
    if row.outside_room:
        return [f'2,{OUTSIDE_ROOM} is already defined for "{row.name or ""}".']
    call.connection.execute(_SET_ROOM, {"location": row.ien})
    return [f'1,{OUTSIDE_ROOM} has been added for "{row.name or ""}".']
