"""Studies that wait: for an exam to be unlocked or for the rest of their objects, and nothing else waits with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway_client.acquisition.storing import LOCK_PAUSE
from gateway_client.acquisition.waits import _GO_ON, LONGEST, StudyWaits
from gateway_client.correction.corrections import Corrections, Values
from gateway_client.journal import Journal, State
from tests.unit.gateway_client.fakes import Desk

LOCKED = ["STORE|-399^radiology exam locked||MAGDIR81|", "MSG|END|locked"]
QUIET = 30.0


def settle(desk: Desk) -> None:
    """Work until there is nothing to do."""
    while desk.step():
        pass


def asked(desk: Desk) -> list[str]:
    """Give the objects that the broker was asked to store, in order, as often as it was."""
    lines = [line for request in desk.requests() for line in request if line.startswith("STORE2")]
    return [line.split("|")[3] for line in lines]


def test_a_locked_study_waits_as_a_whole_and_another_is_filed_meanwhile(tmp_path: Path) -> None:
    desk = Desk(tmp_path, batch=2)
    locked = [f"1.2.{number}" for number in range(7)]
    desk.imaging.refusals = dict.fromkeys(locked, LOCKED)
    for uid in locked:
        desk.receive(uid, study="1.1")
    desk.receive("1.3.1", study="1.9")
    settle(desk)
    assert desk.states() == {**dict.fromkeys(locked, "WAITING"), "1.3.1": "FILED"}
    assert asked(desk) == ["1.2.0", "1.2.1", "1.3.1"], "what is known to be locked is not asked for"
    assert len(desk.storing.waits) == 1
    desk.receive("1.2.7", study="1.1")
    settle(desk)
    assert asked(desk)[3:] == [], "nor is what comes later"
    desk.imaging.refusals.clear()
    desk.clock.advance(LOCK_PAUSE)
    settle(desk)
    assert set(desk.states().values()) == {"FILED"}
    assert sum(line.startswith("ACQUIRED") for request in desk.requests() for line in request) == 9
    assert len(desk.storing.waits) == 0
    desk.close()


def test_a_study_that_stays_locked_is_asked_for_once_in_each_pause(desk: Desk) -> None:
    desk.imaging.refusals = {"1.2.1": LOCKED}
    desk.receive("1.2.1")
    for _ in range(5):
        settle(desk)
        desk.clock.advance(LOCK_PAUSE)
    assert asked(desk) == ["1.2.1"] * 5


def test_a_locked_object_without_a_study_waits_by_itself(desk: Desk) -> None:
    desk.imaging.refusals = {"1.2.1": LOCKED}
    desk.receive("1.2.1", study="")
    desk.receive("1.2.2", study="")
    settle(desk)
    assert desk.states() == {"1.2.1": "RECEIVED", "1.2.2": "FILED"}
    desk.imaging.refusals.clear()
    desk.clock.advance(LOCK_PAUSE)
    settle(desk)
    assert desk.states() == {"1.2.1": "FILED", "1.2.2": "FILED"}


def test_a_corrected_object_whose_exam_is_locked_is_not_told_to_be_corrected_yet(desk: Desk) -> None:
    desk.imaging.refusals = {"1.2.1": ["STORE|-2 Image Association Problem||MAGDIR81|", "MSG|END|-1,NO CASE #"]}
    desk.receive("1.2.1")
    settle(desk)
    (instance,) = desk.journal.in_state(State.CORRECT, desk.clock.seconds(), 1)
    corrections = Corrections(desk.journal)
    corrections.try_values(instance, Values(accession="021026-202"), desk.clock.seconds())
    corrections.store_again(instance, None, False, desk.clock.seconds())
    desk.imaging.refusals = {"1.2.1": LOCKED}
    settle(desk)
    assert (desk.states(), corrections.pending()) == ({"1.2.1": "WAITING"}, (True, False))
    desk.imaging.refusals.clear()
    desk.clock.advance(LOCK_PAUSE)
    settle(desk)
    assert (desk.states(), corrections.pending()) == ({"1.2.1": "FILED"}, (True, True))


@pytest.fixture
def quiet(tmp_path: Path) -> Desk:
    """Give a desk that stores nothing of a study before it was silent for half a minute."""
    return Desk(tmp_path, changes={"study_quiet_seconds": QUIET})


def test_a_study_is_stored_when_nothing_more_of_it_comes(quiet: Desk) -> None:
    quiet.receive("1.2.1", study="1.1")
    settle(quiet)
    quiet.clock.advance(QUIET / 2)
    quiet.receive("1.2.2", study="1.1")
    quiet.receive("1.3.1", study="1.9")
    quiet.receive("1.4.1", study="")
    settle(quiet)
    quiet.clock.advance(QUIET / 2)
    settle(quiet)
    assert asked(quiet) == ["1.4.1"], "what is of no study waits for none"
    assert quiet.states()["1.2.1"] == "WAITING", "an object that came later holds the earlier one"
    quiet.clock.advance(QUIET / 2)
    settle(quiet)
    assert asked(quiet) == ["1.4.1", "1.2.1", "1.2.2", "1.3.1"]
    assert set(quiet.states().values()) == {"FILED"}
    quiet.close()


def test_a_study_that_never_ends_keeps_nothing_for_more_than_an_hour(quiet: Desk) -> None:
    step, count = QUIET / 2, int(LONGEST / QUIET * 2) + 4
    for number in range(count):
        quiet.receive(f"1.2.{number}", study="1.1")
        settle(quiet)
        quiet.clock.advance(step)
    settle(quiet)
    states = quiet.states()
    assert states["1.2.0"] == "FILED"
    assert states[f"1.2.{count - 1}"] == "WAITING"
    quiet.close()


@pytest.mark.parametrize("locked", [True, False])
def test_what_waits_goes_on_after_a_kill(tmp_path: Path, locked: bool) -> None:
    desk = Desk(tmp_path, changes={"study_quiet_seconds": 0.0 if locked else QUIET})
    desk.imaging.refusals = {"1.2.1": LOCKED} if locked else {}
    desk.receive("1.2.1")
    settle(desk)
    desk.restart()
    settle(desk)
    assert desk.states() == {"1.2.1": "WAITING"}
    desk.imaging.refusals.clear()
    desk.clock.advance(QUIET)
    settle(desk)
    assert desk.states() == {"1.2.1": "FILED"}
    desk.close()


def test_the_objects_of_a_study_are_found_by_an_index(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    StudyWaits(journal, 0.0)
    with journal.transaction() as connection:
        plan = " ".join(row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {_GO_ON}", ("RECEIVED", "1.1")))
    assert "instance_waiting" in plan
