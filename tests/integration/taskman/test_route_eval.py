"""ROUTE EVAL START, LOG and STOP over the wire, with TaskMan's engine behind them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from console.processes import Child
from fileman import SiteKey, Store, next_ien
from fileman.files import BackgroundQueue, SendQueue
from runtime import SystemClock
from taskman import Engine, api
from tests.integration.rules.recorded_site import fill_recorded_images
from tests.support.broker import RecordingEngine, RunningBroker
from tests.support.postgres import PostgresCluster
from tests.support.waiting import until
from xwb import BrokerClient

ELEMENTS = ["1^ACTION^SEND", "1^ACTION^1^ROUTE-DEST-A", "1^CONDITION^1^KW^MODALITY", "1^CONDITION^1^DT^CS"]
ELEMENTS += ["1^CONDITION^1^OP^=", "1^CONDITION^1^VA^CR"]
RULES = {str(subscript): text for subscript, text in enumerate(ELEMENTS, start=2)}


@pytest.fixture
def engine(oracle_store: Store, tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(oracle_store, SystemClock(), tmp_path)
    engine.launch()
    yield engine
    engine.shutdown()


@pytest.fixture
def client(oracle_store: Store, site_key: SiteKey, engine: Engine) -> Iterator[BrokerClient]:
    broker = RunningBroker(oracle_store, site_key, engine)
    client = broker.client()
    yield client
    client.close()
    broker.stop()


def start(client: BrokerClient, location: str = "660") -> str:
    return client.call("MAG DICOM ROUTE EVAL START", location, RULES).text


def log(client: BrokerClient, task: str, after: int = 0) -> list[str]:
    return list(client.call("MAG DICOM ROUTE EVAL LOG", task, str(after), "100", "660").lines)


def queue(store: Store, image: int) -> None:
    def add(connection: Any) -> None:
        ien = next_ien(connection, "background_queue")
        values = {"queue": "EVAL", "duz": 9002, "requested": "3261121", "image": image, "place": 1}
        connection.execute(insert(BackgroundQueue).values(ien=ien, **values))

    store.transact(add)


def test_an_evaluator_is_started_watched_and_stopped_by_procedure(oracle_store: Store, client: BrokerClient) -> None:
    oracle_store.transact(fill_recorded_images)
    assert start(client) == "0,TaskMan task#=1000"
    assert log(client, "4711") == ["-1,No task #4711"]
    until(lambda: log(client, "1000")[0] == "1 1")
    assert start(client) == "-3,A Rule Evaluator is Already Running for SALT LAKE CITY"
    assert start(client, "688") == "0,TaskMan task#=1001"
    queue(oracle_store, 2)
    until(lambda: log(client, "1000")[0] == "2 2")
    assert log(client, "1000", 1)[1].endswith(" Image 2: SEND (ROUTE-DEST-A)")
    assert log(client, "1000", 2) == ["0 2"]
    sends = oracle_store.read(
        lambda connection: connection.execute(select(SendQueue.file_type).order_by(SendQueue.ien)).scalars().all()
    )
    assert list(sends) == ["ABSTRACT", "FULL", "BIG", "TEXT"]
    assert client.call("MAG DICOM ROUTE EVAL STOP").text == "1"
    for task in ("1000", "1001"):
        until(lambda task=task: log(client, task, 999) == ["-3,Inactive: Finished"])
        assert " Stopped at " in log(client, task)[-1]
    assert start(client) == "0,TaskMan task#=1002"
    until(lambda: log(client, "1002")[0] == "1 1")


def test_an_engine_that_is_down_is_said_to_refuse(client: BrokerClient, engine: Engine) -> None:
    engine.shutdown()
    assert start(client) == "-4,TaskMan did not Accept Request"


def test_a_task_that_the_engine_refuses_stays_rejected(oracle_store: Store, site_key: SiteKey, engine: Engine) -> None:
    class Refusing(RecordingEngine):
        def enqueue(self, task_number: int) -> None:
            raise RuntimeError("no")

        def reject(self, task_number: int, reason: str) -> None:
            engine.reject(task_number, reason)

    engine.shutdown()
    broker = RunningBroker(oracle_store, site_key, Refusing())
    client = broker.client()
    assert start(client) == "-4,TaskMan did not Accept Request"
    status = oracle_store.read(lambda connection: api.stat(connection, 1000))
    assert (status.code, status.text) == ("B", "Inactive: Interrupted")
    client.close()
    broker.stop()


@pytest.fixture
def engine_cluster() -> Iterator[PostgresCluster]:
    """Run a PostgreSQL server for the engine's own store."""
    cluster = PostgresCluster()
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_start_is_refused_while_the_engines_database_is_stopped(
    oracle_store: Store, site_key: SiteKey, engine_cluster: PostgresCluster, tmp_path: Path
) -> None:
    _name, url = engine_cluster.create_database()
    environment = {"MAGBROKER_DATABASE": oracle_store.url, "MAGBROKER_TASKMAN__ENGINE_DATABASE": url}
    worker = Child("taskman", ["taskman", "--data", str(tmp_path / "worker")], 0, tmp_path / "worker.log", environment)
    worker.start()
    handing = Engine(oracle_store, SystemClock(), tmp_path, worker=False, url=url)
    handing.launch()
    broker = RunningBroker(oracle_store, site_key, handing)
    client = broker.client()
    try:
        until(handing.accepting, seconds=60)
        assert start(client) == "0,TaskMan task#=1000"
        until(lambda: any("Started" in line for line in log(client, "1000")))
        engine_cluster.halt()
        assert start(client, "688") == "-4,TaskMan did not Accept Request"
        assert oracle_store.read(lambda connection: api.stat(connection, 1001)).code == "B"
        assert start(client).startswith("-3,"), "the evaluator that runs keeps its location"
        engine_cluster.resume()
        assert start(client, "688") == "0,TaskMan task#=1002"
        until(lambda: any("Started" in line for line in log(client, "1002")), seconds=60)
    finally:
        client.close()
        broker.stop()
        handing.shutdown()
        worker.stop()
