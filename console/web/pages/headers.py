"""The header of a file as rows of a table: each element with its tag, VR, keyword and value, sequences with what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom import DataElement, Dataset, dcmread
from pydicom.errors import InvalidDicomError

#: Rows of a table, characters of a value, and sequences within each other.
MOST_ROWS, ROOM, DEPTH = 3000, 300, 8
_BYTES = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_PIXELS = 0x7FE00010


@dataclass(frozen=True, slots=True)
class Row:
    """One element: `depth` is in how many sequences it is; a sequence's item has no VR and is called so."""

    tag: str
    vr: str
    keyword: str
    value: str
    depth: int


def header_of(path: Path) -> list[Row]:
    """Read the header of a file, MOST_ROWS elements at most. Raises OSError, and ValueError for what is no DICOM file."""
    try:
        dataset = dcmread(path, defer_size=4096)
    except InvalidDicomError as error:
        raise ValueError(str(error)) from error
    rows: list[Row] = []
    for part in (dataset.file_meta, dataset):
        for row in _rows(part, 0):
            if len(rows) == MOST_ROWS:
                return [*rows, Row("", "", "", f"and more: only the first {MOST_ROWS} are shown", 0)]
            rows.append(row)
    return rows


def _rows(dataset: Dataset, depth: int) -> Iterator[Row]:
    for tag in sorted(dataset.keys()):
        if tag == _PIXELS:
            yield Row(_named(tag), "OW", "PixelData", "the pixels", depth)
            continue
        try:
            element = dataset[tag]
            yield Row(_named(tag), element.VR, element.keyword or _private(element), _value(element), depth)
        except Exception as error:  # pydicom raises whatever its parts raise on values that are none
            yield Row(_named(tag), "", "", f"cannot be read: {error}"[:ROOM], depth)
            continue
        if element.VR == "SQ" and depth < DEPTH:
            for number, item in enumerate(element.value, 1):
                yield Row("", "", f"item {number}", "", depth + 1)
                yield from _rows(item, depth + 1)


def _named(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _private(element: DataElement) -> str:
    return f"private, {element.private_creator}" if element.tag.is_private and element.private_creator else "private"


def _value(element: DataElement) -> str:
    if element.VR == "SQ":
        count = len(element.value)
        return f"{count} item{'' if count == 1 else 's'}"
    if element.VR in _BYTES:
        return f"{len(element.value or b'')} bytes"
    values = element.value if element.VM > 1 else [element.value]
    text = "\\".join("" if it is None else str(it) for it in values)
    return text if len(text) <= ROOM else f"{text[:ROOM]}..."
