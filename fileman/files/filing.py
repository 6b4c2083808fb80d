"""What ties images to reports, notes, consults and lab cases, and the import list."""

from __future__ import annotations

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from fileman.files.base import File


class LostMember(File):
    """A subscript of a group's #2005.04 multiple whose image was taken back because its file could not be named."""

    __tablename__ = "lost_member"

    group: Mapped[int] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    image: Mapped[int]
    series_number: Mapped[str] = mapped_column(default="")
    image_number: Mapped[str] = mapped_column(default="")


class ReportImage(File):
    """IMAGE multiple of a report (#74.02005): the image groups under it, in their order."""

    __tablename__ = "report_image"

    report: Mapped[int] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    image: Mapped[int] = mapped_column(index=True)


class ConsultGroup(File):
    """DICOM GMRC TEMP LIST (#2006.5839): an image group of a consult that has no note yet."""

    __tablename__ = "consult_group"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    consult: Mapped[int] = mapped_column(index=True)
    group: Mapped[int] = mapped_column(index=True)


class LabGroup(File):
    """DICOM LAB TEMP LIST (#2006.5838): an image group of a lab case that has no note yet.

    `parent_file` is the subfile of LAB DATA (#63) of the case's section, `lab_patient` its patient there (LRDFN), `inverse`
    the inverse date of the case (LRI).
    """

    __tablename__ = "lab_group"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    parent_file: Mapped[str]
    lab_patient: Mapped[int]
    inverse: Mapped[str]
    group: Mapped[int] = mapped_column(index=True)

    __table_args__ = (Index(None, "lab_patient", "inverse"),)


class TiuNote(File):
    """TIU DOCUMENT (#8925), as far as images need it: the note of a consult or lab case."""

    __tablename__ = "tiu_note"

    ien: Mapped[int] = mapped_column(primary_key=True)
    patient: Mapped[int]


class TiuImage(File):
    """TIU EXTERNAL DATA LINK (#8925.91): an image group that belongs to a note."""

    __tablename__ = "tiu_image"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    note: Mapped[int] = mapped_column(index=True)
    image: Mapped[int] = mapped_column(index=True)


class ImportableObject(File):
    """IMPORTABLE DICOM OBJECTS (#2006.5752): an imported object that fits no patient or study, until somebody reconciles it."""

    __tablename__ = "importable_object"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(default="")
    patient_id: Mapped[str] = mapped_column(default="")
    machine: Mapped[str] = mapped_column(default="")
    study_date: Mapped[str] = mapped_column(default="")
    accession: Mapped[str] = mapped_column(default="")
    study_uid: Mapped[str] = mapped_column(default="")
    modality: Mapped[str] = mapped_column(default="")
    series_uid: Mapped[str] = mapped_column(default="")
    file_path: Mapped[str] = mapped_column(default="")
    image_uid: Mapped[str] = mapped_column(String(64), default="", index=True)

    __table_args__ = (Index(None, "machine", "file_path"),)
