"""Queues of a trial: the evaluator's own queueing on a database in memory, which nothing else sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, create_engine, delete, select
from sqlalchemy.pool import StaticPool

from fileman import reset_numbers, to_fileman, to_horolog
from fileman.files import DicomExport, DicomExportImage, SendQueue
from fileman.files.base import File
from rules.evaluator.image_facts import KnownImage
from rules.evaluator.queueing import Origin, queue_actions
from rules.judging.carrying_out import Action
from rules.trials import nodes

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  a wall clock's seconds: the recorded moments have no zone
_SENDS = select(SendQueue).order_by(SendQueue.ien)
_EXPORTS = select(DicomExport).order_by(DicomExport.ien)
_EXPORTED = select(DicomExportImage).order_by(DicomExportImage.export, DicomExportImage.sequence)


@contextmanager
def memory_database() -> Iterator[Connection]:
    """Open an empty database in memory, with every file; it is gone when it is closed."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    try:
        with engine.begin() as connection:
            File.metadata.create_all(connection)
            yield connection
    finally:
        engine.dispose()


@dataclass(slots=True)
class TrialQueues:
    """The send queue and the export queue as they stand after the images tried so far."""

    connection: Connection
    _used: bool = field(default=False)

    def clear(self) -> None:
        """Empty both; their entries are numbered from 1 again."""
        if self._used:
            for table in (SendQueue, DicomExportImage, DicomExport):
                self.connection.execute(delete(table))
            reset_numbers(self.connection, ["send_queue", "dicom_export"])
            self._used = False

    def add(
        self, actions: Sequence[Action], image: KnownImage, origin: Origin, file_types: Mapping[int, tuple[str, ...]]
    ) -> list[int]:
        """Queue what an image came to; give the number of entries made for each action."""
        self._used = self._used or bool(actions)
        return queue_actions(self.connection, [(image, action) for action in actions], origin, file_types)

    def sends(self) -> list[str]:
        """Write the send queue as VistA keeps it."""
        return nodes.send_queue(self.connection.execute(_SENDS).mappings()) if self._used else []

    def exports(self) -> list[str]:
        """Write the export queue as VistA keeps it."""
        if not self._used:
            return []
        exports = self.connection.execute(_EXPORTS).mappings().all()
        images = self.connection.execute(_EXPORTED).mappings().all() if exports else []
        return nodes.dicom_export(exports, [{**row, "at": _horolog(row["status_at"])} for row in images])


def origin_at(location: int, at: datetime) -> Origin:
    """Say where entries come from, and when."""
    return Origin(location, to_fileman(at), (at - _EPOCH).total_seconds())


def _horolog(seconds: float) -> str:
    return to_horolog(_EPOCH + timedelta(seconds=seconds))
