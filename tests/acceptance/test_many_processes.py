"""Two brokers, two workers and two gateways on one PostgreSQL, of which one each is killed midway."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

from console.processes import Child
from tests.support.dicom import ResendingModality, Storescp, make_slices
from tests.support.farm import Farm, farm, start_evaluator
from tests.support.postgres import PostgresCluster
from tests.support.waiting import until
from xwb import BrokerClient

IMAGES = 2000


def log_of(client: BrokerClient, task: str) -> str:
    return client.call("MAG DICOM ROUTE EVAL LOG", task, "0", "50", "660").text


def test_images_are_routed_while_one_process_of_each_kind_is_killed(tmp_path: Path, postgres: PostgresCluster) -> None:
    slices = make_slices(tmp_path / "slices", IMAGES)
    name, url = postgres.create_database()
    with Storescp(tmp_path / "received") as destination, farm(tmp_path, url, destination.port) as it:
        clients = [it.client(0), it.client(1)]
        until(lambda: bool(it.rows("SELECT 1 FROM task_manager")), "a worker that takes tasks")
        for worker in it.workers:  # both sit still: neither task begins before the other is there
            assert worker.process is not None
            worker.process.send_signal(signal.SIGSTOP)
        answers = [start_evaluator(client) for client in clients]
        numbers = [answer.removeprefix("0,TaskMan task#=") for answer in answers]
        assert all(number.isdigit() for number in numbers), answers
        for worker in it.workers:
            assert worker.process is not None
            worker.process.send_signal(signal.SIGCONT)
        until(lambda: all("Started" in log_of(clients[0], task) for task in numbers), "both tasks have said something")
        until(
            lambda: ["already running for" in log_of(clients[1], task) for task in numbers].count(True) == 1,
            "one of them is too late",
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
            until(lambda s=share: filed(it) >= s * IMAGES, f"{share:.0%} of the images are filed", seconds=300)
            it.kill(victim)
        for modality in modalities:
            modality.join(300)
            assert not modality.left
        until(lambda: statuses(it) == {"SUCCESS": IMAGES}, "every image sent", seconds=600)
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
