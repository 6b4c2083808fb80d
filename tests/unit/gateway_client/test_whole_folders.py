"""A destination with whole folders is sent each when it is complete, over one association, and again whole after a failure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_client.journal import State
from gateway_client.transmission import folder_contents, folder_lane
from gateway_client.transmission.folder_contents import LONGEST_WAIT, FolderContents
from gateway_client.transmission.folder_lane import SETTLED
from gateway_client.transmission.object_file import Outcome, Result
from gateway_client.transmission.transmitter import KEPT_FOR
from runtime import DestinationSettings
from tests.unit.gateway_client.fakes import CT, EXPLICIT, MOMENT
from tests.unit.gateway_client.transmitting import SENT, Killed, Office

REFUSED = Outcome(Result.REFUSED, "status A700.")
MERGE = 30.0


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path, many=True)
    office.destinations = {"READING ROOM": DestinationSettings(whole_folders=True, retries=1)}
    office.start()
    yield office
    office.stop()


def seconds(office: Office) -> float:
    return office.clock.seconds()


def receive(office: Office, number: int, folder: int, *, state: State = State.FILED, at: float = 0.0) -> None:
    """Have the journal know an image of a folder, whose last object came at a moment."""
    with office.journal.transaction() as connection:
        connection.execute("INSERT OR REPLACE INTO folder VALUES (?,'1.2','','a',?)", (folder, at))
        connection.execute(
            "INSERT OR REPLACE INTO instance (name, sop_instance_uid, sop_class_uid, transfer_syntax, size, digest, received_at,"
            " calling, called, peer, state, ien, folder) VALUES (?,?,?,?,1,'d',?,'A','B','c',?,?,?)",
            (f"f{number}", f"1.2.{number}", CT, EXPLICIT, at, state, number + 100, folder),
        )


def settle(office: Office, times: int = 1) -> None:
    """Let time go by until what came counts as all."""
    for _ in range(times):
        office.run()
        office.clock.advance(SETTLED)
    office.run()


def test_a_folder_goes_as_one_when_no_more_of_it_comes(office: Office) -> None:
    for number in (1, 2, 3):
        receive(office, number, folder=7)
    office.put(1)
    office.put(2)
    office.run()
    office.clock.advance(SETTLED - 1)
    office.put(3)
    office.run()
    office.clock.advance(SETTLED - 1)
    office.run()
    assert office.sender.sent == []
    office.clock.advance(1)
    office.run()
    assert office.sender.sent == [("READING ROOM", "folder 7", f"1.2.{number}") for number in (1, 2, 3)]
    assert office.sender.at_once == [3]
    assert office.queue.results == [f"{number}^1^SUCCESS^0^" for number in (1, 2, 3)]


def test_folders_of_one_study_go_apart_and_what_has_none_with_its_export(office: Office) -> None:
    for number, folder in ((1, 7), (2, 8), (3, 7)):
        receive(office, number, folder)
    for number in (1, 2, 3, 4):
        office.put(number)
    settle(office)
    assert [study for _, study, _ in office.sender.sent] == ["folder 7", "folder 7", "folder 8", "export 4"]
    assert office.sender.at_once == [2, 1, 1]


def test_a_folder_waits_for_its_merge_time(office: Office) -> None:
    receive(office, 1, folder=7, at=seconds(office))
    office.put(1)
    settle(office, times=5)
    assert office.sender.sent == []
    office.clock.advance(MERGE - 5 * SETTLED)
    office.run()
    assert len(office.sender.sent) == 1


def test_a_folder_waits_for_its_objects_that_are_not_filed_and_no_other_folder_for_it(office: Office) -> None:
    receive(office, 1, folder=7)
    receive(office, 2, folder=7, state=State.STORING, at=seconds(office) - MERGE)
    receive(office, 3, folder=8)
    office.put(1)
    office.put(3)
    settle(office, times=3)
    assert [uid for _, _, uid in office.sender.sent] == ["1.2.3"]
    receive(office, 2, folder=7, at=seconds(office) - MERGE)
    office.put(2)
    settle(office)
    assert [uid for _, _, uid in office.sender.sent] == ["1.2.3", "1.2.1", "1.2.2"]


def test_an_object_that_is_never_filed_does_not_keep_its_folder_for_ever(office: Office) -> None:
    receive(office, 1, folder=7, state=State.WAITING, at=MOMENT.timestamp())
    contents = FolderContents(office.journal, MERGE)
    assert contents.complete_at(7, MOMENT.timestamp() + LONGEST_WAIT - 1) == float("inf")
    assert contents.complete_at(7, MOMENT.timestamp() + LONGEST_WAIT) == MOMENT.timestamp() + MERGE


def test_what_a_folder_waits_for_is_found_by_an_index(office: Office) -> None:
    with office.journal.transaction() as connection:
        for query, values in ((folder_contents._LEFT, (7, *State)), (folder_contents._FOLDER_OF, ("1.2", 1))):
            some = values[: query.count("?")]
            plan = " ".join(row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", some))
            assert "USING INDEX instance_folder" in plan or "USING INDEX instance_uid" in plan
            assert "TEMP B-TREE" not in plan


def test_where_one_object_is_refused_the_folder_goes_again_whole_and_is_marked(office: Office) -> None:
    office.sender.outcomes["READING ROOM"] = [SENT, REFUSED]
    for number in (1, 2, 3):
        receive(office, number, folder=7)
        office.put(number)
    settle(office)
    assert [uid for _, _, uid in office.sender.sent] == ["1.2.1", "1.2.2"], "the rest is not begun"
    why = "Its folder 7 was broken off at 1.2.2: status A700."
    assert office.queue.results == [f"1^1^WAITING^1^{why}^600", f"2^1^WAITING^0^{why}^600", f"3^1^WAITING^0^{why}^600"]
    office.queue.results.clear()
    for number in (1, 2, 3):
        office.put(number)
    settle(office)
    assert [uid for _, _, uid in office.sender.sent[2:]] == ["1.2.1", "1.2.2", "1.2.3"]
    assert office.sender.doubtful[-1] == [0], "what was sent goes again, whatever the destination says that it has"
    assert office.queue.results == ["1^1^SUCCESS^1^", "2^1^SUCCESS^0^", "3^1^SUCCESS^0^"]


def test_a_folder_that_is_not_taken_in_the_end_fails_whole(office: Office) -> None:
    office.sender.outcomes["READING ROOM"] = [SENT, REFUSED, Outcome(Result.UNREACHABLE, "No association.")]
    for _ in range(2):
        for number in (1, 2):
            receive(office, number, folder=7)
            office.put(number)
        settle(office)
    assert [line.split("^")[2] for line in office.queue.results] == ["WAITING"] * 2 + ["FAIL"] * 2
    why = "Its folder 7 was broken off at 1.2.1: No association. Tried 2 times."
    assert office.queue.results[2:] == [f"1^1^FAIL^1^{why}", f"2^1^FAIL^0^{why}"]
    assert office.transmissions.counts() == {}


def test_after_a_kill_amid_a_folder_the_rest_goes_as_one(office: Office) -> None:
    office.sender.outcomes["READING ROOM"] = [SENT, Killed()]
    for number in (1, 2, 3):
        receive(office, number, folder=7)
        office.put(number)
    with pytest.raises(Killed):
        settle(office)
    office.start()
    settle(office)
    assert [uid for _, _, uid in office.sender.sent] == ["1.2.1", "1.2.2", "1.2.2", "1.2.3"]
    results = sorted(line for line in office.queue.results if "SUCCESS" in line)
    assert results == ["1^1^SUCCESS^0^", "2^1^SUCCESS^1^", "3^1^SUCCESS^0^"]


def test_the_broker_hears_that_entries_are_still_in_hand(office: Office) -> None:
    receive(office, 1, folder=7, state=State.STORING, at=seconds(office))
    office.put(1)
    office.run()
    assert office.queue.results == []
    office.clock.advance(KEPT_FOR + 1)
    office.run()
    assert office.queue.results == ["1^1^KEPT"]
    office.run()
    assert office.queue.results == ["1^1^KEPT"]


def test_full_hands_send_what_there_is(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_lane, "MOST_IN_HAND", 4)
    for number in range(1, 7):
        receive(office, number, folder=7, at=seconds(office))
        office.put(number)
    office.run()
    assert office.sender.at_once == [4]
    office.clock.advance(MERGE)
    settle(office)
    assert office.sender.at_once == [4, 2]


def test_of_what_waits_no_file_is_open(office: Office) -> None:
    receive(office, 1, folder=7, at=seconds(office))
    office.put(1)
    office.run()
    (shipment,) = office.transmitter._lanes.lane("READING ROOM").tracks[0].ahead
    assert shipment.object._file.closed
    assert shipment.object.read(4) == b"\x08\x00\x16\x00"
