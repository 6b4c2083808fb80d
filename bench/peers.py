"""The receivers that are measured side by side, each in processes of its own on a free port: DCMTK, Orthanc, pynetdicom, ours."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from bench.services import NO_DELAY, services
from console.processes import Child
from runtime import free_port, wait_until_ready

#: Seconds until a peer must answer.
_READY = 60.0
_FILED = "SELECT count(DISTINCT uid) FROM image_event WHERE stage = 'PROCESSED'"
#: Senders and peers are told to send small messages at once; without it images wait for acknowledgements that receivers delay.
ENVIRONMENT = {**os.environ, **NO_DELAY}
#: Programs that are no Python, where they may lie beside PATH, and the Debian packages that have them.
_PACKAGES = {"storescp": "dcmtk", "storescu": "dcmtk", "Orthanc": "orthanc"}
_ALSO = "/usr/sbin"

ORTHANC_AE_TITLE, SINK_AE_TITLE = "ORTHANC", "SINK"
#: What the book advises where speed counts more than what a power cut leaves.
TUNED: Mapping[str, object] = {"SyncStorageArea": False, "MaximumPduLength": 131072}
#: Sends on what comes, as one rule with one condition does.
LUA = f"""
function OnStoredInstance(instance, tags, metadata, origin)
  if origin["RequestOrigin"] ~= "Lua" and tags.Modality == "CT" then
    SendToModality(instance, "{SINK_AE_TITLE}")
  end
end
"""


class MissingPeer(Exception):
    """A program that is to be measured is not installed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not installed; it is in the Debian package {_PACKAGES[name]}.")


@dataclass(frozen=True, slots=True)
class Peer:
    """A receiver that runs: its port, its processes, and how many images it has taken, as far as its kind goes."""

    port: int
    pids: tuple[int, ...]
    taken: Callable[[], int]


def program(name: str) -> str:
    """Find a program. Raises MissingPeer with the package that has it."""
    found = shutil.which(name) or shutil.which(name, path=_ALSO)
    if found is None:
        raise MissingPeer(name)
    return found


def versions() -> str:
    """Name the peers with their versions, as they say it themselves."""
    said = [
        subprocess.run([program(name), "--version"], check=True, capture_output=True, text=True).stdout
        for name in ("storescp", "Orthanc")
    ]
    dcmtk, orthanc = (re.search(r"v?\d+\.\d+\.\d+", text) for text in said)
    texts = [found[0] if found else "?" for found in (dcmtk, orthanc)]
    return f"DCMTK {texts[0]}, Orthanc {texts[1]}, pynetdicom {metadata.version('pynetdicom')}"


@contextlib.contextmanager
def storescp(directory: Path, options: Sequence[str] = (), environment: Mapping[str, str] = ENVIRONMENT) -> Iterator[Peer]:
    """Run DCMTK's storescp with a process for each association."""
    port, images = free_port(), _made(directory / "images")
    command = [program("storescp"), "--fork", *options, "-od", str(images), str(port)]
    with _running("storescp", command, port, directory, environment) as pid:
        yield Peer(port, (pid,), lambda: _files(images))


@contextlib.contextmanager
def orthanc(
    directory: Path, settings: Mapping[str, object] | None = None, sink: int | None = None, http_port: int | None = None
) -> Iterator[Peer]:
    """Run Orthanc as it comes, with some settings changed; with the port of a sink it sends on what comes."""
    port, http = free_port(), http_port or free_port()
    configuration: dict[str, object] = {
        "Name": "bench",
        "StorageDirectory": str(directory / "storage"),
        "IndexDirectory": str(directory / "index"),
        "DicomAet": ORTHANC_AE_TITLE,
        "DicomPort": port,
        "HttpPort": http,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        **(settings or {}),
    }
    if sink is not None:
        script = _made(directory) / "route.lua"
        script.write_text(LUA, encoding="utf-8")
        configuration["LuaScripts"] = [str(script)]
        configuration["DicomModalities"] = {SINK_AE_TITLE: [SINK_AE_TITLE, "127.0.0.1", sink]}
    path = _made(directory) / "orthanc.json"
    path.write_text(json.dumps(configuration, indent=2), encoding="utf-8")
    with _running("Orthanc", [program("Orthanc"), str(path)], port, directory) as pid:
        wait_until_ready(lambda: _instances(http), "Orthanc", _READY)
        yield Peer(port, (pid,), lambda: _instances(http) or 0)


@contextlib.contextmanager
def pynetdicom(directory: Path) -> Iterator[Peer]:
    """Run the least SCP that pynetdicom lets one write."""
    port, images = free_port(), _made(directory / "images")
    command = [sys.executable, "-m", "bench.pynetdicom_server", str(port), str(images)]
    with _running("pynetdicom", command, port, directory) as pid:
        yield Peer(port, (pid,), lambda: _files(images))


@contextlib.contextmanager
def own_part(part: str, directory: Path, processes: int = 1) -> Iterator[Peer]:
    """Run a part of our gateway; what it has taken lies in the spool."""
    port = free_port()
    command = [sys.executable, "-m", "bench.own_servers", part, str(port), str(_made(directory)), str(processes)]
    with _running(f"magbroker {part}", command, port, directory) as pid:
        # where several processes receive, the port is there before they are
        subprocess.run([program("echoscu"), "127.0.0.1", str(port)], check=True, capture_output=True, timeout=60)
        yield Peer(port, (pid,), lambda: _files(directory / "spool" / "in"))


@contextlib.contextmanager
def own(directory: Path, site: Path, rules: Path | None = None) -> Iterator[Peer]:
    """Run our broker and gateway; taken is what is filed in the database."""
    with services(directory, site, rules) as running:
        address = f"file:{running.directory / 'magbroker.db'}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True)) as database:
            yield Peer(running.dicom_port, running.pids, lambda: int(database.execute(_FILED).fetchone()[0]))


@contextlib.contextmanager
def _running(
    name: str, command: Sequence[str], port: int, directory: Path, environment: Mapping[str, str] = ENVIRONMENT
) -> Iterator[int]:
    """Run a program until the block ends, once it listens; gives its process id."""
    log_file = _made(directory) / f"{name.replace(' ', '-')}.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    child = Child(name, (), port, log_file, process=process)
    try:
        child.await_ready()
        yield process.pid
    finally:
        child.stop()


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _files(directory: Path) -> int:
    return sum(1 for _ in os.scandir(directory))


def _instances(port: int) -> int | None:
    """Ask Orthanc how many images it has; None while it does not answer."""
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/statistics", timeout=30) as answer:
        return int(json.load(answer)["CountInstances"])
    return None
