"""Sets of images that differ in their UIDs and numbers only: thousands in seconds, as the bytes of one are patched."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid

#: What stands in the one image that pydicom writes where the others have numbers of the same length.
_PLACE, _NUMBER = b"1000000000", b"10000000"
_DIGITS = len(_PLACE)


@dataclass(frozen=True, slots=True)
class Shape:
    """How the images of a set are made: square, of 16 bits."""

    name: str
    edge: int


CT, SMALL = Shape("ct", 512), Shape("small", 128)


@dataclass(frozen=True, slots=True)
class ImageSet:
    """Images on disk: the folders, each as a sender sends it, and how many bytes an image's file has."""

    shape: Shape
    folders: tuple[Path, ...]
    count: int
    image_bytes: int

    @property
    def megabytes(self) -> float:
        """The size of all, in MB of a million bytes."""
        return self.count * self.image_bytes / 1e6


def make_set(directory: Path, shape: Shape, parts: Sequence[int]) -> ImageSet:
    """Write a CT study that has an exam at the demo site, with so many images in each folder."""
    image, places = _one_image(shape)
    numbers, folders = itertools.count(1), []
    for part, count in enumerate(parts):
        folder = directory / f"{shape.name}-{part}"
        folder.mkdir(parents=True)
        folders.append(folder)
        for number in itertools.islice(numbers, count):
            for place, digits in places:
                image[place : place + digits] = b"%d" % (10 ** (digits - 1) + number)
            (folder / f"{number:06d}.dcm").write_bytes(image)
    return ImageSet(shape, tuple(folders), sum(parts), len(image))


def fit_demo_exam(dataset: Dataset) -> None:
    """Make an object one of a synthetic patient's study that has an exam at the demo site."""
    dataset.PatientName, dataset.PatientID = "DEMO^PATIENT^ONE", "666-00-1100"
    dataset.PatientBirthDate, dataset.PatientSex = "19500131", "M"
    dataset.AccessionNumber, dataset.StudyDate = "021026-201", "20260210"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()


def _one_image(shape: Shape) -> tuple[bytearray, list[tuple[int, int]]]:
    """Give an image, and the places and lengths of the numbers in it that are to differ: those of both UIDs, and its own."""
    root = f"{generate_uid()[:40].rstrip('.')}."
    uid = UID(f"{root}{_PLACE.decode()}")
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    fit_demo_exam(dataset)
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.InstanceNumber = CTImageStorage, uid, _NUMBER.decode()
    dataset.Modality, dataset.Manufacturer, dataset.StationName = "CT", "BENCH", "BENCH"
    dataset.StudyTime, dataset.SeriesNumber = "093000", "1"
    dataset.StudyDescription, dataset.SeriesDescription, dataset.BodyPartExamined = "CT CHEST", "AXIAL 5 MM", "CHEST"
    dataset.SliceThickness, dataset.KVP, dataset.PixelSpacing = "5", "120", ["0.7", "0.7"]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows = dataset.Columns = shape.edge
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelData = numpy.random.default_rng(1).integers(0, 4096, shape.edge**2, dtype="<u2").tobytes()
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    image = bytearray(file.getvalue())
    pixels = image.index(b"\xe0\x7f\x10\x00OW")
    first = image.index(uid.encode()) + len(root)
    second = image.index(uid.encode(), first) + len(root)
    own = image.index(b"\x20\x00\x13\x00IS", 0, pixels) + 8
    return image, [(first, _DIGITS), (second, _DIGITS), (own, len(_NUMBER))]
