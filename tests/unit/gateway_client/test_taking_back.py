"""ROLLBACK: an image whose file cannot be placed is taken back, and its object is stored anew once, or held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gateway_client.acquisition.answers import TakenBack, read_rollback_answers
from gateway_client.acquisition.taking_back import ANEW_PAUSE
from gateway_client.errors import AnswerMismatch
from gateway_client.objects.part10 import digest_of
from gateway_client.reception.spool import SpooledFile
from tests.unit.gateway_client.fakes import Desk
from xwb import ConnectionLost, MError

TRIES = 3


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Give a desk that tries a location three times, whose location is gone."""
    desk = Desk(tmp_path, changes={"placement_tries": TRIES})
    (tmp_path / "image1").write_text("a file where a directory should be")
    yield desk
    desk.close()


def work(desk: Desk, seconds: float = 0.0) -> None:
    """Work until there is nothing to do, after some time."""
    desk.clock.advance(seconds)
    while desk.step():
        pass


def give_up(desk: Desk) -> None:
    """Try the location as often as it is to be."""
    for _ in range(TRIES):
        work(desk, 60)


def rolled_back(desk: Desk) -> list[str]:
    return [line for request in desk.requests() for line in request if line.startswith("ROLLBACK")]


def stored_anew(desk: Desk) -> None:
    """Bring the location back, wait, and see one image filed under a new number."""
    (desk.directory / "image1").unlink()
    work(desk, ANEW_PAUSE)
    assert desk.states() == {"1.2.1": "FILED"}
    assert desk.imaging.images == {4: "1.2.1"}
    assert desk.imaging.processed == [4]
    assert (desk.directory / "image1" / "SL00" / "00" / "SL000000000004.DCM").exists()


def test_an_image_is_taken_back_after_its_tries_and_its_object_stored_anew(desk: Desk) -> None:
    file = desk.receive("1.2.1")
    for _ in range(TRIES - 1):
        work(desk, 60)
        assert (desk.states(), rolled_back(desk)) == ({"1.2.1": "STORED"}, [])
    work(desk, 60)
    assert (desk.states(), rolled_back(desk)) == ({"1.2.1": "RECEIVED"}, ["ROLLBACK||2"])
    assert desk.imaging.images == {}
    assert desk.spool.names() == [file.name]
    assert desk.events()[-1][5:] == [
        "taken back",
        f"{desk.directory}/image1/SL00/00/SL000000000002.DCM cannot be written: Not a directory."
        " Imaging entry #2 was successfully removed.",
    ]
    stored_anew(desk)
    assert sum(line.startswith("ACQUIRED") for request in desk.requests() for line in request) == 1


def test_the_second_time_it_is_held_and_nothing_is_left_in_the_database(desk: Desk) -> None:
    file = desk.receive("1.2.1")
    give_up(desk)
    work(desk, ANEW_PAUSE)
    give_up(desk)
    assert (desk.states(), rolled_back(desk)) == ({"1.2.1": "REFUSED"}, ["ROLLBACK||2", "ROLLBACK||4"])
    assert desk.imaging.images == {}
    assert desk.spool.held_path(file.name).exists()


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"?")


@pytest.mark.parametrize(("harm", "reason"), [(spoil, "is not any more what was received"), (Path.unlink, "is gone")])
def test_an_object_that_was_lost_in_the_spool_is_taken_back_at_once_and_held(desk: Desk, harm: object, reason: str) -> None:
    file = desk.receive("1.2.1")
    desk.receive("1.2.2")
    desk.storing.offline()
    desk.storing.step(desk.broker)
    assert callable(harm)
    harm(desk.spool.path(file.name))
    work(desk)
    assert desk.states() == {"1.2.1": "REFUSED", "1.2.2": "STORED"}
    assert desk.imaging.images == {4: "1.2.2"}
    (told,) = (event for event in desk.events() if event[2] == "HOLD")
    assert reason in told[6]
    assert told[6].endswith("Imaging entry #2 was successfully removed.")


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_rollback_whose_answer_is_lost_is_sent_again_word_for_word(desk: Desk, carried_out: bool) -> None:
    desk.receive("1.2.1")
    for _ in range(TRIES - 1):
        work(desk, 60)
    desk.clock.advance(60)
    (desk.imaging.lose if carried_out else desk.imaging.raises).append(ConnectionLost("cut"))
    with pytest.raises(ConnectionLost):
        work(desk)
    desk.restart()
    work(desk)
    first, second = [request for request in desk.requests() if any(line.startswith("ROLLBACK") for line in request)]
    assert first == second
    stored_anew(desk)


def test_an_image_that_is_gone_already_counts_as_taken_back(desk: Desk) -> None:
    desk.receive("1.2.1")
    work(desk)
    desk.imaging.images.clear()
    give_up(desk)
    assert desk.states() == {"1.2.1": "RECEIVED"}
    stored_anew(desk)


def answering_rollbacks(desk: Desk, answer: Sequence[str] | Exception) -> None:
    """Have the broker answer every ROLLBACK so."""

    def imaging(request: Sequence[str]) -> Sequence[str]:
        if not any(line.startswith("ROLLBACK") for line in request):
            return desk.imaging(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    desk.broker.handlers["MAG DICOM IMAGE PROCESSING"] = imaging


def test_an_image_that_cannot_be_taken_back_is_held_with_its_number(desk: Desk) -> None:
    answering_rollbacks(desk, ["2", "ROLLBACK|-1|Deleting a Group is not allowed.|2"])
    file = desk.receive("1.2.1")
    give_up(desk)
    assert desk.states() == {"1.2.1": "REFUSED"}
    assert digest_of(desk.spool.held_path(file.name)) == file.digest
    assert "Imaging entry #2 is still there: Deleting a Group is not allowed." in desk.events()[-1][6]


def test_a_rollback_that_fails_is_tried_again_and_keeps_nothing_else_waiting(desk: Desk) -> None:
    answering_rollbacks(desk, MError("broken"))
    desk.receive("1.2.1")
    give_up(desk)
    assert desk.states() == {"1.2.1": "TAKING_BACK"}
    (desk.directory / "image1").unlink()
    desk.receive("1.2.2")
    work(desk)
    assert desk.states() == {"1.2.1": "TAKING_BACK", "1.2.2": "FILED"}
    desk.broker.handlers["MAG DICOM IMAGE PROCESSING"] = desk.imaging
    work(desk, 301)
    assert desk.states()["1.2.1"] == "RECEIVED"


def test_another_object_of_the_uid_waits_while_its_image_is_taken_back(desk: Desk) -> None:
    answering_rollbacks(desk, MError("broken"))
    desk.receive("1.2.1")
    give_up(desk)
    again: SpooledFile = desk.receive("1.2.1")
    work(desk)
    assert again.name in desk.spool.names()
    assert list(desk.imaging.images) == [2], "it is not stored beside the first"


#: The answer, how many ROLLBACKs it is to, and what it says of each.
ANSWERS = [
    (["2", "ROLLBACK|0||2"], [TakenBack(True)]),
    (["3", "ROLLBACK|-1|Image entry doesn't exist in image file|2", "ROLLBACK|0||5"], [
        TakenBack(True, "Image entry doesn't exist in image file"), TakenBack(True)
    ]),
    (["2", "ROLLBACK|-1|Deleting a Group is not allowed.|3"], [TakenBack(False, "Deleting a Group is not allowed.")]),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "said"), ANSWERS)
def test_answers_are_read_as_recorded(lines: list[str], said: list[TakenBack]) -> None:
    assert read_rollback_answers(lines, len(said)) == said
    with pytest.raises(AnswerMismatch):
        read_rollback_answers(lines, len(said) + 1)
