"""What the transmitter makes of kills: of its own, of the machine's, and of sessions that end."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from gateway_client.transmission.object_file import Outcome, Result
from gateway_client.transmission.transmissions import Transmission, Transmissions
from gateway_client.transmission.transmitter import TAKEN_FOR
from runtime import DestinationSettings
from tests.unit.gateway_client.transmitting import AT_ITS_BEGINNING, SENT, Killed, Office, asked_for


def test_after_a_kill_while_sending_it_is_sent_once_more_and_marked(office: Office) -> None:
    office.put(1)
    office.sender.outcomes["READING ROOM"] = [Killed()]
    with pytest.raises(Killed):
        office.run()
    assert office.transmissions.counts() == {"SENDING": 1}
    office.start()
    assert office.queue.requeued[-1] == ["1^1"]
    office.run()
    assert [uid for _, _, uid in office.sender.sent] == ["1.2.1", "1.2.1"]
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


def test_what_was_sent_is_reported_after_a_kill_and_not_sent_again(office: Office) -> None:
    office.put(1)
    assert office.transmitter.step(office.broker) is True
    office.transmitter.offline()
    assert office.transmissions.counts() == {"SENT": 1}
    office.start()
    assert office.queue.requeued[-1] == ["1^1"]
    office.run()
    assert len(office.sender.sent) == 1
    assert office.queue.results == ["1^1^SUCCESS^0^"]


def test_what_was_answered_before_a_kill_is_to_be_committed_too(large_office: Office) -> None:
    """The journal knew it as sent only after the next start; what the kill left in doubt comes with its answer."""
    office = large_office
    office.destinations = {"READING ROOM": DestinationSettings(commit=True)}
    office.start()
    for number in (1, 2):
        office.put(number)
    office.sender.outcomes["READING ROOM"] = [SENT, Killed()]
    with pytest.raises(Killed):
        office.run()
    assert asked_for(office) == []
    office.start()
    assert asked_for(office) == [("1.2.1",)]


def test_of_many_entries_a_kill_leaves_in_doubt_what_was_handed_over_and_not_answered(large_office: Office) -> None:
    office = large_office
    for number in range(1, 5):
        office.put(number)
    office.sender.outcomes["READING ROOM"] = [SENT, SENT, Killed()]
    with pytest.raises(Killed):
        office.run()
    assert office.transmissions.counts() == {"SENDING": 4}
    office.start()
    assert office.queue.requeued[-1] == ["1^1", "2^1", "3^1", "4^1"]
    office.run()
    assert [uid for _, _, uid in office.sender.sent] == ["1.2.1", "1.2.2", "1.2.3", "1.2.3", "1.2.4"]
    assert sorted(office.queue.results) == [f"{number}^1^SUCCESS^{int(number == 3)}^" for number in range(1, 5)]


def test_what_a_kill_left_and_is_to_be_sent_again_is_not_told_as_waiting_meanwhile(large_office: Office) -> None:
    office = large_office
    office.sender.hanging.add("READING ROOM")
    for number in range(1, 9):
        office.put(number, group="11" if number < 5 else "12")
    for _ in range(3):
        office.transmitter.step(office.broker)
    assert [it.study for it in office.sender.hung] == ["11", "12"]
    for one in [one for it in office.sender.hung for one in it.objects]:
        one.close()
    office.sender.hung.clear()
    office.start()
    for _ in range(3):
        office.transmitter.step(office.broker)
    assert [it.study for it in office.sender.hung] == ["11"], "the other study lies ahead"
    assert office.queue.results == []
    office.sender.resume()
    office.run()
    assert {line.split("^")[2] for line in office.queue.results} == {"SUCCESS"}


def test_an_object_that_was_not_handed_over_whole_before_a_kill_is_no_doubt(office: Office) -> None:
    office.put(1)
    office.sender.outcomes["READING ROOM"] = [AT_ITS_BEGINNING]
    with pytest.raises(Killed):
        office.run()
    office.start()
    office.run()
    assert office.queue.results == ["1^1^SUCCESS^0^"]


def killed_at_the_second(office: Office) -> None:
    """Have the process end when the first of two entries was answered and the second was not."""
    office.put(1)
    office.put(2)
    office.sender.outcomes["READING ROOM"] = [SENT, Killed()]
    with pytest.raises(Killed):
        office.run()


def test_what_was_left_long_ago_is_given_back_as_another_machine_may_have_it_by_now(large_office: Office) -> None:
    office = large_office
    killed_at_the_second(office)
    office.clock.advance(TAKEN_FOR + 1)
    office.start()
    office.run()
    assert [uid for _, _, uid in office.sender.sent] == ["1.2.1", "1.2.2"], "nothing was sent once more"
    told = "It may have arrived. The gateway stopped while it was sent."
    assert office.queue.results == ["1^1^SUCCESS^0^", f"2^1^WAITING^1^{told}^0"]
    office.put(2)
    office.run()
    assert office.queue.results[2:] == ["2^1^SUCCESS^1^"], "it came back, and is marked as a repeat"


def test_after_a_power_cut_all_that_was_being_sent_is_in_doubt(large_office: Office) -> None:
    office = large_office
    killed_at_the_second(office)
    office.boot = "since noon"
    office.start()
    office.run()
    assert sorted(office.queue.results) == ["1^1^SUCCESS^1^", "2^1^SUCCESS^1^"]


def test_what_was_told_and_not_forgotten_before_a_kill_is_told_again_and_not_sent(
    large_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = large_office
    for number in range(1, 6):
        office.put(number)
    save = Transmissions.save

    def killed(transmissions: Transmissions, items: Iterable[Transmission], now: float) -> None:
        if office.queue.results:
            raise Killed
        save(transmissions, items, now)

    with monkeypatch.context() as patched:
        patched.setattr(Transmissions, "save", killed)
        with pytest.raises(Killed):
            office.run()
        patched.setattr(office.transmitter, "close", office.transmitter._lanes.let_go)
        office.start()
    office.run()
    assert office.queue.results.count("1^1^SUCCESS^0^") == 2
    assert sorted(uid for _, _, uid in office.sender.sent) == [f"1.2.{number}" for number in range(1, 5)]
    assert office.transmissions.counts() == {}


def test_a_warning_that_was_answered_before_a_kill_is_told_and_the_object_not_sent_again(large_office: Office) -> None:
    office = large_office
    office.sender.outcomes["READING ROOM"] = [Outcome(Result.SENT, "status B000, coerced", 0xB000), Killed()]
    for number in (1, 2):
        office.put(number)
    with pytest.raises(Killed):
        office.run()
    office.start()
    office.run()
    assert sorted(office.queue.results) == ["1^1^SUCCESS^0^status B000, coerced", "2^1^SUCCESS^1^"]
    assert [uid for _, _, uid in office.sender.sent] == ["1.2.1", "1.2.2", "1.2.2"]


def test_a_destination_is_asked_after_a_kill_for_what_it_was_sent_in_place_of_the_image(large_office: Office) -> None:
    office = large_office
    office.destinations = {"READING ROOM": DestinationSettings(commit=True)}
    office.sender.compressed = {"1.2.1": "2.25.7"}
    office.sender.outcomes["READING ROOM"] = [SENT, Killed()]
    office.start()
    for number in (1, 2):
        office.put(number)
    with pytest.raises(Killed):
        office.run()
    office.start()
    assert asked_for(office) == [("2.25.7",)]


def test_after_a_kill_what_was_deidentified_is_the_same_instance(large_office: Office) -> None:
    office = large_office
    office.destinations = {"RESEARCH": DestinationSettings.model_validate({"deidentify": "basic"})}
    office.start()
    office.put(1, "RESEARCH")
    office.sender.outcomes["RESEARCH"] = [Killed()]
    with pytest.raises(Killed):
        office.run()
    office.start()
    office.put(1, "RESEARCH")
    office.run()
    first, second = (uid for _name, _study, uid in office.sender.sent)
    assert first == second != "1.2.1"
