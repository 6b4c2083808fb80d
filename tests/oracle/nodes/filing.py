"""What filing keeps beside images: who files what now, what failed, what may be imported, groups before TIU, counts."""

from __future__ import annotations

from sqlalchemy import Connection

from fileman.files import (
    AcquisitionCount,
    AcquisitionDevice,
    ConsultGroup,
    CurrentImage,
    DicomFailedImage,
    ImportableObject,
    LabGroup,
)
from tests.oracle.nodes.writing import Nodes, header, last_ien, pieces, rows_of


def current_images(connection: Connection, nodes: Nodes) -> None:
    """CURRENT IMAGE (#2006.5715)."""
    rows = rows_of(connection, CurrentImage)
    header(nodes, "^MAGD", "2006.5715", "CURRENT IMAGE^2006.5715", last_ien(connection, "current_image"), len(rows))
    for row in rows:
        nodes.put("^MAGD", "2006.5715", row.ien, 0, value=f"{row.machine}^{row.uid}")
        nodes.put("^MAGD", "2006.5715", "B", row.machine, row.ien)


def devices(connection: Connection, nodes: Nodes) -> None:
    """ACQUISITION DEVICE (#2006.04)."""
    rows = rows_of(connection, AcquisitionDevice)
    header(nodes, "^MAG", "2006.04", "ACQUISITION DEVICE^2006.04", last_ien(connection, "acquisition_device"), len(rows))
    for row in rows:
        nodes.put("^MAG", "2006.04", row.ien, 0, value=f"{row.name}^{row.location}^")
        nodes.put("^MAG", "2006.04", "B", row.name, row.ien)


def failed_images(connection: Connection, nodes: Nodes) -> None:
    """DICOM FAILED IMAGES (#2006.575)."""

    def put(*subscripts: object, value: object = "") -> None:
        nodes.put("^MAGD", "2006.575", *subscripts, value=value)

    rows = rows_of(connection, DicomFailedImage)
    there = [row for row in rows if not row.removed]
    header(nodes, "^MAGD", "2006.575", "DICOM FAILED IMAGES^2006.575", last_ien(connection, "dicom_failed_image"), len(there))
    for row in rows:
        if row.first_of_study:
            put("F", row.location, row.study_uid, row.ien)
        if row.queued:
            put("AFX", row.location, row.machine, row.ien, value="D" if row.queued == "DELETE" else "")
    for row in there:
        zero = (row.file_path, row.reason, row.patient_id, row.name, row.original_name)
        put(row.ien, 0, value=pieces(*zero, strip=False))
        one = (row.accession, row.case_number, row.entered, row.machine, row.location)
        put(row.ien, 1, value=pieces(*one, strip=False))
        put(row.ien, "ACSTXT")
        put(row.ien, "AIUID", value=row.image_uid)
        put(row.ien, "AMFG", value=f"{row.instrument}^^^^^{row.modality}^^^{row.location}")
        put(row.ien, "ASUID", value=row.study_uid)
        put(row.ien, "TYPE", value=row.service)
        if row.fixed:
            new = (row.fixed, row.fixed_by, row.new_name, row.new_patient_id, row.new_accession)
            put(row.ien, "FIXD", value=pieces(*new, strip=False))
        put("B", row.file_path, row.ien)
        related = [other for other in rows if other.related_to == row.ien]
        if row.last_related:
            put(row.ien, "RLATE", 0, value=f"^2006.57526PA^{row.last_related}^{len(related)}")
        for other in related:
            put(row.ien, "RLATE", other.related_sequence, 0, value=other.ien)
            put(row.ien, "RLATE", "B", other.ien, other.related_sequence)


def importable_objects(connection: Connection, nodes: Nodes) -> None:
    """IMPORTABLE DICOM OBJECTS (#2006.5752)."""
    file = "2006.5752"
    rows = rows_of(connection, ImportableObject)
    header(nodes, "^MAGD", file, f"IMPORTABLE DICOM OBJECTS^{file}", last_ien(connection, "importable_object"), len(rows))
    for row in rows:
        nodes.put("^MAGD", file, row.ien, 0, value=f"{row.name}^{row.patient_id}^{row.machine}")
        nodes.put("^MAGD", file, row.ien, 1, value=f"{row.study_date}^{row.accession}^{row.study_uid}")
        nodes.put("^MAGD", file, row.ien, 2, value=f"{row.modality}^{row.series_uid}")
        nodes.put("^MAGD", file, row.ien, 3, value=f"{row.file_path}^{row.image_uid}")
        nodes.put("^MAGD", file, "C", row.image_uid, row.ien)
        nodes.put("^MAGD", file, "D", row.machine, row.file_path, row.ien)


def consult_groups(connection: Connection, nodes: Nodes) -> None:
    """DICOM GMRC TEMP LIST (#2006.5839)."""
    file = "2006.5839"
    rows = rows_of(connection, ConsultGroup)
    header(nodes, "^MAG", file, f"DICOM GMRC TEMP LIST^{file}", last_ien(connection, "consult_group"), len(rows))
    for row in rows:
        nodes.put("^MAG", file, row.ien, 0, value=f"123^{row.consult}^{row.group}")
        nodes.put("^MAG", file, "C", 123, row.consult, row.ien)


def lab_groups(connection: Connection, nodes: Nodes) -> None:
    """DICOM LAB TEMP LIST (#2006.5838)."""
    file = "2006.5838"
    rows = rows_of(connection, LabGroup)
    header(nodes, "^MAG", file, f"DICOM LAB TEMP LIST^{file}S", last_ien(connection, "lab_group"), len(rows))
    for row in rows:
        nodes.put("^MAG", file, row.ien, 0, value=f"{row.parent_file}^{row.lab_patient}^{row.inverse}^{row.group}")
        nodes.put("^MAG", file, "C", row.parent_file, row.lab_patient, row.inverse, row.ien)


def acquisition_counts(connection: Connection, nodes: Nodes) -> None:
    """DICOM INSTRUMENT STATISTICS (#2006.5762)."""
    file = "2006.5762"
    rows = rows_of(connection, AcquisitionCount, "day", "location", "sequence")
    days = sorted({row.day for row in rows})
    header(nodes, "^MAGDAUDT", file, f"DICOM INSTRUMENT STATISTICS^{file}", days[-1] if days else "", len(days))
    for day in days:
        nodes.put("^MAGDAUDT", file, day, 0, value=day)
        nodes.put("^MAGDAUDT", file, "B", day, day)
    for row in rows:
        place = (file, row.day, 1, row.location)
        nodes.put("^MAGDAUDT", *place, 0, value=row.location)
        nodes.put("^MAGDAUDT", *place, 1, 0, value=f"^2006.576211^{row.sequence}^{row.sequence}")
        counts = (row.acquired or "", row.acquired_at, row.processed or "", row.processed_at)
        nodes.put("^MAGDAUDT", *place, 1, row.sequence, 0, value=pieces(row.instrument, *counts))
        nodes.put("^MAGDAUDT", *place, 1, "B", row.instrument, row.sequence)
