"""Whoever wants pictures: it starts the process that paints, waits for it a while, and does without it when it dies."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from runtime import HelperProcess
from taskman.errors import TaskManError
from taskman.pictures.requests import READY, Painted, PictureFile, decode_answer, encode_request

#: Seconds that one object may take, and those that the process may take to start or to end.
PATIENCE, START = 60.0, 30.0


class NoPainter(TaskManError):
    """The process that paints pictures cannot be started."""


class Painter:
    """Paints pictures in a process of its own, one after the other; `with` ends it.

    An object whose decoding crashes or takes too long gets placeholders, and the next one a new process.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._process: HelperProcess | None = None

    def __enter__(self) -> Painter:
        """Start nothing yet: most runs find nothing to paint."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the process."""
        self._end()

    def paint(self, source: Path, files: Sequence[PictureFile]) -> Painted:
        """Write files that show the object at `source`, or placeholders. Raises NoPainter."""
        process = self._process or self._start()
        answer = process.ask(encode_request(source, files), self._patience)
        if answer:
            return decode_answer(answer)
        self._end()
        from taskman.pictures.drawing import paint_placeholders  # half a second and 40 MB, for the rare object that needs it here

        why = "the decoder died" if answer is not None else f"it took longer than {self._patience:g} seconds"
        return paint_placeholders(files, why)

    def _start(self) -> HelperProcess:
        """Start the process; one that cannot even say that it is ready would give every object a placeholder."""
        try:
            self._process = HelperProcess("taskman.pictures")
        except OSError as error:
            raise NoPainter(f"{sys.executable} cannot be started: {error}") from error
        if self._process.ask(b"", START) != READY:
            self._end()
            raise NoPainter("The process that paints pictures does not start; python -m taskman.pictures says why.")
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()
