"""Storage commitment by others (pynetdicom): a modality that asks for it, an archive that commits, in each of the three ways."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from types import TracebackType
from typing import Any

from pydicom import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import generate_uid
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    MRImageStorage,
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
    retrieve_ae_title: str = ""


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


def _wait_until_established(event: Any) -> None:
    """Let no message overtake the negotiation: pynetdicom aborts, and hangs, when an event comes with the acceptance."""
    deadline, association = time.monotonic() + _SECONDS, event.assoc
    while not (association.is_established or association.is_aborted or association.is_released) and time.monotonic() < deadline:
        time.sleep(0.001)


def _end(ae: AE, server: Any) -> None:
    """Listen no more, and wait for the associations to end, which would leave sockets open otherwise."""
    associations = ae.active_associations
    server.shutdown()
    for association in associations:
        association.join(_SECONDS)


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
        _end(self.ae, self.server)

    @property
    def _handlers(self) -> list[Any]:
        return [(evt.EVT_N_EVENT_REPORT, self._hear), (evt.EVT_DIMSE_RECV, _wait_until_established)]

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
                data.get("RetrieveAETitle", ""),
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


@dataclass
class Archive:
    """Commits within `with`: an SCP of others that tells results in one of the three ways. What is in `lost` it has not.

    Over a new association it tells the port `caller`, or whatever that is set to later.
    """

    way: str
    lost: Sequence[str] = ()
    caller: int = 0
    title: str = "ARCHIVE"
    requests: SimpleQueue[Dataset] = field(default_factory=SimpleQueue)
    statuses: SimpleQueue[int] = field(default_factory=SimpleQueue)
    stored: list[str] = field(default_factory=list)
    port: int = 0

    def __enter__(self) -> Archive:
        self.ae = AE(self.title)
        self.ae.add_supported_context(StorageCommitmentPushModel, SYNTAXES)
        self.ae.add_supported_context(CTImageStorage, SYNTAXES)
        self.ae.add_supported_context(MRImageStorage, SYNTAXES)
        self.ae.add_supported_context(Verification)
        self.ae.add_requested_context(StorageCommitmentPushModel, SYNTAXES)
        self.ae.acse_timeout = self.ae.dimse_timeout = self.ae.network_timeout = _SECONDS
        self._untold: SimpleQueue[Dataset] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        handlers: list[Any] = [
            (evt.EVT_N_ACTION, self._act),
            (evt.EVT_ESTABLISHED, self._established),
            (evt.EVT_C_STORE, self._store),
        ]
        self.server = self.ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)
        self.port = self.server.socket.getsockname()[1]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for thread in self._threads:
            thread.join(_SECONDS)
        _end(self.ae, self.server)

    def call(self, port: int) -> None:
        """Tell over a new association what could not be told before."""
        self.caller = port
        self._soon(self._tell_anew, self._untold.get_nowait())

    def tell_unasked(self, transaction: str, reference: Reference) -> None:
        """Tell over a new association what nobody asked for."""
        self._tell_anew(action(transaction, [reference]))

    def _soon(self, work: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _store(self, event: Any) -> int:
        self.stored.append(event.request.AffectedSOPInstanceUID)
        return 0x0000

    def _act(self, event: Any) -> tuple[int, None]:
        request = event.action_information
        self.requests.put(request)
        if self.way == "same":
            self._soon(self._tell, event.assoc, request)
        elif self.way == "new" and self.caller:
            self._soon(self._tell_anew, request)
        else:
            self._untold.put(request)
        return 0x0000, None

    def _established(self, event: Any) -> None:
        if self.way == "next" and not self._untold.empty():
            self._soon(self._tell, event.assoc, self._untold.get())

    def _tell_anew(self, request: Dataset) -> None:
        roles = [build_role(StorageCommitmentPushModel, scp_role=True)]
        association = self.ae.associate("127.0.0.1", self.caller, ext_neg=roles)
        self._tell(association, request)
        association.release()

    def _tell(self, association: Any, request: Dataset) -> None:
        items = list(request.ReferencedSOPSequence)
        failed = [it for it in items if it.ReferencedSOPInstanceUID in self.lost]
        for item in failed:
            item.FailureReason = 0x0112
        event = Dataset()
        event.TransactionUID = request.TransactionUID
        if failed:
            event.FailedSOPSequence = Items(failed)
        if len(failed) < len(items):
            event.ReferencedSOPSequence = Items([it for it in items if it not in failed])
        status, _reply = association.send_n_event_report(
            event, 2 if failed else 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        self.statuses.put(status.get("Status", -1))
