"""Objects whose pictures are known: four quadrants, and what they look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file

SIDE = 64
SHOWN, INVERTED = [0, 85, 170, 255], [255, 170, 85, 0]


def picture(**changes: Any) -> Dataset:
    """Make an object of four quadrants: 0, 100, 200 and 300 in reading order."""
    dataset = dcmread(str(get_testdata_file("CT_small.dcm")))
    values = np.kron(np.array([[0, 100], [200, 300]]), np.ones((SIDE // 2, SIDE // 2))).astype(np.int16)
    dataset.Rows = dataset.Columns = SIDE
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.PixelPaddingValue = 0, 1, -2000
    dataset.WindowCenter, dataset.WindowWidth = 150.5, 301
    dataset.PixelData = values.tobytes()
    for name, value in changes.items():
        setattr(dataset, name, value)
    return dataset


def quadrants(file: Path | NDArray[np.uint8]) -> list[int]:
    """Give the mean of each quadrant, in reading order."""
    pixels = np.asarray(Picture.open(file).convert("L")) if isinstance(file, Path) else file
    rows, columns = pixels.shape[0] // 2, pixels.shape[1] // 2
    parts = (pixels[:rows, :columns], pixels[:rows, columns:], pixels[rows:, :columns], pixels[rows:, columns:])
    return [round(float(part.mean())) for part in parts]


def near(found: list[int], expected: list[int]) -> bool:
    """Tell whether greys are the same, but for what JPEG makes of them."""
    return all(abs(one - other) <= 3 for one, other in zip(found, expected, strict=True))


def frames(count: int) -> Dataset:
    """Make an object of black frames, that in the middle the four quadrants."""
    one = np.full((SIDE, SIDE), 0, np.int16)
    middle = np.frombuffer(picture().PixelData, np.int16).reshape(SIDE, SIDE)
    pixels = np.stack([middle if index == count // 2 else one for index in range(count)])
    return picture(NumberOfFrames=count, PixelData=pixels.tobytes())


def coloured() -> Dataset:
    """Make an object of the four quadrants in colour, all of them grey."""
    grey = np.kron(np.array([[0, 85], [170, 255]]), np.ones((SIDE // 2, SIDE // 2))).astype(np.uint8)
    changes = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "RGB", "PixelRepresentation": 0}
    bits = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    return picture(**changes, **bits, PixelData=np.repeat(grey[:, :, None], 3, axis=2).tobytes())
