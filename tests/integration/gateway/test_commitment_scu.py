"""Our side asks for storage commitment: Orthanc and pynetdicom answer, in each of the three ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from console.demo_samples import write_samples
from dul import CommandField, Exchange, Listener, Listening, Policy, c_store, negotiate, propose
from gateway_client import Configuration, Gateway
from gateway_client.commitment.scu import (
    CommitmentSCU,
    answered,
    commit_files,
    commit_instances,
    hearing,
    references_of,
)
from gateway_client.commitment.transaction import (
    COMMITMENT,
    EXPLICIT,
    CommitmentRequest,
    CommitmentResult,
    Reason,
    Reference,
    report,
)
from gateway_client.errors import BadCommitment, NoAssociation, NoCommitmentResult, PeerFailed
from gateway_client.query_retrieve import Peer
from gateway_client.reception.scp import StorageSCP
from gateway_client.reception.spool import Spool
from runtime import PortInUse, ReactorThread, SystemClock, free_port
from tests.integration.gateway.conftest import storescu
from tests.support import orthanc
from tests.support.asking import Asking, storing
from tests.support.broker import RunningBroker
from tests.support.commitment import Archive
from tests.support.orthanc import Orthanc

#: pynetdicom closes no socket whose peer is gone already.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning")

CT = "1.2.840.10008.5.1.4.1.1.2"
ONE, TWO, THREE = (Reference(CT, f"1.2.3.{number}") for number in range(3))


def test_orthanc_commits_to_what_it_stored(tmp_path: Path) -> None:
    """It tells over an association that it opens to us."""
    ours = free_port()
    files = [it.path for it in write_samples(tmp_path / "samples")[:3]]
    with Orthanc(tmp_path / "orthanc", {"OURS": ours}) as archive:
        for file in files[:2]:
            archive.post("/instances", file.read_bytes())
        peer = Peer("127.0.0.1", archive.port, orthanc.AE_TITLE, "OURS")
        result = commit_files(peer, files, listen=ours)
    assert list(result.committed) == references_of(files[:2])
    assert result.failed == ((references_of(files)[2], Reason.NO_SUCH_OBJECT_INSTANCE),)


@pytest.mark.parametrize("way", ["same", "new", "next"])
def test_a_result_is_heard_in_each_way(way: str) -> None:
    ours = free_port()
    heard: list[CommitmentResult] = []
    with Archive(way, lost=[TWO.sop_instance], caller=ours) as archive:
        peer = Peer("127.0.0.1", archive.port, archive.title)
        listen = ours if way == "new" else None
        with CommitmentSCU(peer, listen=listen, heard=heard.append, next_association=2.0 if way == "next" else 5.0) as scu:
            results = [scu.result(scu.ask(references), 20) for references in ((ONE, TWO), (THREE,))]
        assert [archive.statuses.get(timeout=20) for _ in results] == [0x0000] * 2
    assert [(it.committed, it.failed) for it in results] == [((ONE,), ((TWO, 0x0112),)), ((THREE,), ())]
    assert [it.transaction for it in heard] == [it.transaction for it in results]


def test_a_result_is_heard_while_objects_are_sent() -> None:
    """Right after negotiation the peer tells, when we are about to send (PS3.4 J.3.3)."""
    result = CommitmentResult("2.25.1", (ONE,), ((TWO, 0x0112),))
    heard: list[CommitmentResult] = []
    stored: dict[str, bytes] = {}
    answers: list[str] = []

    async def told(exchange: Exchange) -> None:
        await report(exchange, result)
        answers.append(f"after {len(stored)} objects")

    def established(exchange: Exchange) -> None:
        Deferred.fromCoroutine(told(exchange))

    async def keep(given: CommitmentResult, _exchange: Exchange) -> bool:
        heard.append(given)
        return True

    async def send(exchange: Exchange) -> None:
        for number in range(50):
            await c_store(exchange, CT, f"1.2.3.{number}", EXPLICIT, bytes(200_000))

    policy = Policy(choose=lambda _uid, syntaxes: syntaxes[0])
    listening = Listening(
        lambda request, _peer: negotiate(request, policy), {CommandField.C_STORE_RQ: storing(stored)}, established=established
    )
    archive = ReactorThread("archive")
    port = archive.call(Listener(listening, archive.reactor).listen, 0, "127.0.0.1").getHost().port
    with Asking() as asking:
        asking.over(port, propose("ARCHIVE", "US", [(COMMITMENT, [EXPLICIT]), (CT, [EXPLICIT])]), send, hearing(keep))
    archive.stop()
    assert (heard, len(stored)) == ([result], 50)
    assert answers[0] != "after 50 objects", "it was answered while objects were sent"


def test_the_gateway_commits_to_itself(demo_broker: RunningBroker, make_gateway: Callable[..., Gateway], tmp_path: Path) -> None:
    gateway = make_gateway(demo_broker.port)
    sample = next(it for it in write_samples(tmp_path / "samples") if it.outcome == "filed")
    assert storescu(gateway.port, sample.path).returncode == 0
    result = commit_files(Peer("127.0.0.1", gateway.port), [sample.path])
    assert (list(result.committed), result.failed) == (references_of([sample.path]), ())


def test_a_peer_that_tells_nothing_in_time_is_named() -> None:
    with Archive("never") as archive:
        peer = Peer("127.0.0.1", archive.port, archive.title)
        with pytest.raises(NoCommitmentResult, match=r"ARCHIVE has not told of transaction .* within 0\.1 s"):
            commit_instances(peer, [ONE], seconds=0.1)


def test_a_request_that_the_peer_refuses_fails(make_gateway: Callable[..., Gateway], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_client.commitment.commitments.MOST_OPEN", 0)
    gateway = make_gateway(free_port())
    with pytest.raises(PeerFailed, match="0213"):
        commit_instances(Peer("127.0.0.1", gateway.port), [ONE])


def test_a_peer_that_takes_no_storage_commitment_fails(tmp_path: Path) -> None:
    """Its association was not lost: to ask again is of no use."""
    scp = StorageSCP(Configuration(tmp_path, tmp_path, dicom_port=0), Spool(tmp_path, SystemClock()), lambda _file: None)
    scp.start()
    try:
        with pytest.raises(PeerFailed, match="accepted no context for storage commitment"):
            commit_instances(Peer("127.0.0.1", scp.port), [ONE])
    finally:
        scp.stop()


def test_a_peer_that_is_not_there_is_named() -> None:
    nobody = Peer("127.0.0.1", free_port(), "ARCHIVE")
    with pytest.raises(NoAssociation, match=f"ARCHIVE at 127.0.0.1:{nobody.port}"):
        commit_instances(nobody, [ONE])


@pytest.mark.parametrize("count", [0, 10_001])
def test_a_transaction_is_neither_empty_nor_endless(count: int) -> None:
    with CommitmentSCU(Peer("127.0.0.1", 1)) as scu, pytest.raises(BadCommitment, match=f"not {count}"):
        scu.ask([ONE] * count)


def test_a_port_that_is_taken_is_named(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(free_port())
    with (
        pytest.raises(PortInUse, match=r"choose another port: listen\."),
        CommitmentSCU(Peer("127.0.0.1", 1), listen=gateway.port),
    ):
        pass


@pytest.mark.parametrize(
    ("committed", "failed", "expected"),
    [
        ((ONE, TWO), (), ((ONE, TWO), ())),
        ((ONE,), ((TWO, 0x0119),), ((ONE,), ((TWO, 0x0119),))),
        ((ONE,), (), ((ONE,), ((TWO, 0x0110),))),  # it did not speak of the other one
        ((ONE, TWO), ((TWO, 0x0112),), ((ONE,), ((TWO, 0x0112),))),  # both ways
        ((ONE, TWO, THREE), ((THREE, 0x0112),), ((ONE, TWO), ())),  # of one that it was not asked for
    ],
)
def test_only_what_was_asked_for_and_named_is_committed(
    committed: tuple[Reference, ...],
    failed: tuple[tuple[Reference, int], ...],
    expected: tuple[tuple[Reference, ...], tuple[tuple[Reference, int], ...]],
) -> None:
    result = answered(CommitmentRequest("2.25.1", (ONE, TWO)), CommitmentResult("2.25.1", committed, failed))
    assert (result.committed, result.failed) == expected
