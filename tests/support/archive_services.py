"""The archive of docs/examples as a user runs it, in processes of its own, asked and steered from outside."""

from __future__ import annotations

import json
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from pydicom import Dataset, dcmread

from console.processes import Child
from runtime import free_port, load_settings
from tests.support.dicom import NO_DELAY, storescu
from tests.support.services import Services, magbroker

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
ROLES = ("receiver", "commitment", "short_term", "long_term")
#: The ports that the examples name for a peer that images are moved to, and for one that asks for commitment.
VIEWER_PORT, MODALITY_PORT = 11113, 11114
#: The folders of the short-term and the long-term location.
LOCATIONS = ("image1", "jukebox1")


@dataclass
class ArchiveServices:
    """Broker with TaskMan and gateway, within `with`; on a PostgreSQL `database` TaskMan is a process of its own.

    Every location above 1 byte is fuller than it may be.
    """

    directory: Path
    viewer_port: int
    modality_port: int
    database: str = ""

    def __post_init__(self) -> None:
        """Write the examples with free ports, and say how the processes run."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.short_term, self.long_term = (self.directory / "locations" / name for name in LOCATIONS)
        for folder in (self.short_term, self.long_term):  # of absolute paths no folder is made
            folder.mkdir(parents=True)
        site, settings = self._rewritten("archive.toml"), self._rewritten("archive-gateway.toml")
        loaded = load_settings(settings).gateway
        assert loaded.archive is not None
        self.titles = {role: loaded.archive.title(role) for role in ROLES}
        self.ports = {role: free_port() for role in ROLES}
        ports = {f"MAGBROKER_GATEWAY__ARCHIVE__{role.upper()}__PORT": str(port) for role, port in self.ports.items()}
        user = {"MAGBROKER_GATEWAY__ACCESS": loaded.access, "MAGBROKER_GATEWAY__VERIFY": loaded.verify}
        self.database_setting = {"MAGBROKER_DATABASE": self.database} if self.database else {}
        self.services = Services(self.directory / "var", site, environment=self.database_setting)
        broker, gateway = self.services.broker, self.services.gateway
        gateway.arguments = [*gateway.arguments, "--config", str(settings)]
        gateway.environment = {**gateway.environment, **ports, **user}
        self.taskman = broker
        if self.database:
            broker.arguments = [*broker.arguments, "--no-taskman"]
            log = self.directory / "taskman" / "taskman.log"
            command = ["taskman", "--data", str(self.directory / "taskman")]
            self.taskman = Child("taskman", command, self.services.broker_port, log, self.database_setting)

    @property
    def _children(self) -> list[Child]:
        """The processes, in the order in which they start."""
        services = self.services
        return list({id(it): it for it in (services.broker, self.taskman, services.gateway)}.values())

    def _rewritten(self, name: str) -> Path:
        text = (EXAMPLES / name).read_text(encoding="utf-8")
        for port, free in ((VIEWER_PORT, self.viewer_port), (MODALITY_PORT, self.modality_port)):
            text = text.replace(f"port = {port}\n", f"port = {free}\n")
        for folder in (self.short_term, self.long_term):
            text = text.replace(f'path = "{folder.name}"', f'path = "{folder}"')
        text = text.replace('"85%"', '"1 B"').replace('"75%"', '"1 B"')
        (self.directory / name).write_text(text, encoding="utf-8")
        return self.directory / name

    def __enter__(self) -> ArchiveServices:
        """Start them."""
        self.services.start(*self._children)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End them."""
        for child in reversed(self._children):
            child.stop()

    def kill(self, *children: Child) -> None:
        """Kill processes as a power cut would, all unless some are given, and start them again."""
        victims = children or tuple(self._children)
        for child in victims:
            self.services.kill(child)
        self.services.start(*victims)

    def restart(self) -> None:
        """End all as a user does, and start them again."""
        self.__exit__(None, None, None)
        self.services.start(*self._children)

    def store(self, *files: Path) -> None:
        """Send files to the receiver."""
        storescu(self.ports["receiver"], *files, options=("-aec", self.titles["receiver"]))

    def run(self, option: str) -> None:
        """Have TaskMan run an option now; its entry is numbered as the site file has it."""
        with self.services.site.open("rb") as file:
            schedule = [it["option"] for it in tomllib.load(file)["option_schedule"]]
        self.told("tasks", "schedule", "run", str(schedule.index(option) + 1))

    def told(self, *words: str) -> Any:
        """Run a command of the operator's and give what it says."""
        run = magbroker(*words, "--json", "--data", str(self.services.directory), environment=self.database_setting)
        assert run.returncode == 0, run.stdout + run.stderr
        return json.loads(run.stdout)

    def find(self, role: str, *keys: str) -> list[Dataset]:
        """Ask an entity by its AE title with DCMTK; give the matches."""
        folder = self.directory / f"found{len(list(self.directory.glob('found*')))}"
        folder.mkdir()
        run = self._dcmtk("findscu", role, "-X", "-od", str(folder), *(word for key in keys for word in ("-k", key)))
        assert run.returncode == 0, run.stdout + run.stderr
        return [dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]

    def move(self, role: str, to: str, *keys: str) -> str:
        """Have an entity send something to an AE title, with DCMTK; give what it said."""
        run = self._dcmtk("movescu", role, "-aem", to, *(word for key in keys for word in ("-k", key)))
        return run.stdout + run.stderr

    def _dcmtk(self, program: str, role: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = [program, "-v", "-S", "-aet", "VIEWER", "-aec", self.titles[role], *options]
        command += ["127.0.0.1", str(self.ports[role])]
        return subprocess.run(command, capture_output=True, text=True, env=NO_DELAY, timeout=120, check=False)
