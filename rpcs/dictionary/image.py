"""IMAGE (#2005) as FileMan sees it."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from fileman.files import AcquisitionDevice, Exam, Image, NewPerson, Patient, RadiologyProcedure, Report
from rpcs.call import Call
from rpcs.dictionary import terms, words
from rpcs.dictionary.view import Field, FileView, Nodes, Row
from rpcs.image_processing import sop_class_uid

_PATIENT = select(Patient.name).where(Patient.dfn == bindparam("ien"))
_PERSON = select(NewPerson.name).where(NewPerson.duz == bindparam("ien"))
_IMAGE = select(Image.name).where(Image.ien == bindparam("ien"))
_DEVICE = select(AcquisitionDevice.name).where(AcquisitionDevice.ien == bindparam("ien"))
_REPORT = select(Report.accession).where(Report.ien == bindparam("ien"))
_PROCEDURE = select(RadiologyProcedure.name).where(RadiologyProcedure.ien == bindparam("ien"))
_PROCEDURE_OF_EXAM = (
    select(Exam.procedure)
    .join(Report, Report.exam == Exam.ien)
    .where(Report.ien == bindparam("report"), Exam.procedure_ien == bindparam("ien"))
)
_MEMBERS = (
    select(Image.ien, Image.series_number, Image.image_number, Image.group_sequence)
    .where(Image.parent == bindparam("ien"), Image.group_sequence.is_not(None))
    .order_by(Image.group_sequence, Image.ien)
)


def _specialty(_call: Call, _row: Row, internal: str) -> str:
    return terms.SPECIALTIES.get(internal, ("", ""))[0]


def _sop_class(_call: Call, _row: Row, internal: str) -> str:
    return sop_class_uid(int(internal))


def _procedure(call: Call, row: Row, internal: str) -> str:
    """Name a radiology procedure: as the site file does, or as the exam that the image belongs to has it."""
    found = call.connection.execute(_PROCEDURE, {"ien": int(internal)}).scalar()
    if found is None:
        found = call.connection.execute(_PROCEDURE_OF_EXAM, {"ien": int(internal), "report": row["report"]}).scalar()
    return found or ""


def _members(call: Call, ien: int) -> Nodes:
    """Give the nodes of the OBJECT GROUP multiple (#2005.04): image, series number, image number."""
    found = call.connection.execute(_MEMBERS, {"ien": ien}).all()
    nodes: Nodes = {}
    for row in found:
        nodes["1", str(row.group_sequence), "0"] = f"{row.ien}^{row.series_number}^{row.image_number}".rstrip("^")
    if nodes:
        last = max(int(place) for _node, place, _zero in nodes)
        nodes["1", "0"] = f"^2005.04P^{last}^{len(nodes)}"
    return nodes


IMAGE = FileView(
    "2005",
    "IMAGE",
    ("^MAG", "2005"),
    Image,
    Image.__table__.c.ien,
    (
        Field(".01", "OBJECT NAME", "0;1", "name"),
        Field("1", "FILEREF", "0;2", "file_ref"),
        Field("2", "DISK & VOLUME, MAGNETIC", "0;3", "location", words.location),
        Field("2.1", "DISK & VOLUME, ABSTRACT", "0;4", "abstract_location", words.location),
        Field("2.2", "DISK & VOLUME, WORM", "0;5", "jukebox_location", words.location),
        Field("3", "OBJECT TYPE", "0;6", "object_type", words.one_of(terms.OBJECT_TYPES)),
        Field("5", "PATIENT", "0;7", "patient", words.pointer(_PATIENT)),
        Field("6", "PROCEDURE", "0;8", "procedure"),
        Field("9", "LAST ACCESS DATE", "0;9", "last_access", words.date),
        Field("14", "GROUP PARENT", "0;10", "parent", words.pointer(_IMAGE)),
        Field("7", "DATE/TIME IMAGE SAVED", "2;1", "saved_at", words.date),
        Field("8", "IMAGE SAVE BY", "2;2", "saved_by", words.pointer(_PERSON)),
        Field("10", "SHORT DESCRIPTION", "2;4", "short_description"),
        Field("15", "PROCEDURE/EXAM DATE/TIME", "2;5", "procedure_time", words.date),
        Field("16", "PARENT DATA FILE#", "2;6", "parent_file", words.one_of(terms.PARENT_FILES)),
        Field("17", "PARENT GLOBAL ROOT D0", "2;7", "parent_ien"),
        Field("18", "PARENT DATA FILE IMAGE POINTER", "2;8", "parent_image_pointer"),
        Field("8.1", "CAPTURE APPLICATION", "2;12", "transmission", words.one_of(terms.CAPTURE_APPLICATIONS)),
        Field("40", "PACKAGE INDEX", "40;1", "package"),
        Field("41", "CLASS INDEX", "40;2", "image_class", words.one_of(terms.CLASSES)),
        Field("42", "TYPE INDEX", "40;3", "image_type", words.one_of(terms.TYPES)),
        Field("43", "PROC/EVENT INDEX", "40;4", "procedure_or_event", words.one_of(terms.PROCEDURES)),
        Field("44", "SPEC/SUBSPEC INDEX", "40;5", "specialty", _specialty),
        Field("45", "ORIGIN INDEX", "40;6", "origin", words.one_of(terms.ORIGINS)),
        Field(".05", "ACQUISITION SITE", "100;3", "acquisition_site", words.institution),
        Field("107", "ACQUISITION DEVICE", "100;4", "acquisition_device", words.pointer(_DEVICE)),
        Field("110", "CREATION DATE", "100;6", "creation_date", words.date),
        Field("113", "STATUS", "100;8", "status", words.one_of(terms.STATUSES)),
        Field("102", "BIG MAGNETIC PATH", "FBIG;1", "big_location", words.location),
        Field("103", "BIG JUKEBOX PATH", "FBIG;2", "big_jukebox_location", words.location),
        Field("104", "BIG FILE EXTENSION", "FBIG;3", "big_extension"),
        Field("60", "PACS UID", "PACS;1", "uid"),
        Field("61", "RADIOLOGY REPORT", "PACS;2", "report", words.pointer(_REPORT)),
        Field("62", "PACS PROCEDURE", "PACS;3", "procedure_ien", _procedure),
        Field("253", "SERIES UID", "SERIESUID;1", "series_uid"),
        Field("251", "SOP CLASS", "SOP;1", "sop_class", _sop_class),
        Field("252", "NEW SOP INSTANCE UID", "SOP;2", "export_uid"),
    ),
    _members,
)
