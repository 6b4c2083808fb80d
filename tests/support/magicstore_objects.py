"""Small synthetic objects of every SOP class and transfer syntax of the MagicStore statement; JPEG is made by DCMTK."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, generate_uid

from tests.support.magicstore_tables import (
    BASELINE,
    BIG_ENDIAN,
    CSA_NON_IMAGE,
    EXPLICIT,
    EXTENDED,
    IMPLICIT,
    IN_APPLICATION_HEADER,
    LOSSLESS,
    TABLE_16,
    TABLE_17,
    TABLE_18,
    TABLE_19,
    TABLE_20,
    TABLE_21,
    TABLE_22_PRIVATE,
    ContextRow,
    PrivateRow,
)

SIDE = 16
#: DCMTK's options for a JPEG process.
_PROCESSES = {BASELINE: "+eb", EXTENDED: "+ee", LOSSLESS: "+e1"}
_VISIBLE_LIGHT = "1.2.840.10008.5.1.4.1.1.77."
_COLOR_TOO = ("1.2.840.10008.5.1.1.30",)
_PIXELS = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
)


def has_pixels(row: ContextRow) -> bool:
    """Tell whether objects of a SOP class are images: those that may be compressed are."""
    return LOSSLESS in row.transfer_syntaxes


def describe(dataset: Dataset, sop_class: str, uid: str) -> None:
    """Give a data set a patient, an exam of the demo site, and what else every object has."""
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, uid
    dataset.PatientName, dataset.PatientID = "DEMO^PATIENT^ONE", "666-00-1100"
    dataset.PatientBirthDate, dataset.PatientSex = "19500131", "M"
    dataset.AccessionNumber, dataset.StudyDate, dataset.StudyTime = "021026-201", "20260210", "101500"
    dataset.StudyID, dataset.ReferringPhysicianName, dataset.Modality = "1", "", "OT"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, 1


@cache
def _pixels(syntax: str, color: bool, bits: int) -> Dataset:
    """Give the elements of one frame."""
    ramp = np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE)
    dataset = Dataset()
    describe(dataset, "1.2.840.10008.5.1.4.1.1.7", generate_uid())
    dataset.Rows = dataset.Columns = SIDE
    dataset.PixelRepresentation = 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = (8, 8, 7) if bits == 8 else (16, bits, bits - 1)
    frame = (ramp % (1 << bits)).astype(np.uint8 if bits == 8 else ">u2" if syntax == BIG_ENDIAN else "<u2")
    if color:
        frame = np.stack([frame, frame[::-1], frame.T], axis=-1)
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    else:
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.PixelData = frame.tobytes()
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"
    return dataset


@dataclass
class Maker:
    """Makes objects in a folder, all of one study and series."""

    directory: Path
    study: str = field(default_factory=generate_uid)
    series: str = field(default_factory=generate_uid)
    _compressed: dict[tuple[str, bool, int], Dataset] = field(default_factory=dict)

    def object_of(self, row: ContextRow, syntax: str) -> Path:
        """Make an object of a SOP class in a transfer syntax; its name is its SOP Instance UID."""
        if row.uid == CSA_NON_IMAGE:
            return self.write(csa_non_image(), syntax)
        dataset = Dataset()
        if has_pixels(row):
            color = row.uid.startswith(_VISIBLE_LIGHT) or row.uid in _COLOR_TOO
            bits = 8 if color or syntax == BASELINE else 12
            pixels = self._encoded(syntax, color, bits) if syntax in _PROCESSES else _pixels(syntax, color, bits)
            for keyword in _PIXELS:
                if keyword in pixels:
                    dataset.add(pixels[keyword])
        describe(dataset, row.uid, generate_uid())
        return self.write(dataset, syntax)

    def write(self, dataset: Dataset, syntax: str) -> Path:
        """Write an object as one of the study."""
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = self.study, self.series
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
        meta.TransferSyntaxUID = UID(syntax)
        path = self.directory / f"{dataset.SOPInstanceUID}.dcm"
        self.directory.mkdir(parents=True, exist_ok=True)
        encoding = {"implicit_vr": syntax == IMPLICIT, "little_endian": syntax != BIG_ENDIAN}
        file = FileDataset(str(path), dataset, b"\0" * 128, meta, syntax == IMPLICIT, syntax != BIG_ENDIAN)
        dcmwrite(path, file, enforce_file_format=True, **encoding)
        return path

    def _encoded(self, syntax: str, color: bool, bits: int) -> Dataset:
        """Give the elements of one frame as DCMTK compresses it."""
        key = syntax, color, bits
        if key not in self._compressed:
            plain = self.write(_pixels(EXPLICIT, color, bits), EXPLICIT)
            made = plain.with_suffix(".jpeg")
            subprocess.run(["dcmcjpeg", _PROCESSES[syntax], str(plain), str(made)], check=True, capture_output=True, timeout=60)
            self._compressed[key] = dcmread(made)
            plain.unlink()
            made.unlink()
        return self._compressed[key]


def history() -> bytes:
    """Give a MedCom History Information with two items (table 20)."""
    (_, identifier), (_, version), (_, name), (_, modification) = TABLE_20
    parts = [b"CSA HISTORY".ljust(identifier, b"\0"), b"V1.10".ljust(version, b"\0")]
    for number in (1, 2):
        parts += [f"CLASS {number}".encode().ljust(name, b"\0"), f"changed {number}".encode().ljust(modification, b"\0")]
    return b"".join(parts)


#: What stands in private elements where it is not only anything of its VR.
_VALUES: dict[tuple[str, int], object] = {
    ("SIEMENS CSA HEADER", 0x08): "NUM 4",
    ("SIEMENS CSA HEADER", 0x18): "SOM 5",
    ("SIEMENS CSA NON-IMAGE", 0x08): "SPEC NUM 4",
    ("SIEMENS MEDCOM HEADER", 0x08): "MEDCOM 1",
    ("SIEMENS MEDCOM HEADER", 0x20): history(),
    ("SIEMENS MEDCOM HEADER", 0x51): "01",
    ("SIEMENS MEDCOM HEADER", 0x52): "00",
    ("SIEMENS MEDCOM HEADER", 0x53): "ONLINE",
    ("SIEMENS MEDCOM OOG", 0x08): "MEDCOM OOG 1",
}
_BY_VR: dict[str, object] = {"CS": "VALUE", "LO": "a text", "OB": bytes(range(256)), "UL": 70000, "DS": "12.5"}


def _value(row: PrivateRow) -> object:
    value = _VALUES.get((row.creator, row.number), _BY_VR.get(row.vr))
    return [value] * int(row.vm) if row.vm != "1" else value


def _add(dataset: Dataset, rows: tuple[PrivateRow, ...]) -> None:
    for row in rows:
        dataset.private_block(row.group, row.creator, create=True).add_new(row.number, row.vr, _value(row))


def csa_non_image() -> Dataset:
    """Give a CSA Non-Image object with every module of table 16 and every attribute of tables 17 to 19, 21 and 22."""
    assert len(TABLE_16) == 11
    dataset = Dataset()
    describe(dataset, CSA_NON_IMAGE, generate_uid())
    dataset.PatientAge, dataset.PatientWeight = "076Y", "71.5"
    dataset.Manufacturer, dataset.ManufacturerModelName = "MAKER", "MODEL"
    dataset.ImageType, dataset.ConversionType = ["ORIGINAL", "PRIMARY", "OTHER"], "WSD"
    dataset.AcquisitionDate, dataset.AcquisitionTime = "20260210", "101502.250000"
    for keyword in ("ReferencedImageSequence", "SourceImageSequence"):
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", generate_uid()
        setattr(dataset, keyword, [item])
    dataset.DerivationDescription, dataset.PatientPosition = "spectrum", "HFS"
    dataset.AcquisitionNumber, dataset.InstanceNumber = 3, 4
    dataset.FrameOfReferenceUID, dataset.ImageComments = generate_uid(), "comment"
    dataset.QualityControlImage, dataset.BurnedInAnnotation = "NO", "NO"
    dataset.LossyImageCompression, dataset.LossyImageCompressionRatio = "01", ["2.5", "3"]
    inside = tuple(row for row in TABLE_19 if row.number in IN_APPLICATION_HEADER)
    _add(dataset, (*TABLE_17, *TABLE_18, *TABLE_21, *TABLE_22_PRIVATE))
    _add(dataset, tuple(row for row in TABLE_19 if row not in inside and row.vr != "SQ"))
    items = []
    for _number in (1, 2):
        item = Dataset()
        _add(item, inside)
        items.append(item)
    dataset.private_block(0x0029, "SIEMENS MEDCOM HEADER").add_new(0x40, "SQ", items)
    return dataset
