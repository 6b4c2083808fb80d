"""The site file as a value: every table that it may have."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pydantic import Field

from fileman.site.destinations import AeSecurityRow, TransmitDestinationRow
from fileman.site.patients import ExamRow, PatientRow, TiuNoteRow
from fileman.site.people import ContextRow, UserRow
from fileman.site.places import HolidayRow, ImagingSiteRow, InstitutionRow, NetworkLocationRow
from fileman.site.radiology import (
    CodeRow,
    HospitalLocationRow,
    ImagingLocationRow,
    OrderRow,
    ProcedureModifierRow,
    ProcedureRow,
)
from fileman.site.rows import Row
from fileman.site.schedule import OptionScheduleRow
from fileman.site.settings import SiteSettings
from fileman.site.tele_reader import AcquisitionSiteRow, ConsultServiceRow, ImageIndexRow, TeleReaderRow
from fileman.site.worklist import ScheduledStepRow


class SiteFile(Row):
    """A whole site file."""

    site: SiteSettings = SiteSettings()
    institution: tuple[InstitutionRow, ...] = Field(default=(), strict=False)
    imaging_site: tuple[ImagingSiteRow, ...] = Field(default=(), strict=False)
    user: tuple[UserRow, ...] = Field(default=(), strict=False)
    context: tuple[ContextRow, ...] = Field(default=(), strict=False)
    patient: tuple[PatientRow, ...] = Field(default=(), strict=False)
    exam: tuple[ExamRow, ...] = Field(default=(), strict=False)
    tiu_note: tuple[TiuNoteRow, ...] = Field(default=(), strict=False)
    procedure: tuple[ProcedureRow, ...] = Field(default=(), strict=False)
    procedure_modifier: tuple[ProcedureModifierRow, ...] = Field(default=(), strict=False)
    hospital_location: tuple[HospitalLocationRow, ...] = Field(default=(), strict=False)
    imaging_location: tuple[ImagingLocationRow, ...] = Field(default=(), strict=False)
    camera: tuple[CodeRow, ...] = Field(default=(), strict=False)
    film_size: tuple[CodeRow, ...] = Field(default=(), strict=False)
    diagnostic_code: tuple[CodeRow, ...] = Field(default=(), strict=False)
    cpt_modifier: tuple[CodeRow, ...] = Field(default=(), strict=False)
    order: tuple[OrderRow, ...] = Field(default=(), strict=False)
    scheduled_step: tuple[ScheduledStepRow, ...] = Field(default=(), strict=False)
    network_location: tuple[NetworkLocationRow, ...] = Field(default=(), strict=False)
    transmit_destination: tuple[TransmitDestinationRow, ...] = Field(default=(), strict=False)
    ae_security: tuple[AeSecurityRow, ...] = Field(default=(), strict=False)
    holiday: tuple[HolidayRow, ...] = Field(default=(), strict=False)
    option_schedule: tuple[OptionScheduleRow, ...] = Field(default=(), strict=False)
    image_index: tuple[ImageIndexRow, ...] = Field(default=(), strict=False)
    acquisition_site: tuple[AcquisitionSiteRow, ...] = Field(default=(), strict=False)
    consult_service: tuple[ConsultServiceRow, ...] = Field(default=(), strict=False)
    tele_reader: tuple[TeleReaderRow, ...] = Field(default=(), strict=False)


#: Finds what is wrong with a site that reads well: where it is, and what.
Check = Callable[[SiteFile], Iterator[tuple[tuple[int | str, ...], str]]]
