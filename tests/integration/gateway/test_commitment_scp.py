"""Storage commitment: Orthanc and pynetdicom ask the gateway, which checks what is filed and tells them, in each way."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.uid import generate_uid
from sqlalchemy import delete, select

from console.demo_samples import Sample, write_samples
from fileman.files import Image, ImageEvent
from gateway_client import Gateway
from gateway_client.commitment.transaction import Reason
from gateway_client.configuration import CommitmentWay, Peer
from gateway_client.objects.part10 import read_meta
from runtime import free_port
from tests.integration.gateway.conftest import storescu, wait_for
from tests.support import orthanc
from tests.support.broker import RunningBroker
from tests.support.commitment import Modality, Reference
from tests.support.orthanc import Orthanc

#: pynetdicom closes no socket whose peer is gone already.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning")

CT = "1.2.840.10008.5.1.4.1.1.2"
UNKNOWN: Reference = (CT, "1.2.826.0.1.3680043.9.9")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Write the demo's images that are filed."""
    return [it for it in write_samples(tmp_path_factory.mktemp("samples")) if it.outcome == "filed"]


def reference(sample: Sample) -> Reference:
    return read_meta(sample.path).sop_class_uid, sample.sop_instance_uid


def at(modality: Modality, way: CommitmentWay = "") -> dict[str, Peer]:
    """Say where a modality listens."""
    return {modality.title: Peer("127.0.0.1", modality.port, way)}


def journaled(gateway: Gateway, statement: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(gateway.configuration.journal)
    rows = connection.execute(statement).fetchall()
    connection.close()
    return rows


def send(port: int, samples: list[Sample]) -> None:
    for sample in samples:
        done = storescu(port, sample.path)
        assert done.returncode == 0, done.stderr


def told(gateway: Gateway, count: int = 1) -> Callable[[], bool]:
    """Make a condition: so many results were told and answered. pynetdicom may hang when it is asked for more before that."""
    return lambda: journaled(gateway, "SELECT count(*) FROM commitment WHERE state='TOLD'") == [(count,)]


def filed(gateway: Gateway, count: int) -> Callable[[], bool]:
    return lambda: journaled(gateway, "SELECT count(*) FROM instance WHERE state='FILED'") == [(count,)]


def test_orthanc_has_what_it_sent_committed(
    demo_broker: RunningBroker, make_gateway: Callable[..., Gateway], samples: list[Sample], tmp_path: Path
) -> None:
    """It asks as soon as it has sent: what is not filed yet is waited for. What it did not send is not committed."""
    archive_port = free_port()
    gateway = make_gateway(demo_broker.port, peers={orthanc.AE_TITLE: Peer("127.0.0.1", archive_port)})
    with Orthanc(tmp_path / "orthanc", {"MAGBROKER": gateway.port}, archive_port) as archive:
        ids = [archive.post("/instances", sample.path.read_bytes())["ID"] for sample in samples[:3]]

        def report(resources: list[str]) -> dict[str, object]:
            asked = archive.post("/modalities/MAGBROKER/storage-commitment", {"Resources": resources})
            wait_for(lambda: archive.get(asked["Path"])["Status"] != "Pending")
            answer: dict[str, object] = archive.get(asked["Path"])
            return answer

        archive.post("/modalities/MAGBROKER/store", ids[:2])
        whole, part = report(ids[:2]), report(ids)
    assert whole["Status"] == "Success"
    assert {it["SOPInstanceUID"] for it in whole["Success"]} == {it.sop_instance_uid for it in samples[:2]}  # type: ignore[attr-defined]  # JSON
    assert part["Status"] == "Failure"
    assert [it["SOPInstanceUID"] for it in part["Failures"]] == [samples[2].sop_instance_uid]  # type: ignore[attr-defined]  # JSON
    assert part["Failures"][0]["FailureReason"] == Reason.NO_SUCH_OBJECT_INSTANCE  # type: ignore[index]  # JSON


def test_a_peer_hears_on_a_new_association_again_until_it_answers(
    demo_broker: RunningBroker, make_gateway: Callable[..., Gateway], samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_client.commitment.committing.FIRST_PAUSE", 0.05)
    with Modality(statuses=[0x0110, 0x0110]) as modality:
        gateway = make_gateway(demo_broker.port, peers=at(modality))
        send(gateway.port, samples[:1])
        transaction = modality.request(gateway.port, [reference(samples[0])])
        heard = [modality.hears() for _ in range(3)]
        wait_for(lambda: journaled(gateway, "SELECT state, tries, reason FROM commitment") == [("TOLD", 3, "")])
    assert heard == [heard[0]] * 3
    assert (heard[0].event_type, heard[0].transaction) == (1, transaction)
    assert (heard[0].committed, heard[0].failed) == ([reference(samples[0])], [])


def test_a_peer_hears_on_the_association_over_which_it_asked(
    demo_broker: RunningBroker, make_gateway: Callable[..., Gateway], samples: list[Sample]
) -> None:
    """So does a peer of which nothing is known, as there is no other way to it."""
    gateway = make_gateway(demo_broker.port)
    with Modality("STRANGER") as modality, modality.association(gateway.port) as association:
        send(gateway.port, samples[:1])
        for count in (1, 2):
            status, transaction = modality.ask(association, [reference(samples[0]), UNKNOWN])
            result = modality.hears()
            assert (status, result.event_type, result.transaction) == (0x0000, 2, transaction)
            assert result.committed == [reference(samples[0])]
            assert result.failed == [(*UNKNOWN, Reason.NO_SUCH_OBJECT_INSTANCE)]
            wait_for(told(gateway, count))


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])
def test_a_peer_hears_at_its_next_association_not_before(
    syntax: str, demo_broker: RunningBroker, make_gateway: Callable[..., Gateway], samples: list[Sample]
) -> None:
    with Modality(syntaxes=[syntax]) as modality:
        gateway = make_gateway(demo_broker.port, peers=at(modality, "next"))
        send(gateway.port, samples[:1])
        with modality.association(gateway.port) as association:
            _status, transaction = modality.ask(association, [reference(samples[0])])
            wait_for(lambda: journaled(gateway, "SELECT state FROM commitment") == [("TELLING",)])
            association.send_c_echo()
            assert modality.heard_nothing()
        with modality.association(gateway.port):
            result = modality.hears()
            wait_for(told(gateway))
    assert (result.transaction, result.committed) == (transaction, [reference(samples[0])])


def test_a_request_that_comes_again_is_told_again_and_another_of_its_uid_fails(
    demo_broker: RunningBroker, make_gateway: Callable[..., Gateway], samples: list[Sample]
) -> None:
    with Modality() as modality:
        gateway = make_gateway(demo_broker.port, peers=at(modality))
        send(gateway.port, samples[:1])
        transaction = modality.request(gateway.port, [reference(samples[0])])
        first = modality.hears()
        wait_for(lambda: journaled(gateway, "SELECT state FROM commitment") == [("TOLD",)])
        modality.request(gateway.port, [reference(samples[0])], transaction)
        again = modality.hears()
        modality.request(gateway.port, [reference(samples[0]), UNKNOWN], transaction)
        other = modality.hears()
    assert first == again
    assert (other.event_type, other.transaction, other.committed) == (2, transaction, [])
    assert [reason for _, _, reason in other.failed] == [Reason.DUPLICATE_TRANSACTION] * 2


def _nothing(_gateway: Gateway, _broker: RunningBroker, _file: Path) -> None:
    pass


def _changed(_gateway: Gateway, _broker: RunningBroker, file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def _gone(_gateway: Gateway, _broker: RunningBroker, file: Path) -> None:
    file.unlink()


def _beheaded(_gateway: Gateway, _broker: RunningBroker, file: Path) -> None:
    file.write_bytes(b"no DICOM")


def _taken_back(_gateway: Gateway, broker: RunningBroker, _file: Path) -> None:
    broker.store.transact(lambda connection: connection.execute(delete(Image).where(Image.file_ref != "")))


def _unreadable(_gateway: Gateway, _broker: RunningBroker, file: Path) -> None:
    file.unlink()
    file.symlink_to(file)  # ELOOP


#: What was done to the one image on file, what is asked for in its place, and the failure reason.
REASONS = {
    "nothing": (_nothing, None, None),
    "a byte of it was changed": (_changed, None, Reason.PROCESSING_FAILURE),
    "its file is no DICOM file": (_beheaded, None, Reason.PROCESSING_FAILURE),
    "its file cannot be opened": (_unreadable, None, Reason.PROCESSING_FAILURE),
    "its file is gone": (_gone, None, Reason.NO_SUCH_OBJECT_INSTANCE),
    "its image was taken back": (_taken_back, None, Reason.NO_SUCH_OBJECT_INSTANCE),
    "another instance": (_nothing, ("", "1.2.3"), Reason.NO_SUCH_OBJECT_INSTANCE),
    "no instance": (_nothing, ("", ""), Reason.NO_SUCH_OBJECT_INSTANCE),
    "another class": (_nothing, ("1.2.840.10008.5.1.4.1.1.7", ""), Reason.CLASS_INSTANCE_CONFLICT),
    "a class that is not stored": (_nothing, ("1.2.840.10008.1.1", ""), Reason.SOP_CLASS_NOT_SUPPORTED),
}


@pytest.mark.parametrize("case", REASONS)
def test_each_instance_that_is_not_committed_has_its_reason(
    case: str, demo_broker: RunningBroker, make_gateway: Callable[..., Gateway], samples: list[Sample]
) -> None:
    change, asked, reason = REASONS[case]
    with Modality() as modality:
        gateway = make_gateway(demo_broker.port, peers=at(modality))
        send(gateway.port, samples[:1])
        wait_for(filed(gateway, 1))
        ((placed,),) = journaled(gateway, "SELECT placed FROM instance")
        change(gateway, demo_broker, Path(str(placed)))
        sop_class, uid = reference(samples[0])
        if asked is not None:
            sop_class, uid = asked[0] or sop_class, asked[1] if case.endswith("instance") else uid
        modality.request(gateway.port, [(sop_class, uid)])
        result = modality.hears()
    if reason is None:
        assert (result.committed, result.failed) == ([(sop_class, uid)], [])
    else:
        assert (result.committed, result.failed) == ([], [(sop_class, uid, reason)])


def test_what_is_not_filed_in_time_is_a_processing_failure(
    demo_broker: RunningBroker, make_gateway: Callable[..., Gateway], tmp_path: Path
) -> None:
    """An image on the CORRECT list waits for a person; its sender does not."""
    waiting = [it for it in write_samples(tmp_path / "samples") if it.outcome == "correct"][:1]
    with Modality() as modality:
        gateway = make_gateway(demo_broker.port, peers=at(modality), commitment_wait=0.5)
        send(gateway.port, waiting)
        modality.request(gateway.port, [reference(waiting[0])])
        result = modality.hears()
    assert result.failed == [(*reference(waiting[0]), Reason.PROCESSING_FAILURE)]


def test_the_story_of_an_image_tells_to_whom_it_was_committed(
    demo_broker: RunningBroker, make_gateway: Callable[..., Gateway], samples: list[Sample]
) -> None:
    with Modality() as modality:
        gateway = make_gateway(demo_broker.port, peers=at(modality))
        send(gateway.port, samples[:1])
        transaction = modality.request(gateway.port, [reference(samples[0]), UNKNOWN])
        modality.hears()
    statement = select(ImageEvent.uid, ImageEvent.peer, ImageEvent.outcome, ImageEvent.detail).where(ImageEvent.stage == "COMMIT")
    events = []

    def known() -> bool:
        events[:] = demo_broker.store.read(lambda connection: list(connection.execute(statement)))
        return bool(events)

    wait_for(known)
    assert [tuple(row) for row in events] == [
        (samples[0].sop_instance_uid, "MODALITY", "committed", f"transaction {transaction}")
    ], "an instance that nobody sent has no story"


@pytest.mark.parametrize(
    ("command", "status"),
    [({"action_type": 2}, 0x0123), ({"instance": "1.2.3"}, 0x0112), ({"references": []}, 0x0115)],
    ids=str,
)
def test_a_request_that_is_none_is_refused(command: dict[str, object], status: int, make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(free_port())
    with Modality() as modality, modality.association(gateway.port) as association:
        references = command.pop("references", [UNKNOWN])
        assert modality.ask(association, references, **command)[0] == status  # type: ignore[arg-type]  # of a table
        assert modality.ask(association, [UNKNOWN])[0] == 0x0000, "the association goes on"
    assert len(journaled(gateway, "SELECT * FROM commitment")) == 1


def test_more_open_transactions_than_may_be_are_refused(
    make_gateway: Callable[..., Gateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_client.commitment.commitments.MOST_OPEN", 2)
    gateway = make_gateway(free_port())
    with Modality() as modality, modality.association(gateway.port) as association:
        statuses = [modality.ask(association, [UNKNOWN])[0] for _ in range(3)]
    assert statuses == [0x0000, 0x0000, Reason.RESOURCE_LIMITATION]


@pytest.mark.parametrize(("way", "reachable"), [("same", True), ("same", False), ("next", True)])
def test_a_restart_between_request_and_result_ends_the_association_but_not_the_transaction(
    way: CommitmentWay,
    reachable: bool,
    demo_broker: RunningBroker,
    make_gateway: Callable[..., Gateway],
    samples: list[Sample],
) -> None:
    """Over the same association nothing can be told any more: over a new one then, or the next, of a peer not to be called."""
    with Modality() as modality:
        peers = {modality.title: Peer("127.0.0.1", modality.port, way) if reachable else Peer(commitment=way)}
        gateway = make_gateway(free_port(), peers=peers)  # without a broker it cannot check yet
        send(gateway.port, samples[:1])
        with modality.association(gateway.port) as association:
            _status, transaction = modality.ask(association, [reference(samples[0])])
            gateway.stop()
        gateway = make_gateway(demo_broker.port, peers=peers)
        if way == "same" and reachable:
            result = modality.hears()
        else:
            wait_for(lambda: journaled(gateway, "SELECT state FROM commitment") == [("TELLING",)])
            assert modality.heard_nothing()
            with modality.association(gateway.port):
                result = modality.hears()
                wait_for(told(gateway))
    assert (result.transaction, result.committed, result.failed) == (transaction, [reference(samples[0])], [])


PROGRAM = """
import sys
from pathlib import Path
from gateway_client import Configuration, Gateway
from gateway_client.configuration import Peer
directory, broker, peer = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
gateway = Gateway(Configuration(directory / "gateway", directory, broker_port=broker, access="DEMOGW1", verify="1GWY!@#$",
    dicom_port=0, poll_seconds=0.05, free_space_floor=0, peers={"MODALITY": Peer("127.0.0.1", peer)}))
gateway.start()
print(gateway.port, flush=True)
gateway.wait()
"""


@pytest.fixture
def start_process(tmp_path: Path) -> Iterator[Callable[[int, int], tuple[subprocess.Popen[str], int]]]:
    """Give a function that runs a gateway as a process of its own, given the ports of broker and modality."""
    running: list[subprocess.Popen[str]] = []

    def start(broker: int, peer: int) -> tuple[subprocess.Popen[str], int]:
        command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path), str(broker), str(peer)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    yield start
    for process in running:
        process.kill()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def test_a_gateway_that_is_killed_between_request_and_result_tells_it_afterwards(
    demo_broker: RunningBroker, start_process: Callable[..., tuple[subprocess.Popen[str], int]], samples: list[Sample]
) -> None:
    """Killed twice: when it could not check, as no broker was there, and when it could not tell, as the peer was not."""
    away = free_port()
    with Modality() as modality:
        process, port = start_process(away, modality.port)
        send(port, samples[:1])
        transaction = modality.request(port, [reference(samples[0])], generate_uid())
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        assert modality.heard_nothing()
    process, _port = start_process(demo_broker.port, modality.port)
    journal = f"{process.args[3]}/gateway/journal.db"  # type: ignore[index]  # the list that was given

    def checked() -> bool:
        connection = sqlite3.connect(journal)
        rows = connection.execute("SELECT state, tries>0 FROM commitment").fetchall()
        connection.close()
        return bool(rows == [("TELLING", 1)])

    wait_for(checked)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    with Modality(port=modality.port) as modality:
        start_process(demo_broker.port, modality.port)
        result = modality.hears()
    assert (result.transaction, result.committed) == (transaction, [reference(samples[0])])
