"""The demo's own DICOM ends: a destination that keeps what it receives, and a modality that sends the samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from console.demo_samples import Sample
from console.errors import ConsoleError
from console.scu.files import Search
from console.scu.keeping import Keeper
from console.scu.sending import Sender, Sent
from dul import CommandField, Listener, Listening, Policy, echo, negotiate
from gateway_client.query_retrieve import Peer, run
from runtime import ReactorThread

MODALITY_AE_TITLE = "DEMOMOD"


class DemoSink:
    """A storage SCP that keeps every object in a directory, named by its SOP Instance UID."""

    def __init__(self, port: int, directory: Path) -> None:
        self.port = port
        self.directory = directory

    def __enter__(self) -> DemoSink:
        """Listen."""
        self._reactor = ReactorThread("demo-sink")
        policy = Policy(choose=lambda _abstract_syntax, transfer_syntaxes: transfer_syntaxes[0])
        services = {CommandField.C_ECHO_RQ: echo, CommandField.C_STORE_RQ: Keeper(self.directory).store}
        listener = Listener(Listening(lambda request, _peer: negotiate(request, policy), services), self._reactor.reactor)
        self._reactor.call(listener.listen, self.port, "127.0.0.1")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop listening."""
        self._reactor.stop()

    @staticmethod
    def received(directory: Path) -> frozenset[str]:
        """Give the SOP Instance UIDs that a sink's directory holds."""
        return frozenset(path.stem for path in directory.glob("*.dcm") if not path.name.startswith("."))


def send_samples(host: str, port: int, samples: Sequence[Sample], told: Callable[[], None]) -> None:
    """Send every sample as a modality would. Raises ConsoleError when one is refused, GatewayError without an association."""
    search = Search()
    search.look_into(sample.path for sample in samples)
    failed: list[Sent] = []

    def tell(sent: Sent) -> None:
        told()
        if not sent.stored:
            failed.append(sent)

    sender = Sender(Peer(host, port, "MAGBROKER", MODALITY_AE_TITLE), 1, tell)
    run(lambda reactor: sender.send(reactor, search.found))
    if failed:
        first = failed[0]
        raise ConsoleError(f"The gateway on port {port} did not take {first.file.path.name}: {first.outcome.reason}")
