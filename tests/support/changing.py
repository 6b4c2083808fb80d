"""Data sets that are changed in memory, made and read by pydicom."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

from pydicom import Dataset, FileDataset, dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from gateway_client.objects.part10 import FileMeta, encode_head
from gateway_client.objects.spans import encoding_of
from gateway_client.objects.splicing import Change, SplicedData

CT = "1.2.840.10008.5.1.4.1.1.2"


def ct(**values: object) -> Dataset:
    """Make a small object, a CT of a patient unless other values are given."""
    dataset = Dataset()
    given = {
        "SOPClassUID": CT,
        "SOPInstanceUID": "1.2.3.4.5",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
        "Modality": "CT",
        "PatientName": "DEMO^PATIENT",
        "PatientID": "666-00-1100",
    }
    for keyword, value in (given | values).items():
        setattr(dataset, keyword, value)
    return dataset


def encoded(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """Write a data set."""
    encoding = encoding_of(syntax)
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = encoding.order == "<", encoding.implicit
    write_dataset(out, dataset)
    return out.getvalue()


def item(**values: object) -> Dataset:
    """Make an item of a sequence."""
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def deflated(path: Path, dataset: Dataset) -> Path:
    """Write an object to a file, deflated."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    head = encode_head(FileMeta(CT, dataset.SOPInstanceUID, DeflatedExplicitVRLittleEndian))
    path.write_bytes(head + deflater.compress(encoded(dataset)) + deflater.flush())
    return path


def changed_bytes(data: bytes, change: Change, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """Change a data set."""
    modified = change(data, encoding_of(syntax))
    return data if modified is None else SplicedData(data, modified.pieces).read(1 << 30)


def decoded(data: bytes, syntax: str = ExplicitVRLittleEndian) -> FileDataset:
    """Read a data set, every element of it."""
    found = dcmread(io.BytesIO(encode_head(FileMeta(CT, "1.2.3.4.5", syntax)) + data))
    found.walk(lambda _dataset, _element: None)
    return found


def changed(dataset: Dataset, change: Change, syntax: str = ExplicitVRLittleEndian) -> FileDataset:
    """Change a data set, and read what became of it."""
    return decoded(changed_bytes(encoded(dataset, syntax), change, syntax), syntax)
