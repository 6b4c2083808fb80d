"""Storage commitment in a program: it answers for what it took, and hears what came of what it asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

import pytest

from console.demo_samples import Sample, write_samples
from gateway_client import CommitmentSCU, Gateway
from gateway_client.commitment.transaction import Reason
from gateway_client.objects.part10 import read_meta
from magbroker.gateway import Application, CommitmentResult, FileMeta, Keep, Listener, Origin, Peer, Place, Reference
from runtime import DestinationSettings
from tests.integration.gateway.conftest import storescu, wait_for
from tests.integration.gateway.test_committing_destinations import export, journaled, point, stories
from tests.support.broker import RunningBroker
from tests.support.commitment import Archive, Modality, Told

#: pynetdicom closes no socket whose peer is gone already.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning")

CT = "1.2.840.10008.5.1.4.1.1.2"
PATIENCE = 20.0
ONE = Reference(CT, "1.2.3.1")


@dataclass
class Program(Application):
    """Answers for some instances and knows of some results, as a test says; what it takes into memory is in `mine`."""

    safe: Callable[[Reference, Origin], bool] = lambda _reference, _origin: False
    heard: Callable[[CommitmentResult], bool] = lambda _result: False
    mine: str = ""
    results: SimpleQueue[tuple[CommitmentResult, Origin]] = field(default_factory=SimpleQueue)

    def choose_place(self, meta: FileMeta, origin: Origin) -> Place:
        return Keep.MEMORY if meta.sop_instance_uid == self.mine else Keep.SPOOL

    def commits(self, reference: Reference, origin: Origin) -> bool:
        return self.safe(reference, origin)

    def hear_commitment(self, result: CommitmentResult, origin: Origin) -> bool:
        self.results.put((result, origin))
        return self.heard(result)


Start = Callable[..., Listener]


def raises(*_anything: object) -> bool:
    raise RuntimeError("the application has a fault")


def exits(*_anything: object) -> bool:
    raise SystemExit


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start listeners, all on one folder."""
    listeners: list[Listener] = []

    def begin(program: Application, **settings: object) -> Listener:
        listener = Listener(program, tmp_path / "listener", port=0, **settings)  # a test's settings
        listener.start()
        listeners.append(listener)
        return listener

    yield begin
    for listener in listeners:
        listener.stop()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return next(it for it in write_samples(tmp_path_factory.mktemp("samples")) if it.outcome == "filed")


def journal_of(folder: Path) -> Path:
    """Say where the journal of a test's listener lies."""
    return folder / "listener" / ".incoming" / "journal.db"


def heard_by(modality: Modality, journal: Path) -> Told:
    """Wait for a result, and until its answer has come: pynetdicom must not be asked to release before."""
    told = modality.hears()
    wait_for(lambda: journaled(journal, "SELECT count(*) FROM commitment WHERE state='TOLD'") == [(1,)])
    return told


@pytest.mark.parametrize(
    ("safe", "committed", "reason"),
    [
        (lambda reference, _origin: reference == ONE, True, 0),
        (lambda _reference, origin: origin.calling == "MODALITY", True, 0),
        (lambda _reference, origin: origin.called != "MAGBROKER", False, Reason.NO_SUCH_OBJECT_INSTANCE),
        (lambda _reference, _origin: False, False, Reason.NO_SUCH_OBJECT_INSTANCE),
        (raises, False, Reason.PROCESSING_FAILURE),
        (exits, False, Reason.PROCESSING_FAILURE),
        (lambda _reference, _origin: None, False, Reason.PROCESSING_FAILURE),
        (lambda _reference, _origin: "no", False, Reason.PROCESSING_FAILURE),
    ],
)
def test_the_peer_hears_what_the_application_answers_for(
    start: Start, tmp_path: Path, safe: Callable[[Reference, Origin], bool], committed: bool, reason: int
) -> None:
    listener = start(Program(safe=safe))
    with Modality() as modality, modality.association(listener.port) as association:
        status, transaction = modality.ask(association, [ONE])
        told = heard_by(modality, journal_of(tmp_path))
    assert (status, told.transaction, told.event_type) == (0x0000, transaction, 1 if committed else 2)
    assert told.committed == ([ONE] if committed else [])
    assert told.failed == ([] if committed else [(*ONE, reason)])


def test_a_listener_answers_for_what_lies_in_its_folder(start: Start, sample: Sample, tmp_path: Path) -> None:
    listener = start(Program())
    assert storescu(listener.port, sample.path).returncode == 0
    meta = read_meta(sample.path)
    here = Reference(meta.sop_class_uid, meta.sop_instance_uid)
    others = [Reference("1.2.840.10008.5.1.4.1.1.128", here.sop_instance), ONE, Reference("1.2.840.10008.1.1", "1.2")]
    with Modality() as modality, modality.association(listener.port) as association:
        modality.ask(association, [here, *others])
        told = heard_by(modality, journal_of(tmp_path))
    assert told.committed == [here]
    assert [reason for *_, reason in told.failed] == [Reason.NO_SUCH_OBJECT_INSTANCE] * 2 + [Reason.SOP_CLASS_NOT_SUPPORTED]


def test_what_a_listener_was_asked_is_answered_after_it_was_started_again(start: Start) -> None:
    """The peer has ended its association, and is told on a new one as soon as its address is known."""
    ended = threading.Event()
    program = Program(safe=lambda *_asked: ended.wait(PATIENCE))
    with Modality() as modality:
        first = start(program)
        transaction = modality.request(first.port, [ONE])
        ended.set()
        first.stop()
        assert modality.heard_nothing()
        start(program, addresses={modality.title: ("127.0.0.1", modality.port)})
        told = modality.hears()
    assert (told.transaction, told.committed) == (transaction, [ONE])


def test_a_program_that_asks_hears_at_its_listener(start: Start) -> None:
    scus: list[CommitmentSCU] = []
    program = Program(heard=lambda result: scus[0].hear(result))
    listener = start(program)
    with Archive("new", caller=listener.port) as archive:
        peer = Peer("127.0.0.1", archive.port, archive.title)
        with CommitmentSCU(peer) as scu:
            scus.append(scu)
            result = scu.result(scu.ask([ONE]), PATIENCE)
        assert archive.statuses.get(timeout=PATIENCE) == 0x0000
    assert result.committed == (ONE,)
    heard, origin = program.results.get(timeout=PATIENCE)
    assert (heard.transaction, origin.calling) == (result.transaction, archive.title)


@pytest.mark.parametrize(
    ("heard", "status"),
    [
        (lambda _result: True, 0x0000),
        (lambda _result: False, 0x0110),
        (raises, 0x0110),
        (lambda _result: None, 0x0110),
        (lambda _result: "no", 0x0110),
    ],
)
def test_the_peer_sees_whether_its_result_was_taken(start: Start, heard: Callable[[CommitmentResult], bool], status: int) -> None:
    listener = start(Program(heard=heard))
    with Archive("new", caller=listener.port) as archive:
        archive.tell_unasked("2.25.7", ONE)
        assert archive.statuses.get(timeout=PATIENCE) == status


def test_a_gateway_asks_its_application_for_what_that_took_and_tells_it_of_its_destinations(
    demo_broker: RunningBroker, make_gateway: Callable[..., Gateway], tmp_path: Path
) -> None:
    mine, filed = [it for it in write_samples(tmp_path / "samples") if it.path.stem in ("01-ct-head", "04-mr-abdomen")]
    taken = Reference(read_meta(mine.path).sop_class_uid, mine.sop_instance_uid)
    program = Program(safe=lambda reference, _origin: reference == taken, mine=mine.sop_instance_uid)
    with Archive("same") as archive:
        point(demo_broker, archive.title, archive.port)
        destinations = {"*": DestinationSettings(commit=True, commit_after_seconds=0.2)}
        gateway = make_gateway(demo_broker.port, program, destinations=destinations)
        for one in (mine, filed):
            assert storescu(gateway.port, one.path).returncode == 0
        with Modality() as modality, modality.association(gateway.port) as association:
            modality.ask(association, [taken, ONE])
            told = heard_by(modality, gateway.configuration.journal)
        export(demo_broker, gateway.configuration.journal, [filed])
        assert stories(demo_broker, 1)[filed.sop_instance_uid][0] == "committed"
        assert archive.statuses.get(timeout=PATIENCE) == 0x0000
    assert (told.committed, told.failed) == ([taken], [(*ONE, Reason.NO_SUCH_OBJECT_INSTANCE)])
    result, origin = program.results.get(timeout=PATIENCE)
    assert ([it.sop_instance for it in result.committed], origin.calling) == ([filed.sop_instance_uid], archive.title)
