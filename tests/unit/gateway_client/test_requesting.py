"""Destinations are asked to commit in batches, again until they answer or the time is over, and no image is left untold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway_client.commitment import requests as module
from gateway_client.commitment.requesting import FIRST_PAUSE, REMEMBERED_FOR, Requesting
from gateway_client.commitment.requestor import Asked, Ended
from gateway_client.commitment.requests import Asking, CommitmentRequests, Taken
from gateway_client.commitment.transaction import CommitmentRequest, CommitmentResult, Reason, Reference
from gateway_client.configuration import Configuration
from gateway_client.journal import Journal
from gateway_client.transmission.consignment import Destination
from runtime import DestinationSettings, FixedClock
from tests.unit.gateway_client.fakes import MOMENT, FakeBroker

ONE, TWO, THREE = (Reference("1.2", f"1.2.3.{number}") for number in range(3))
NAME = "READING ROOM"


@dataclass
class FakeRequestor:
    """Keeps what is asked; each request ends with the problem given, or well."""

    problem: str = ""
    asked: list[CommitmentRequest] = field(default_factory=list)
    _ended: list[Ended] = field(default_factory=list)

    def ask(self, destination: Destination, asked: Sequence[Asked]) -> None:
        self.asked += [one.request for one in asked]
        if self.problem:
            self._ended += [Ended(destination.name, one.number, self.problem) for one in asked]
        self._ended.append(Ended(destination.name, 0))

    def ended(self) -> Iterator[Ended]:
        ended, self._ended = self._ended, []
        return iter(ended)


class Site:
    """The task with a journal, which may be killed, and a clock."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "journal.db"
        self.settings = DestinationSettings(commit=True, commit_retry_minutes=60, commit_hours=24)
        self.clock = FixedClock(MOMENT)
        self.broker = FakeBroker({"MAGB TRANSMIT DESTINATIONS": lambda: [f"1^{NAME}^READROOM^127.0.0.1^11113^DEMOGW1^660"]})
        self.requestor = FakeRequestor()
        self.restart()

    def restart(self) -> None:
        self.journal = Journal(self.path, synchronous="NORMAL")
        self.requests = CommitmentRequests(self.journal, lambda _images: None)
        configuration = Configuration(self.path.parent, self.path.parent, destinations={NAME: self.settings})
        self.task = Requesting(configuration, self.requests, self.requestor, self.clock, lambda: 1.0)  # type: ignore[arg-type]  # a fake
        self.task.connected(self.broker)

    def take(self, *references: Reference) -> None:
        now = self.clock.seconds()
        self.requests.gather(NAME, [Taken(one, 100 + at) for at, one in enumerate(references)], now + 10, now)

    def after(self, seconds: float) -> list[CommitmentRequest]:
        """Let time pass, and give what was asked then."""
        self.clock.advance(seconds)
        before = len(self.requestor.asked)
        self.task.offline()
        self.task.step(self.broker)
        self.task.offline()
        return self.requestor.asked[before:]

    def hear(self, result: CommitmentResult) -> bool:
        return self.requests.heard(result, self.clock.seconds())

    def stories(self) -> list[tuple[str, ...]]:
        """Give UID, image, outcome and detail of what stories are told."""
        pieces = [line.split("^") for line in self.journal.events(100)[0]]
        return [
            (uid, ien, outcome, detail)
            for uid, ien, stage, _, peer, outcome, detail in pieces
            if (stage, peer) == ("COMMIT", NAME)
        ]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_what_is_taken_within_a_while_is_asked_for_at_once_and_what_was_taken_twice_once(site: Site) -> None:
    site.take(ONE, TWO)
    assert site.after(9.9) == []
    site.take(THREE, ONE)
    (request,) = site.after(0.1)
    assert request.references == (ONE, TWO, THREE)
    assert site.after(60) == []
    assert site.requests.counts() == {"WAITING": 1}


def test_a_transaction_has_no_more_instances_than_may_be(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REFERENCES", 2)
    site.take(ONE)
    site.take(TWO, THREE)
    assert [request.references for request in site.after(0)] == [(ONE,)]
    assert [request.references for request in site.after(10)] == [(TWO, THREE)]


def test_a_result_ends_a_transaction_and_each_image_has_its_story(site: Site) -> None:
    site.take(ONE, TWO, THREE)
    (request,) = site.after(10)
    assert site.hear(CommitmentResult(request.transaction, (ONE,), ((TWO, 0x0112),)))
    uid = request.transaction.rpartition(".")[0]
    assert site.stories() == [
        (ONE.sop_instance, "100", "committed", f"transaction {uid}"),
        (TWO.sop_instance, "101", "not committed", f"transaction {uid}, 0112 no such object instance"),
        (THREE.sop_instance, "102", "not committed", f"transaction {uid}, 0110 processing failure"),
    ]
    assert site.requests.counts() == {"FAILED": 1}
    assert site.after(86400) == []
    assert site.hear(CommitmentResult(request.transaction, (ONE, TWO, THREE))), "told again, it is known"
    assert len(site.stories()) == 3


@pytest.mark.parametrize("transaction", ["2.25.1", "2.25.1.1", "nothing", ""])
def test_a_result_of_what_was_not_asked_for_is_not_known(site: Site, transaction: str) -> None:
    site.take(ONE)
    site.after(10)
    assert not site.hear(CommitmentResult(transaction, (ONE,)))
    assert site.requests.counts() == {"WAITING": 1}


def test_without_a_result_it_is_asked_again_less_and_less_often_and_a_late_result_counts(site: Site) -> None:
    site.take(ONE)
    (first,) = site.after(10)
    assert site.after(3599) == []
    (second,) = site.after(1)
    assert site.after(7199) == []
    (third,) = site.after(1)
    assert len({first.transaction, second.transaction, third.transaction}) == 3
    assert site.hear(CommitmentResult(first.transaction, (ONE,)))
    assert site.requests.counts() == {"COMMITTED": 1}


def test_what_gets_no_result_in_time_is_told(site: Site) -> None:
    site.requestor.problem = "No connection."
    site.take(ONE)
    site.after(10)
    while site.requests.counts() == {"WAITING": 1}:
        site.after(1800)
    assert site.clock.seconds() == pytest.approx(FixedClock(MOMENT).seconds() + 86400 + 10, abs=1800)
    ((uid, ien, outcome, detail),) = site.stories()
    assert (uid, ien, outcome) == (ONE.sop_instance, "100", "not committed")
    assert detail.endswith("no result in 24 hours: No connection.")
    assert site.requests.counts() == {"FAILED": 1}
    assert site.hear(CommitmentResult(site.requestor.asked[0].transaction, (ONE,)))
    assert site.stories()[1][2] == "committed", "it came too late, but it came"
    assert site.requests.counts() == {"COMMITTED": 1}


def test_a_result_that_comes_just_before_it_is_asked_for_again_or_given_up_stands(site: Site) -> None:
    site.take(ONE)
    (first,) = site.after(10)
    site.clock.advance(86400)
    (found,) = site.requests.due(NAME, site.clock.seconds(), 9)
    assert site.hear(CommitmentResult(first.transaction, (ONE,)))
    now = site.clock.seconds()
    assert site.requests.ask(found, now + 3600, now) is None
    site.requests.give_up(found, "no result in 24 hours", now)
    assert site.requests.counts() == {"COMMITTED": 1}
    assert [story[2] for story in site.stories()] == ["committed"]


def test_of_what_is_due_only_that_is_asked_for_to_which_no_result_came_meanwhile(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.take(ONE)
    (first,) = site.after(10)
    site.take(TWO)
    due = CommitmentRequests.due

    def overtaken(requests: CommitmentRequests, destination: str, now: float, most: int) -> list[Asking]:
        found = due(requests, destination, now, most)
        site.hear(CommitmentResult(first.transaction, (ONE,)))
        return found

    monkeypatch.setattr(CommitmentRequests, "due", overtaken)
    assert [request.references for request in site.after(3600)] == [(TWO,)]
    assert site.requests.counts() == {"COMMITTED": 1, "WAITING": 1}


def test_what_could_not_be_asked_for_is_asked_for_soon(site: Site) -> None:
    site.requestor.problem = "No connection."
    site.take(ONE)
    assert len(site.after(10)) == 1
    assert site.after(FIRST_PAUSE - 1) == []
    assert len(site.after(1)) == 1


def test_a_destination_short_of_resources_is_asked_again_for_these_alone(site: Site) -> None:
    site.take(ONE, TWO)
    (request,) = site.after(10)
    site.hear(CommitmentResult(request.transaction, (ONE,), ((TWO, Reason.RESOURCE_LIMITATION),)))
    assert [story[0] for story in site.stories()] == [ONE.sop_instance]
    (again,) = site.after(3600)
    assert again.references == (TWO,)
    site.hear(CommitmentResult(again.transaction, (TWO,)))
    assert site.requests.counts() == {"COMMITTED": 1}


@pytest.mark.parametrize("kill", [lambda site: None, Site.restart], ids=["goes on", "is killed"])
def test_a_gateway_goes_on_in_a_new_process_where_it_stopped(site: Site, kill: Callable[[Site], None]) -> None:
    site.take(ONE)
    kill(site)
    (request,) = site.after(10)
    kill(site)
    assert site.after(1) == []
    assert site.hear(CommitmentResult(request.transaction, (ONE,)))
    kill(site)
    assert site.after(86400) == []
    assert site.requests.counts() == {"COMMITTED": 1}


def test_a_destination_that_the_site_lost_is_named(site: Site) -> None:
    site.broker.handlers["MAGB TRANSMIT DESTINATIONS"] = list
    site.restart()
    site.take(ONE)
    site.after(10)
    site.after(2 * 86400)
    assert site.stories()[0][3].endswith(f"{NAME} is no transmit destination of this site.")


def test_what_is_over_is_forgotten_in_the_end(site: Site) -> None:
    site.take(ONE)
    (request,) = site.after(10)
    site.hear(CommitmentResult(request.transaction, (ONE,)))
    site.after(REMEMBERED_FOR - 60)
    assert site.requests.counts() == {"COMMITTED": 1}
    site.after(4000)
    assert site.requests.counts() == {}


def test_what_runs_for_each_run_of_images_uses_indexes(site: Site) -> None:
    with site.journal.transaction() as connection:
        for query in (
            "peer='A' AND state='GATHERING'",
            "role='SCU' AND transaction_uid='2.25.1'",
            "role='SCU' AND state='WAITING'",
        ):
            plan = json.dumps(
                [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN SELECT id FROM commitment WHERE {query}")]
            )
            assert "USING" in plan
            assert "INDEX commitment_" in plan
