"""A broker with the demo site, a gateway beside it, and DCMTK as the world outside."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib import resources
from pathlib import Path

import pytest

from fileman import SiteKey, Store, apply_site, read_site_file
from gateway_client import Application, Configuration, Gateway
from gateway_client.objects.part10 import read_meta
from runtime import PortInUse, check_port
from tests.support.archive_site import ArchiveSite
from tests.support.broker import RunningBroker
from tests.support.dicom import NO_DELAY
from tests.support.magicstore_objects import Maker
from tests.support.terminal import Terminal

NOW = datetime.fromisoformat("2026-11-21T12:00")


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until something is so, or fail."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("It did not come to be in time.")


def digest_as_sent(path: Path) -> str:
    """Give the digest of a file's data set; one of odd length, as a deflated one may be, is sent with a byte more (PS3.5 A.5)."""
    data = path.read_bytes()[read_meta(path).offset :]
    return hashlib.sha256(data + b"\0" * (len(data) % 2)).hexdigest()


def is_free(port: int) -> bool:
    """Tell whether nothing listens on a port."""
    try:
        check_port(port, "test", "")
    except PortInUse:
        return False
    return True


def echoscu(port: int) -> int:
    """Send a C-ECHO and give DCMTK's exit status."""
    return subprocess.run(["echoscu", "127.0.0.1", str(port)], capture_output=True, timeout=30, check=False).returncode


#: The option with which DCMTK proposes a transfer syntax.
OPTIONS = {
    "1.2.840.10008.1.2": "-xi",
    "1.2.840.10008.1.2.1": "-xe",
    "1.2.840.10008.1.2.2": "-xb",
    "1.2.840.10008.1.2.1.99": "-xd",
    "1.2.840.10008.1.2.4.50": "-xy",
    "1.2.840.10008.1.2.4.51": "-xx",
    "1.2.840.10008.1.2.4.70": "-xs",
    "1.2.840.10008.1.2.4.80": "-xt",
    "1.2.840.10008.1.2.4.81": "-xu",
    "1.2.840.10008.1.2.4.90": "-xv",
    "1.2.840.10008.1.2.4.91": "-xw",
    "1.2.840.10008.1.2.5": "-xr",
}


def storescu(port: int, *files: Path, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Send files with DCMTK over one association, in the transfer syntax of the first one."""
    syntax = OPTIONS[read_meta(files[0]).transfer_syntax]
    command = ["storescu", syntax, *options, "127.0.0.1", str(port), *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=NO_DELAY)


@pytest.fixture
def demo_broker(tmp_path: Path) -> Iterator[RunningBroker]:
    """Run a broker on the demo site, on SQLite."""
    store = Store(f"sqlite:///{tmp_path / 'magbroker.db'}")
    key = SiteKey.load_or_create(tmp_path / "site.key")
    with resources.as_file(resources.files("magbroker_data") / "demo.toml") as file:
        site = read_site_file(file)
    store.transact(lambda connection: apply_site(connection, site, key, NOW))
    broker = RunningBroker(store, key)
    yield broker
    broker.stop()
    store.close()


@pytest.fixture
def make_gateway(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Give a function that starts gateways on a free port, all on one directory, and stops them at the end."""
    running: list[Gateway] = []

    def make(broker_port: int, application: Application | None = None, **changes: object) -> Gateway:
        configuration = Configuration(
            tmp_path / "gateway",
            tmp_path,
            broker_port=broker_port,
            access="DEMOGW1",
            verify="1GWY!@#$",
            dicom_port=0,
            poll_seconds=0.05,
            heartbeat_seconds=0.2,
            free_space_floor=0,
            **changes,  # what a test changes is of the field's type
        )
        gateway = Gateway(configuration, application=application)
        gateway.start()
        running.append(gateway)
        return gateway

    yield make
    for gateway in running:
        gateway.stop()


@pytest.fixture(scope="module")
def depot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchiveSite]:
    """Run a gateway with an archive's entities, and its broker."""
    with ArchiveSite(tmp_path_factory.mktemp("depot")) as running:
        yield running


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Give what makes objects of the MagicStore statement's SOP classes."""
    return Maker(tmp_path_factory.mktemp("objects"))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """Give what runs commands."""
    return Terminal(monkeypatch, capsys)


PROGRAM = """
import sys
from pathlib import Path
from typing import Any
from gateway_client import Configuration, Gateway
directory, broker, port = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
gateway = Gateway(Configuration(directory / "gateway", directory, broker_port=broker, access="DEMOGW1", verify="1GWY!@#$",
    dicom_port=port, poll_seconds=0.05, free_space_floor=0, batch=2))
gateway.start()
print(gateway.port, flush=True)
gateway.wait()
"""
StartProcess = Callable[[int], tuple[subprocess.Popen[str], int]]


@pytest.fixture
def start_process(tmp_path: Path) -> Iterator[StartProcess]:
    """Give a function that runs a gateway as a process of its own."""
    running: list[subprocess.Popen[str]] = []

    def start(broker_port: int) -> tuple[subprocess.Popen[str], int]:
        command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path), str(broker_port), "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
