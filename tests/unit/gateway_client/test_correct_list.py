"""What a CORRECT query answers is read, and of each image it is decided what to do, in VistA's order."""

from __future__ import annotations

import pytest

from gateway_client.acquisition.store_request import Station
from gateway_client.correction.correct_list import SAME_AGAIN, Step, decide, query_line, read_listed
from gateway_client.correction.corrections import Correction, Values
from gateway_client.journal import State

HERE = Station(660, "GWA", "CT1")
#: As a VistA answered: a study of three images, and one to be deleted.
RECORDED = [
    "7",
    "CORRECT|FIXED|1|1|NONE|CT1|C:/K1.DCM|8.1|IMAGPATIENT~ONE~M|666000001|061024-101",
    "CORRECT|FIXED|2|1|IMAGE|CT1|C:/K2.DCM|8.1|IMAGPATIENT~ONE~M|666000001|061024-101",
    "CORRECT|FIXED|3|1|IMAGE|CT1|C:/K3.DCM|8.1|IMAGPATIENT~ONE~M|666000001|061024-101",
    "CORRECT|FIXED|1|1|STUDY|CT1|C:/K1.DCM|8.1|IMAGPATIENT~ONE~M|666000001|061024-101",
    "CORRECT|DELETE|4|4|NONE|CT1|C:/K9.DCM|8.2|||",
    "CORRECT|DELETE|4|4|STUDY|CT1|C:/K9.DCM|8.2|||",
]
NEW = Values("IMAGPATIENT^ONE^M", "666000001", "061024-101")
C, D, A, W = Step.CORRECT, Step.DELETE, Step.ANSWER, Step.WAIT


def known(*states: State | None, tried: Correction | None = None) -> dict[str, tuple[State, Correction | None]]:
    """Give K1, K2, K3 and K9 in these states; None is not in the journal."""
    names = ("K1.DCM", "K2.DCM", "K3.DCM", "K9.DCM")
    return {name: (state, tried) for name, state in zip(names, states, strict=True) if state is not None}


def test_lines_are_read_and_answered_as_vista_has_them() -> None:
    listed = read_listed(RECORDED)
    assert [one.kind for one in listed] == ["NONE", "IMAGE", "IMAGE", "STUDY", "NONE", "STUDY"]
    assert (listed[1].values, listed[1].deleting, listed[1].name) == (NEW, False, "K2.DCM")
    assert (listed[4].values, listed[4].deleting) == (Values(), True)
    assert listed[1].processed(HERE) == "CORRECT|PROCESSED|2|1|IMAGE|CT1|C:/K2.DCM|8.1|GWA|660"
    assert query_line(HERE) == "CORRECT|QUERY|660|GWA"


@pytest.mark.parametrize("lines", [[], ["1"], ["2", "STORE|0|1"], ["3", "CORRECT|COMPLETE|1|1|NONE", "MSG|END|x"]])
def test_other_answers_list_nothing(lines: list[str]) -> None:
    assert read_listed(lines) == []


@pytest.mark.parametrize("line", ["CORRECT|FIXED", "CORRECT|FIXED|1|1|NONE|||", "CORRECT|DELETE|" + "|" * 40])
def test_a_line_that_is_cut_off_has_empty_pieces(line: str) -> None:
    (one,) = read_listed(["2", line])
    assert one.name == ""
    assert one.values == Values()


_WAITS = [State.RECEIVED, State.WAITING, State.STORING]
_SETTLED = [State.STORED, State.PLACED, State.FILED, State.DUPLICATE]


@pytest.mark.parametrize(
    ("states", "steps"),
    [
        ((State.CORRECT, State.CORRECT, State.CORRECT, State.CORRECT), [C, C, C, D]),
        ((None, State.FILED, State.FILED, None), [W, A, A, A, A]),  # an unknown file keeps its study on the list
        *[((state, state, state, state), [W, W, W, W]) for state in _WAITS],
        *[((state, state, state, state), [A, A, A, A, A, A]) for state in _SETTLED],
        ((State.REFUSED, State.REFUSED, State.REFUSED, State.REFUSED), [A, A, A, A, D]),
        ((State.FILED, State.FILED, State.STORING, State.CORRECT), [A, A, W, D]),  # the study after all of its images
        ((State.FILED, State.CORRECT, State.FILED, State.CORRECT), [A, C, A, D]),
    ],
)
def test_a_step_for_every_state(states: tuple[State | None, ...], steps: list[Step]) -> None:
    assert [step for _, step in decide(read_listed(RECORDED), known(*states), 0.0)] == steps


@pytest.mark.parametrize(
    ("values", "seconds", "step"),
    [(NEW, SAME_AGAIN - 1, W), (NEW, SAME_AGAIN, C), (Values("OTHER", "", ""), 0.0, C)],
)
def test_the_same_values_are_tried_again_after_a_while_only(values: Values, seconds: float, step: Step) -> None:
    tried = Correction(values, 100.0, deleting=False)
    steps = decide(read_listed(RECORDED[:2]), known(State.CORRECT, None, None, None, tried=tried), 100.0 + seconds)
    assert [one for _, one in steps] == [step]
