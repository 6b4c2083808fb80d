"""The group of a consult's or lab case's image: under its TIU note, or in a temporary list until there is one.

GROUP^MAGDIR9E for consults, GROUP^MAGDIR9F for lab cases: they differ in the list, and in what the image is indexed under.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from fileman import (
    CONSULT_LIST,
    GROUP_OBJECT_TYPE,
    LAB_LIST,
    TIU_FILE,
    consult_image_came,
    group_lock,
    lab_key,
    next_ien,
    read_as,
)
from fileman.files import ConsultGroup, Image, LabGroup, TiuImage, TiuNote
from fileman.sop_classes import same_group, sop_class_pointer
from rpcs.image_processing import failed
from rpcs.image_processing.group import (
    FileData,
    Filing,
    entry_name,
    find_device,
    make_group,
    wrong_patient,
)
from rpcs.image_processing.indexes import Indexes, consult_indexes, lab_indexes
from rpcs.image_processing.study import Study
from xwb import m_number, m_text

#: The difference between a DICOM date and a FileMan one.
_CENTURIES = Decimal(17000000)

#: PROCEDURE of a group, by service.
CONSULT_PROCEDURE, LAB_PROCEDURE = "CON/PROC", "PATHOLOGY"

_NOTE = select(TiuNote.patient).where(TiuNote.ien == bindparam("note_"))
_GROUP_COLUMNS = (
    Image.patient,
    Image.object_type,
    Image.uid,
    Image.sop_class,
    Image.acquisition_device,
    Image.parent_file,
    Image.parent_ien,
    Image.parent_image_pointer,
    Image.parent_inverse,
)
_OF_NOTE = (
    select(TiuImage.ien.label("link"), TiuImage.image.label("group"), *_GROUP_COLUMNS)
    .join(Image, Image.ien == TiuImage.image, isouter=True)
    .where(TiuImage.note == bindparam("note_"))
    .order_by(TiuImage.ien)
)
_OF_CONSULT = (
    select(ConsultGroup.group, *_GROUP_COLUMNS)
    .join(Image, Image.ien == ConsultGroup.group, isouter=True)
    .where(ConsultGroup.consult == bindparam("consult_"))
    .order_by(ConsultGroup.ien)
)
_OF_CASE = (
    select(LabGroup.group, *_GROUP_COLUMNS)
    .join(Image, Image.ien == LabGroup.group, isouter=True)
    .where(
        LabGroup.lab_patient == bindparam("lab_patient_"),
        LabGroup.inverse == bindparam("inverse_"),
        LabGroup.parent_file == bindparam("parent_file_"),
    )
    .order_by(LabGroup.ien)
)
_LINK_NOTE = insert(TiuImage)
_POINT_BACK = update(Image).where(Image.ien == bindparam("group_")).values(parent_image_pointer=bindparam("link_"))
_KEEP_CONSULT = insert(ConsultGroup)
_KEEP_CASE = insert(LabGroup)


@dataclass(frozen=True, slots=True)
class Consults:
    """DICOM GMRC TEMP LIST (#2006.5839)."""

    study: Study
    routine: str = "MAGDIR9E"
    file: str = CONSULT_LIST
    procedure: str = CONSULT_PROCEDURE

    def indexes(self, filing: Filing) -> Indexes:
        """Enter the consult on TeleReader's list, and choose the index terms as it is read there (ADD^MAGDTR03)."""
        connection, consult = filing.call.connection, self.study.service_ien
        if consult is not None:
            consult_image_came(connection, consult, filing.call.clock.now())
        read = None if consult is None else read_as(connection, consult)
        return consult_indexes(filing.request.modality, filing.request.origin, read)

    def groups(self, connection: Connection) -> list[Any]:
        """Give the groups of the consult."""
        return list(connection.execute(_OF_CONSULT, {"consult_": self.study.service_ien}))

    @property
    def parent_ien(self) -> int | None:
        """The consult."""
        return self.study.service_ien

    def parent(self, data: FileData) -> FileData:
        """Point to the consult."""
        return replace(data, parent_file=self.file, parent_ien=self.parent_ien)

    def keep(self, connection: Connection, group: int) -> None:
        """Enter a group under the consult."""
        ien = next_ien(connection, "consult_group")
        connection.execute(_KEEP_CONSULT, {"ien": ien, "consult": self.study.service_ien, "group": group})


@dataclass(frozen=True, slots=True)
class LabCases:
    """DICOM LAB TEMP LIST (#2006.5838)."""

    study: Study
    routine: str = "MAGDIR9F"
    file: str = LAB_LIST
    procedure: str = LAB_PROCEDURE

    @property
    def _key(self) -> dict[str, object]:
        study = self.study
        return lab_key(study.accession, self.parent_ien, study.exam_date)

    def indexes(self, filing: Filing) -> Indexes:
        """Choose the index terms by the section."""
        return lab_indexes(self.study.section, filing.request.origin)

    def groups(self, connection: Connection) -> list[Any]:
        """Give the groups of the case."""
        return list(connection.execute(_OF_CASE, {f"{name}_": value for name, value in self._key.items()}))

    @property
    def parent_ien(self) -> int:
        """The patient of the lab."""
        return self.study.service_ien or self.study.patient.dfn

    def parent(self, data: FileData) -> FileData:
        """Point to the lab patient and the case."""
        return replace(data, parent_file=self.file, parent_ien=self.parent_ien, parent_inverse=self.study.lab_inverse)

    def keep(self, connection: Connection, group: int) -> None:
        """Enter a group under the case."""
        connection.execute(_KEEP_CASE, {"ien": next_ien(connection, "lab_group"), **self._key, "group": group})


#: Where groups wait for a note, and what is different about their service.
TemporaryList = Consults | LabCases


def note_group(filing: Filing, study: Study) -> FileData:
    """Find or make the group of a consult's or lab case's image.

    A consult that is complete gets no more images under its note: they wait for the next one. Raises GaveUp: #-501 when the
    note belongs to somebody else, #-502 and #-504 when a group does, #-503 when note and group disagree, #-505 when a group
    waits for something else, #-306 and #-307 of a new group. A consult is on TeleReader's list even when these refuse it.
    """
    waiting: TemporaryList = Consults(study) if study.service == "CON" else LabCases(study)
    data = FileData(
        patient=study.patient,
        name=entry_name(study.patient, study.procedure),
        description=study.procedure,
        exam_date=_header_date(filing),
        modality=filing.request.modality,
        sop_class=sop_class_pointer(filing.request.sop_class),
        moment=filing.moment,
        device=find_device(filing),
    )
    found = _with_group(filing, data, study, waiting)
    if found.group and filing.found.hold(group_lock(found.group)):
        # it may be gone with its last image
        found = _with_group(filing, data, study, waiting)
    data = replace(found, indexes=waiting.indexes(filing))
    if not data.group:
        data.group = _new_group(filing, data, waiting)
    if study.service == "CON":
        data.short_description = filing.request.image_name
    return data


def _with_group(filing: Filing, data: FileData, study: Study, waiting: TemporaryList) -> FileData:
    """Look for the group under the note, or among those that wait for one."""
    complete = study.service == "CON" and study.status == "COMPLETE"
    if study.tiu_note and not complete:
        return _under_note(filing, data, study.tiu_note, waiting)
    return _waiting(filing, data, waiting)


def _header_date(filing: Filing) -> str:
    """Give the date and time of the header; now when it has not both."""
    request = filing.request
    if not (m_number(request.study_date) and m_number(request.study_time)):
        return filing.moment
    return m_text(m_number(f"{request.study_date}.{request.study_time}") - _CENTURIES)


def _under_note(filing: Filing, data: FileData, note: int, waiting: TemporaryList) -> FileData:
    """Look for the group of the study and SOP class among those of a note."""
    connection, dfn = filing.call.connection, data.patient.dfn
    owner = connection.execute(_NOTE, {"note_": note}).scalar()
    if owner != dfn:
        raise wrong_patient(filing, dfn, "note", owner, f"^TIU(8925,{note})", "-501", waiting.routine)
    data = replace(data, parent_file=TIU_FILE, parent_ien=note)
    for row in connection.execute(_OF_NOTE, {"note_": note}):
        if row.patient != dfn:
            raise wrong_patient(filing, dfn, "group", row.patient, f"^MAG(2005,{row.group})", "-502", waiting.routine)
        if row.object_type != GROUP_OBJECT_TYPE or row.uid != filing.request.study_uid:
            continue
        if not same_group(row.sop_class, data.sop_class):
            continue
        if row.parent_ien != note:
            raise _other_note(filing, note, row, waiting)
        return replace(data, parent_file=row.parent_file, parent_pointer=row.parent_image_pointer, group=row.group)
    return data


def _waiting(filing: Filing, data: FileData, waiting: TemporaryList) -> FileData:
    """Look for the group of the acquisition device among those that wait.

    Whatever its study: as in VistA the last group of the list decides, so that after images of a second device the first one
    begins another group.
    """
    found: Any = None
    for row in waiting.groups(filing.call.connection):
        if row.patient != data.patient.dfn:
            raise wrong_patient(
                filing, data.patient.dfn, "group", row.patient, f"^MAG(2005,{row.group})", "-504", waiting.routine
            )
        if row.acquisition_device and row.acquisition_device != data.device:
            found = None
            continue
        found = row
        if row.parent_file != waiting.file:
            raise _no_temporary_group(filing, row, waiting)
    if found is None:
        return waiting.parent(data)
    return replace(
        data,
        parent_file=found.parent_file,
        parent_ien=found.parent_ien,
        parent_pointer=found.parent_image_pointer,
        parent_inverse=found.parent_inverse,
        group=found.group,
    )


def _new_group(filing: Filing, data: FileData, waiting: TemporaryList) -> int:
    connection = filing.call.connection
    group = make_group(filing, data, waiting.procedure, "MAGDIR9A")
    if data.parent_file != TIU_FILE or data.parent_ien is None:
        waiting.keep(connection, group)
        return group
    data.parent_pointer = link_to_note(connection, data.parent_ien, group)
    connection.execute(_POINT_BACK, {"group_": group, "link_": data.parent_pointer})
    return group


def link_to_note(connection: Connection, note: int, group: int) -> int:
    """Enter a group in the TIU EXTERNAL DATA LINK of a note (PUTIMAGE^TIUSRVPL); gives the link's number."""
    link = next_ien(connection, "tiu_image")
    connection.execute(_LINK_NOTE, {"ien": link, "note": note, "image": group})
    return link


def _other_note(filing: Filing, note: int, row: Any, waiting: TemporaryList) -> failed.GaveUp:
    lines = [
        "The image group and TIU point to different notes.",
        "",
        f"TIU points to TUI note ien #{note}",
        f"The image points to TIU note ien #{'' if row.parent_ien is None else row.parent_ien}",
        f"TIU External Data File (8925.91) ien #{row.link}",
        f"points to image group ien #{row.group}",
    ]
    return failed.critical(filing.messages, "-503", waiting.routine, filing.request.gateway, "TIU/IMAGE GROUP MISMATCH", lines)


def _no_temporary_group(filing: Filing, row: Any, waiting: TemporaryList) -> failed.GaveUp:
    lines = [  # VistA names the consults' list for lab cases too
        "The image group does not point to PARENT FILE 2006.5839.",
        "",
        "The image group should point to PARENT FILE 2006.5839.",
        f"Instead it point to PARENT FILE #{row.parent_file}",
        f"The image group is ^MAG(2005,{row.group})",
    ]
    return failed.critical(filing.messages, "-505", waiting.routine, filing.request.gateway, "IMAGE GROUP MISMATCH", lines)
