"""Parameters are asked for as their declarations say; what cannot be is asked again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from console.shell.answers import InputEnded, Jumped, Left
from console.shell.asking import Asking, explanation, prompt_of
from console.shell.dialog import Dialog, Names, no_names
from console.shell.running import Running
from rpcs.actions import ACTIONS, Action, Parameter
from rpcs.actions import parameters as takes
from rpcs.actions.parameters import PIECE

NOW = 1_700_000_000.0


@dataclass
class Scripted:
    """Answers what it was told to, and notes the prompts."""

    answers: list[str]
    interactive: bool = False
    prompts: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    def read(self, prompt: str, *, names: Names = no_names, kept: str = "") -> str:
        """Answer."""
        self.prompts.append(prompt)
        if not self.answers:
            raise InputEnded
        return self.answers.pop(0)

    def secret(self, prompt: str) -> str:
        """Answer, unseen."""
        self.unseen.append(prompt)
        return self.answers.pop(0)

    def remember(self, answer: str) -> None:
        """Keep nothing."""


@dataclass
class Answering:
    """A desk that gives one answer after another, and notes what it was asked."""

    answers: list[Any]
    asked: list[Mapping[str, str]] = field(default_factory=list)

    def ask(self, procedure: str, asked: Mapping[str, str] | None = None) -> Any:
        """Answer."""
        self.asked.append(dict(asked or {}))
        return self.answers.pop(0)


def action(*parameters: Parameter, writes: bool = False, lists: Mapping[str, tuple[str, ...]] | None = None) -> Action:
    return Action("MAGB EXPORT HOLD", lambda _act: None, writes, "", {it.name: it for it in parameters}, lists or {}, "")


def asked(answers: list[str], *parameters: Parameter, writes: bool = False) -> tuple[dict[str, str], Scripted]:
    reader = Scripted(answers)
    return Asking(Dialog(reader), action(*parameters, writes=writes), lambda: NOW).request(), reader


def test_what_is_needed_is_asked_for_and_the_rest_behind_one_question() -> None:
    parameters = takes.text("STUDY", "A study.", required=True), takes.limit(500)
    assert asked(["1.2", ""], *parameters)[0] == {"STUDY": "1.2"}
    request, reader = asked(["1.2", "yes", "20"], *parameters)
    assert request == {"STUDY": "1.2", "LIMIT": "20"}
    assert reader.prompts == ["STUDY: ", "Other parameters? NO// ", "LIMIT: 100// "]


def test_a_list_needs_its_name_and_enter() -> None:
    request, reader = asked([""], *ACTIONS["MAGB EXPORT LIST"].takes.values())
    assert (request, len(reader.prompts)) == ({}, 1)


def test_what_changes_something_and_needs_nothing_is_asked_for_all_of_it() -> None:
    hold = ACTIONS["MAGB EXPORT HOLD"]
    request, reader = asked(["READING ROOM", ""], *hold.takes.values(), writes=True)
    assert request == {"DESTINATION": "READING ROOM"}
    assert reader.prompts == ["DESTINATION: ", "ENTRIES: "], "DRY RUN is the shell's own affair"


@pytest.mark.parametrize(
    ("parameter", "answers", "value"),
    [
        (takes.number("N", "", required=True, most=10), ["", "eleven", "11", "7"], "7"),
        (takes.flag("N", ""), ["maybe", "y"], "1"),
        (takes.flag("N", ""), ["no"], "0"),
        (takes.choice("N", "", ("WAITING", "FAIL")), ["x", "w"], "WAITING"),
        (takes.choice("N", "", ("WAITING", "WAIVED")), ["wai", "2"], "WAIVED"),
        (takes.choice("N", "", ("WAITING", "WAIVED")), ["wai", "", "wait"], "WAITING"),  # nothing chosen: asked again
        (takes.time("N", ""), ["whenever", "NOW"], "NOW"),
        (takes.facts("N", ""), ["[1]", "{", '{"a": 1}'], '{"a": 1}'),
        (takes.text("N", ""), ["?", "??", "text"], "text"),
        (takes.text("N", ""), ['"^ROUTINE"'], "^ROUTINE"),
        (takes.text("N", ""), ['"<not a file"'], "<not a file"),
        (takes.text("N", ""), ["<nowhere.rule", "@"], ""),
    ],
)
def test_an_answer_that_cannot_be_is_asked_for_again(parameter: Parameter, answers: list[str], value: str) -> None:
    request, reader = asked(list(answers), parameter, writes=True)
    assert request == {"N": value}
    assert len(reader.prompts) == len(answers)


def test_secrets_are_asked_for_unseen() -> None:
    request, reader = asked(["HUSH"], takes.text("CODE", "A code.", required=True, secret=True))
    assert (request, reader.unseen, reader.prompts) == ({"CODE": "HUSH"}, ["CODE: "], [])


def test_a_text_may_come_from_a_file_and_goes_in_pieces(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text("x" * (PIECE + 1))
    request, _reader = asked([f"<{file}"], takes.pieces("ROWS", "Rows.", required=True))
    assert {name: len(text) for name, text in request.items()} == {"ROWS1": PIECE, "ROWS2": 1}
    assert asked([f"<{file}"], takes.text("TEXT", "", required=True))[0]["TEXT"] == "x" * (PIECE + 1)


@pytest.mark.parametrize(("answer", "left"), [("^", Left), ("^STATUS", Jumped)])
def test_a_caret_leaves_an_option_wherever_it_is(answer: str, left: type[Left]) -> None:
    for answers in ([answer], ["1.2", answer], ["1.2", "Y", answer]):
        with pytest.raises(left):
            asked(answers, takes.text("STUDY", "", required=True), takes.limit(500))


def test_question_marks_tell_what_may_be_answered() -> None:
    told = explanation(takes.choice("STATUS", "Entries in this status.", ("WAITING", "FAIL")))
    assert [line.strip() for line in told][:2] == [
        "Entries in this status.",
        "Answer with one of WAITING, FAIL, or the beginning of it.",
    ]
    assert "from 1 to 500" in explanation(takes.limit(500))[1]


def test_nothing_is_done_before_somebody_says_yes(capsys: pytest.CaptureFixture[str]) -> None:
    rehearsed = {
        "dry_run": True,
        "changes": [{"subject": "destination X", "before": None, "after": {"held": True}}],
        "answer": {},
    }
    hold = action(takes.text("N", "", required=True), writes=True)
    desk = Answering([rehearsed])
    Running(Dialog(Scripted(["X", ""])), desk, lambda: NOW).run(hold)
    assert desk.asked == [{"N": "X", "DRY RUN": "1"}]
    assert "Nothing was done." in capsys.readouterr().out
    desk = Answering([rehearsed, {"entries": 5000, "more": True}, {"entries": 1, "more": False}])
    Running(Dialog(Scripted(["X", "YES", ""])), desk, lambda: NOW).run(hold)
    assert desk.asked[1:] == [{"N": "X"}, {"N": "X"}], "what says that there is more to do is done again"
    desk = Answering([{**rehearsed, "changes": []}])
    Running(Dialog(Scripted(["X"])), desk, lambda: NOW).run(hold)
    assert "Nothing would be changed." in capsys.readouterr().out


def test_a_person_is_given_page_after_page_and_a_script_is_told_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    pages = [{"entries": [{"ien": 1}], "next": 1}, {"entries": [{"ien": 2}], "next": 2}, {"entries": [{"ien": 3}], "next": None}]
    listing = action(takes.after(), lists={"entries": ("ien",)})
    desk = Answering(list(pages))
    reader = Scripted(["", "", "^"], interactive=True)
    Running(Dialog(reader), desk, lambda: NOW).run(listing)
    assert desk.asked == [{}, {"AFTER": "1"}]
    assert reader.prompts[1:] == ["Enter for more, ^ to stop: "] * 2
    desk = Answering(list(pages))
    Running(Dialog(Scripted([""])), desk, lambda: NOW).run(listing)
    assert (len(desk.asked), "There are more: AFTER 1." in capsys.readouterr().out) == (1, True)


def test_what_steers_a_terminal_is_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    listing = action(lists={"entries": ("name",)})
    Running(Dialog(Scripted([])), Answering([{"entries": [{"name": "A\x1b[2J\x9bB"}]}]), lambda: NOW).run(listing)
    assert r"A\x1b[2J\x9bB" in capsys.readouterr().out


def test_many_names_are_listed_five_at_a_time() -> None:
    names = [f"NAME {number}" for number in range(1, 8)]
    reader = Scripted(["", "7"])
    assert Dialog(reader).choose(names) == "NAME 7"
    assert reader.prompts == ["CHOOSE 1-5: ", "CHOOSE 1-7: "]
    assert Dialog(Scripted(["", ""])).choose(names) == ""
    assert Dialog(Scripted(["9", "NAME 3"])).choose(names[:5]) == "NAME 3"
    assert Dialog(Scripted([])).choose(["ONLY"]) == "ONLY"


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_every_parameter_of_every_action_can_be_asked_for_and_explained(name: str) -> None:
    for parameter in ACTIONS[name].takes.values():
        about, how, _end = explanation(parameter)
        assert prompt_of(parameter).startswith(parameter.name)
        assert about.strip() == parameter.about
        assert how.strip().startswith("Answer")
