"""broker, gateway and `magbroker up` as a user runs them: processes of their own, which tests may kill."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from console.demo import DEMO_ACCESS, DEMO_VERIFY
from console.processes import Child
from runtime import free_port
from tests.support.dicom import STATION

DEMO_SITE = Path(__file__).parents[2] / "data" / "demo.toml"


def demo_site(file: Path, *destinations: tuple[str, int]) -> Path:
    """Write the demo site with further transmit destinations on loopback."""
    text = DEMO_SITE.read_text(encoding="utf-8")
    for number, (name, port) in enumerate(destinations):
        text += (
            f'\n[[transmit_destination]]\nien = {90 + number}\nname = "{name}"\nae_title = "DCMTK"\nhost = "127.0.0.1"\n'
            f'port = {port}\ngateway = "DEMOGW1"\nlocation = 660\n'
        )
    file.write_text(text, encoding="utf-8")
    return file


def services_sending_to(directory: Path, port: int) -> Services:
    """Say how broker and gateway run that send every slice to a port, and again soon and often."""
    rules = directory / "slices.rule"
    rules.write_text(f'dicom("DCMTK") when STATION_NAME="{STATION}"\n', encoding="utf-8")
    environment = {"MAGBROKER_GATEWAY__DESTINATION": '{"*": {"retry_minutes": 0.1, "retries": 1000}}'}
    return Services(directory / "var", demo_site(directory / "site.toml", ("DCMTK", port)), rules, environment)


def magbroker(
    *arguments: str, environment: dict[str, str] | None = None, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run the command and give what it said."""
    command = [sys.executable, "-m", "console.cli.main", *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, "COLUMNS": "200", **(environment or {})},
    )


@dataclass
class Services:
    """A serving process and a gateway on one data directory."""

    directory: Path
    site: Path
    rules: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)
    broker_port: int = field(default_factory=free_port)
    text_port: int = field(default_factory=free_port)
    dicom_port: int = field(default_factory=free_port)
    broker: Child = field(init=False)
    gateway: Child = field(init=False)

    def __post_init__(self) -> None:
        """Say what each process is started with."""
        common = ["--data", str(self.directory)]
        broker = [
            "broker",
            *common,
            "--port",
            str(self.broker_port),
            "--text-port",
            str(self.text_port),
            "--site",
            str(self.site),
        ]
        self.broker = Child("broker", broker, self.broker_port, self.directory / "broker.log", self.environment)
        gateway = ["gateway", *common, "--broker-port", str(self.broker_port), "--dicom-port", str(self.dicom_port)]
        gateway += ["--rules", str(self.rules)] if self.rules else []
        user = {"MAGBROKER_GATEWAY__ACCESS": DEMO_ACCESS, "MAGBROKER_GATEWAY__VERIFY": DEMO_VERIFY}
        log = self.directory / "gateway.log"
        self.gateway = Child("gateway", gateway, self.dicom_port, log, {**user, **self.environment})

    @property
    def database_url(self) -> str:
        """The database, for looking into it."""
        return f"sqlite:///{self.directory / 'magbroker.db'}"

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Read rows of the database, as the processes left it."""
        connection = sqlite3.connect(f"file:{self.directory / 'magbroker.db'}?mode=ro", uri=True)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def filed_files(self) -> dict[str, list[Path]]:
        """Give by name the files of objects at network locations; one that was copied to the jukebox stands at two."""
        found: dict[str, list[Path]] = {}
        for (place,) in self.rows("SELECT path FROM network_location WHERE path != ''"):
            for path in (self.directory / str(place)).rglob("*.DCM"):
                found.setdefault(path.name, []).append(path)
        return found

    def start(self, *children: Child) -> None:
        """Start both, or those given, and wait until they listen."""
        for child in children or (self.broker, self.gateway):
            child.start()
            child.await_ready()

    def kill(self, child: Child) -> None:
        """Kill a process as a power cut would."""
        assert child.process is not None
        child.process.kill()
        child.process.wait(20)

    def __enter__(self) -> Services:
        """Start both."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End both."""
        self.gateway.stop()
        self.broker.stop()
