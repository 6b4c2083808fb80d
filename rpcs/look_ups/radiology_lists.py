"""Radiology's short files: cameras, films, diagnostic codes, CPT modifiers, procedures and their modifiers, locations."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, func, select

from fileman import is_fileman, to_fileman
from fileman.files import HospitalLocation, ImagingLocation, ProcedureModifier, RadiologyCode, RadiologyProcedure
from rpcs.call import Call
from rpcs.look_ups.lists import LIMIT, search_text, too_many
from rpcs.registry import Access, Availability, literal, procedure
from xwb import ResultType

_BEGINS = func.substr(func.upper(RadiologyCode.name), 1, bindparam("length")) == bindparam("beginning")
_CODE_BEGINS = func.substr(func.upper(RadiologyCode.code), 1, bindparam("length")) == bindparam("beginning")
_CODES = (
    select(RadiologyCode.ien, RadiologyCode.name, RadiologyCode.description)
    .where(RadiologyCode.file == bindparam("file"), _BEGINS)
    .order_by(RadiologyCode.name, RadiologyCode.ien)
)
_MODIFIER_CODES = (
    select(RadiologyCode.ien, RadiologyCode.name, RadiologyCode.active_from, RadiologyCode.inactive)
    .where(RadiologyCode.file == "81.3", _CODE_BEGINS | _BEGINS)
    .order_by(RadiologyCode.name, RadiologyCode.ien)
)
_HOSPITAL_LOCATIONS = (
    select(
        HospitalLocation.ien,
        HospitalLocation.name,
        HospitalLocation.kind,
        HospitalLocation.inactive,
        HospitalLocation.reactivated,
    )
    .where(func.substr(func.upper(HospitalLocation.name), 1, bindparam("length")) == bindparam("beginning"))
    .order_by(HospitalLocation.name, HospitalLocation.ien)
)
_MODIFIERS = select(ProcedureModifier.ien, ProcedureModifier.name, ProcedureModifier.imaging_types).order_by(
    ProcedureModifier.ien
)
_PROCEDURES = select(
    RadiologyProcedure.ien,
    RadiologyProcedure.name,
    RadiologyProcedure.kind,
    RadiologyProcedure.cpt,
    RadiologyProcedure.imaging_type,
    RadiologyProcedure.inactive,
).order_by(RadiologyProcedure.ien)
_OUTSIDE_LOCATIONS = (
    select(
        ImagingLocation.ien,
        ImagingLocation.institution,
        ImagingLocation.imaging_type,
        ImagingLocation.hospital_location,
        HospitalLocation.name,
    )
    .join(HospitalLocation, HospitalLocation.ien == ImagingLocation.hospital_location, isouter=True)
    .where(ImagingLocation.outside)
    .order_by(ImagingLocation.ien)
)

#: TYPE (#44, 2) of locations where patients are: clinic, module, ward, other, non-clinic stop, operating room.
_WITH_PATIENTS = frozenset({"C", "M", "W", "Z", "N", "OR"})
NOT_FOUND = "-1^No records match the input."


def _answer(found: Sequence[str]) -> list[str]:
    if not found:
        return [NOT_FOUND]
    return [str(len(found)), *found] if len(found) <= LIMIT else [too_many()]


def _search(call: Call) -> dict[str, object]:
    beginning = search_text(call.text(0))
    return {"beginning": beginning, "length": len(beginning)}


def _codes(call: Call, file: str, with_description: bool = False) -> list[str]:
    rows = call.connection.execute(_CODES, {**_search(call), "file": file})
    return _answer([f"{row.ien}^{row.name}" + (f"^{row.description}" if with_description else "") for row in rows])


@procedure(
    "MAG DICOM GET RAD FILM",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="FILM^MAGDRPCB",
    parameters=(literal("FILM", 30, required=True),),
    word_wrap=False,
    version=3,
)
def get_film(call: Call) -> list[str]:
    """Answer a count and `ien^name` of the film sizes whose name begins so; `-1` for none, `-2` for more than 100."""
    return _codes(call, "78.4")


@procedure(
    "MAG DICOM GET RAD CAMERA",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="CAMERA^MAGDRPCB",
    parameters=(literal("CAMERA", 30, required=True),),
    word_wrap=False,
    version=3,
)
def get_camera(call: Call) -> list[str]:
    """Answer a count and `ien^name^description` of cameras and rooms whose name begins so; `-1` for none, `-2` for over 100."""
    return _codes(call, "78.6", with_description=True)


@procedure(
    "MAG DICOM GET RAD DX CODE",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="DXCODE^MAGDRPCB",
    parameters=(literal("DXCODE", 30, required=True),),
    word_wrap=False,
    version=3,
)
@procedure(
    "MAG DICOM GET RAD DIAGNOSTIC CODE",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="DXCODE^MAGDRPCB",
    parameters=(literal("DXCODE", 30, required=True),),
    word_wrap=False,
)
def get_diagnostic_code(call: Call) -> list[str]:
    """Answer a count and `ien^name` of diagnostic codes whose name begins so; `-1` for none, `-2` for more than 100."""
    return _codes(call, "78.3")


@procedure(
    "MAG DICOM GET RAD CPT MOD",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="CPTMOD^MAGDRPCB",
    parameters=(literal("CPTMOD", 30, required=True), literal("MAGDT", 30)),
    word_wrap=False,
    version=3,
)
def get_cpt_modifier(call: Call) -> list[str]:
    """Answer a count and `ien^name` of CPT modifiers whose code or name begins so and that are active on a FileMan date.

    The date is today's unless given; `-1` for none, `-2` for more than 100.
    """
    day = call.text(1) if is_fileman(call.text(1)) else to_fileman(call.clock.now().date())
    rows = call.connection.execute(_MODIFIER_CODES, _search(call))
    active = [row for row in rows if row.active_from <= day and not (row.inactive and row.inactive <= day)]
    return _answer([f"{row.ien}^{row.name}" for row in active])


@procedure(
    "MAG DICOM GET HOSP LOCATION",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="GETLOC^MAGDRPCB",
    parameters=(literal("LOCATION", 30, required=True),),
    word_wrap=False,
    availability=Availability.PUBLIC,
)
def get_hospital_location(call: Call) -> list[str]:
    """Answer a count and `ien^name` of active hospital locations with patients whose name begins so; 0 for none.

    Where more than 100 begin so, or none, VistA answers 0 as well.
    """
    today = to_fileman(call.clock.now().date())
    rows = call.connection.execute(_HOSPITAL_LOCATIONS, _search(call)).all()
    if len(rows) > LIMIT:
        return ["0"]
    found = [
        f"{row.ien}^{row.name}"
        for row in rows
        if row.kind in _WITH_PATIENTS
        and not (row.inactive and today > row.inactive and not (row.reactivated and today >= row.reactivated))
    ]
    return [str(len(found)), *found]


@procedure(
    "MAG DICOM RADIOLOGY MODIFIERS",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="MOD^MAGDRPCA",
    word_wrap=False,
    version=3,
)
def radiology_modifiers(call: Call) -> list[str]:
    """Answer a count and `modifier^ien^imaging type`, one for every imaging type that a procedure modifier is for."""
    lines = [
        f"{row.name}^{row.ien}^{imaging_type}"
        for row in call.connection.execute(_MODIFIERS)
        for imaging_type in row.imaging_types.split(",")
        if imaging_type
    ]
    return [str(len(lines)), *lines]


@procedure(
    "MAG DICOM RADIOLOGY PROCEDURES",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="PROC^MAGDRPCA",
    parameters=(literal("DIV", 30, required=True), literal("FILTER", 30)),
    word_wrap=False,
    version=3,
)
def radiology_procedures(call: Call) -> list[str]:
    """Answer a count and `name^ien^type^CPT^imaging type^inactive from^imaging location^hospital location^its name` of the
    procedures that outside studies of an institution may be registered as: IEN or station number.

    With FILTER 1 without broad and parent ones. `-2` for an unknown institution, `-4` and what to do without outside locations.
    """
    text = call.text(0)
    institution = next((it.ien for it in call.site.institutions.values() if str(it.ien) == text and it.station), None)
    if institution is None:
        institution = next((it.ien for it in call.site.institutions.values() if text and it.station == text), None)
    if institution is None:
        return [f"-2,Institution {text} does not exist."]
    outside = call.connection.execute(_OUTSIDE_LOCATIONS).all()
    if not outside:
        return [
            "-4,Entries must be added to the OUTSIDE IMAGING LOCATIONS file (#2006.5759)",
            "",
            "Use the IMPORTER MENU option BUILD OUTSIDE IMAGING LOCATION FILE",
            "on the VistA system to correct the problem.",
        ]
    places = {it.imaging_type: it for it in reversed(outside) if it.institution == institution}
    today = to_fileman(call.clock.now().date())
    lines = []
    for row in call.connection.execute(_PROCEDURES):
        place = places.get(row.imaging_type)
        hidden = row.inactive and row.inactive < today
        if place is None or hidden or (call.text(1) == "1" and row.kind in ("B", "P")):
            continue
        where = f"{place.ien}^{place.hospital_location}^{place.name or ''}"
        lines.append(f"{row.name}^{row.ien}^{row.kind}^{row.cpt}^{row.imaging_type}^{row.inactive}^{where}")
    return [str(len(lines)), *lines]
