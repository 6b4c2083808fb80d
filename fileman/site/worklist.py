"""The worklist that a site file has: its scheduled steps, and the exams that are still to be made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from sqlalchemy import Connection, select

from fileman.dicom_forms import dicom_day, dicom_name, dicom_time
from fileman.errors import SiteFileError
from fileman.files import Exam, Institution, Patient, RadiologyProcedure, ScheduledStep
from fileman.site.rows import FileManDate, Measure, Row
from fileman.site.sections import Columns, Section, always
from fileman.worklist import (
    EXAM,
    IMAGING_TYPES,
    MODALITIES,
    SCHEDULED,
    SITE,
    STARTED,
    WorklistError,
    add_steps,
    attributes_of_person,
    complete,
    drop_steps,
    measure,
)
from fileman.worklist_attributes import BACKSLASH, BY_COLUMN, checked

#: Where exams stand that are on the worklist, with what their steps' status is; exams of any other status are not on it.
OPEN_EXAMS = {"": SCHEDULED, "WAITING FOR EXAM": SCHEDULED, "CALLED FOR EXAM": STARTED}
_PRIORITIES = {"STAT": "STAT", "URGENT": "HIGH", "ROUTINE": "ROUTINE", "": ""}
_PREGNANCY = {"y": "3", "n": "1", "u": "4", "": ""}
#: Characters of a step ID.
_SHORT = 16
#: Attributes that a site file tells in another form than DICOM.
_OTHERWISE = frozenset({"birth_date", "start_date", "start_time", "size", "weight", "status"})


class ScheduledStepRow(Row):
    """[[scheduled_step]]: a scheduled procedure step. With `patient`, a DFN, what is not said of the patient is as in #2.

    Names are DICOM's, `FAMILY^GIVEN^MIDDLE`. Without `step_id` and `procedure_id` both are the accession number.
    """

    accession: str = Field(min_length=1)
    step_id: str = ""
    procedure_id: str = ""
    patient: int | None = None
    patient_name: str = ""
    patient_id: str = ""
    birth_date: FileManDate = ""
    sex: str = ""
    size: Measure | None = None
    weight: Measure | None = None
    datetime: FileManDate
    modality: str = Field(min_length=1)
    station_ae_titles: tuple[str, ...] = Field(default=(), strict=False)
    status: Literal["SCHEDULED", "ARRIVED", "READY", "STARTED", "COMPLETED", "CANCELLED"] = "SCHEDULED"
    location: int | None = None
    service: Literal["RAD", "CON", "LAB"] = "RAD"
    imaging_type: str = ""
    imaging_procedure: str = ""
    placer_order: str = Field(default="", max_length=64)
    filler_order: str = Field(default="", max_length=64)
    performing_physician: str = ""
    step_description: str = ""
    station_name: str = ""
    step_location: str = ""
    protocol_code: str = ""
    protocol_scheme: str = ""
    protocol_meaning: str = ""
    contrast_agent: str = ""
    pre_medication: str = ""
    step_comments: str = ""
    procedure_description: str = ""
    procedure_code: str = ""
    procedure_scheme: str = ""
    procedure_meaning: str = ""
    study_uid: str = ""
    priority: str = ""
    reason: str = ""
    transport: str = ""
    diagnoses: tuple[str, ...] = Field(default=(), strict=False)
    requesting_physician: str = ""
    referring_physician: str = ""
    admission_id: str = ""
    institution_name: str = ""
    current_location: str = ""
    confidentiality: str = ""
    patient_state: str = ""
    pregnancy: str = ""
    medical_alerts: tuple[str, ...] = Field(default=(), strict=False)
    allergies: tuple[str, ...] = Field(default=(), strict=False)
    special_needs: str = ""

    @field_validator(*(BY_COLUMN.keys() - _OTHERWISE))
    @classmethod
    def _told_as_dicom_tells_it(cls, value: Any, info: ValidationInfo) -> Any:
        """Check values as any feed's are."""
        if isinstance(value, tuple):
            return tuple(checked(info.field_name or "", one) for one in value)
        return checked(info.field_name or "", value)

    @property
    def step(self) -> str:
        """The step ID, which is the accession number where there is no other."""
        return self.step_id or self.accession


_SEVERAL = tuple(name for name, attribute in BY_COLUMN.items() if attribute.multiple)
_MEASURES = ("size", "weight")
#: What `_shown` writes in another way, and what follows from other columns.
_LEFT_OUT = frozenset({"ien", "source", "open", "changed_at", "start_date", "start_time", "start_at", "size_m", "weight_kg"})
_OF_SITE = select(ScheduledStep.ien, ScheduledStep.accession, ScheduledStep.step_id).where(ScheduledStep.source.in_((SITE, EXAM)))
_KEYS = select(ScheduledStep.ien, ScheduledStep.accession, ScheduledStep.step_id)
_PERSONS = select(*Patient.__table__.columns)
_PLACES = select(Institution.ien, Institution.name)
_EXAMS = (
    select(*Exam.__table__.columns, RadiologyProcedure.modalities, RadiologyProcedure.imaging_type)
    .join(RadiologyProcedure, RadiologyProcedure.ien == Exam.procedure_ien)
    .where(Exam.service == "RAD", Exam.status.in_(OPEN_EXAMS), Exam.purged == "", Exam.registered)
    .order_by(Exam.ien)
)


def fill_worklist(connection: Connection, rows: Sequence[ScheduledStepRow]) -> None:
    """Put the steps of a site file in, in place of those of the file before, then its exams that are still to be made.

    Entries keep their numbers. What others fed stays unless the file has the same step. Raises SiteFileError.
    """
    before = {(row.accession, row.step_id): row.ien for row in connection.execute(_OF_SITE)}
    drop_steps(connection, before.values())
    people = {row["dfn"]: dict(row) for row in connection.execute(_PERSONS).mappings()}
    places = {row.ien: row.name for row in connection.execute(_PLACES)}
    steps = [_step(row, people) for row in rows]
    wanted = {(step["accession"], step["step_id"]) for step in steps}
    fed = {(row.accession, row.step_id): row.ien for row in connection.execute(_KEYS)}
    drop_steps(connection, (ien for key, ien in fed.items() if key in wanted))
    ordered = {accession for accession, _ in fed} | {accession for accession, _ in wanted}
    exams = [dict(row) for row in connection.execute(_EXAMS).mappings()]
    exams = [exam for exam in exams if not ordered & {*_accessions(exam)}]
    steps += [step for exam in exams if (step := _step_of_exam(exam, people, places)) is not None]
    for step in steps:
        if (ien := before.get((step["accession"], step["step_id"]))) is not None:
            step["ien"] = ien
    try:
        add_steps(connection, steps)
    except WorklistError as error:
        raise SiteFileError(f"scheduled_step: {error}") from error


def _accessions(exam: Mapping[str, Any]) -> Iterator[str]:
    yield exam["accession"]
    if exam["site_accession"]:
        yield exam["site_accession"]


def _step(row: ScheduledStepRow, people: Mapping[int, Mapping[str, Any]]) -> Columns:
    """Make an entry of a table of the site file."""
    person = people.get(row.patient or 0, {})
    given = row.model_dump(exclude={"patient", "datetime", *_MEASURES})
    step = {name: BACKSLASH.join(value) if isinstance(value, tuple) else value for name, value in given.items()}
    step |= {"birth_date": dicom_day(row.birth_date), "size": measure(row.size), "weight": measure(row.weight)}
    step |= {"start_date": dicom_day(row.datetime), "start_time": dicom_time(row.datetime), "source": SITE}
    step |= {"step_id": row.step, "procedure_id": row.procedure_id or row.accession}
    return step | {name: value for name, value in attributes_of_person(person).items() if not step[name]}


def _step_of_exam(exam: Mapping[str, Any], people: Mapping[int, Mapping[str, Any]], places: Mapping[int, str]) -> Columns | None:
    """Make an entry of an exam; None where its modality, its day or its patient is not known."""
    kind = IMAGING_TYPES.get(exam["imaging_type"], "")
    modality = exam["modalities"].split(",")[0] or MODALITIES.get(kind, "")
    accession = exam["site_accession"] or exam["accession"]
    person = people.get(exam["patient"])
    if not modality or person is None or not dicom_day(exam["exam_date"]) or len(accession) > _SHORT:
        return None
    step = {
        "accession": accession,
        "step_id": accession,
        "procedure_id": exam["case_number"][:_SHORT] or accession,
        "start_date": dicom_day(exam["exam_date"]),
        "start_time": dicom_time(exam["exam_date"]),
        "modality": modality,
        "imaging_type": kind,
        "location": exam["location"],
        "institution_name": places.get(exam["location"], ""),
        "step_description": exam["procedure"],
        "procedure_description": exam["procedure"],
        "procedure_code": exam["cpt"],
        "procedure_scheme": "C4" if exam["cpt"] else "",
        "procedure_meaning": exam["procedure"] if exam["cpt"] else "",
        "priority": _PRIORITIES.get(exam["urgency"], ""),
        "pregnancy": _PREGNANCY.get(exam["pregnant"], ""),
        "requesting_physician": dicom_name(exam["requester"]),
        "status": OPEN_EXAMS[exam["status"]],
        "source": EXAM,
        **attributes_of_person(person),
    }
    try:
        return complete({name: checked(name, value) if name in BY_COLUMN else value for name, value in step.items()})
    except (ValueError, WorklistError):  # a value that DICOM has no place for: whoever wrote it schedules the step by hand
        return None


def _shown(row: Columns) -> Columns:
    """Show date and time in one, several values as a list, measures as numbers."""
    moment = fileman_moment(str(row["start_date"]), str(row["start_time"]))
    shown: Columns = {"datetime": moment, "birth_date": fileman_moment(str(row["birth_date"]), "")}
    shown |= {name: BY_COLUMN[name].values(str(row[name])) for name in _SEVERAL}
    return shown | {name: float(str(row[name])) if row[name] else None for name in _MEASURES}


def fileman_moment(day: str, time: str) -> str:
    """Write a DICOM day and time as FileMan does."""
    if not day:
        return ""
    clock = time[:6].ljust(6, "0").rstrip("0") if time else ""
    return f"{int(day) - 17000000:07d}" + (f".{clock}" if clock else "")


def _of_the_site(row: Columns) -> bool:
    return row["source"] == SITE


SCHEDULED_STEPS = Section(
    "scheduled_step",
    ScheduledStep,
    ScheduledStepRow,
    more=always(_shown),
    left_out=_LEFT_OUT,
    wanted=_of_the_site,
)
