"""From STORE1 to the export queue, with the real TaskMan: an image is filed, judged, and waits for its transmitter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from fileman import SiteKey, Store
from rules import parse_rules, to_elements
from rules.evaluator.explaining import why_not
from runtime import SystemClock
from taskman import Engine
from tests.support.broker import RunningBroker
from tests.support.waiting import until
from xwb import BrokerClient, Response

RULES = dict(enumerate(to_elements(parse_rules('dicom("PACS-ARCHIVE") when MODALITY=CR')), 1))
OTHER = dict(enumerate(to_elements(parse_rules('dicom("PACS-ARCHIVE") when MODALITY=MR')), 1))


@pytest.fixture
def broker(oracle_store: Store, site_key: SiteKey, tmp_path: Path) -> Iterator[RunningBroker]:
    engine = Engine(oracle_store, SystemClock(), tmp_path)
    engine.launch()
    broker = RunningBroker(oracle_store, site_key, engine=engine)
    yield broker
    broker.stop()
    engine.shutdown()


def store(number: int, *before: str) -> dict[int, str]:
    lines = [
        *before,
        "STORE1||660|GWA|RAD|CT1|C:\\X.DCM|666000001|IMAGPATIENT^ONE^M|061024-101|061024-101|20240610|093000|0|CR||<DICOM>|1"
        f"|{number}|660|0|GW|",
        f"STORE2|1.2.3.1|1.2.3.1.1|1.2.3.1.1.{number}|1.2.840.10008.5.1.4.1.1.1|0|1|ACME|X1|3240610.0931|V||",
    ]
    return {1: str(len(lines) + 1), **dict(enumerate(lines, 2))}


def processed(image: str) -> dict[int, str]:
    return {1: "2", 2: f"PROCESSED||660|CT1|{image}|1|1|GWA"}


def image_of(answer: Response) -> str:
    return next(line for line in answer.lines if line.startswith("STORE|0|")).split("|")[2].split("^")[0]


def next_entry(client: BrokerClient, *status: str) -> list[str]:
    return client.call("MAG DICOM GET NEXT QUEUE ENTRY", ["660"], list(status)).lines


def test_a_filed_image_is_judged_and_waits_to_be_sent_once(broker: RunningBroker) -> None:
    with broker.client() as client:
        assert client.call("MAG DICOM ROUTE EVAL START", "660", RULES).text.startswith("0,TaskMan task#=")
        image = image_of(client.call("MAG DICOM IMAGE PROCESSING", store(1)))
        assert next_entry(client)[0].startswith("-2,"), "it waits for its file"
        client.call("MAG DICOM IMAGE PROCESSING", processed(image))
        entries: list[list[str]] = []
        until(lambda: (entries.append(next_entry(client)) or entries[-1][0]) == "1")
        assert entries[-1][3] == "PACS-ARCHIVE"
        assert entries[-1][6] == image
        d0, d1 = entries[-1][1:3]
        assert next_entry(client, f"{d0}^{d1}^SUCCESS")[0].startswith("-2,"), "an entry is given once"


def test_a_repeat_stays_marked_when_another_gateway_sends_the_image_at_last(broker: RunningBroker) -> None:
    programmer = broker.client("FAKEPRG1", "1PRG!@#$")  # whom VistA asks for no context
    with programmer as first, broker.client() as second:
        first.call("MAG DICOM ROUTE EVAL START", "660", RULES)
        first.call("MAG DICOM IMAGE PROCESSING", processed(image_of(first.call("MAG DICOM IMAGE PROCESSING", store(1)))))
        entries: list[list[str]] = []
        until(lambda: (entries.append(next_entry(first)) or entries[-1][0]) == "1")
        d0, d1 = entries[-1][1:3]
        assert first.call("MAGB EXPORT RESULT", [f"{d0}^{d1}^WAITING^1^It may have arrived"]).text == "1"
        until(lambda: next_entry(second)[0] == "1", "it is due again")
        next_entry(second, f"{d0}^{d1}^SUCCESS")
    row = text("SELECT status, repeated FROM dicom_export_image")
    assert [tuple(it) for it in broker.store.read(lambda connection: connection.execute(row).all())] == [("SUCCESS", True)]


def test_an_image_that_no_rule_wants_has_the_reason(broker: RunningBroker) -> None:
    with broker.client() as client:
        client.call("MAG DICOM ROUTE EVAL START", "660", OTHER)
        image = image_of(client.call("MAG DICOM IMAGE PROCESSING", store(1)))
        client.call("MAG DICOM IMAGE PROCESSING", processed(image))
        question = text("SELECT fired FROM rule_decision")
        until(lambda: bool(broker.store.read(lambda connection: connection.execute(question).all())))
        (decision,) = broker.store.read(lambda connection: connection.execute(question).all())
        assert decision.fired == "[]"
        assert "MODALITY" in broker.store.read(lambda connection: why_not(connection, int(image)))
        assert next_entry(client)[0].startswith("-2,")


def test_one_evaluator_per_location_until_it_is_stopped(broker: RunningBroker) -> None:
    with broker.client() as client:
        assert client.call("MAG DICOM ROUTE EVAL START", "660", RULES).text.startswith("0,")
        running = text("SELECT count(*) FROM running_task")
        until(lambda: broker.store.read(lambda connection: connection.execute(running).scalar()) == 1)
        again = client.call("MAG DICOM ROUTE EVAL START", "660", RULES).text
        assert again.startswith("-3,A Rule Evaluator is Already Running for")
        client.call("MAG DICOM ROUTE EVAL STOP")
        until(lambda: client.call("MAG DICOM ROUTE EVAL START", "660", RULES).text.startswith("0,"))


def test_start_says_minus_four_when_the_engine_refuses(oracle_broker: RunningBroker) -> None:
    with oracle_broker.client() as client:
        oracle_broker.engine.refuses = True
        assert client.call("MAG DICOM ROUTE EVAL START", "660", RULES).text == "-4,TaskMan did not Accept Request"
        assert len(oracle_broker.engine.rejected) == 1
        oracle_broker.engine.refuses = False
        oracle_broker.engine.up = False
        assert client.call("MAG DICOM ROUTE EVAL START", "660", RULES).text == "-4,TaskMan did not Accept Request"


def test_a_request_that_is_sent_again_is_answered_again_and_done_once(oracle_broker: RunningBroker) -> None:
    with oracle_broker.client() as client:
        first = client.call("MAG DICOM IMAGE PROCESSING", store(1, "REQUEST|0f0e0d0c-1111-4222-8333-444455556666"))
    with oracle_broker.client() as client:
        again = client.call("MAG DICOM IMAGE PROCESSING", store(1, "REQUEST|0f0e0d0c-1111-4222-8333-444455556666"))
        assert again.lines == first.lines
    count = text("SELECT count(*) FROM image WHERE uid = '1.2.3.1.1.1'")
    assert oracle_broker.store.read(lambda connection: connection.execute(count).scalar()) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_looking_for_the_next_image_uses_an_index(oracle_store: Store) -> None:
    """The work per image must not grow with what waits."""
    statements = (
        "SELECT ien FROM background_queue WHERE place=1 AND queue='EVAL' AND status='NOT_PROCESSED' ORDER BY ien LIMIT 16",
        "SELECT export, sequence FROM dicom_export_image WHERE status='WAITING' AND origin=660 AND priority=500"
        " ORDER BY export, sequence LIMIT 1",
        "SELECT priority FROM dicom_export_image WHERE status='WAITING' AND origin=660 ORDER BY priority DESC LIMIT 1",
        "SELECT ien FROM image WHERE uid='1.2.3'",
    )
    for statement in statements:
        plan = oracle_store.read(lambda connection, s=statement: connection.execute(text(f"EXPLAIN QUERY PLAN {s}")).all())
        steps = [str(row[-1]) for row in plan]
        assert all("SCAN" not in step and "TEMP B-TREE" not in step for step in steps), (statement, steps)
