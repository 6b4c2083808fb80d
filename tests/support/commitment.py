"""A modality of others (pynetdicom) that asks for storage commitment, and hears of it in each of the three ways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from types import TracebackType
from typing import Any

from pydicom import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    Verification,
)

SYNTAXES = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]
Reference = tuple[str, str]
_SECONDS = 30.0


@dataclass(frozen=True)
class Told:
    """One N-EVENT-REPORT."""

    event_type: int
    transaction: str
    committed: list[Reference]
    failed: list[tuple[str, str, int]]


def action(transaction: str, references: Sequence[Reference]) -> Dataset:
    """Write the action information."""
    data = Dataset()
    data.TransactionUID = transaction
    data.ReferencedSOPSequence = Items([_item(*reference) for reference in references])
    return data


def _item(sop_class: str, instance: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
    return item


@dataclass
class Modality:
    """Listens within `with`, and answers each event with the next of `statuses`, or success."""

    title: str = "MODALITY"
    statuses: list[int] = field(default_factory=list)
    syntaxes: Sequence[str] = tuple(SYNTAXES)
    told: SimpleQueue[Told] = field(default_factory=SimpleQueue)
    port: int = 0

    def __enter__(self) -> Modality:
        self.ae = AE(self.title)
        self.ae.add_requested_context(StorageCommitmentPushModel, list(self.syntaxes))
        self.ae.add_requested_context(CTImageStorage, SYNTAXES)
        self.ae.add_requested_context(Verification)
        self.ae.add_supported_context(StorageCommitmentPushModel, list(self.syntaxes), scu_role=True, scp_role=True)
        self.ae.acse_timeout = self.ae.dimse_timeout = self.ae.network_timeout = _SECONDS
        self.server = self.ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=self._handlers)
        self.port = self.server.socket.getsockname()[1]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.server.shutdown()

    @property
    def _handlers(self) -> list[Any]:
        return [(evt.EVT_N_EVENT_REPORT, self._hear)]

    def _hear(self, event: Any) -> tuple[int, None]:
        data = event.event_information
        status = self.statuses.pop(0) if self.statuses else 0x0000
        self.told.put(
            Told(
                event.event_type,
                data.TransactionUID,
                [(it.ReferencedSOPClassUID, it.ReferencedSOPInstanceUID) for it in data.get("ReferencedSOPSequence", [])],
                [
                    (it.ReferencedSOPClassUID, it.ReferencedSOPInstanceUID, it.FailureReason)
                    for it in data.get("FailedSOPSequence", [])
                ],
            )
        )
        return status, None

    @contextmanager
    def association(self, port: int, called: str = "MAGBROKER") -> Iterator[Any]:
        """Ask for an association."""
        association = self.ae.associate("127.0.0.1", port, ae_title=called, evt_handlers=self._handlers)
        assert association.is_established
        try:
            yield association
        finally:
            association.release()

    def ask(self, association: Any, references: Sequence[Reference], transaction: str = "", **command: Any) -> tuple[int, str]:
        """Ask for commitment; give the status and the transaction's UID."""
        transaction = transaction or generate_uid()
        status, _reply = association.send_n_action(
            action(transaction, references),
            command.get("action_type", 1),
            StorageCommitmentPushModel,
            command.get("instance", StorageCommitmentPushModelInstance),
        )
        return status.Status, transaction

    def request(self, port: int, references: Sequence[Reference], transaction: str = "") -> str:
        """Ask for commitment over an association of its own; give the transaction's UID."""
        with self.association(port) as association:
            status, transaction = self.ask(association, references, transaction)
        assert status == 0x0000
        return transaction

    def hears(self, seconds: float = _SECONDS) -> Told:
        """Wait for the next event."""
        return self.told.get(timeout=seconds)

    def heard_nothing(self) -> bool:
        """Tell whether no event has come."""
        return self.told.empty()
