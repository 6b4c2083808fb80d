"""Whoever wants pictures: it starts the process that paints, waits for it a while, and does without it when it dies."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from runtime import HelperLost, HelperProblem, KeptHelper
from taskman.errors import TaskManError
from taskman.pictures.requests import Painted, PictureFile, decode_answer, encode_request

#: Seconds that one object may take.
PATIENCE = 60.0


class NoPainter(TaskManError):
    """The process that paints pictures cannot be started."""


class Painter:
    """Paints pictures in a process of its own, one after the other; `with` ends it.

    An object whose decoding crashes or takes too long gets placeholders, and the next one a new process.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._helper = KeptHelper("taskman.pictures", patience, "the decoder")

    def __enter__(self) -> Painter:
        """Start nothing yet: most runs find nothing to paint."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the process."""
        self._helper.end()

    def paint(self, source: Path, files: Sequence[PictureFile]) -> Painted:
        """Write files that show the object at `source`, or placeholders. Raises NoPainter.

        A process that cannot even say that it is ready would give every object a placeholder.
        """
        try:
            return decode_answer(self._helper.ask(encode_request(source, files)))
        except HelperLost as lost:
            why = str(lost)
        except HelperProblem as problem:
            raise NoPainter(f"There are no pictures: {problem}.") from problem
        except OSError as error:
            raise NoPainter(f"{sys.executable} cannot be started: {error}") from error
        from taskman.pictures.drawing import paint_placeholders  # half a second and 40 MB, for the rare object that needs it here

        return paint_placeholders(files, why)
