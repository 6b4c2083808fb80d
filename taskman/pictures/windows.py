"""Windows of grey images: what an object offers of them, and how one turns samples into grey (PS3.3 C.11.2.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

Samples = NDArray[Any]

LINEAR, LINEAR_EXACT, SIGMOID = "LINEAR", "LINEAR_EXACT", "SIGMOID"
#: The values of VOI LUT Function (0028,1056).
FUNCTIONS = (LINEAR, LINEAR_EXACT, SIGMOID)
#: Windows of one object that are read.
MOST_WINDOWS = 64


@dataclass(frozen=True, slots=True)
class Window:
    """A window over rescaled samples; `name` is Window Center & Width Explanation (0028,1055)."""

    centre: float
    width: float
    function: str = LINEAR
    name: str = ""

    @classmethod
    def between(cls, low: float, high: float) -> Window:
        """Give the window that shows a range of samples, from black to white."""
        low, width = min(low, high), abs(high - low) or 1.0
        return cls(low + width / 2, width, LINEAR_EXACT)

    def show(self, samples: Samples) -> Samples:
        """Turn rescaled samples into 0, black, to 1; what is beyond goes beyond (PS3.3 C.11.2.1.2, C.11.2.1.3)."""
        shown: Samples
        if self.function == SIGMOID:
            shown = 1.0 / (1.0 + np.exp(-4.0 * (samples - self.centre) / self.width))
        elif self.function == LINEAR_EXACT:
            shown = (samples - self.centre) / self.width + 0.5
        else:
            shown = (samples - (self.centre - 0.5)) / max(self.width - 1.0, 1e-6) + 0.5
        return shown


def windows_of(header: Dataset, index: int) -> tuple[Window, ...]:
    """Give the windows that an object has for a frame, the one that it is to be shown with first."""
    centres, widths = (numbers(of_frame(header, index, "FrameVOILUTSequence", it)) for it in ("WindowCenter", "WindowWidth"))
    names = of_frame(header, index, "FrameVOILUTSequence", "WindowCenterWidthExplanation")
    told = [names] if isinstance(names, str) else [str(name) for name in names or ()]
    function = str(of_frame(header, index, "FrameVOILUTSequence", "VOILUTFunction") or LINEAR)
    pairs = [*zip(centres, widths, strict=False)][:MOST_WINDOWS]
    return tuple(
        Window(centre, width, function if function in FUNCTIONS else LINEAR, told[place] if place < len(told) else "")
        for place, (centre, width) in enumerate(pairs)
        if centre is not None and width is not None and width > 0
    )


def of_frame(header: Dataset, index: int, group: str, name: str) -> Any:
    """Give an attribute of a frame: from its own functional group, from the shared one, from the object."""
    for sequence, item in (("PerFrameFunctionalGroupsSequence", index), ("SharedFunctionalGroupsSequence", 0)):
        frames = header.get(sequence) or ()
        groups = frames[item].get(group) if item < len(frames) else None
        if groups and name in groups[0]:
            return groups[0].get(name)
    return header.get(name)


def number(value: Any) -> float | None:
    """Read the first value of an element as a finite number."""
    return next(iter(numbers(value)), None)


def numbers(value: Any) -> list[float | None]:
    """Read the values of an element as finite numbers, None for what is none."""
    if value is None or value == "":
        return []
    values: Sequence[Any] = [value] if isinstance(value, int | float | str) else value
    return [it if math.isfinite(it) else None for it in map(float, values)]
