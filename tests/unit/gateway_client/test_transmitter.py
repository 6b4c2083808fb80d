"""Sending: each entry reaches its destination at least once, at most once more, and the broker hears what happened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway_client.configuration import Configuration
from gateway_client.errors import BrokerRefused
from gateway_client.journal import Journal
from gateway_client.part10 import FileMeta, encode_head
from gateway_client.scu import Destination, Outcome, Result
from gateway_client.transmissions import Sending, Transmissions
from gateway_client.transmitter import Entry, Transmitter, read_destinations
from runtime import FixedClock
from tests.unit.gateway_client.fakes import CT, EXPLICIT, MOMENT, SHARE, FakeBroker, data_set
from xwb import ConnectionLost

NOTHING = ["-2,Nothing to be transmitted."]
SENT = Outcome(Result.SENT)


class Killed(BaseException):
    """The process ends here."""


@dataclass
class FakeSender:
    """Notes what is sent; answers what `outcomes` says by destination, in turn, and success after that."""

    outcomes: dict[str, list[Outcome | BaseException]] = field(default_factory=dict)
    sent: list[tuple[str, str, str]] = field(default_factory=list)

    def send(self, destination: Destination, study: str, path: Path) -> Outcome:
        """Send."""
        self.sent.append((destination.name, study, path.name))
        outcomes = self.outcomes.get(destination.name, [])
        outcome = outcomes.pop(0) if outcomes else SENT
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def close_idle(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


@dataclass
class Queue:
    """The export queue of a broker."""

    waiting: list[tuple[int, int, str, str, int, str]] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    requeued: list[list[str]] = field(default_factory=list)
    lose: bool = False

    def next(self, _froms: list[str], sent: list[str]) -> list[str]:
        """MAG DICOM GET NEXT QUEUE ENTRY."""
        self.sent += sent
        if not self.waiting:
            return NOTHING
        entry, sequence, application, group, image, path = self.waiting.pop(0)
        if self.lose:
            raise ConnectionLost("cut")
        return [
            "1",
            str(entry),
            str(sequence),
            application,
            group,
            "021026-201",
            str(image),
            "100",
            "x.DCM",
            path,
            "100",
            "",
            "1",
        ]

    def result(self, lines: list[str]) -> str:
        """MAGB EXPORT RESULT."""
        self.results += lines
        return str(len(lines))

    def requeue(self, _machine: str, in_hand: list[str]) -> str:
        """MAGB EXPORT REQUEUE."""
        self.requeued.append(in_hand)
        return "0"


class Office:
    """A transmitter with everything around it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.queue, self.sender, self.clock = Queue(), FakeSender(), FixedClock(MOMENT)
        self.broker = FakeBroker(
            {
                "MAG DICOM GET NEXT QUEUE ENTRY": self.queue.next,
                "MAGB EXPORT RESULT": self.queue.result,
                "MAGB EXPORT REQUEUE": self.queue.requeue,
                "MAGB NETWORK LOCATIONS": lambda: [f"1^RAID1^{SHARE}^image1"],
                "MAGB TRANSMIT DESTINATIONS": lambda: [
                    "1^READING ROOM^READROOM^127.0.0.1^11113^DEMOGW1^660",
                    "2^RESEARCH^RESEARCH^127.0.0.1^11114^DEMOGW1^660",
                ],
            }
        )
        (directory / "image1").mkdir()
        self.start()

    def start(self) -> None:
        """Start, also after a kill."""
        self.transmissions = Transmissions(Journal(self.directory / "journal.db", synchronous="NORMAL"))
        configuration = Configuration(self.directory, self.directory)
        self.transmitter = Transmitter(configuration, self.transmissions, self.sender, self.clock, lambda: 0.5)
        self.transmitter.connected(self.broker)

    def put(self, entry: int, application: str = "READING ROOM", *, file: bool = True, image: int = 0) -> None:
        """Put an entry on the queue."""
        name = f"{entry}.DCM"
        if file:
            content = encode_head(FileMeta(CT, f"1.2.{entry}", EXPLICIT)) + data_set(f"1.2.{entry}")
            (self.directory / "image1" / name).write_bytes(content)
        self.queue.waiting.append((entry, 1, application, "11", image or entry + 100, SHARE + name))

    def run(self) -> None:
        """Work until there is nothing to do."""
        while self.transmitter.step(self.broker):
            pass


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    return Office(tmp_path)


def test_what_was_sent_is_reported_with_the_call_for_the_next_entry(office: Office) -> None:
    office.put(1)
    office.put(2)
    office.run()
    assert office.sender.sent == [("READING ROOM", "11", "1.DCM"), ("READING ROOM", "11", "2.DCM")]
    assert office.queue.sent == ["1^1^SUCCESS", "2^1^SUCCESS"]
    assert office.queue.results == []
    assert office.transmissions.counts() == {}


def test_a_refusal_puts_the_entry_back_with_the_reason(office: Office) -> None:
    office.put(1)
    office.sender.outcomes["READING ROOM"] = [Outcome(Result.REFUSED, "status A700, disk ^full\r\n")]
    office.run()
    assert office.queue.results == ["1^1^WAITING^0^status A700, disk  full  "]
    office.put(1)
    office.run()
    assert office.queue.sent == ["1^1^SUCCESS"]


def test_one_dead_destination_does_not_hold_up_the_others(office: Office) -> None:
    office.sender.outcomes["READING ROOM"] = [Outcome(Result.UNREACHABLE, "No association.")]
    for number in range(1, 5):
        office.put(number)
    office.put(5, "RESEARCH")
    office.run()
    assert office.sender.sent == [("READING ROOM", "11", "1.DCM"), ("RESEARCH", "11", "5.DCM")]
    assert office.queue.sent == ["5^1^SUCCESS"]
    assert [line.split("^")[:4] for line in office.queue.results] == [[str(n), "1", "WAITING", "0"] for n in range(1, 5)]
    assert all("No association." in line for line in office.queue.results)
    office.clock.advance(60)
    office.put(1)
    office.run()
    assert office.queue.sent[-1] == "1^1^SUCCESS"


def test_an_instance_whose_answer_was_not_seen_is_sent_once_more_and_marked(office: Office) -> None:
    office.sender.outcomes["READING ROOM"] = [Outcome(Result.DOUBT, "No answer was seen.")]
    office.put(1)
    office.run()
    assert office.queue.results == ["1^1^WAITING^1^It may have arrived; No answer was seen."]
    office.clock.advance(60)
    office.put(1)
    office.run()
    assert len(office.sender.sent) == 2
    assert office.queue.results[1:] == ["1^1^SUCCESS^1^"]


def test_it_is_not_sent_a_third_time(office: Office) -> None:
    doubt = Outcome(Result.DOUBT, "No answer was seen.")
    office.sender.outcomes["READING ROOM"] = [doubt, doubt]
    for _ in range(2):
        office.put(1)
        office.run()
        office.clock.advance(60)
    assert office.queue.results[1].startswith("1^1^FAIL^1^Sent 2 times without an answer")
    assert office.transmissions.counts() == {}


def test_after_a_kill_while_sending_it_is_sent_once_more_and_marked(office: Office) -> None:
    office.put(1)
    office.sender.outcomes["READING ROOM"] = [Killed()]
    with pytest.raises(Killed):
        office.run()
    assert office.transmissions.counts() == {"SENDING": 1}
    office.start()
    assert office.queue.requeued[-1] == ["1^1"]
    office.run()
    assert [name for _, _, name in office.sender.sent] == ["1.DCM", "1.DCM"]
    assert office.queue.results == ["1^1^SUCCESS^1^"]
    assert office.transmissions.counts() == {}


def test_after_two_kills_while_sending_a_person_decides(office: Office) -> None:
    office.put(1)
    office.sender.outcomes["READING ROOM"] = [Killed(), Killed()]
    for _ in range(2):
        with pytest.raises(Killed):
            office.run()
        office.start()
    office.run()
    assert len(office.sender.sent) == 2
    assert office.queue.results[-1].startswith("1^1^FAIL^1^")


def test_an_object_that_was_cut_off_before_its_end_is_no_doubt(office: Office) -> None:
    office.sender.outcomes["READING ROOM"] = [Outcome(Result.BROKEN, "The connection was lost.")]
    office.put(1)
    office.run()
    assert office.queue.results == ["1^1^WAITING^0^The connection was lost."]


def test_what_was_sent_is_reported_after_a_kill_and_not_sent_again(office: Office) -> None:
    office.put(1)
    assert office.transmitter.step(office.broker) is True
    assert office.transmissions.counts() == {"SENT": 1}
    office.start()
    assert office.queue.requeued[-1] == ["1^1"]
    office.run()
    assert len(office.sender.sent) == 1
    assert office.queue.sent == ["1^1^SUCCESS"]


def test_an_entry_that_was_taken_and_whose_answer_was_lost_is_given_back(office: Office) -> None:
    office.put(1)
    office.queue.lose = True
    with pytest.raises(ConnectionLost):
        office.run()
    office.queue.lose = False
    office.transmitter.connected(office.broker)
    assert office.queue.requeued[-1] == []


@pytest.mark.parametrize(
    ("application", "file", "line"),
    [
        ("NOWHERE", True, "1^1^WAITING^0^NOWHERE is no transmit destination of this site."),
        ("READING ROOM", False, f"1^1^FAIL^0^{SHARE}1.DCM: No such file or directory."),
    ],
)
def test_what_cannot_be_sent_is_reported(office: Office, application: str, file: bool, line: str) -> None:
    office.put(1, application, file=file)
    office.run()
    assert office.sender.sent == []
    assert office.queue.results == [line]


def test_a_share_that_is_not_mounted_keeps_the_entry_waiting(office: Office) -> None:
    office.put(1, file=False)
    (office.directory / "image1").rmdir()
    office.run()
    assert office.queue.results[0].startswith("1^1^WAITING^0^")


def test_a_file_that_is_no_dicom_file_fails(office: Office) -> None:
    office.put(1)
    (office.directory / "image1" / "1.DCM").write_bytes(b"nothing")
    office.run()
    assert office.queue.results[0].startswith("1^1^FAIL^0^")


def test_the_doubts_of_an_entry_are_not_those_of_another_with_its_number(office: Office) -> None:
    office.sender.outcomes["READING ROOM"] = [Outcome(Result.DOUBT, "No answer."), Outcome(Result.DOUBT, "No answer.")]
    office.put(1, image=7)
    office.run()
    office.clock.advance(60)
    office.put(1, image=8)
    office.run()
    assert [line.split("^")[2] for line in office.queue.results] == ["WAITING", "WAITING"]


@pytest.mark.parametrize("lines", [[], ["-1,No Origin Specified"], ["1", "2"], ["1", "x", "1", *[""] * 10]])
def test_an_answer_that_makes_no_sense_is_said_so(lines: list[str]) -> None:
    with pytest.raises(BrokerRefused):
        Entry.read(lines)


def test_of_two_destinations_of_one_name_ours_is_taken() -> None:
    lines = ["1^X^A^h1^104^OTHER^660", "2^X^B^h2^105^DEMOGW1^660", "3^X^C^h3^106^OTHER^660", "4^BAD^D^h^port^G^1", ""]
    assert read_destinations(lines, "DEMOGW1") == {"X": Destination("X", "B", "h2", 105, "DEMOGW1")}


def test_sending_is_journaled_before_the_first_byte(office: Office) -> None:
    seen: list[dict[str, int]] = []
    real = office.sender.send

    def send(destination: Destination, study: str, path: Path) -> Outcome:
        seen.append(Transmissions(Journal(office.directory / "journal.db")).counts())
        return real(destination, study, path)

    office.sender.send = send  # the test looks in between
    office.put(1)
    office.run()
    assert seen == [{str(Sending.SENDING): 1}]
