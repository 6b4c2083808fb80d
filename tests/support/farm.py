"""Brokers, workers and gateways on one PostgreSQL, as processes of their own, on this machine."""

from __future__ import annotations

import re
import shutil
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
from tests.support.dicom import STATION
from tests.support.services import demo_site
from xwb import BrokerClient

#: Sends the test's slices to the destination DCMTK.
RULE = f'dicom("DCMTK") when STATION_NAME="{STATION}"'


@dataclass
class Farm:
    """The processes, each with a data directory of its own; brokers and gateways share the site's key and its images."""

    directory: Path
    url: str
    site: Path
    count: tuple[int, int, int] = (2, 2, 2)
    brokers: list[Child] = field(default_factory=list)
    workers: list[Child] = field(default_factory=list)
    gateways: list[Child] = field(default_factory=list)

    def start(self) -> None:
        """Start as many of each as `count` says: brokers, workers, gateways; brokers are shared out among the gateways."""
        brokers, workers, gateways = self.count
        self.brokers.extend(self._broker(number) for number in range(1, brokers + 1))
        self.workers.extend(self._worker(number) for number in range(1, workers + 1))
        self.gateways.extend(self._gateway(number) for number in range(1, gateways + 1))

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
            return connection.execute(statement).fetchall()  # a constant of this module

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
        arguments = ["--broker-port", str(self.brokers[(number - 1) % len(self.brokers)].port), "--dicom-port", str(port)]
        user = {"GATEWAY__ACCESS": DEMO_ACCESS, "GATEWAY__VERIFY": DEMO_VERIFY, "GATEWAY__MACHINE": f"DEMOGW{number}"}
        child = self._child("gateway", number, "gateway", port, arguments, **user)
        child.await_ready()
        return child


@contextmanager
def farm(directory: Path, url: str, destination: int, count: tuple[int, int, int] = (2, 2, 2)) -> Iterator[Farm]:
    """Run a farm whose network locations are the same folders for every process."""
    site = demo_site(directory / "site.toml", ("DCMTK", destination))
    shared = re.sub(r'^path = "(?!/)', f'path = "{directory}/images/', site.read_text(encoding="utf-8"), flags=re.MULTILINE)
    site.write_text(shared, encoding="utf-8")
    made = Farm(directory, url, site, count)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def start_evaluator(client: BrokerClient) -> str:
    """Start the evaluator of the demo's location; give the answer."""
    return client.call("MAG DICOM ROUTE EVAL START", "660", to_elements(parse_rules(RULE))).text
