"""The page on moving to PostgreSQL says what is so: its commands are run, on a server of the tests, and say what it shows."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from console.demo import DEMO_ACCESS, DEMO_VERIFY
from runtime import free_port
from tests.integration.test_how_to_pages import blocks, shows
from tests.support.postgres import PostgresCluster, binaries
from tests.support.services import DEMO_SITE, magbroker
from tests.support.waiting import until
from xwb import BrokerClient

PAGE = "move-to-postgresql.md"
SHOWN_SERVER = "db.example"
SHOWN_PORTS = ("9430", "9431", "9530", "9531")
SERVING = {"broker", "taskman"}


@dataclass
class Reader:
    """Types what stands on the page, in a folder with a SQLite site in `var`, with the tests' server and ports."""

    folder: Path
    cluster: PostgresCluster
    ports: dict[str, str] = field(default_factory=lambda: {shown: str(free_port()) for shown in SHOWN_PORTS})
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def meant(self) -> dict[str, str]:
        return {SHOWN_SERVER: f"127.0.0.1:{self.cluster.port}", **self.ports}

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), str(binaries()), os.environ["PATH"]])
        server = {"PGHOST": "127.0.0.1", "PGPORT": str(self.cluster.port), "PGUSER": "tests"}
        ports = {"MAGBROKER_BROKER_PORT": self.ports["9430"], "MAGBROKER_TEXT_PORT": self.ports["9431"]}
        return {**os.environ, **server, **ports, "PATH": path, "COLUMNS": "300"}

    def mean(self, shown: str) -> str:
        """Put the tests' server and ports in the place of the page's."""
        for name, value in self.meant.items():
            shown = shown.replace(name, value)
        return shown

    def show(self, said: str) -> str:
        """Put the page's server and ports in the place of the tests'."""
        for name, value in self.meant.items():
            said = said.replace(value, name)
        return said

    def type(self, command: str, shown: list[str]) -> None:
        """Run one command; the page must show what it says."""
        words = shlex.split(self.mean(command))
        said = self._serve(words) if words[0] == "magbroker" and words[1] in SERVING else self._run(words)
        assert shows(shown, self.show(said)), f"{command} is shown to say {shown} but says\n{self.show(said)}"

    def _run(self, words: list[str]) -> str:
        done = subprocess.run(
            words, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def _serve(self, words: list[str]) -> str:
        log = self.folder / f"{len(self.started)}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(words, cwd=self.folder, env=self.environment, stdout=file, stderr=file)
        self.started.append(process)

        def serves() -> bool:
            assert process.poll() is None, log.read_text()
            return re.search(r"magbroker serves.*\n", log.read_text()) is not None

        until(serves, f"{words} serves")
        return log.read_text()

    def leave(self) -> None:
        """End what was started."""
        for process in self.started:
            process.terminate()
        for process in self.started:
            process.wait(30)


@pytest.fixture
def reader(tmp_path: Path, postgres: PostgresCluster) -> Iterator[Reader]:
    loaded = magbroker("site", "load", str(DEMO_SITE), "--data", str(tmp_path / "var"))
    assert loaded.returncode == 0, loaded.stderr
    reader = Reader(tmp_path, postgres)
    try:
        yield reader
    finally:
        reader.leave()
        postgres.drop_database("magbroker")
        reader._run(["dropuser", "--if-exists", "magbroker"])


def test_the_page_is_followed_from_a_sqlite_site_to_two_brokers_and_a_worker(reader: Reader) -> None:
    for language, text in blocks(PAGE):
        if language == "toml":
            (reader.folder / "site.conf.toml").write_text(reader.mean(text), encoding="utf-8")
        if language == "sh":  # who types it is the server's owner already, and its password would be asked for
            for command in text.splitlines():
                reader.type(command.removeprefix("sudo -u postgres ").replace("--pwprompt ", ""), [])
        if language == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, *shown = part.splitlines()
                reader.type(command, shown)
    assert len(reader.started) == 3
    for port in ("9430", "9530"):
        with BrokerClient("127.0.0.1", int(reader.ports[port])) as client:
            client.sign_on(DEMO_ACCESS, DEMO_VERIFY)
            client.create_context("MAG DICOM GATEWAY FULL")
            assert client.call("MAG DICOM GET DOMAIN").text == "DEMO.MAGBROKER.EXAMPLE"
