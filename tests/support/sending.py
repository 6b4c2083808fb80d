"""One object sent by our storage SCU."""

from __future__ import annotations

from pathlib import Path

from gateway_client.object_file import ObjectFile, Outcome
from gateway_client.scu import Destination, StorageSCU


def send_file(scu: StorageSCU, destination: Destination, study: str, path: Path) -> Outcome:
    """Send a file and give what came of it."""
    ((_place, outcome),) = scu.send(destination, study, [ObjectFile(path)], lambda _place, _mark: None)
    return outcome
