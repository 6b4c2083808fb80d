"""The journal of storage commitment: a transaction is one however often it comes, and goes on where it stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway_client.commitment import commitments as module
from gateway_client.commitment.commitments import COMMITTED, Commitments, Progress
from gateway_client.commitment.transaction import CommitmentRequest, CommitmentResult, Reason, Reference
from gateway_client.errors import TooManyCommitments
from gateway_client.journal import Journal

ONE, TWO = Reference("1.2", "1.2.3"), Reference("1.2", "1.2.4")
REQUEST = CommitmentRequest("2.25.1", (ONE, TWO))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def checked(commitments: Commitments) -> int:
    """Take the request, and have it checked."""
    number = commitments.take("CT1", "OURS", REQUEST, 1.0)
    assert commitments.checked(number, [(0, COMMITTED), (1, Reason.NO_SUCH_OBJECT_INSTANCE)], 0.0, 2.0)
    return number


def test_a_transaction_goes_on_in_a_new_process_where_it_stopped(path: Path) -> None:
    journal = Journal(path)
    number = Commitments(journal).take("CT1", "OURS", REQUEST, 1.0)
    assert not Commitments(journal).checked(number, [(1, COMMITTED)], 5.0, 2.0)
    journal.close()
    again = Commitments(Journal(path))
    assert again.to_check(4.9) is None
    commitment = again.to_check(5.0)
    assert commitment is not None
    assert (commitment.id, commitment.peer, commitment.ours, commitment.transaction) == (number, "CT1", "OURS", "2.25.1")
    assert again.unchecked(number, -1, 10) == [(0, ONE)]
    assert again.unchecked(number, 0, 10) == []
    assert again.peers() == []
    assert again.checked(number, [(0, Reason.PROCESSING_FAILURE)], 0.0, 6.0)
    assert (again.to_check(99.0), again.peers()) == (None, ["CT1"])
    (due,) = again.to_tell("CT1", 6.0, 10)
    assert again.result(due) == CommitmentResult("2.25.1", (TWO,), ((ONE, Reason.PROCESSING_FAILURE),))


def test_the_same_request_is_the_same_transaction_and_told_again(path: Path) -> None:
    commitments = Commitments(Journal(path))
    number = checked(commitments)
    assert commitments.take("CT1", "OURS", REQUEST, 3.0) == number
    commitments.told(number, 4.0)
    assert commitments.counts() == {Progress.TOLD: 1}
    assert commitments.take("CT1", "OURS", REQUEST, 5.0) == number
    assert [it.id for it in commitments.to_tell("CT1", 5.0, 10)] == [number]


def test_another_request_under_its_uid_fails_whole_and_a_peer_knows_nothing_of_others(path: Path) -> None:
    commitments = Commitments(Journal(path))
    number = checked(commitments)
    other = commitments.take("CT1", "OURS", CommitmentRequest("2.25.1", (TWO,)), 3.0)
    of_peer = commitments.take("CT2", "OURS", REQUEST, 3.0)
    assert len({number, other, of_peer}) == 3
    (duplicate,) = (it for it in commitments.to_tell("CT1", 3.0, 10) if it.id == other)
    assert commitments.result(duplicate).failed == ((TWO, Reason.DUPLICATE_TRANSACTION),)
    assert commitments.counts() == {Progress.TELLING: 2, Progress.CHECKING: 1}


def test_what_could_not_be_told_waits_and_is_given_up_in_the_end_until_it_is_asked_for_again(path: Path) -> None:
    commitments = Commitments(Journal(path))
    number = checked(commitments)
    commitments.not_told(number, "no answer", 10.0, 3.0)
    assert commitments.to_tell("CT1", 9.9, 10) == []
    ((it,)) = commitments.to_tell("CT1", 10.0, 10)
    assert (it.tries, it.reason) == (1, "no answer")
    commitments.purge(1.0, 0.0, 20.0)
    assert commitments.counts() == {Progress.TELLING: 1}
    commitments.purge(1.1, 0.0, 20.0)
    assert commitments.counts() == {Progress.GIVEN_UP: 1}
    assert commitments.take("CT1", "OURS", REQUEST, 21.0) == number
    assert [it.tries for it in commitments.to_tell("CT1", 21.0, 10)] == [0]


def test_what_is_over_is_forgotten_with_its_references(path: Path) -> None:
    journal = Journal(path)
    commitments = Commitments(journal)
    commitments.told(checked(commitments), 4.0)
    commitments.purge(0.0, 4.0, 5.0)
    assert commitments.counts() == {Progress.TOLD: 1}
    commitments.purge(0.0, 4.1, 5.0)
    with journal.transaction() as connection:
        assert connection.execute("SELECT count(*) FROM commitment_reference").fetchone()[0] == 0
    assert commitments.counts() == {}


def test_only_so_many_may_be_open(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OPEN", 1)
    commitments = Commitments(Journal(path))
    number = checked(commitments)
    with pytest.raises(TooManyCommitments):
        commitments.take("CT2", "OURS", REQUEST, 3.0)
    assert commitments.take("CT1", "OURS", REQUEST, 3.0) == number
    commitments.told(number, 4.0)
    commitments.take("CT2", "OURS", REQUEST, 3.0)


def test_what_comes_next_is_found_by_an_index(path: Path) -> None:
    journal = Journal(path)
    commitments = Commitments(journal)
    number = checked(commitments)
    seen: list[str] = []
    with journal.transaction() as connection:
        connection.set_trace_callback(seen.append)
        commitments.take("CT1", "OURS", REQUEST, 3.0)
        commitments.unchecked(number, -1, 10)
        commitments.to_check(9.0)
        commitments.peers()
        commitments.result(commitments.to_tell("CT1", 9.0, 10)[0])
        connection.set_trace_callback(None)
        plans = {text: connection.execute(f"EXPLAIN QUERY PLAN {text}").fetchall() for text in seen if text.startswith("SELECT")}
    assert len(plans) >= 6
    for text, plan in plans.items():
        assert not [row["detail"] for row in plan if row["detail"].startswith("SCAN")], text
