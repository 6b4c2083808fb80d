"""The archive's index: patients, studies, series and instances whose files are in place, as DICOM queries ask for them.

Times have two columns: what the header says, and with `_key` what they compare by, as `HHMMSS.FFFFFF` without zeros at the end
of the fraction. Dates are `YYYYMMDD`. A number's `_key` is None where the header's text is none.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from fileman.files.base import File, only_where


class ArchivePatient(File):
    """A patient of whom something is archived: the Patient module, as the last object told it that bore the patient's own ID.

    `name` holds all groups of the person name, `other_ids` several values apart by backslashes.
    """

    __tablename__ = "archive_patient"

    ien: Mapped[int] = mapped_column(primary_key=True)
    dfn: Mapped[int] = mapped_column(unique=True)
    patient_id: Mapped[str] = mapped_column(default="", index=True)
    issuer: Mapped[str] = mapped_column(default="")
    name: Mapped[str] = mapped_column(Text, default="")
    birth_date: Mapped[str] = mapped_column(default="", index=True)
    sex: Mapped[str] = mapped_column(default="")
    other_ids: Mapped[str] = mapped_column(Text, default="")


class ArchiveStudy(File):
    """A study of a patient. One UID that two patients have is two studies."""

    __tablename__ = "archive_study"

    ien: Mapped[int] = mapped_column(primary_key=True)
    patient: Mapped[int] = mapped_column(ForeignKey("archive_patient.ien"), index=True)
    study_uid: Mapped[str] = mapped_column(String(64))
    study_id: Mapped[str] = mapped_column(default="", index=True)
    study_date: Mapped[str] = mapped_column(default="", index=True)
    study_time: Mapped[str] = mapped_column(default="")
    study_time_key: Mapped[str] = mapped_column(default="", index=True)
    accession: Mapped[str] = mapped_column(default="", index=True)
    description: Mapped[str] = mapped_column(default="", index=True)
    referring_physician: Mapped[str] = mapped_column(Text, default="")
    reading_physicians: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (UniqueConstraint("study_uid", "patient"),)


class ArchiveSeries(File):
    """A series of a study. `procedure_ids` are Requested Procedure IDs, several apart by backslashes."""

    __tablename__ = "archive_series"

    ien: Mapped[int] = mapped_column(primary_key=True)
    study: Mapped[int] = mapped_column(ForeignKey("archive_study.ien"))
    series_uid: Mapped[str] = mapped_column(String(64))
    modality: Mapped[str] = mapped_column(default="")
    series_number: Mapped[str] = mapped_column(default="")
    series_number_key: Mapped[int | None] = mapped_column(index=True)
    series_date: Mapped[str] = mapped_column(default="", index=True)
    series_time: Mapped[str] = mapped_column(default="")
    series_time_key: Mapped[str] = mapped_column(default="")
    description: Mapped[str] = mapped_column(default="", index=True)
    body_part: Mapped[str] = mapped_column(default="", index=True)
    institution: Mapped[str] = mapped_column(default="", index=True)
    step_start_date: Mapped[str] = mapped_column(default="", index=True)
    step_start_time: Mapped[str] = mapped_column(default="")
    step_start_time_key: Mapped[str] = mapped_column(default="")
    step_stop_date: Mapped[str] = mapped_column(default="", index=True)
    step_stop_time: Mapped[str] = mapped_column(default="")
    step_stop_time_key: Mapped[str] = mapped_column(default="")
    procedure_ids: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (UniqueConstraint("series_uid", "study"), Index(None, "study", "modality"), Index(None, "modality", "study"))


class ArchiveInstance(File):
    """An object whose file is in place, under the number of its entry of IMAGE (#2005).

    `short_term` and `long_term` are the network locations that hold the object, 0 for none. `keep_online` and `do_not_archive`
    are the header's archive management flags, empty where it has none. Rows are many: of image attributes only those have an
    index that find few.
    """

    __tablename__ = "archive_instance"

    image: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    series: Mapped[int] = mapped_column(ForeignKey("archive_series.ien"), index=True)
    sop_uid: Mapped[str] = mapped_column(String(64), index=True)
    sop_class: Mapped[str] = mapped_column(String(64), default="")
    transfer_syntax: Mapped[str] = mapped_column(String(64), default="")
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    short_term: Mapped[int] = mapped_column(default=0)
    long_term: Mapped[int] = mapped_column(default=0)
    instance_number: Mapped[str] = mapped_column(default="")
    instance_number_key: Mapped[int | None]
    content_date: Mapped[str] = mapped_column(default="", index=True)
    content_time: Mapped[str] = mapped_column(default="")
    content_time_key: Mapped[str] = mapped_column(default="")
    matrix_rows: Mapped[int | None]
    matrix_columns: Mapped[int | None]
    frames: Mapped[int | None]
    bits_allocated: Mapped[int | None]
    bits_stored: Mapped[int | None]
    presentation_label: Mapped[str] = mapped_column(default="")
    presentation_description: Mapped[str] = mapped_column(default="")
    presentation_date: Mapped[str] = mapped_column(default="")
    presentation_time: Mapped[str] = mapped_column(default="")
    presentation_time_key: Mapped[str] = mapped_column(default="")
    presentation_creator: Mapped[str] = mapped_column(default="")
    keep_online: Mapped[str] = mapped_column(default="")
    do_not_archive: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        Index(None, "presentation_label", **only_where("presentation_label != ''")),
        Index(None, "presentation_date", **only_where("presentation_date != ''")),
    )


class ArchiveHolding(File):
    """How many instances of a series and SOP class lie at a pair of locations, and their bytes: nobody has to count them."""

    __tablename__ = "archive_holding"

    series: Mapped[int] = mapped_column(ForeignKey("archive_series.ien"), primary_key=True)
    sop_class: Mapped[str] = mapped_column(String(64), primary_key=True)
    short_term: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    long_term: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    instances: Mapped[int] = mapped_column(default=0)
    bytes: Mapped[int] = mapped_column(BigInteger, default=0)


class ArchiveValue(File):
    """One value of an attribute that may have several, or one group of a person name, as keys are compared with it.

    `attribute` is the tag, `entry` the number of what it is of, `number` counts the values; `part` is the group of a person name
    (1 alphabetic, 2 ideographic, 3 phonetic), else 0. `folded` is the value without the difference of upper and lower case.
    """

    __tablename__ = "archive_value"

    attribute: Mapped[str] = mapped_column(String(8), primary_key=True)
    entry: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[str]
    folded: Mapped[str]

    __table_args__ = (Index(None, "attribute", "value", "entry"), Index(None, "attribute", "folded", "entry"))


class ArchiveTail(File):
    """What values of ARCHIVE VALUE are from one of their characters on: patterns that begin with a wild card are looked for here.

    They are all the values that an attribute has of an entry, those that begin alike once; `place` counts them.
    """

    __tablename__ = "archive_tail"

    attribute: Mapped[str] = mapped_column(String(8), primary_key=True)
    entry: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[str]
    folded: Mapped[str]

    __table_args__ = (Index(None, "attribute", "value", "entry"), Index(None, "attribute", "folded", "entry"))
