"""Rows of the MagicStore statement's tables of query attributes, and how one of them is exercised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword

from tests.support.archive_site import ArchiveSite

#: The attribute by which an entity of each level is known.
UNIQUE = {"PATIENT": "PatientID", "STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}


@dataclass(frozen=True)
class Row:
    """One row: the attribute, its type (R, U or O), the values of one entity, and keys that match and do not match it.

    `entity` is the unique key of that one.
    """

    tag: tuple[int, int]
    keyword: str
    type: str
    entity: str
    values: tuple[str, ...]
    matching: tuple[Any, ...]
    failing: tuple[Any, ...]

    def __str__(self) -> str:
        return self.keyword


def values_of(match: Dataset, keyword: str) -> tuple[str, ...]:
    """Give the values of an attribute as texts; those of a Requested Procedure ID stand in their sequence."""
    if keyword == "RequestedProcedureID":
        assert keyword not in match
        return tuple(str(item[keyword].value) for item in match.RequestAttributesSequence)
    element = match[keyword]
    if not element.VM:
        return ()
    return tuple(str(value) for value in element.value) if element.VM > 1 else (str(element.value),)


def is_right(row: Row) -> None:
    """See to it that a row has the tag that the table prints."""
    assert _tag(row.keyword) == "{:04x},{:04x}".format(*row.tag)


def _tag(keyword: str) -> str:
    """Give a tag as DCMTK reads it: it has other keywords for some."""
    tag = tag_for_keyword(keyword)
    assert tag is not None
    return f"{tag >> 16:04x},{tag & 0xFFFF:04x}"


def exercise(archive: ArchiveSite, model: str, level: str, above: Mapping[str, str], row: Row, directory: Path) -> None:
    """Ask for the attribute, by DCMTK too, then with keys that match and such as do not; no key is unsupported."""
    unique = UNIQUE[level]
    asked: dict[str, Any] = {**above, unique: "", row.keyword: ""}
    universal = archive.find(level, asked, model)
    assert universal.statuses == {0xFF00}
    assert values_of(universal.by(unique)[row.entity], row.keyword) == row.values
    words = [f"QueryRetrieveLevel={level}", *(f"{_tag(keyword)}={value}" for keyword, value in asked.items())]
    by_dcmtk = {str(match[unique].value): match for match in archive.findscu(directory / "matches", model, words)}
    assert values_of(by_dcmtk[row.entity], row.keyword) == row.values
    for key in row.matching:
        found = archive.find(level, {**asked, row.keyword: key}, model)
        assert row.entity in found.by(unique), f"{key} matches"
        assert found.statuses == {0xFF00}
        assert found.status == 0x0000
    for key in row.failing:
        found = archive.find(level, {**asked, row.keyword: key}, model)
        assert row.entity not in found.by(unique), f"{key} does not match"
        assert found.status == 0x0000
