"""Two brokers, two workers and two gateways on one PostgreSQL, of which one each is killed midway."""

from __future__ import annotations

import re
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from console.demo import DEMO_ACCESS, DEMO_VERIFY
from console.processes import Child
from rules import parse_rules, to_elements
from runtime import free_port
from tests.support.dicom import STATION, ResendingModality, Storescp, make_slices
from tests.support.postgres import PostgresCluster
from tests.support.services import demo_site, eventually
from xwb import BrokerClient

IMAGES = 2000
START, LOG = "MAG DICOM ROUTE EVAL START", "MAG DICOM ROUTE EVAL LOG"
RULE = f'dicom("DCMTK") when STATION_NAME="{STATION}"'


@dataclass
class Farm:
    """The processes, each with a data directory of its own; brokers and gateways share the site's key and its images."""

    directory: Path
    url: str
    site: Path
    brokers: list[Child] = field(default_factory=list)
    workers: list[Child] = field(default_factory=list)
    gateways: list[Child] = field(default_factory=list)

    def start(self) -> None:
        """Start two of each."""
        for number in (1, 2):
            self.brokers.append(self._broker(number))
        for number in (1, 2):
            self.workers.append(self._worker(number))
        for number in (1, 2):
            self.gateways.append(self._gateway(number))

    def stop(self) -> None:
        """End all of them."""
        for child in (*self.gateways, *self.workers, *self.brokers):
            child.stop()

    def kill(self, child: Child) -> None:
        """Kill one as a power cut would, and start it again."""
        assert child.process is not None
        child.process.kill()
        child.process.wait(30)
        child.start()
        child.await_ready()

    def client(self, broker: int) -> BrokerClient:
        """Sign on to a broker."""
        client = BrokerClient("127.0.0.1", self.brokers[broker].port).connect()
        client.sign_on(DEMO_ACCESS, DEMO_VERIFY)
        client.create_context("MAG DICOM GATEWAY FULL")
        return client

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Look into the database."""
        with psycopg.connect(self.conninfo) as connection:
            return connection.execute(statement).fetchall()  # type: ignore[arg-type]  # a constant of this module

    @property
    def conninfo(self) -> str:
        return make_url(self.url).set(drivername="postgresql").render_as_string(hide_password=False)

    def _child(self, name: str, number: int, command: str, port: int, arguments: list[str], **settings: str) -> Child:
        data = self.directory / f"{name}{number}"
        data.mkdir(parents=True, exist_ok=True)
        if name == "broker" and number > 1:
            shutil.copy(self.directory / "broker1" / "site.key", data / "site.key")
        environment = {"MAGBROKER_DATABASE": self.url, **{f"MAGBROKER_{key}": value for key, value in settings.items()}}
        child = Child(name, [command, "--data", str(data), *arguments], port, data / "log", environment)
        child.start()
        return child

    def _broker(self, number: int) -> Child:
        port = free_port()
        arguments = ["--port", str(port), "--text-port", "0", "--no-taskman", "--site", str(self.site)]
        child = self._child("broker", number, "broker", port, arguments)
        child.await_ready()
        return child

    def _worker(self, number: int) -> Child:
        return self._child("worker", number, "taskman", self.brokers[0].port, [])

    def _gateway(self, number: int) -> Child:
        port = free_port()
        arguments = ["--broker-port", str(self.brokers[number - 1].port), "--dicom-port", str(port)]
        user = {"GATEWAY__ACCESS": DEMO_ACCESS, "GATEWAY__VERIFY": DEMO_VERIFY, "GATEWAY__MACHINE": f"DEMOGW{number}"}
        child = self._child("gateway", number, "gateway", port, arguments, **user)
        child.await_ready()
        return child


@contextmanager
def farm(directory: Path, url: str, destination: int) -> Iterator[Farm]:
    """Run a farm whose network locations are the same folders for every process."""
    site = demo_site(directory / "site.toml", ("DCMTK", destination))
    shared = re.sub(r'^path = "(?!/)', f'path = "{directory}/images/', site.read_text(encoding="utf-8"), flags=re.MULTILINE)
    site.write_text(shared, encoding="utf-8")
    made = Farm(directory, url, site)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def start_evaluator(client: BrokerClient) -> str:
    return client.call(START, "660", to_elements(parse_rules(RULE))).text


def log_of(client: BrokerClient, task: str) -> str:
    return client.call(LOG, task, "0", "50", "660").text


def test_images_are_routed_while_one_process_of_each_kind_is_killed(tmp_path: Path, postgres: PostgresCluster) -> None:
    slices = make_slices(tmp_path / "slices", IMAGES)
    name, url = postgres.create_database()
    with Storescp(tmp_path / "received") as destination, farm(tmp_path, url, destination.port) as it:
        clients = [it.client(0), it.client(1)]
        eventually("a worker that takes tasks", lambda: bool(it.rows("SELECT 1 FROM task_manager")))
        for worker in it.workers:  # both sit still: neither task begins before the other is there
            assert worker.process is not None
            worker.process.send_signal(signal.SIGSTOP)
        answers = [start_evaluator(client) for client in clients]
        numbers = [answer.removeprefix("0,TaskMan task#=") for answer in answers]
        assert all(number.isdigit() for number in numbers), answers
        for worker in it.workers:
            assert worker.process is not None
            worker.process.send_signal(signal.SIGCONT)
        eventually("both tasks have said something", lambda: all("Started" in log_of(clients[0], task) for task in numbers))
        eventually(
            "one of them is too late",
            lambda: ["already running for" in log_of(clients[1], task) for task in numbers].count(True) == 1,
        )
        for client in clients:
            assert start_evaluator(client).startswith("-3,A Rule Evaluator is Already Running for ")
            client.bye()
        files = list(slices.values())
        modalities = [
            ResendingModality(gateway.port, files[half::2], batch=100, pause=0.1) for half, gateway in enumerate(it.gateways)
        ]
        for modality in modalities:
            modality.start()
        victims = [it.gateways[1], it.brokers[1], worker_of_evaluator(it)]
        for share, victim in zip((0.2, 0.4, 0.6), victims, strict=True):
            eventually(f"{share:.0%} of the images are filed", lambda s=share: filed(it) >= s * IMAGES, 300)  # type: ignore[misc]
            it.kill(victim)
        for modality in modalities:
            modality.join(300)
            assert not modality.left
        eventually("every image sent", lambda: statuses(it) == {"SUCCESS": IMAGES}, 600)
        images = it.rows("SELECT uid, count(*) FROM image WHERE parent IS NOT NULL GROUP BY uid")
        assert {uid: count for uid, count in images if uid in slices} == dict.fromkeys(slices, 1)
        twice = it.rows("SELECT image FROM dicom_export_image GROUP BY image HAVING count(*) > 1")
        assert twice == []
        assert it.rows("SELECT count(*) FROM background_queue WHERE queue = 'EVAL'") == [(0,)]
        received = destination.received()
        assert set(received) == set(slices)
        marked = {uid for (uid,) in it.rows(REPEATED)}
        assert [uid for uid, copies in received.items() if len(copies) > 1 + (uid in marked)] == []
    postgres.drop_database(name)


REPEATED = "SELECT i.uid FROM dicom_export_image e JOIN image i ON i.ien = e.image WHERE e.repeated"


def worker_of_evaluator(it: Farm) -> Child:
    """Give the worker that runs the evaluator."""
    ((job,),) = it.rows("SELECT job FROM task WHERE status = '5' AND entry_point = 'EVAL^MAGBRTE4'")
    return next(worker for worker in it.workers if worker.process is not None and worker.process.pid == int(job))


def filed(it: Farm) -> int:
    ((count,),) = it.rows("SELECT count(*) FROM image WHERE parent IS NOT NULL")
    return int(count)


def statuses(it: Farm) -> Counter[str]:
    return Counter(dict(it.rows("SELECT status, count(*) FROM dicom_export_image GROUP BY status")))
