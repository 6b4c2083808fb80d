"""The files besides IMAGE that may be read field by field. Codes, passwords and people's codes stand in none of them."""

from __future__ import annotations

from fileman.files import (
    AcquisitionDevice,
    ImagingSite,
    Institution,
    NetworkLocation,
    NewPerson,
    Patient,
    RadiologyProcedure,
    Report,
    TransmitDestination,
)
from rpcs.call import Call
from rpcs.dictionary.dates import external_date_time
from rpcs.dictionary.image import IMAGE
from rpcs.dictionary.view import Field, FileView, Row

_SEXES = {"M": "MALE", "F": "FEMALE"}
_YES = {"1": "YES", "0": "NO"}
_ON_LINE = {"1": "ON-LINE", "0": "OFF-LINE"}


def _date(_call: Call, _row: Row, internal: str) -> str:
    return external_date_time(internal)


def _sex(_call: Call, _row: Row, internal: str) -> str:
    return _SEXES.get(internal, "")


def _yes(_call: Call, _row: Row, internal: str) -> str:
    return _YES[internal]


def _on_line(_call: Call, _row: Row, internal: str) -> str:
    return _ON_LINE[internal]


def _institution(call: Call, _row: Row, internal: str) -> str:
    found = call.site.institutions.get(int(internal))
    return found.name if found else ""


def _patient(call: Call, _row: Row, internal: str) -> str:
    found = PATIENT.entry(call, int(internal))
    return str(found.row["name"]) if found else ""


def _location(call: Call, _row: Row, internal: str) -> str:
    found = call.site.locations.get(int(internal))
    return found.name if found else ""


PATIENT = FileView(
    "2",
    "PATIENT",
    ("^DPT", ""),
    Patient,
    Patient.__table__.c.dfn,
    (
        Field(".01", "NAME", "0;1", "name"),
        Field(".02", "SEX", "0;2", "sex", _sex),
        Field(".03", "DATE OF BIRTH", "0;3", "birth_date", _date),
        Field(".09", "SOCIAL SECURITY NUMBER", "0;9", "ssn"),
    ),
)

FILES: tuple[FileView, ...] = (
    PATIENT,
    FileView(
        "4",
        "INSTITUTION",
        ("^DIC", "4"),
        Institution,
        Institution.__table__.c.ien,
        (Field(".01", "NAME", "0;1", "name"), Field("99", "STATION NUMBER", "99;1", "station")),
    ),
    FileView(
        "71",
        "RAD/NUC MED PROCEDURES",
        ("^RAMIS", "71"),
        RadiologyProcedure,
        RadiologyProcedure.__table__.c.ien,
        (
            Field(".01", "NAME", "0;1", "name"),
            Field("6", "TYPE OF PROCEDURE", "0;6", "kind"),
            Field("9", "CPT CODE", "0;9", "cpt"),
            Field("12", "TYPE OF IMAGING", "0;12", "imaging_type"),
        ),
    ),
    FileView(
        "74",
        "RAD/NUC MED REPORTS",
        ("^RARPT", ""),
        Report,
        Report.__table__.c.ien,
        (
            Field(".01", "DAY-CASE#", "0;1", "accession"),
            Field("2", "PATIENT NAME", "0;2", "patient", _patient),
            Field("3", "EXAM DATE/TIME", "0;3", "exam_date", _date),
        ),
    ),
    FileView("200", "NEW PERSON", ("^VA", "200"), NewPerson, NewPerson.__table__.c.duz, (Field(".01", "NAME", "0;1", "name"),)),
    IMAGE,
    FileView(
        "2005.2",
        "NETWORK LOCATION",
        ("^MAG", "2005.2"),
        NetworkLocation,
        NetworkLocation.__table__.c.ien,
        (
            Field(".01", "NETWORK LOCATION", "0;1", "name"),
            Field("1", "PHYSICAL REFERENCE", "0;2", "physical"),
            Field("5", "OPERATIONAL STATUS", "0;6", "online", _on_line),
            Field("6", "STORAGE TYPE", "0;7", "kind"),
            Field("26", "ROUTER", "0;9", "router", _yes),
            Field(".04", "PLACE", "0;10", "site"),
            Field("23", "RETENTION PERIOD", "3;1", "retention_days"),
        ),
    ),
    FileView(
        "2006.04",
        "ACQUISITION DEVICE",
        ("^MAG", "2006.04"),
        AcquisitionDevice,
        AcquisitionDevice.__table__.c.ien,
        (Field(".01", "NAME", "0;1", "name"), Field("1", "SITE", "0;2", "location")),
    ),
    FileView(
        "2006.1",
        "IMAGING SITE PARAMETERS",
        ("^MAG", "2006.1"),
        ImagingSite,
        ImagingSite.__table__.c.ien,
        (
            Field(".01", "INSTITUTION NAME", "0;1", "institution", _institution),
            Field(".02", "INITIALS", "0;2", "namespace"),
            Field(".03", "WRITE LOCATION", "0;3", "write_location", _location),
            Field("1.01", "PACS INTERFACE", "PACS;1", "pacs", _yes),
            Field("1.03", "PACS WRITE LOCATION", "PACS;3", "pacs_write_location", _location),
        ),
    ),
    FileView(
        "2006.587",
        "DICOM TRANSMIT DESTINATION",
        ("^MAG", "2006.587"),
        TransmitDestination,
        TransmitDestination.__table__.c.ien,
        (
            Field(".01", "SERVICE NAME", "0;1", "name"),
            Field("2", "PROVIDER AE TITLE", "0;2", "ae_title"),
            Field("3", "IP ADDRESS", "0;3", "host"),
            Field("4", "PORT", "0;4", "port"),
            Field("5", "GATEWAY SYSTEM TITLE", "0;5", "gateway"),
            Field("6", "GATEWAY AE TITLE", "0;6", "gateway_ae_title"),
            Field("7", "LOCATION", "0;7", "location", _institution),
        ),
    ),
)

_BY_NUMBER = {view.number: view for view in FILES}


def find_file(number: str) -> FileView | None:
    """Find a file that may be read by its number; None for any other."""
    return _BY_NUMBER.get(number.strip())
