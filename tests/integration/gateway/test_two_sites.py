"""Two sites, each with broker, rules and gateway, send to each other: each files an image once, and it goes round no further."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import generate_uid
from sqlalchemy import Connection, Select, insert, select

from console.demo_samples import write_samples
from fileman import SiteKey, Store, apply_site, parse_site
from fileman.files import BackgroundQueue, DicomExportImage, Image, ImageEvent, TransmitDestination
from rules.evaluator import ENTRY_POINT, Evaluator
from rules.evaluator.versions import FILE, load, store_version
from runtime import SystemClock, free_port
from taskman import TaskContext, api
from tests.integration.gateway.conftest import storescu, wait_for
from tests.support.broker import RunningBroker

USER = 9002
PROGRAM = """
import json, sys
from pathlib import Path
from gateway_client import Configuration, Gateway
from gateway_client.commitment import requesting
from gateway_client.configuration import Peer
from runtime import DestinationSettings
requesting.FIRST_PAUSE = 0.5
facts = json.loads(sys.argv[1])
data = Path(facts["data"])
needed = (facts["other"],)
other = DestinationSettings(retry_minutes=0.01, commit=True, commit_after_seconds=0.2, commit_retry_minutes=0.02)
gateway = Gateway(Configuration(data / "gateway", data, broker_port=facts["broker"], access="DEMOGW1", verify="1GWY!@#$",
    ae_title=facts["title"], calling_ae_title=facts["title"], dicom_port=facts["port"], poll_seconds=0.05, free_space_floor=0,
    destinations={facts["other"]: other, "OUTREACH": DestinationSettings(delete_after_commitment=needed)},
    delete_after_commitment=needed, peers={facts["other"]: Peer("127.0.0.1", facts["other_port"])}, batch=2))
gateway.start()
print("started", flush=True)
gateway.wait()
"""


class Site:
    """A site whose rules send what they see to another one; its gateway is a process, which may be killed."""

    def __init__(self, data: Path, title: str, port: int, other: str, other_port: int, rule: str) -> None:
        data.mkdir()
        self.data, self.port = data, port
        self.store = Store(f"sqlite:///{data / 'magbroker.db'}")
        key, clock = SiteKey.load_or_create(data / "site.key"), SystemClock()
        site = parse_site((resources.files("magbroker_data") / "demo.toml").read_text(encoding="utf-8"), "demo.toml")

        def fill(connection: Connection) -> tuple[int, Any]:
            apply_site(connection, site, key, datetime.fromisoformat("2026-11-21T12:00"))
            facts = {"ae_title": other, "host": "127.0.0.1", "port": other_port, "gateway": "DEMOGW1", "location": 660}
            connection.execute(insert(TransmitDestination).values(ien=9, name=other, **facts))
            task = api.load(connection, ENTRY_POINT, {"location": 660, "rules": []}, "test", USER)
            return task, load(connection, store_version(connection, rule, FILE, "documented", "test", 0.0))

        task, rules = self.store.transact(fill)
        self.evaluator = Evaluator(TaskContext(task, {}, USER, self.store, clock), 660, rules)
        self.broker = RunningBroker(self.store, key)
        addresses = {"port": port, "other_port": other_port, "broker": self.broker.port}
        self._facts = json.dumps({"data": str(data), "title": title, "other": other, **addresses})
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, "-c", textwrap.dedent(PROGRAM), self._facts]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def wait_until_started(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        assert self._process.stdout.readline()

    def kill(self) -> None:
        """End the gateway between two instructions."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def rows(self, statement: Select[Any]) -> list[Any]:
        return self.store.read(lambda connection: list(connection.execute(statement)))

    def filed(self) -> list[str]:
        """Give the SOP Instance UIDs of the images on file."""
        return sorted(row.uid for row in self.rows(select(Image.uid).where(Image.file_ref != "")))

    def sent(self) -> Counter[str]:
        """Count what the rules queued, by status."""
        return Counter(row.status for row in self.rows(select(DicomExportImage.status)))

    def unjudged(self) -> int:
        return len(self.rows(select(BackgroundQueue.ien).where(BackgroundQueue.queue == "EVAL")))

    def committed(self) -> set[str]:
        statement = select(ImageEvent.uid).where(ImageEvent.stage == "COMMIT", ImageEvent.outcome == "committed")
        return {row.uid for row in self.rows(statement)}

    def states(self) -> Counter[str]:
        """Count what the gateway received, by state."""
        with closing(sqlite3.connect(self.data / "gateway" / "journal.db")) as connection:
            return Counter(state for (state,) in connection.execute("SELECT state FROM instance"))

    def purged(self) -> set[tuple[str, str]]:
        """Give UID and place of what was deleted since the other site had committed to it."""
        rows = self.rows(select(ImageEvent.uid, ImageEvent.peer, ImageEvent.detail).where(ImageEvent.stage == "PURGE"))
        return {(row.uid, row.peer) for row in rows if "committed to by SITE" in row.detail}

    def left(self) -> list[Path]:
        """Find what is kept in the spool, and in the router's folder."""
        folders = (self.data / "gateway" / "spool" / "in", self.data / "gateway" / "spool" / "kept", self.data / "outreach")
        return [file for folder in folders for file in folder.rglob("*") if file.is_file()]

    def close(self) -> None:
        if self._process is not None:
            self.kill()
        self.broker.stop()
        self.store.close()


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[tuple[Site, Site]]:
    """Run a site SITEA that sends its CT to SITEB and copies them to a share, and SITEB that sends them to SITEA."""
    first, second = free_port(), free_port()
    rules = 'dicom("SITEB") when MODALITY=CT\nsend("OUTREACH") when MODALITY=CT\n'
    a = Site(tmp_path / "a", "SITEA", first, "SITEB", second, rules)
    b = Site(tmp_path / "b", "SITEB", second, "SITEA", first, 'dicom("SITEA") when MODALITY=CT\n')
    for site in (a, b):
        site.start()
    for site in (a, b):
        site.wait_until_started()
    yield a, b
    a.close()
    b.close()


def write_images(directory: Path, count: int) -> dict[str, Path]:
    """Write images of one series of the demo's; give their files by UID."""
    directory.mkdir()
    (sample,) = (it for it in write_samples(directory) if it.path.stem == "01-ct-head")
    data = pydicom.dcmread(sample.path)
    files = {}
    for number in range(1, count + 1):
        uid = generate_uid()
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid
        data.InstanceNumber = number
        files[str(uid)] = directory / f"{number}.dcm"
        data.save_as(files[str(uid)])
    return files


def wait_with(sites: Sequence[Site], condition: Callable[[], object], seconds: float = 90.0) -> None:
    """Wait until something is so, while the sites' evaluators work."""

    def evaluated() -> object:
        for site in sites:
            site.evaluator.work_off()
        return condition()

    wait_for(evaluated, seconds)


def test_two_sites_that_send_to_each_other_file_each_image_once_though_both_are_killed(
    tmp_path: Path, sites: tuple[Site, Site]
) -> None:
    """Never in one send: what may have arrived twice is not sent a third time."""
    a, b = sites
    images = write_images(tmp_path / "images", 8)
    for file in images.values():
        assert storescu(a.port, file).returncode == 0
    wait_with(sites, lambda: len(b.filed()) >= 2)
    b.kill()
    b.start()
    count = len(images)
    wait_with(sites, lambda: a.sent() == {"SUCCESS": count})
    a.kill()
    a.start()
    wait_with(sites, lambda: a.committed() == b.committed() == set(images))
    wait_with(sites, lambda: a.sent() == b.sent() == {"SUCCESS": count} and not a.unjudged() and not b.unjudged())
    assert a.filed() == sorted(images)
    assert b.filed() == sorted(images)
    wait_with(sites, lambda: "RECEIVED" not in a.states() + b.states())
    assert set(a.states()) == {"FILED", "DUPLICATE"}, "what comes back is known, and is not judged again"
    assert a.states()["FILED"] == b.states()["FILED"] == count
    wait_with(sites, lambda: len(a.purged()) == 2 * count and len(b.purged()) == count)
    assert a.purged() == {(uid, place) for uid in images for place in ("", "OUTREACH")}
    wait_with(sites, lambda: a.left() == b.left() == [])
