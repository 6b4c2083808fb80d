"""Radiology's files beside its exams: procedures, orders, rooms, and what technologists choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field
from sqlalchemy import Connection

from fileman.files import (
    File,
    HospitalLocation,
    ImagingLocation,
    ProcedureModifier,
    RadiologyCode,
    RadiologyOrder,
    RadiologyProcedure,
)
from fileman.site.rows import FileManDate, Ien, Row
from fileman.site.sections import Columns, Section, fill, split


class ProcedureRow(Row):
    """[[procedure]]: RAD/NUC MED PROCEDURES (#71)."""

    ien: Ien
    name: str
    kind: Literal["D", "S", "B", "P"] = "D"
    cpt: str = ""
    cpt_name: str = ""
    imaging_type: int = Field(default=1, ge=1)
    inactive: FileManDate = ""
    modalities: tuple[str, ...] = Field(default=(), strict=False)


class ProcedureModifierRow(Row):
    """[[procedure_modifier]]: PROCEDURE MODIFIERS (#71.2)."""

    ien: Ien
    name: str
    imaging_types: tuple[int, ...] = Field(default=(), strict=False)


class HospitalLocationRow(Row):
    """[[hospital_location]]: HOSPITAL LOCATION (#44)."""

    ien: Ien
    name: str
    kind: Literal["C", "M", "W", "Z", "N", "F", "I", "OR"] = "C"
    inactive: FileManDate = ""
    reactivated: FileManDate = ""


class ImagingLocationRow(Row):
    """[[imaging_location]]: IMAGING LOCATIONS (#79.1)."""

    ien: Ien
    hospital_location: int
    institution: int
    imaging_type: int = Field(default=1, ge=1)
    outside: bool = False
    outside_room: bool = False


class CodeRow(Row):
    """[[camera]], [[film_size]], [[diagnostic_code]], [[cpt_modifier]]: files #78.6, #78.4, #78.3 and #81.3."""

    ien: Ien
    name: str
    code: str = ""
    description: str = ""
    active_from: FileManDate = ""
    inactive: FileManDate = ""


class OrderRow(Row):
    """[[order]]: RAD/NUC MED ORDERS (#75.1)."""

    ien: Ien
    patient: int
    procedure: int
    modifiers: tuple[int, ...] = Field(default=(), strict=False)
    status: str = "PENDING"
    entered: FileManDate = ""
    reason: str = ""
    accession: str = ""
    imaging_location: int | None = None


#: Children before parents.
RADIOLOGY_FILES: tuple[type[File], ...] = (
    RadiologyOrder,
    RadiologyProcedure,
    ProcedureModifier,
    RadiologyCode,
    ImagingLocation,
    HospitalLocation,
)
#: Tables of the site file that share RADIOLOGY CODES, with the numbers of their files.
RADIOLOGY_CODES = {"diagnostic_code": "78.3", "film_size": "78.4", "camera": "78.6", "cpt_modifier": "81.3"}

RADIOLOGY = (
    Section("procedure", RadiologyProcedure, ProcedureRow, more=split("modalities")),
    Section("procedure_modifier", ProcedureModifier, ProcedureModifierRow, more=split("imaging_types", int)),
    Section("hospital_location", HospitalLocation, HospitalLocationRow),
    Section("imaging_location", ImagingLocation, ImagingLocationRow),
    Section("order", RadiologyOrder, OrderRow, more=split("modifiers", int)),
)


def _codes(table: str, number: str) -> Section:
    def of_file(row: Columns) -> bool:
        return row["file"] == number

    return Section(table, RadiologyCode, CodeRow, left_out=frozenset({"file"}), wanted=of_file)


def fill_codes(connection: Connection, rows: Mapping[str, Sequence[CodeRow]]) -> None:
    """Fill RADIOLOGY CODES, by the numbers of the files."""
    for number, codes in rows.items():
        fill(connection, RadiologyCode, [{**row.model_dump(), "file": number} for row in codes])


CODES = tuple(_codes(table, number) for table, number in RADIOLOGY_CODES.items())
