"""Patients, and the exams, consults and lab cases that images belong to."""

from __future__ import annotations

from sqlalchemy import Float, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from fileman.files.base import File


class Patient(File):
    """PATIENT (#2). Dates are FileMan's; the integration control number stands as site data gave it."""

    __tablename__ = "patient"

    dfn: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    ssn: Mapped[str] = mapped_column(default="")
    birth_date: Mapped[str] = mapped_column(default="")
    sex: Mapped[str] = mapped_column(default="")
    icn: Mapped[str] = mapped_column(default="", index=True)
    height_cm: Mapped[float | None] = mapped_column(Float(53))
    weight_kg: Mapped[float | None] = mapped_column(Float(53))
    employee: Mapped[bool] = mapped_column(default=False)
    sensitive: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (Index(None, "name", "dfn"), Index(None, "ssn"))


class Exam(File):
    """A radiology exam (#70.03), consult request (#123) or lab case, found by accession number.

    `report` of a radiology exam is a pointer to REPORT (#74), made when the first image arrives. An exam that was `purged` (a
    FileMan date), or that lost its registration, takes no images. `tiu_note` is the latest note of a consult or lab case.
    """

    __tablename__ = "exam"

    ien: Mapped[int] = mapped_column(primary_key=True)
    service: Mapped[str]
    accession: Mapped[str] = mapped_column(index=True)
    site_accession: Mapped[str] = mapped_column(default="", index=True)
    case_number: Mapped[str] = mapped_column(default="", index=True)
    service_ien: Mapped[int | None]
    patient: Mapped[int] = mapped_column(ForeignKey("patient.dfn"), index=True)
    exam_date: Mapped[str]
    procedure: Mapped[str] = mapped_column(default="")
    procedure_ien: Mapped[int | None]
    cpt: Mapped[str] = mapped_column(default="")
    status: Mapped[str] = mapped_column(default="")
    urgency: Mapped[str] = mapped_column(default="")
    request_type: Mapped[str] = mapped_column(default="")
    location: Mapped[int | None]
    report: Mapped[int | None]
    purged: Mapped[str] = mapped_column(default="")
    registered: Mapped[bool] = mapped_column(default=True)
    tiu_note: Mapped[int | None] = mapped_column(index=True)
    pregnant: Mapped[str] = mapped_column(default="")  # y, n or u, of the order
    requester: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        Index(None, "patient", "exam_date"),
        Index(None, "service", "service_ien"),
        Index(None, "exam_date", "patient", "ien"),
    )


class RadiologyProcedure(File):
    """RAD/NUC MED PROCEDURES (#71). `modalities` are codes apart by commas, `imaging_type` an entry of #79.2."""

    __tablename__ = "radiology_procedure"

    ien: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(default="D")  # 0;6 D detailed, S series, B broad, P parent
    cpt: Mapped[str] = mapped_column(default="")  # 0;9
    cpt_name: Mapped[str] = mapped_column(default="")
    imaging_type: Mapped[int] = mapped_column(default=1)  # 0;12
    inactive: Mapped[str] = mapped_column(default="")
    modalities: Mapped[str] = mapped_column(default="")

    __table_args__ = (Index(None, "name", "ien"),)


class ProcedureModifier(File):
    """PROCEDURE MODIFIERS (#71.2) with the imaging types they may be used for, apart by commas."""

    __tablename__ = "procedure_modifier"

    ien: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    imaging_types: Mapped[str] = mapped_column(default="")


class HospitalLocation(File):
    """HOSPITAL LOCATION (#44). `kind` is C clinic, M module, W ward, Z other, N non-clinic stop, F file area, I imaging, OR."""

    __tablename__ = "hospital_location"

    ien: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(default="C")
    inactive: Mapped[str] = mapped_column(default="")
    reactivated: Mapped[str] = mapped_column(default="")


class ImagingLocation(File):
    """IMAGING LOCATIONS (#79.1); `outside` ones stand in OUTSIDE IMAGING LOCATION (#2006.5759), for imported studies.

    `outside_room` tells whether the room OUTSIDE STUDY is among its camera, equipment and rooms.
    """

    __tablename__ = "imaging_location"

    ien: Mapped[int] = mapped_column(primary_key=True)
    hospital_location: Mapped[int]
    institution: Mapped[int]
    imaging_type: Mapped[int] = mapped_column(default=1)
    outside: Mapped[bool] = mapped_column(default=False)
    outside_room: Mapped[bool] = mapped_column(default=False)


class RadiologyCode(File):
    """Entries of the short radiology files: DIAGNOSTIC CODES (#78.3), FILM SIZES (#78.4), CAMERA/EQUIP/RM (#78.6) and CPT
    MODIFIER (#81.3). `code` is what a CPT modifier is found by, `description` a camera's.
    """

    __tablename__ = "radiology_code"

    file: Mapped[str] = mapped_column(primary_key=True)
    ien: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    code: Mapped[str] = mapped_column(default="")
    description: Mapped[str] = mapped_column(default="")
    active_from: Mapped[str] = mapped_column(default="")
    inactive: Mapped[str] = mapped_column(default="")


class RadiologyOrder(File):
    """RAD/NUC MED ORDERS (#75.1). `modifiers` are entries of #71.2 apart by commas; dates are FileMan's."""

    __tablename__ = "radiology_order"

    ien: Mapped[int] = mapped_column(primary_key=True)
    patient: Mapped[int] = mapped_column(ForeignKey("patient.dfn"), index=True)
    procedure: Mapped[int]
    modifiers: Mapped[str] = mapped_column(default="")
    status: Mapped[str] = mapped_column(default="PENDING")
    entered: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(Text, default="")
    accession: Mapped[str] = mapped_column(default="")
    imaging_location: Mapped[int | None]


class Report(File):
    """RAD/NUC MED REPORTS (#74)."""

    __tablename__ = "report"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    service: Mapped[str]
    accession: Mapped[str]
    exam: Mapped[int] = mapped_column(index=True)
    patient: Mapped[int] = mapped_column(index=True)
    exam_date: Mapped[str]
    entered: Mapped[str]
    entered_by: Mapped[int]

    __table_args__ = (Index(None, "accession", "ien"),)
