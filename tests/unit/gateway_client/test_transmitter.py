"""Sending: each entry reaches its destination at least once, at most once more, and the broker hears what happened."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from gateway_client.backoff import Backoff
from gateway_client.errors import BrokerRefused
from gateway_client.journal import Journal
from gateway_client.objects.splicing import Change
from gateway_client.priors.searches import PriorSearches, Stage
from gateway_client.transmission import transmitter
from gateway_client.transmission.consignment import Destination
from gateway_client.transmission.export_queue import read_destinations, read_entries
from gateway_client.transmission.lanes import Lane
from gateway_client.transmission.object_file import ObjectFile, Outcome, Result
from gateway_client.transmission.transmissions import Sending, Transmissions
from runtime import DestinationSettings, PriorSettings
from tests.unit.gateway_client.fakes import SHARE
from tests.unit.gateway_client.transmitting import SENT, Office, asked_for
from xwb import ConnectionLost


def test_what_was_sent_is_reported_with_the_call_for_the_next_entry(office: Office) -> None:
    office.put(1)
    office.put(2)
    office.run()
    assert office.sender.sent == [("READING ROOM", "11", "1.2.1"), ("READING ROOM", "11", "1.2.2")]
    assert office.queue.results == ["1^1^SUCCESS^0^", "2^1^SUCCESS^0^"]
    assert office.transmissions.counts() == {}


def test_a_refusal_puts_the_entry_back_with_the_reason(office: Office) -> None:
    office.put(1)
    office.sender.outcomes["READING ROOM"] = [Outcome(Result.REFUSED, "status A700, disk ^full\r\n")]
    office.run()
    assert office.queue.results == ["1^1^WAITING^0^status A700, disk  full  ^600"]
    office.put(1)
    office.run()
    assert office.queue.results[1:] == ["1^1^SUCCESS^0^"]


def test_after_the_last_try_an_entry_fails_with_its_status(office: Office) -> None:
    office.sender.outcomes["READING ROOM"] = [Outcome(Result.REFUSED, "status C000.")] * 4
    for _ in range(4):
        office.put(1)
        office.run()
    assert office.queue.results == ["1^1^WAITING^0^status C000.^600"] * 3 + ["1^1^FAIL^0^status C000. Tried 4 times."]
    assert office.transmissions.counts() == {}


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (Outcome(Result.REFUSED, "status C123, I do not like it"), "status C123, I do not like it. Tried 4 times."),
        (Outcome(Result.REFUSED, "status C123, why me?  "), "status C123, why me? Tried 4 times."),
    ],
)
def test_what_is_said_behind_a_reason_begins_a_sentence(office: Office, outcome: Outcome, told: str) -> None:
    office.sender.outcomes["READING ROOM"] = [outcome] * 4
    for _ in range(4):
        office.put(1)
        office.run()
    assert office.queue.results[-1].split("^")[4] == told


def test_what_was_not_begun_before_a_destination_was_lost_has_not_been_tried(office: Office) -> None:
    office.sender.outcomes["READING ROOM"] = [Outcome(Result.UNREACHABLE, "No association within 30 s")]
    for number in (1, 2):
        office.put(number)
    office.run()
    assert "No association within 30 s. It is left alone for" in office.queue.results[-1]
    pauses = {line.split("^")[0]: line.split("^")[5] for line in office.queue.results}
    assert pauses == {"1": "600", "2": "2"}, "the other waits for as long as the destination is left alone, 1.5 s"


def test_one_dead_destination_does_not_hold_up_the_others(office: Office) -> None:
    office.sender.outcomes["READING ROOM"] = [Outcome(Result.UNREACHABLE, "No association.")]
    for number in range(1, 5):
        office.put(number)
    office.put(5, "RESEARCH")
    office.run()
    assert office.sender.sent == [("READING ROOM", "11", "1.2.1"), ("RESEARCH", "11", "1.2.5")]
    *held, passed = sorted(office.queue.results)
    assert passed == "5^1^SUCCESS^0^"
    assert [line.split("^")[:4] for line in held] == [[str(n), "1", "WAITING", "0"] for n in range(1, 5)]
    assert all("No association." in line for line in held)
    office.clock.advance(60)
    office.put(1)
    office.run()
    assert office.queue.results[-1] == "1^1^SUCCESS^0^"


def test_a_destination_that_is_moved_gets_what_is_taken_from_then_on(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    ports: list[int] = []
    send = office.sender.send
    monkeypatch.setattr(
        office.sender, "send", lambda consignment: (ports.append(consignment.destination.port), send(consignment))
    )
    office.put(1)
    office.run()
    office.broker.handlers["MAGB TRANSMIT DESTINATIONS"] = lambda: ["1^READING ROOM^READROOM^127.0.0.1^11999^DEMOGW1^660"]
    office.transmitter.learn(office.broker)
    office.put(2)
    office.run()
    assert ports == [11113, 11999]
    assert office.queue.results == ["1^1^SUCCESS^0^", "2^1^SUCCESS^0^"]


def test_an_instance_whose_answer_was_not_seen_is_sent_once_more_and_marked(office: Office) -> None:
    office.sender.outcomes["READING ROOM"] = [Outcome(Result.DOUBT, "No answer was seen.")]
    office.put(1)
    office.run()
    assert office.queue.results == ["1^1^WAITING^1^It may have arrived. No answer was seen.^600"]
    office.clock.advance(60)
    office.put(1)
    office.run()
    assert len(office.sender.sent) == 2
    assert office.queue.results[1:] == ["1^1^SUCCESS^1^"]


def test_what_a_destination_has_already_is_done_and_told_so(office: Office) -> None:
    office.put(1)
    office.sender.outcomes["READING ROOM"] = [Outcome(Result.PRESENT, "Not sent: it is there already.")]
    office.run()
    assert office.queue.results == ["1^1^SUCCESS^0^Not sent: it is there already."]
    assert office.transmissions.counts() == {}


def test_whether_a_destination_has_what_may_have_arrived_is_not_asked(large_office: Office) -> None:
    large_office.sender.outcomes["READING ROOM"] = [Outcome(Result.DOUBT, "No answer was seen.")]
    large_office.put(1)
    large_office.run()
    large_office.clock.advance(60)
    large_office.put(2)
    large_office.put(1)
    large_office.run()
    assert large_office.sender.doubtful == [[], [1]]


def test_the_study_of_an_export_is_noted_once_for_its_priors(large_office: Office) -> None:
    office = large_office
    office.destinations = {"READING ROOM": DestinationSettings(priors=PriorSettings(archive="ARCHIVE"))}
    office.start()
    office.put(1)
    office.put(2, "RESEARCH")
    office.run()
    office.put(1)
    office.run()
    (search,) = PriorSearches(office.journal).searches(Stage.NEW, "ARCHIVE", office.clock.seconds(), 9)
    assert (search.destination, search.export, search.image, search.sop_instance_uid) == ("READING ROOM", 1, 101, "1.2.1")
    assert search.study.patient_id


def test_it_is_not_sent_a_third_time(office: Office) -> None:
    doubt = Outcome(Result.DOUBT, "No answer was seen.")
    office.sender.outcomes["READING ROOM"] = [doubt, doubt]
    for _ in range(2):
        office.put(1)
        office.run()
        office.clock.advance(60)
    assert office.queue.results[1].startswith("1^1^FAIL^1^Sent 2 times without an answer")
    assert office.transmissions.counts() == {}


def test_an_object_that_was_cut_off_before_its_end_is_no_doubt(office: Office) -> None:
    office.sender.outcomes["READING ROOM"] = [Outcome(Result.BROKEN, "The connection was lost.")]
    office.put(1)
    office.run()
    assert office.queue.results == ["1^1^WAITING^0^The connection was lost.^600"]


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


@pytest.mark.parametrize(
    ("problem", "result"),
    [
        (errno.EMFILE, "1^1^WAITING^0^%s: Too many open files.^600"),
        (errno.EIO, "1^1^WAITING^0^%s: Input/output error.^600"),
        (errno.ENOENT, "1^1^FAIL^0^%s: No such file or directory."),
    ],
)
def test_a_file_that_cannot_be_opened_now_is_tried_again_and_one_that_is_gone_is_not(
    office: Office, monkeypatch: pytest.MonkeyPatch, problem: int, result: str
) -> None:
    def opened(path: Path, _change: Change | None = None) -> ObjectFile:
        raise OSError(problem, os.strerror(problem), path)

    monkeypatch.setattr(transmitter, "ObjectFile", opened)
    office.put(1)
    office.run()
    assert office.queue.results == [result % f"{SHARE}1.DCM"]


def test_a_share_that_does_not_answer_keeps_the_entry_waiting_and_no_other_from_being_sent(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_path: Path) -> bool:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    office.put(1, file=False)
    office.put(2)
    monkeypatch.setattr(Path, "is_dir", answer)
    office.run()
    assert [line.split("^")[2] for line in office.queue.results] == ["WAITING", "SUCCESS"]


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
        read_entries(lines)


def test_of_two_destinations_of_one_name_ours_is_taken() -> None:
    lines = ["1^X^A^h1^104^OTHER^660", "2^X^B^h2^105^DEMOGW1^660", "3^X^C^h3^106^OTHER^660", "4^BAD^D^h^port^G^1", ""]
    assert read_destinations(lines, "DEMOGW1") == {"X": Destination("X", "B", "h2", 105, "DEMOGW1")}


def test_sending_is_journaled_before_the_first_byte(office: Office) -> None:
    seen: list[dict[str, int]] = []
    office.sender.before = lambda: seen.append(Transmissions(Journal(office.directory / "journal.db")).counts())
    office.put(1)
    office.run()
    assert seen == [{str(Sending.SENDING): 1}]


def test_a_destination_is_asked_to_commit_to_what_it_took_and_to_nothing_else(office: Office) -> None:
    office.destinations = {"READING ROOM": DestinationSettings(commit=True)}
    office.start()
    for number in (1, 2, 3):
        office.put(number)
    office.put(4, "RESEARCH")
    office.sender.outcomes["READING ROOM"] = [SENT, Outcome(Result.REFUSED, "status C000."), SENT]
    office.run()
    assert asked_for(office) == [("1.2.1", "1.2.3")]
    assert office.requests.destinations() == ["READING ROOM"]


def test_a_destination_is_asked_for_what_it_was_sent_in_place_of_the_image(office: Office) -> None:
    office.destinations = {"READING ROOM": DestinationSettings(commit=True)}
    office.sender.compressed = {"1.2.2": "2.25.7"}
    office.start()
    for number in (1, 2):
        office.put(number)
    office.run()
    assert asked_for(office) == [("1.2.1", "2.25.7")]


def test_more_entries_are_taken_at_once_while_that_goes_quickly(large_office: Office) -> None:
    office = large_office
    for number in range(1, 101):
        office.put(number)
    office.run()
    assert office.sender.at_once == [4, 8, 16, 32, 32, 8]
    assert len(office.queue.results) == len(office.sender.sent) == 100
    office.sender.before = lambda: office.clock.advance(20)
    for number in range(101, 201):
        office.put(number)
    office.run()
    assert office.sender.at_once[-4:] == [2, 2, 2, 2]


def test_a_run_that_follows_another_waits_for_the_disk_once(large_office: Office) -> None:
    office = large_office
    statements: list[str] = []
    with office.transmissions.together() as connection:
        connection.set_trace_callback(lambda statement: statements.append(statement.partition(" ")[0]))
    office.sender.hanging.add("READING ROOM")
    for number in range(1, 101):
        office.put(number)
    while len(office.sender.sent) < 100:
        for _ in range(2):
            office.transmitter.step(office.broker)
        hung, office.sender.hung = office.sender.hung, []
        for consignment in hung:
            office.sender.finish(consignment)
    office.run()
    transactions = " ".join(statements).split("BEGIN")
    writes = [one for one in transactions if "INSERT" in one or "DELETE" in one]
    assert len(writes) < 1.5 * len(office.sender.at_once), "each run was begun, ended and forgotten"
    assert office.transmissions.counts() == {}


def test_the_next_entries_are_asked_for_while_these_are_sent(large_office: Office) -> None:
    office = large_office
    office.sender.hanging.add("READING ROOM")
    for number in range(1, 6):
        office.put(number)
    for _ in range(2):
        office.transmitter.step(office.broker)
    assert [len(it.objects) for it in office.sender.hung] == [4]
    assert office.queue.waiting == []
    office.queue.lose = True
    office.sender.resume()
    office.run()
    assert len(office.sender.sent) == 5


def test_a_session_that_is_lost_while_entries_are_sent_loses_no_outcome(large_office: Office) -> None:
    office = large_office
    for number in range(1, 7):
        office.put(number)
    answers = iter([office.queue.many(["660"], [], "1", "0", ["^4"])])
    office.queue.lose = True
    office.broker.handlers["MAGB EXPORT NEXT"] = lambda *arguments: next(answers, None) or office.queue.many(*arguments)
    with pytest.raises(ConnectionLost):
        office.run()
    assert office.transmissions.counts() == {"SENT": 4}


def test_an_entry_that_the_broker_gives_again_while_it_is_sent_is_not_sent_twice(large_office: Office) -> None:
    office = large_office
    office.sender.hanging.add("READING ROOM")
    for number in (1, 2, 3, 4, 4):
        office.put(number)
    for _ in range(2):
        office.transmitter.step(office.broker)
    office.sender.resume()
    office.run()
    assert [uid for _, _, uid in office.sender.sent] == ["1.2.1", "1.2.2", "1.2.3", "1.2.4"]


def test_what_takes_long_to_be_sent_is_not_given_to_another_machine_meanwhile(
    large_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker gives again what it has heard nothing of for 300 s; what was not begun by then may go to another."""
    office = large_office
    office.sender.hanging.add("READING ROOM")
    for number in range(1, 11):
        office.put(number)
    while len(office.sender.hung) < 2:
        office.transmitter.step(office.broker)
    monkeypatch.setattr(transmitter, "LOOK_AGAIN", 0.0)
    under_way = [one for consignment in office.sender.hung for one in consignment.objects]
    kept = sorted(f"{one.path.stem}^1^KEPT" for one in under_way)
    told = [0]
    for seconds in range(0, 900, 30):
        office.transmitter.step(office.broker)
        if office.queue.results:
            told.append(seconds)
            assert office.queue.results == kept
        office.queue.results.clear()
        office.clock.advance(30)
    assert all(later - earlier < 300 for earlier, later in zip(told, [*told[1:], 900], strict=True))
    office.sender.resume()
    office.run()


def test_a_destination_that_hangs_holds_up_no_other(large_office: Office) -> None:
    office = large_office
    office.sender.hanging.add("READING ROOM")
    for number in range(1, 41):
        office.put(number)
        office.put(100 + number, "RESEARCH")
    while any(entry[2] == "RESEARCH" for entry in office.queue.waiting) or len(office.sender.sent) < 40:
        assert office.transmitter.step(office.broker)
    assert {name for name, _, _ in office.sender.sent} == {"RESEARCH"}
    assert len([entry for entry in office.queue.waiting if entry[2] == "READING ROOM"]) == 40 - 16, "two runs, and as many ahead"
    office.sender.resume()
    office.run()
    assert len(office.sender.sent) == 80
    assert sorted(line.split("^")[2] for line in office.queue.results) == ["SUCCESS"] * 80


def test_what_ends_while_there_is_no_broker_is_journaled(large_office: Office) -> None:
    office = large_office
    office.sender.hanging.add("READING ROOM")
    office.put(1)
    for _ in range(2):
        office.transmitter.step(office.broker)
    assert office.transmissions.counts() == {"SENDING": 1}
    office.transmitter.connected(office.broker)
    assert office.transmissions.counts() == {"SENDING": 1}, "it is under way, and not left behind"
    office.sender.resume()
    office.transmitter.offline()
    assert office.transmissions.counts() == {"SENT": 1}


def test_a_destination_that_nothing_was_begun_for_is_not_known_to_be_there(large_office: Office) -> None:
    office = large_office
    destination = Lane("READING ROOM", DestinationSettings(), Backoff(lambda: 0.5))
    destination.lost(0.0, "No association.")
    office.transmitter._lanes._lanes["READING ROOM"] = destination
    office.clock.advance(60)
    office.sender.outcomes["READING ROOM"] = [Outcome(Result.UNSENT, "Its turn did not come in time.")]
    office.put(1)
    office.run()
    assert destination.failures == 1
    office.put(1)
    office.run()
    assert destination.failures == 0


def test_what_a_further_association_brought_over_before_it_was_refused_is_sent(large_office: Office) -> None:
    office = large_office
    office.sender.hanging.add("READING ROOM")
    for number in range(1, 11):
        office.put(number)
    for _ in range(3):
        office.transmitter.step(office.broker)
    further = office.sender.hung[1]
    results = [Result.SENT, Result.SENT, Result.REFUSED, Result.UNREACHABLE, *[Result.UNSENT] * len(further.objects)]
    for place, result in zip(range(len(further.objects)), results, strict=False):
        further.tell(place, Outcome(result, "" if result is Result.SENT else "No association."))
    uids = [one.meta.sop_instance_uid for one in further.objects]
    further.ended(further)
    office.sender.hung.remove(further)
    office.sender.resume()
    office.run()
    sent_again = [uid for _, _, uid in office.sender.sent]
    assert uids[0] not in sent_again
    assert uids[1] not in sent_again
    told = [line.split("^") for line in office.queue.results]
    assert [entry for entry, _, status, *_ in told if status == "SUCCESS"].count(uids[0].rpartition(".")[2]) == 1


def test_a_destination_that_takes_one_association_only_gets_its_entries_over_that(large_office: Office) -> None:
    office = large_office
    office.sender.hanging.add("READING ROOM")
    for number in range(1, 11):
        office.put(number)
    for _ in range(3):
        office.transmitter.step(office.broker)
    first, further = office.sender.hung
    assert (first.further, further.further) == (False, True)
    for place in range(len(further.objects)):
        further.tell(place, Outcome(Result.UNREACHABLE if place == 0 else Result.UNSENT, "No association."))
    further.ended(further)
    office.sender.hung.remove(further)
    for _ in range(3):
        office.transmitter.step(office.broker)
    assert office.sender.hung == [first], "it is not asked for another one soon"
    assert all(line.split("^")[2:4] == ["WAITING", "0"] for line in office.queue.results)
    office.sender.resume()
    office.run()
    assert len(office.sender.sent) == 10 - len(further.objects)
