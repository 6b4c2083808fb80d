"""The demo's own DICOM ends: a destination that keeps what it receives, and a modality that sends the samples."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from pydicom import dcmread
from pydicom.uid import AllTransferSyntaxes
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.events import Event

from console.demo_samples import Sample
from console.errors import ConsoleError

SUCCESS, OUT_OF_RESOURCES = 0x0000, 0xA700
SINK_AE_TITLES = "READROOM"


class DemoSink:
    """A storage SCP that writes every object to a directory, named by its SOP Instance UID."""

    def __init__(self, port: int, directory: Path) -> None:
        self.port = port
        self.directory = directory
        self._entity = AE(ae_title=SINK_AE_TITLES)
        for context in AllStoragePresentationContexts:
            syntaxes = [*dict.fromkeys([*(context.transfer_syntax or []), *_syntaxes()])]
            self._entity.add_supported_context(context.abstract_syntax or "", syntaxes)

    def __enter__(self) -> DemoSink:
        """Listen."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._server = self._entity.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)]
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()

    def _store(self, event: Event) -> int:
        uid = str(getattr(event.request, "AffectedSOPInstanceUID", "unknown"))
        temporary = self.directory / f".{uid}.{os.getpid()}"
        try:
            temporary.write_bytes(event.encoded_dataset())
            temporary.replace(self.directory / f"{uid}.dcm")
        except OSError:
            return OUT_OF_RESOURCES
        return SUCCESS

    @staticmethod
    def received(directory: Path) -> frozenset[str]:
        """Give the SOP Instance UIDs that a sink's directory holds."""
        return frozenset(path.stem for path in directory.glob("*.dcm") if not path.name.startswith("."))


def _syntaxes() -> list[str]:
    return [str(syntax) for syntax in AllTransferSyntaxes]


def send_samples(host: str, port: int, samples: Sequence[Sample], told: Callable[[], None]) -> None:
    """Send every sample as a modality would. Raises ConsoleError when one is refused."""
    for sample in samples:
        dataset = dcmread(sample.path)
        entity = AE(ae_title="DEMOMOD")
        entity.add_requested_context(dataset.file_meta.MediaStorageSOPClassUID, dataset.file_meta.TransferSyntaxUID)
        association = entity.associate(host, port, ae_title="MAGBROKER")
        if not association.is_established:
            raise ConsoleError(f"The gateway on port {port} did not accept {sample.file_name}.")
        status = association.send_c_store(dataset)
        association.release()
        if "Status" not in status or status.Status != SUCCESS:
            raise ConsoleError(f"The gateway refused {sample.file_name} with status {getattr(status, 'Status', 'none')}.")
        told()
