"""TeleReader: what is acquired where, which consults are read, and by whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field
from sqlalchemy import Connection

from fileman.files import AcquisitionSite, ConsultService, File, ImageIndex, TeleReader
from fileman.site.rows import Ien, Row
from fileman.site.sections import Section, fill


class ImageIndexRow(Row):
    """[[image_index]]: IMAGE INDEX FOR SPECIALTY/SUBSPECIALTY (#2005.84) or FOR PROCEDURE/EVENT (#2005.85)."""

    file: Literal["2005.84", "2005.85"]
    ien: Ien
    name: str
    abbreviation: str = ""


class AcquisitionSiteRow(Row):
    """[[acquisition_site]]: TELEREADER ACQUISITION SITE (#2006.5842), numbered as its institution."""

    institution: Ien
    primary_site: int
    active: bool = True
    lock_minutes: int = Field(default=0, ge=0)


class ConsultServiceRow(Row):
    """[[consult_service]]: CLINICAL SPECIALTY DICOM & HL7 (#2006.5831): consults that TeleReader reads, by their procedure."""

    service: str
    specialty: int
    procedure: int
    site: int


class TeleReaderRow(Row):
    """[[tele_reader]]: TELEREADER READER (#2006.5843), one procedure of a specialty at a site that a user reads."""

    duz: Ien
    site: int
    specialty: int
    procedure: int
    site_active: bool = True
    specialty_active: bool = True
    procedure_active: bool = True
    selected: bool = True


#: Children before parents.
TELE_READER_FILES: tuple[type[File], ...] = (TeleReader, ConsultService, AcquisitionSite, ImageIndex)


def fill_readers(connection: Connection, rows: Sequence[TeleReaderRow]) -> None:
    """Fill the file of readers; they keep the order of the site file."""
    fill(connection, TeleReader, [{**row.model_dump(), "position": position} for position, row in enumerate(rows)])


ACQUISITION = (
    Section("image_index", ImageIndex, ImageIndexRow, "file"),
    Section("acquisition_site", AcquisitionSite, AcquisitionSiteRow, "institution"),
    Section("consult_service", ConsultService, ConsultServiceRow, "service"),
)
READERS = Section("tele_reader", TeleReader, TeleReaderRow, "position", left_out=frozenset({"position"}))
