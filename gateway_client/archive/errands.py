"""What a retrieval is: who asked for which objects, where they go and how, and with what means it is carried out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from dul import Request
from gateway_client.archive.deferring import Deferring
from gateway_client.archive.pages import Asked
from gateway_client.archive.wanted import Wanted
from gateway_client.configuration import Configuration
from gateway_client.journal import Journal
from gateway_client.objects.splicing import Change
from gateway_client.transmission.consignment import Consignment, Destination, Wish
from runtime import Clock


class Sender(Protocol):
    """Something that sends objects; StorageSCU is one."""

    def send(self, consignment: Consignment) -> None:
        """Begin to send objects; `consignment.ended` is called in the end, in the reactor's thread."""


@dataclass(frozen=True, slots=True)
class Means:
    """What every retrieval is carried out with; `recalls` is the broker too, for questions that take long."""

    configuration: Configuration
    broker: Asked
    recalls: Asked
    sender: Sender
    journal: Journal
    reactor: Any
    clock: Clock


@dataclass(frozen=True, slots=True)
class Errand:
    """What one request comes down to. `stage` names it in the images' stories, `asked_by` is the AE title that asked.

    What cannot be sent for want of an association is handed to `deferring`, where there is one; near-line images may take
    `recall_seconds` to come back into store. With `pending_and_close` a request of which something was put off is left with a
    pending answer, and the association ends (MagicStore, DICOM conformance statement 2.3.4.3).
    """

    request: Request
    wanted: Wanted
    destination: Destination
    wish: Wish
    stage: str
    asked_by: str
    change: Change | None = None
    deferring: Deferring | None = None
    recall_seconds: float = 60.0
    pending_and_close: bool = False
