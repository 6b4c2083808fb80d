"""What is to be done with patients, and what modalities told of doing it: scheduled and performed procedure steps."""

from __future__ import annotations

from sqlalchemy import Float, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from fileman.files.base import File


class ScheduledStep(File):
    """A scheduled procedure step with its requested procedure, request, visit and patient: one entry of the worklist.

    An accession number and a step ID name it, whoever fed it. `source` is SITE, EXAM (made of an exam of the site file), HL7 or
    CSV. It is on the worklist while it is `open`. Values are DICOM's, several apart by backslashes; `start_at` is date and time
    in one, `size_m` and `weight_kg` are numbers, for ranges.
    """

    __tablename__ = "scheduled_step"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    source: Mapped[str]
    status: Mapped[str] = mapped_column(default="SCHEDULED")
    open: Mapped[bool] = mapped_column(default=True)
    changed_at: Mapped[float] = mapped_column(Float(53), default=0.0)
    location: Mapped[int | None]
    service: Mapped[str] = mapped_column(default="RAD")
    imaging_type: Mapped[str] = mapped_column(default="")
    imaging_procedure: Mapped[str] = mapped_column(default="")
    placer_order: Mapped[str] = mapped_column(default="", index=True)
    filler_order: Mapped[str] = mapped_column(default="", index=True)
    accession: Mapped[str]
    step_id: Mapped[str]
    station_ae_titles: Mapped[str] = mapped_column(default="")
    start_date: Mapped[str] = mapped_column(default="")
    start_time: Mapped[str] = mapped_column(default="")
    start_at: Mapped[str] = mapped_column(default="")
    modality: Mapped[str] = mapped_column(default="")
    performing_physician: Mapped[str] = mapped_column(default="")
    step_description: Mapped[str] = mapped_column(default="")
    station_name: Mapped[str] = mapped_column(default="")
    step_location: Mapped[str] = mapped_column(default="")
    protocol_code: Mapped[str] = mapped_column(default="")
    protocol_scheme: Mapped[str] = mapped_column(default="")
    protocol_meaning: Mapped[str] = mapped_column(default="")
    contrast_agent: Mapped[str] = mapped_column(default="")
    pre_medication: Mapped[str] = mapped_column(default="")
    step_comments: Mapped[str] = mapped_column(Text, default="")
    procedure_id: Mapped[str] = mapped_column(default="")
    procedure_description: Mapped[str] = mapped_column(default="")
    procedure_code: Mapped[str] = mapped_column(default="")
    procedure_scheme: Mapped[str] = mapped_column(default="")
    procedure_meaning: Mapped[str] = mapped_column(default="")
    study_uid: Mapped[str] = mapped_column(index=True)
    priority: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(Text, default="")
    transport: Mapped[str] = mapped_column(default="")
    diagnoses: Mapped[str] = mapped_column(Text, default="")
    requesting_physician: Mapped[str] = mapped_column(default="")
    referring_physician: Mapped[str] = mapped_column(default="")
    admission_id: Mapped[str] = mapped_column(default="")
    institution_name: Mapped[str] = mapped_column(default="")
    current_location: Mapped[str] = mapped_column(default="")
    patient_name: Mapped[str]
    patient_id: Mapped[str] = mapped_column(index=True)
    birth_date: Mapped[str] = mapped_column(default="")
    sex: Mapped[str] = mapped_column(default="")
    size: Mapped[str] = mapped_column(default="")
    weight: Mapped[str] = mapped_column(default="")
    size_m: Mapped[float | None] = mapped_column(Float(53))
    weight_kg: Mapped[float | None] = mapped_column(Float(53))
    confidentiality: Mapped[str] = mapped_column(default="")
    patient_state: Mapped[str] = mapped_column(default="")
    pregnancy: Mapped[str] = mapped_column(default="")
    medical_alerts: Mapped[str] = mapped_column(Text, default="")
    allergies: Mapped[str] = mapped_column(Text, default="")
    special_needs: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        UniqueConstraint("accession", "step_id"),
        Index(None, "open", "ien"),
        Index(None, "open", "start_at"),
        Index(None, "open", "modality", "start_at"),
        Index(None, "procedure_id"),
    )


class ScheduledValue(File):
    """A value that entries of the worklist are found by: of an attribute with several, or a component group of a name.

    `position` counts the values; of names 0 is the alphabetic group, 1 the ideographic, 2 the phonetic one. `folded` is the text
    without regard to case.
    """

    __tablename__ = "scheduled_value"

    step: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tag: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str]
    folded: Mapped[str] = mapped_column(default="")

    __table_args__ = (Index(None, "tag", "text", "step"), Index(None, "tag", "folded", "step"))


class PerformedStep(File):
    """A modality performed procedure step, as modalities told of it (PS3.4 annex F).

    `attributes` is all of it, JSON by tags. Times are seconds since the epoch; `start_at` and `end_at` are the modality's.
    """

    __tablename__ = "performed_step"

    uid: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    ae_title: Mapped[str] = mapped_column(default="")
    station_name: Mapped[str] = mapped_column(default="")
    step_id: Mapped[str] = mapped_column(default="")
    modality: Mapped[str] = mapped_column(default="")
    patient_name: Mapped[str] = mapped_column(default="")
    patient_id: Mapped[str] = mapped_column(default="", index=True)
    study_uid: Mapped[str] = mapped_column(default="", index=True)
    start_at: Mapped[str] = mapped_column(default="")
    end_at: Mapped[str] = mapped_column(default="")
    attributes: Mapped[str] = mapped_column(Text)
    created_at: Mapped[float] = mapped_column(Float(53))
    changed_at: Mapped[float] = mapped_column(Float(53), index=True)


class PerformedSeries(File):
    """A series that was made in a performed procedure step, in the order of their sequence."""

    __tablename__ = "performed_series"

    step: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    series_uid: Mapped[str] = mapped_column(default="", index=True)
    description: Mapped[str] = mapped_column(default="")
    protocol: Mapped[str] = mapped_column(default="")
    physician: Mapped[str] = mapped_column(default="")
    operator: Mapped[str] = mapped_column(default="")
    retrieve_ae_title: Mapped[str] = mapped_column(default="")
    instances: Mapped[int] = mapped_column(default=0)


class PerformedOrder(File):
    """What a performed step was done for: an item of its Scheduled Step Attributes Sequence, with the entry found."""

    __tablename__ = "performed_order"

    step: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    accession: Mapped[str] = mapped_column(default="", index=True)
    step_id: Mapped[str] = mapped_column(default="")
    scheduled: Mapped[int | None] = mapped_column(index=True)
