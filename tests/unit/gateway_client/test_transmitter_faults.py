"""Sending when something breaks: a fault costs the object at hand a try, and neither the rest nor an outcome is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway_client.errors import JournalError
from gateway_client.objects.splicing import Change
from gateway_client.transmission import transmitter
from gateway_client.transmission.notes import Notes
from gateway_client.transmission.object_file import ObjectFile
from gateway_client.transmission.transmissions import Transmissions
from tests.unit.gateway_client.transmitting import SENT, Office


def end_with_fault(office: Office) -> None:
    """Let what hangs end: the first was sent, the second not answered, a fault came when it was the third's turn."""
    (consignment,) = office.sender.hung
    office.sender.hung.clear()
    consignment.tell(0, SENT)
    second = consignment.objects[1]
    second.read(second.size)
    for one in consignment.objects:
        one.close()
    consignment.fault = ValueError("what is this")
    consignment.ended(consignment)


def test_a_fault_while_sending_costs_the_object_at_hand_a_try_and_no_other(large_office: Office) -> None:
    office = large_office
    office.sender.hanging.add("READING ROOM")
    for number in range(1, 5):
        office.put(number)
    for _ in range(2):
        office.transmitter.step(office.broker)
    end_with_fault(office)
    office.run()
    assert sorted(office.queue.results) == [
        "1^1^SUCCESS^0^",
        "2^1^WAITING^1^It may have arrived. No answer was seen: ValueError('what is this').^600",
        "3^1^WAITING^0^A fault: ValueError('what is this').^600",
        "4^1^WAITING^0^A fault with another: ValueError('what is this').",
    ]


def test_a_fault_that_comes_again_and_again_ends_as_a_failure_with_its_text(large_office: Office) -> None:
    office = large_office
    for _ in range(4):
        office.sender.hanging.add("READING ROOM")
        office.put(1)
        office.put(2, "RESEARCH")
        while not office.sender.hung:
            office.transmitter.step(office.broker)
        (consignment,) = office.sender.hung
        office.sender.hung.clear()
        office.sender.hanging.clear()
        consignment.objects[0].close()
        consignment.fault = ValueError("what is this")
        consignment.ended(consignment)
        office.run()
    assert [line for line in office.queue.results if line.startswith("1^1")] == [
        *["1^1^WAITING^0^A fault: ValueError('what is this').^600"] * 3,
        "1^1^FAIL^0^A fault: ValueError('what is this'). Tried 4 times.",
    ]
    assert [line for line in office.queue.results if line.startswith("2^1")] == ["2^1^SUCCESS^0^"] * 4


def test_a_fault_of_one_object_before_it_is_sent_holds_up_no_other(large_office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office = large_office

    def opened(path: Path, change: Change | None = None) -> ObjectFile:
        if path.name == "1.DCM":
            raise ValueError("what is this")
        return ObjectFile(path, change)

    monkeypatch.setattr(transmitter, "ObjectFile", opened)
    for number in (1, 2):
        office.put(number)
    office.run()
    for _ in range(3):
        office.put(1)
        office.run()
    assert office.queue.results == [
        "1^1^WAITING^0^A fault: ValueError('what is this').^600",
        "2^1^SUCCESS^0^",
        *["1^1^WAITING^0^A fault: ValueError('what is this').^600"] * 2,
        "1^1^FAIL^0^A fault: ValueError('what is this'). Tried 4 times.",
    ]


def test_a_journal_that_fails_at_the_end_does_not_keep_the_rest_from_ending(
    large_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = large_office
    office.sender.hanging.add("READING ROOM")
    office.put(1)
    for _ in range(2):
        office.transmitter.step(office.broker)
    office.configure(stop_seconds=5.0)
    office.sender.resume()

    def full(*_arguments: object) -> None:
        raise JournalError("The journal does not work: database or disk is full.")

    with monkeypatch.context() as failing:
        failing.setattr(Transmissions, "save", full)
        office.transmitter.close()
    office.start()
    office.run()
    assert office.queue.results == ["1^1^SUCCESS^0^"]
    assert len(office.sender.sent) == 1


def test_a_run_that_could_not_be_written_down_is_begun_later(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        office.put(number)
    begin = Notes.begin
    failing = iter([OSError(28, "No space left on device")])

    def full(notes: Notes, *arguments: object) -> None:
        for error in failing:
            raise error
        begin(notes, *arguments)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(Notes, "begin", full)
    with pytest.raises(OSError, match="No space"):
        office.run()
    assert office.sender.sent == []
    office.transmitter.connected(office.broker)
    office.queue.waiting.clear()
    for number in (1, 2):
        office.put(number)
    office.run()
    assert sorted(uid for _, _, uid in office.sender.sent) == ["1.2.1", "1.2.2"]
