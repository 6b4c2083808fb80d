"""Patients: demographics, vital signs, integration control numbers."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import bindparam, select

from fileman import age_in_years, dashed, external_date
from fileman.files import Patient
from rpcs.call import Call
from rpcs.icn import full_icn
from rpcs.image_processing import external_sex
from rpcs.numbers import entry_number
from rpcs.registry import Access, Availability, literal, procedure
from xwb import ResultType, m_text

_PATIENT = select(
    Patient.name,
    Patient.ssn,
    Patient.birth_date,
    Patient.sex,
    Patient.icn,
    Patient.height_cm,
    Patient.weight_kg,
    Patient.employee,
    Patient.sensitive,
).where(Patient.dfn == bindparam("dfn"))
_BY_ICN = select(Patient.dfn).where(Patient.icn.in_(bindparam("numbers", expanding=True))).order_by(Patient.dfn)
_WITH_OTHER_DIGITS = select(Patient.dfn).where(Patient.icn.startswith(bindparam("beginning"))).order_by(Patient.dfn)

NO_MPI_NODE = "-1^NO MPI NODE"


@procedure(
    "MAG DICOM GET PATIENT",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="PAT^MAGDRPC1",
    parameters=(literal("DFN", 30, required=True),),
    version=3,
)
def get_patient(call: Call) -> list[str]:
    """Answer a count and `group^subscript^value` of a patient: DEM, ID, ICN, Site-DFN; `-1` without a patient.

    Patients here have no address, stay or appointment, so ADD, INP and SDA are left out, as VistA leaves out what is empty.
    """
    dfn = entry_number(call.text(0))
    if not dfn:
        return ["-1,No Patient Identified"]
    lines = []
    row = call.connection.execute(_PATIENT, {"dfn": dfn}).first()
    if row is not None:
        birth = f"{row.birth_date}^{external_date(row.birth_date)}" if row.birth_date else ""
        values = {
            "DEM^1": row.name,
            "DEM^2": f"{row.ssn}^{dashed(row.ssn)}" if row.ssn else "",
            "DEM^3": birth,
            "DEM^4": age_in_years(row.birth_date, call.clock.now().date()),
            "DEM^5": f"{row.sex}^{external_sex(row.sex)}" if row.sex else "",
            "DEM^11": "0",
            "DEM^12": "0",
            "ID^BID": row.ssn[5:],
            "ID^PID": dashed(row.ssn),
        }
        lines += [f"{name}^{value}" for name, value in values.items() if value]
        icn = full_icn(row.icn)
        if icn != NO_MPI_NODE:
            lines.append(f"ICN^1^{icn}")
    lines.append(f"Site-DFN^1^{call.site.station_number()}-{dfn}")
    return [str(len(lines)), *lines]


@procedure(
    "MAG DICOM GET PATIENT VITALS",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="GETPAT^MAGDHWR",
    parameters=(literal("DFN", 20, required=True),),
    word_wrap=False,
    version=3,
)
def get_patient_vitals(call: Call) -> list[str]:
    """Answer height and weight where they are known, and VIP with E for an employee and S for a sensitive record."""
    text = call.text(0)
    dfn = entry_number(text)
    if not dfn:
        return ["-1,No DFN specified"]
    row = call.connection.execute(_PATIENT, {"dfn": dfn}).first()
    if row is None:
        return [f'-2,No Patient has DFN "{text}".']
    lines = []
    if row.height_cm:
        lines.append(f"HEIGHT^{m_text(Decimal(str(row.height_cm)) / 100)}^m^meter")
    if row.weight_kg:
        lines.append(f"WEIGHT^{m_text(Decimal(str(row.weight_kg)))}^kg^kilogram")
    return [*lines, "VIP^" + "E" * row.employee + "S" * row.sensitive]


@procedure(
    "MAG DICOM GET ICN",
    access=Access.READS,
    routine="GETICN^MAGDRPC9",
    parameters=(literal("DFN", required=True),),
    word_wrap=False,
    availability=Availability.PUBLIC,
)
def get_icn(call: Call) -> str:
    """Answer a patient's integration control number with its check digits, `-1^NO MPI NODE` for one without."""
    row = call.connection.execute(_PATIENT, {"dfn": entry_number(call.text(0))}).first()
    return full_icn(row.icn) if row is not None else NO_MPI_NODE


@procedure(
    "MAG DICOM GET DFN",
    access=Access.SCANS,
    routine="GETDFN^MAGDRPCA",
    parameters=(literal("ICN", required=True),),
    word_wrap=False,
    availability=Availability.PUBLIC,
)
def get_dfn(call: Call) -> str:
    """Answer the patient of an integration control number, whatever check digits it comes with, or `-1^ICN NOT IN DATABASE`."""
    number = call.text(0).partition("V")[0]
    if not number.isdecimal():
        return "-1^ICN NOT IN DATABASE"
    found = call.connection.execute(_BY_ICN, {"numbers": [number, full_icn(number)]}).scalar()
    if found is None:  # a site file may give any check digits
        found = call.connection.execute(_WITH_OTHER_DIGITS, {"beginning": f"{number}V"}).scalar()
    return "-1^ICN NOT IN DATABASE" if found is None else str(found)
