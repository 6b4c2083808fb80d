"""Objects sent by our storage SCU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue

from gateway_client.transmission.consignment import Consignment, Destination, Note
from gateway_client.transmission.notes import Mark
from gateway_client.transmission.object_file import ObjectFile, Outcome
from gateway_client.transmission.scu import StorageSCU


def unnoted(_place: int, _mark: Mark) -> None:
    """Note nothing."""


def send_all(
    scu: StorageSCU,
    destination: Destination,
    study: str,
    objects: Sequence[ObjectFile],
    note: Note = unnoted,
    until: float = float("inf"),
) -> dict[int, Outcome]:
    """Send objects and give what came of each, by its place."""
    ended: SimpleQueue[Consignment] = SimpleQueue()
    scu.send(Consignment(destination, study, list(objects), note, ended.put, until))
    consignment = ended.get(timeout=60)
    assert consignment.fault is None, consignment.fault
    return consignment.outcomes


def send_file(scu: StorageSCU, destination: Destination, study: str, path: Path) -> Outcome:
    """Send a file and give what came of it."""
    return send_all(scu, destination, study, [ObjectFile(path)])[0]
