"""Patients, and the exams, consults and lab cases that images belong to."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index
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
    icn: Mapped[str] = mapped_column(default="")


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
    case_number: Mapped[str] = mapped_column(default="")
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
    tiu_note: Mapped[int | None]

    __table_args__ = (Index(None, "service", "service_ien"), Index(None, "exam_date", "patient", "ien"))


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
