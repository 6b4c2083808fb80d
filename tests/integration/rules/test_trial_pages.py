"""The pages on trials say what is so: their examples are answered as they show, and every name that is read stands there."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from console.cli.main import main
from rules.trials import Defaults, TrialQueues, Trials, answer_lines, memory_database
from rules.trials.batch import CLEARING
from rules.trials.given import RESERVED
from rules.trials.report import Report
from rules.trials.trial import Outcome

DOCS = Path(__file__).parents[3] / "docs"
REFERENCE = (DOCS / "reference" / "rule-trial.md").read_text(encoding="utf-8")
HOW_TO = (DOCS / "how-to" / "try-rules.md").read_text(encoding="utf-8")
_NAMES = re.compile(r"^\| (`[^|]*`) \|", re.MULTILINE)


def names_in_tables() -> set[str]:
    return {name for cell in _NAMES.findall(REFERENCE) for name in re.findall(r"`(\w+)`", cell)}


def test_the_example_of_a_batch_is_answered_as_shown() -> None:
    one, line, answer = re.findall(r"^```json\n(.*?)\n```$", REFERENCE, re.MULTILINE | re.DOTALL)
    with memory_database() as connection:
        (found,) = answer_lines([line], Trials(TrialQueues(connection)), Defaults())
    assert found == json.loads(answer)
    assert {"rules": found["rules"]} == json.loads(one)


def test_every_name_that_is_read_or_written_is_explained() -> None:
    written = {*Outcome().answer(), "status", *Report("", "", "").as_dict()}
    assert {*RESERVED, *written, "id", "rules", "facts", "semantics", "keep"} - names_in_tables() == set()
    (keep,) = re.findall(r"^\| `keep` \|.*", REFERENCE, re.MULTILINE)
    assert all(f"{number} " in keep for number in CLEARING)


@pytest.mark.parametrize("command", re.findall(r"^magbroker rules .*", HOW_TO, re.MULTILINE))
def test_the_commands_of_the_walk_are_understood(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("night.rule", "today.rule"):
        (tmp_path / name).write_text("send(TELERAD) when MODALITY=CT and URGENCY=STAT", encoding="utf-8")
    words = shlex.split(command)
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr()
    if "--data" in words:  # there is no database here, which is told after all options are understood
        assert "There is no database in var" in said.err
    else:
        assert "SEND TELERAD, priority 520" in said.out
