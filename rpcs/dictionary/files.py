"""The files that may be read field by field, and what may be changed of them. Codes, passwords and hashes stand in none."""

from __future__ import annotations

from sqlalchemy import bindparam, false, select

from fileman.files import (
    AcquisitionDevice,
    DicomFailedImage,
    ImagingSite,
    Institution,
    NetworkLocation,
    NewPerson,
    Patient,
    RadiologyProcedure,
    Report,
    TransmitDestination,
)
from rpcs.dictionary import accept, words
from rpcs.dictionary.image import IMAGE
from rpcs.dictionary.view import Field, FileView

_SEXES = {"M": "MALE", "F": "FEMALE"}
_YES = {"1": "YES", "0": "NO"}
_ON_LINE = {"1": "ON-LINE", "0": "OFF-LINE"}
_TAKEN_ON_LINE = {"1": True, "ON-LINE": True, "0": False, "OFF-LINE": False}
_PATIENT = select(Patient.name).where(Patient.dfn == bindparam("ien"))

FILES: tuple[FileView, ...] = (
    FileView(
        "2",
        "PATIENT",
        ("^DPT", ""),
        Patient,
        Patient.__table__.c.dfn,
        (
            Field(".01", "NAME", "0;1", "name"),
            Field(".02", "SEX", "0;2", "sex", words.one_of(_SEXES)),
            Field(".03", "DATE OF BIRTH", "0;3", "birth_date", words.date),
            Field(".09", "SOCIAL SECURITY NUMBER", "0;9", "ssn"),
        ),
    ),
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
            Field("2", "PATIENT NAME", "0;2", "patient", words.pointer(_PATIENT)),
            Field("3", "EXAM DATE/TIME", "0;3", "exam_date", words.date),
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
            Field("5", "OPERATIONAL STATUS", "0;6", "online", words.one_of(_ON_LINE), accept.one_of(_TAKEN_ON_LINE)),
            Field("6", "STORAGE TYPE", "0;7", "kind"),
            Field("26", "ROUTER", "0;9", "router", words.one_of(_YES)),
            Field(".04", "PLACE", "0;10", "site"),
            Field("23", "RETENTION PERIOD", "3;1", "retention_days", accept=accept.number_between(0, 36500)),
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
            Field(".01", "INSTITUTION NAME", "0;1", "institution", words.institution),
            Field(".02", "INITIALS", "0;2", "namespace"),
            Field(".03", "WRITE LOCATION", "0;3", "write_location", words.location),
            Field("1.01", "PACS INTERFACE", "PACS;1", "pacs", words.one_of(_YES)),
            Field("1.03", "PACS WRITE LOCATION", "PACS;3", "pacs_write_location", words.location),
        ),
    ),
    FileView(
        "2006.575",
        "DICOM FAILED IMAGES",
        ("^MAGD", "2006.575"),
        DicomFailedImage,
        DicomFailedImage.__table__.c.ien,
        (
            Field(".01", "IMAGE FILEPATH", "0;1", "file_path"),
            Field("1", "REASON", "0;2", "reason"),
            Field("2", "MACHINE ID", "1;4", "machine"),
            Field("3", "LOCATION", "1;5", "location"),
            Field("4", "STUDY UID", "ASUID;1", "study_uid"),
        ),
        there=DicomFailedImage.__table__.c.removed.is_(false()),
    ),
    FileView(
        "2006.587",
        "DICOM TRANSMIT DESTINATION",
        ("^MAG", "2006.587"),
        TransmitDestination,
        TransmitDestination.__table__.c.ien,
        (
            Field(".01", "SERVICE NAME", "0;1", "name"),
            Field("2", "PROVIDER AE TITLE", "0;2", "ae_title", accept=accept.text_up_to(16)),
            Field("3", "IP ADDRESS", "0;3", "host", accept=accept.text_up_to(255)),
            Field("4", "PORT", "0;4", "port", accept=accept.number_between(1, 65535)),
            Field("5", "GATEWAY SYSTEM TITLE", "0;5", "gateway"),
            Field("6", "GATEWAY AE TITLE", "0;6", "gateway_ae_title"),
            Field("7", "LOCATION", "0;7", "location", words.institution),
        ),
        deletable=True,
    ),
)

_BY_NUMBER = {view.number: view for view in FILES}


def find_file(number: str) -> FileView | None:
    """Find a file that may be read by its number; None for any other."""
    return _BY_NUMBER.get(number.strip())
