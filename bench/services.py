"""Broker and gateway as the processes that a user runs, on free ports, on a directory of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from console.demo import DEMO_ACCESS, DEMO_VERIFY
from console.processes import Child, Family
from runtime import free_port

#: DCMTK's programs send small messages at once then, and ours do anyway; whatever is measured beside each other has it.
NO_DELAY = {"TCP_NODELAY": "1"}
GATEWAY_USER = {**NO_DELAY, "MAGBROKER_GATEWAY__ACCESS": DEMO_ACCESS, "MAGBROKER_GATEWAY__VERIFY": DEMO_VERIFY}


@dataclass(frozen=True, slots=True)
class Services:
    """The ports of what runs, and the process ids: the broker's first."""

    directory: Path
    broker_port: int
    dicom_port: int
    web_port: int
    pids: tuple[int, ...] = ()


@contextlib.contextmanager
def services(directory: Path, site: Path, rules: Path | None = None, *, gateway: bool = True) -> Iterator[Services]:
    """Run a broker, and a gateway that files at it, until the block ends."""
    family = Family()
    ports = Services(directory, free_port(), free_port(), free_port())
    common = ["--data", str(directory)]
    logs = directory / "log"
    try:
        broker = ["broker", *common, "--port", str(ports.broker_port), "--text-port", "0", "--site", str(site)]
        web = {**NO_DELAY, "MAGBROKER_WEB_PORT": str(ports.web_port)}
        family.add(Child("broker", broker, ports.broker_port, logs / "broker.log", web))
        if gateway:
            options = ["--broker-port", str(ports.broker_port), "--dicom-port", str(ports.dicom_port)]
            options += ["--rules", str(rules)] if rules is not None else []
            child = Child("gateway", ["gateway", *common, *options], ports.dicom_port, logs / "gateway.log", GATEWAY_USER)
            family.add(child)
        yield replace(ports, pids=tuple(child.process.pid for child in family.children if child.process is not None))
    finally:
        family.stop()
