"""Destinations answer for what they took: Orthanc and pynetdicom, in each of the three ways, and after a kill."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue

import pytest
from sqlalchemy import insert, select, update
from twisted.internet.defer import Deferred

from console.demo_samples import Sample, write_samples
from dul import Answer, CommandField, Exchange, Listener, Listening, Policy, Request, answered_by, negotiate
from fileman.files import DicomExport, DicomExportImage, ImageEvent, TransmitDestination
from gateway_client import Gateway
from gateway_client.commitment.transaction import CommitmentRequest, CommitmentResult, decode_request, report
from gateway_client.configuration import Peer
from runtime import DestinationSettings, ReactorThread, free_port
from tests.integration.gateway.conftest import storescu, wait_for
from tests.support import orthanc
from tests.support.asking import storing
from tests.support.broker import RunningBroker
from tests.support.commitment import Archive
from tests.support.orthanc import Orthanc

#: pynetdicom closes no socket whose peer is gone already.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning")

CT = "1.2.840.10008.5.1.4.1.1.2"
AT_ONCE = {"READING ROOM": DestinationSettings(commit=True, commit_after_seconds=0.2)}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Write two images of the demo that are filed, as the archive takes them."""
    written = write_samples(tmp_path_factory.mktemp("samples"))
    return [it for it in written if it.path.stem in ("01-ct-head", "04-mr-abdomen")]


def point(broker: RunningBroker, title: str, port: int) -> None:
    """Say where the destination is."""
    statement = update(TransmitDestination).where(TransmitDestination.name == "READING ROOM")
    broker.store.transact(lambda connection: connection.execute(statement.values(ae_title=title, host="127.0.0.1", port=port)))


def journaled(journal: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(journal)) as connection:
        return connection.execute(statement).fetchall()


def export(broker: RunningBroker, journal: Path, samples: list[Sample]) -> None:
    """Have images sent that the gateway of a journal has received."""
    uids = {it.sop_instance_uid for it in samples}
    filed: list[int] = []

    def all_filed() -> bool:
        rows = journaled(journal, "SELECT sop_instance_uid, ien FROM instance WHERE state='FILED'")
        filed[:] = [int(str(ien)) for uid, ien in rows if uid in uids]
        return len(filed) == len(uids)

    wait_for(all_filed)
    common = {"origin": 660, "priority": 500, "application": "READING ROOM"}
    entries = [{"ien": ien, "group": 0, "requested": "", "image_count": 1, **common} for ien in filed]
    images = [{"export": ien, "sequence": 1, "image": ien, "status": "WAITING", "status_at": 0.0, **common} for ien in filed]
    broker.store.transact(lambda connection: connection.execute(insert(DicomExport), entries))
    broker.store.transact(lambda connection: connection.execute(insert(DicomExportImage), images))


def receive(port: int, samples: list[Sample]) -> None:
    for sample in samples:
        assert storescu(port, sample.path).returncode == 0


def asked(gateway: Gateway) -> list[str]:
    """Give the states of what the gateway asked for."""
    rows = journaled(gateway.configuration.journal, "SELECT state FROM commitment WHERE role='SCU' ORDER BY id")
    return [str(state) for (state,) in rows]


def stories(broker: RunningBroker, count: int) -> dict[str, tuple[str, str]]:
    """Wait for so many lines of stage COMMIT; give outcome and detail by UID."""
    statement = select(ImageEvent.uid, ImageEvent.outcome, ImageEvent.detail, ImageEvent.peer).where(ImageEvent.stage == "COMMIT")
    found = dict[str, tuple[str, str]]()

    def told() -> bool:
        rows = broker.store.read(lambda connection: list(connection.execute(statement)))
        assert {peer for *_, peer in rows} <= {"READING ROOM"}
        found.update({uid: (outcome, detail) for uid, outcome, detail, _ in rows})
        return len(rows) >= count

    wait_for(told)
    return found


@pytest.mark.parametrize("processes", [1, 2])
def test_orthanc_commits_to_what_it_was_sent(
    processes: int, demo_broker: RunningBroker, make_gateway: Callable[..., Gateway], samples: list[Sample], tmp_path: Path
) -> None:
    """One transaction for all of it. Its result comes over an association that Orthanc opens to the gateway's port.

    What was kept until then goes, whichever process hears it.
    """
    port = free_port()
    point(demo_broker, orthanc.AE_TITLE, port)
    settings = {"READING ROOM": DestinationSettings(commit=True, commit_after_seconds=3)}
    gateway = make_gateway(
        demo_broker.port, destinations=settings, processes=processes, delete_after_commitment=("READING ROOM",)
    )
    receive(gateway.port, samples)
    with Orthanc(tmp_path / "orthanc", {"MAGBROKER": gateway.port}, port):
        export(demo_broker, gateway.configuration.journal, samples)
        found = stories(demo_broker, len(samples))
    assert {uid: outcome for uid, (outcome, _) in found.items()} == dict.fromkeys(
        (it.sop_instance_uid for it in samples), "committed"
    )
    assert asked(gateway) == ["COMMITTED"]
    assert gateway.status()["commit_asked_committed"] == 1
    wait_for(lambda: gateway.status()["spool_kept"] == 0)


def test_a_result_over_the_association_of_the_request_is_heard_and_what_failed_has_its_reason(
    demo_broker: RunningBroker, make_gateway: Callable[..., Gateway], samples: list[Sample]
) -> None:
    with Archive("same", lost=[samples[1].sop_instance_uid]) as archive:
        point(demo_broker, archive.title, archive.port)
        settings = DestinationSettings(commit=True, commit_after_seconds=2)
        gateway = make_gateway(demo_broker.port, destinations={"*": settings})
        receive(gateway.port, samples[:2])
        export(demo_broker, gateway.configuration.journal, samples[:2])
        found = stories(demo_broker, 2)
        assert archive.statuses.get(timeout=20) == 0x0000
    assert found[samples[0].sop_instance_uid][0] == "committed"
    outcome, detail = found[samples[1].sop_instance_uid]
    assert outcome == "not committed"
    assert detail.endswith(", 0112 no such object instance")
    assert asked(gateway) == ["FAILED"]


class NextTime:
    """A destination that tells what it commits to as soon as an association is there on which it may."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.untold: SimpleQueue[CommitmentRequest] = SimpleQueue()
        self.told: SimpleQueue[str] = SimpleQueue()
        self._reactor = ReactorThread("archive")
        policy = Policy(choose=lambda _uid, syntaxes: syntaxes[0])
        services = {CommandField.C_STORE_RQ: storing(self.stored), CommandField.N_ACTION_RQ: answered_by(self._act)}
        listening = Listening(lambda request, _peer: negotiate(request, policy), services, established=self._established)
        self.port = self._reactor.call(Listener(listening, self._reactor.reactor).listen, 0, "127.0.0.1").getHost().port

    def _act(self, request: Request, data: bytes) -> Answer:
        self.untold.put(decode_request(data, request.transfer_syntax))
        return Answer(0x0000)

    def _established(self, exchange: Exchange) -> None:
        if not self.untold.empty():
            Deferred.fromCoroutine(self._tell(exchange, self.untold.get()))

    async def _tell(self, exchange: Exchange, request: CommitmentRequest) -> None:
        await report(exchange, CommitmentResult(request.transaction, request.references))
        self.told.put(request.references[0].sop_instance)

    def stop(self) -> None:
        self._reactor.stop()


def test_a_result_is_heard_over_the_next_association_on_which_more_is_sent(
    demo_broker: RunningBroker, make_gateway: Callable[..., Gateway], samples: list[Sample]
) -> None:
    archive = NextTime()
    point(demo_broker, "ARCHIVE", archive.port)
    gateway = make_gateway(demo_broker.port, destinations=AT_ONCE)
    receive(gateway.port, samples)
    export(demo_broker, gateway.configuration.journal, samples[:1])
    wait_for(lambda: not archive.untold.empty())
    assert asked(gateway) == ["WAITING"]
    export(demo_broker, gateway.configuration.journal, samples[1:])
    assert archive.told.get(timeout=20) == samples[0].sop_instance_uid
    assert list(stories(demo_broker, 1)) == [samples[0].sop_instance_uid]
    wait_for(lambda: asked(gateway) == ["COMMITTED", "WAITING"])
    archive.stop()


def test_a_destination_is_called_for_commitment_where_its_peer_settings_say(
    demo_broker: RunningBroker, make_gateway: Callable[..., Gateway], samples: list[Sample]
) -> None:
    with Archive("same") as archive, Archive("same") as elsewhere:
        point(demo_broker, archive.title, archive.port)
        peers = {archive.title: Peer("127.0.0.1", elsewhere.port)}
        gateway = make_gateway(demo_broker.port, destinations=AT_ONCE, peers=peers)
        receive(gateway.port, samples[:1])
        export(demo_broker, gateway.configuration.journal, samples[:1])
        stories(demo_broker, 1)
        assert elsewhere.statuses.get(timeout=20) == 0x0000
        assert (archive.stored, archive.requests.empty()) == ([samples[0].sop_instance_uid], True)


def test_a_result_of_a_transaction_that_is_not_ours_is_refused(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(free_port())
    with Archive("new", caller=gateway.port) as archive:
        archive.tell_unasked("1.2.3.4", (CT, "1.2.3"))
        assert archive.statuses.get(timeout=20) == 0x0110


def test_a_result_is_heard_over_the_next_association_after_a_restart(
    demo_broker: RunningBroker, make_gateway: Callable[..., Gateway], samples: list[Sample]
) -> None:
    archive = NextTime()
    point(demo_broker, "ARCHIVE", archive.port)
    gateway = make_gateway(demo_broker.port, destinations=AT_ONCE)
    receive(gateway.port, samples)
    export(demo_broker, gateway.configuration.journal, samples[:1])
    wait_for(lambda: asked(gateway) == ["WAITING"])
    gateway.stop()
    gateway = make_gateway(demo_broker.port, destinations=AT_ONCE)
    export(demo_broker, gateway.configuration.journal, samples[1:])
    assert archive.told.get(timeout=20) == samples[0].sop_instance_uid
    assert stories(demo_broker, 1)[samples[0].sop_instance_uid][0] == "committed"
    archive.stop()


def test_what_was_to_be_told_over_an_association_that_a_restart_ended_is_asked_for_again(
    demo_broker: RunningBroker, make_gateway: Callable[..., Gateway], samples: list[Sample]
) -> None:
    again_soon = DestinationSettings(commit=True, commit_after_seconds=0.2, commit_retry_minutes=0.02)
    with Archive("never") as archive:
        point(demo_broker, archive.title, archive.port)
        gateway = make_gateway(demo_broker.port, destinations={"READING ROOM": again_soon})
        receive(gateway.port, samples[:1])
        export(demo_broker, gateway.configuration.journal, samples[:1])
        first = archive.requests.get(timeout=20)
        gateway.stop()
        archive.way = "same"
        gateway = make_gateway(demo_broker.port, destinations={"READING ROOM": again_soon})
        assert stories(demo_broker, 1)[samples[0].sop_instance_uid][0] == "committed"
        assert archive.statuses.get(timeout=20) == 0x0000
        again = archive.requests.get(timeout=20)
    assert again.ReferencedSOPSequence == first.ReferencedSOPSequence
    assert asked(gateway) == ["COMMITTED"]


PROGRAM = """
import sys
from pathlib import Path
from gateway_client import Configuration, Gateway
from runtime import DestinationSettings
directory, broker = Path(sys.argv[1]), int(sys.argv[2])
gateway = Gateway(Configuration(directory / "gateway", directory, broker_port=broker, access="DEMOGW1", verify="1GWY!@#$",
    dicom_port=0, poll_seconds=0.05, free_space_floor=0,
    destinations={"READING ROOM": DestinationSettings(commit=True, commit_after_seconds=0.2)}))
gateway.start()
print(gateway.port, flush=True)
gateway.wait()
"""


@pytest.fixture
def start_process(tmp_path: Path) -> Iterator[Callable[[int], tuple[subprocess.Popen[str], int]]]:
    """Give a function that runs a gateway as a process of its own, given the broker's port."""
    running: list[subprocess.Popen[str]] = []

    def start(broker: int) -> tuple[subprocess.Popen[str], int]:
        command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path), str(broker)]
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


def test_a_gateway_that_is_killed_between_request_and_result_takes_it_afterwards(
    demo_broker: RunningBroker,
    start_process: Callable[[int], tuple[subprocess.Popen[str], int]],
    samples: list[Sample],
    tmp_path: Path,
) -> None:
    journal = tmp_path / "gateway" / "journal.db"
    with Archive("new") as archive:
        point(demo_broker, archive.title, archive.port)
        process, port = start_process(demo_broker.port)
        receive(port, samples[:1])
        export(demo_broker, journal, samples[:1])
        wait_for(lambda: not archive.requests.empty())
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        _process, port = start_process(demo_broker.port)
        archive.call(port)
        found = stories(demo_broker, 1)
        assert archive.statuses.get(timeout=20) == 0x0000
        assert archive.requests.qsize() == 1, "it is not asked again"
    assert found[samples[0].sop_instance_uid][0] == "committed"
    assert journaled(journal, "SELECT state, tries FROM commitment") == [("COMMITTED", 1)]
