"""Table 23, private elements: pydicom knows each row, wherever objects are read, and modification keeps what it holds."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from io import BytesIO

import pytest
from pydicom import Dataset, dcmread
from pydicom.datadict import get_private_entry
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import ImplicitVRLittleEndian

from gateway_client.objects.modification import Provenance, modify
from gateway_client.objects.private_elements import PRIVATE_ELEMENTS
from gateway_client.objects.spans import encoding_of
from tests.support.magicstore_tables import TABLE_23, PrivateRow

#: A value of each VR, as pydicom takes it.
VALUES = {"CS": "VALUE 1", "LO": "some text", "OB": b"\1\2\3\4", "UL": 4_000_000_000, "DS": "12.5", "SQ": None}
#: The modules that read objects with pydicom: the application's, the transcoding process's, those of media.
READERS = [
    "gateway_client.reception.application",
    "gateway_client.transcoding.conversion",
    "console.media.objects",
    "console.media.directory",
]
#: An element whose name is another in pydicom's own dictionary.
KEEP_ONLINE = (0x00291051, "SIEMENS MEDCOM HEADER")
rows = pytest.mark.parametrize("row", TABLE_23, ids=lambda row: f"{row.creator} {row.name}")


def value_of(row: PrivateRow) -> object:
    if row.vr == "SQ":
        item = Dataset()
        item.private_block(row.group, row.creator, create=True).add_new(0x41, "CS", "NESTED")
        return [item]
    return [VALUES[row.vr]] * int(row.vm) if row.vm != "1" else VALUES[row.vr]


def implicit_object(row: PrivateRow, block: int = 0x10) -> bytes:
    """Make an implicit VR data set with one private element in a block of that number."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.3.12.2.1107.5.9.1", "1.2.3"
    dataset.PatientName, dataset.PatientID = "DEMO^PATIENT^ONE", "666-00-1100"
    for number in range(0x10, block + 1):
        dataset.add_new(row.group << 16 | number, "LO", row.creator if number == block else f"OTHER {number}")
    dataset.add_new(row.group << 16 | block << 8 | row.number, row.vr, value_of(row))
    stream = DicomBytesIO()
    stream.is_little_endian = stream.is_implicit_VR = True
    write_dataset(stream, dataset)
    return stream.getvalue()


def read_implicit(data: bytes) -> Dataset:
    dataset = dcmread(BytesIO(data), force=True)
    assert dataset.original_encoding == (True, True)
    return dataset


def test_the_code_has_the_rows_of_the_table_and_no_others() -> None:
    ours = {
        (creator, tag >> 16, tag & 0xFF, *entry)
        for creator, elements in PRIVATE_ELEMENTS.items()
        for tag, entry in elements.items()
    }
    assert ours == {(row.creator, row.group, row.number, row.vr, row.vm, row.name) for row in TABLE_23}


@rows
@pytest.mark.parametrize("block", [0x10, 0x11, 0xFF])
def test_pydicom_knows_an_element_in_whichever_block_it_lies(row: PrivateRow, block: int) -> None:
    tag = row.group << 16 | block << 8 | row.number
    assert get_private_entry(tag, row.creator)[:3] == (row.vr, row.vm, row.name)


@rows
@pytest.mark.parametrize("block", [0x10, 0x12])
def test_an_element_of_an_implicit_vr_object_has_its_vr_and_its_value(row: PrivateRow, block: int) -> None:
    element = read_implicit(implicit_object(row, block))[row.group << 16 | block << 8 | row.number]
    assert row.vr == element.VR
    if row.vr != "SQ":
        assert element.value == value_of(row)
    else:
        assert element.value[0].private_block(row.group, row.creator)[0x41].value == "NESTED"


@rows
def test_an_element_survives_the_modification_of_its_object(row: PrivateRow) -> None:
    data = implicit_object(row)
    provenance = Provenance("MAGBROKER", datetime.fromisoformat("2026-11-23T12:00+00:00"))
    modified = modify(data, encoding_of(ImplicitVRLittleEndian), {0x00100010: "OTHER^NAME"}, provenance)
    assert modified is not None
    assert modified.removed == ()
    new = b"".join(piece if isinstance(piece, bytes) else data[piece[0] : piece[1]] for piece in modified.pieces)
    dataset = read_implicit(new)
    assert dataset.PatientName == "OTHER^NAME"
    tag = row.group << 16 | 0x1000 | row.number
    assert dataset[tag].value == read_implicit(data)[tag].value


@pytest.mark.parametrize("module", READERS)
def test_what_reads_objects_has_loaded_the_dictionary(module: str) -> None:
    program = f"import {module}; from pydicom.datadict import get_private_entry as entry; print(entry(*{KEEP_ONLINE})[2])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "Archive Management Flag Keep Online\n"
