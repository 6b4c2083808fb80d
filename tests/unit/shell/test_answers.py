"""What is answered at a prompt is understood as VistA people mean it."""

from __future__ import annotations

import pytest

from console.shell.answers import Help, Jumped, Left, completions, fitting, read_answer, read_value, yes_or_no

NAMES = ["EXPORT HOLD", "EXPORT LIST", "TASK CLEAN", "TASK CLEAN COUNT", "TASK LIST", "TASK SCHEDULE LIST", "TASK SHOW", "STATUS"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("EXPORT HOLD", ["EXPORT HOLD"]),
        ("export hold", ["EXPORT HOLD"]),
        ("EXP", ["EXPORT HOLD", "EXPORT LIST"]),
        ("EXP H", ["EXPORT HOLD"]),
        ("HOLD", ["EXPORT HOLD"]),  # a word within
        ("TASK CLEAN", ["TASK CLEAN"]),  # a name wins over what begins with it
        ("TASK S", ["TASK SCHEDULE LIST", "TASK SHOW"]),
        ("T S L", ["TASK SCHEDULE LIST"]),
        ("LIST", ["EXPORT LIST", "TASK LIST", "TASK SCHEDULE LIST"]),
        ("SCHED LIST", ["TASK SCHEDULE LIST"]),
        ("LIST SCHED", []),  # in their order only
        ("  stat ", ["STATUS"]),
        ("NOTHING", []),
        ("", []),
    ],
)
def test_a_name_is_known_by_its_beginning_or_those_of_its_words(text: str, meant: list[str]) -> None:
    assert fitting(text, NAMES) == meant


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("EXP H", "EXP H"),
        (" a ", "a"),
        ("", ""),
        ("?", Help(1)),
        ("??", Help(2)),
        ("?????", Help(3)),
        ("?EXPORT HOLD", Help(1, "EXPORT HOLD")),
        ("??? HOLD", Help(3, "HOLD")),
        ("what?", "what?"),
    ],
)
def test_question_marks_ask_and_everything_else_answers(text: str, read: str | Help) -> None:
    assert read_answer(text) == read


def test_a_caret_goes_back_and_one_before_a_name_goes_there() -> None:
    with pytest.raises(Left) as back:
        read_answer(" ^ ")
    assert not isinstance(back.value, Jumped)
    with pytest.raises(Jumped) as jumped:
        read_answer("^ export hold")
    assert jumped.value.to == "export hold"


@pytest.mark.parametrize(
    ("text", "value"), [("^TMP($J)", "^TMP($J)"), ("?x", "?x"), (" padded ", " padded "), ("", ""), ("?", Help(1))]
)
def test_a_value_may_begin_with_anything(text: str, value: str | Help) -> None:
    assert read_value(text) == value
    with pytest.raises(Left):
        read_value("^")


def test_names_are_completed_behind_carets_and_question_marks() -> None:
    assert completions("EXP", NAMES) == ["EXPORT HOLD", "EXPORT LIST"]
    assert completions("^EXP H", NAMES) == ["^EXPORT HOLD"]
    assert completions("??stat", NAMES) == ["??STATUS"]
    assert completions("", NAMES) == NAMES
    assert completions("X", NAMES) == []


@pytest.mark.parametrize(
    ("text", "wanted"), [("y", True), ("YES", True), ("n", False), ("No", False), ("x", None), ("yesno", None)]
)
def test_yes_and_no_are_known_by_their_beginnings(text: str, wanted: bool | None) -> None:
    assert yes_or_no(text) is wanted
