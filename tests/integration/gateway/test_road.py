"""The gateway on the road, with a real broker: images are filed once, whatever stops in between."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select, select

from console.demo_samples import Sample, write_samples
from fileman.files import BackgroundQueue, Image, ImageEvent, ImageHeader
from gateway_client import Gateway
from gateway_client.objects.part10 import digest_of
from tests.integration.gateway.conftest import StartProcess, storescu, wait_for
from tests.support.broker import RunningBroker
from xwb.testing import ScriptedBroker

QUEUED = select(BackgroundQueue.image).where(BackgroundQueue.queue == "EVAL")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Write the demo's images."""
    return write_samples(tmp_path_factory.mktemp("samples"))


def journal(gateway: Gateway) -> dict[str, tuple[str, int, str]]:
    """Read state, image and place of every object from the journal's file."""
    connection = sqlite3.connect(gateway.configuration.journal)
    rows = connection.execute("SELECT sop_instance_uid, state, ien, placed FROM instance").fetchall()
    connection.close()
    return {uid: (state, ien, placed) for uid, state, ien, placed in rows}


def rows_of(broker: RunningBroker, statement: Select[Any]) -> list[Any]:
    """Read rows of the broker's database."""
    return broker.store.read(lambda connection: list(connection.execute(statement)))


def settled(gateway: Gateway, count: int) -> Callable[[], bool]:
    """Make a condition: so many objects have come where they belong."""
    return lambda: sum(state in ("FILED", "CORRECT") for state, _, _ in journal(gateway).values()) == count


def send(gateway: Gateway, samples: list[Sample]) -> None:
    """Send samples with DCMTK."""
    for sample in samples:
        done = storescu(gateway.port, sample.path)
        assert done.returncode == 0, done.stderr


def test_the_samples_are_filed_or_wait_on_the_correct_list_and_the_broker_knows_all_of_it(
    demo_broker: RunningBroker, make_gateway: Callable[..., Gateway], samples: list[Sample]
) -> None:
    gateway = make_gateway(demo_broker.port)
    send(gateway, samples)
    wait_for(settled(gateway, len(samples)))
    rows = journal(gateway)
    assert {sample.sop_instance_uid: sample.outcome for sample in samples} == {
        uid: {"FILED": "filed", "CORRECT": "correct"}[state] for uid, (state, _, _) in rows.items()
    }
    filed = {uid: (ien, placed) for uid, (state, ien, placed) in rows.items() if state == "FILED"}

    wait_for(lambda: len(rows_of(demo_broker, select(ImageEvent.uid).where(ImageEvent.stage == "PLACE"))) == len(filed))
    statement = select(Image.uid, Image.ien, Image.digest).where(Image.uid.in_(filed), Image.file_ref != "")
    images = {row.uid: row for row in rows_of(demo_broker, statement)}
    headers = {row.uid for row in rows_of(demo_broker, select(ImageHeader.uid))}
    queued = [row.image for row in rows_of(demo_broker, QUEUED)]
    assert {uid: row.ien for uid, row in images.items() if row.ien in queued} == {uid: ien for uid, (ien, _) in filed.items()}
    assert len(queued) == len(filed)
    assert {uid: images[uid].digest for uid in filed} == {uid: digest_of(Path(placed)) for uid, (_, placed) in filed.items()}
    assert headers == set(rows)


def test_images_wait_for_a_broker_that_does_not_answer_and_are_filed_when_it_does(
    tmp_path: Path, make_gateway: Callable[..., Gateway], samples: list[Sample]
) -> None:
    calls: list[dict[str, str]] = []

    def imaging(arguments: list[dict[str, str]]) -> list[str]:
        calls.append(arguments[0])
        answers = []
        for line in arguments[0].values():
            if line.startswith("STORE2"):
                answers.append(f"STORE|0|{len(calls)}^\\\\S\\I$\\^{len(calls)}.DCM^0|X|||||")
            if line.startswith("PROCESSED"):
                answers.append(line)
        return [str(len(answers) + 1), *answers]

    handlers = {
        "MAG DICOM IMAGE PROCESSING": imaging,
        "MAGB NETWORK LOCATIONS": lambda _: ["1^RAID^\\\\S\\I$\\^share"],
        "MAGB TRANSMIT DESTINATIONS": lambda _: "",
        "MAGB IMAGE EVENTS": lambda _: "1",
        "MAGB EXPORT REQUEUE": lambda _: "0",
        "MAGB GATEWAY HEARTBEAT": lambda _: "1",
        "MAG DICOM GET MACHINE ID": lambda _: "1",
        "MAG DICOM GET NEXT QUEUE ENTRY": lambda _: ["-2,Nothing to be transmitted."],
    }
    broker = ScriptedBroker(handlers)
    gateway = make_gateway(broker.port)
    send(gateway, samples[:2])
    assert len(list((gateway.configuration.spool / "in").iterdir())) == 2
    assert not calls
    with broker:
        wait_for(settled(gateway, 2))
        broker.drop_connections()
        send(gateway, samples[2:3])
        wait_for(settled(gateway, 3))
        wait_for(lambda: len(broker.calls_of("MAGB GATEWAY HEARTBEAT")) > 1)
        machine, status = broker.calls_of("MAGB GATEWAY HEARTBEAT")[-1]
        assert machine == "DEMOGW1"
        assert f"dicom_port={gateway.port}" in status.values()
        gateway.stop()
    assert {session.duz for session in broker.sessions if session.context} == {1}
    assert sum(line.startswith("STORE1") for call in calls for line in call.values()) == 3


def test_a_gateway_that_is_killed_again_and_again_files_every_image_once(
    tmp_path: Path,
    demo_broker: RunningBroker,
    start_process: StartProcess,
    samples: list[Sample],
) -> None:
    """Each life of the gateway takes some images and is killed at once, while it files them."""
    wanted = [sample for sample in samples if sample.outcome == "filed"]
    for start in range(0, len(wanted), 4):
        process, port = start_process(demo_broker.port)
        for sample in wanted[start : start + 4]:
            assert storescu(port, sample.path).returncode == 0
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
    start_process(demo_broker.port)

    wait_for(lambda: len(rows_of(demo_broker, QUEUED)) == len(wanted))
    rows = rows_of(demo_broker, select(Image.uid, Image.file_ref, Image.digest).where(Image.file_ref != ""))
    assert sorted(row.uid for row in rows) == sorted(sample.sop_instance_uid for sample in wanted)
    for row in rows:
        (path,) = (tmp_path / "image1").rglob(row.file_ref)
        assert digest_of(path) == row.digest
