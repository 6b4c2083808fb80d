"""`magbroker rules try` and `rules replay` show what rules would do, and say what to do about bad input."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from console.cli.main import main
from fileman import Store
from fileman.files import Image
from tests.conftest import ORACLE_SITE
from tests.integration.rules.recorded_site import fill_recorded_images
from tests.support.dicom import make_slices

NOW = "SAT 3261121.030449"
#: What a data directory holds is a database of SQLite.
IN_A_DIRECTORY = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
RULES = """
rule "heads" send("ROUTE-DEST-A") when MODALITY=CT not PATIENT="*TWO*" priority HIGH
dicom("PACS-ARCHIVE") when MODALITY in (CR, US)
"""


@dataclass
class Ran:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the command in this process, as its entry point does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    (tmp_path / "t.rule").write_text(RULES, encoding="utf-8")

    def run(*words: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["magbroker", "rules", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Ran(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def data(oracle_store: Store, tmp_path: Path) -> Path:
    """Give a data directory with the recorded site's images."""
    oracle_store.transact(fill_recorded_images)
    return tmp_path


def test_a_trial_is_shown_with_each_condition_and_what_it_saw(run: Run) -> None:
    done = run("try", "t.rule", "--facts", '{"MODALITY": "CT", "PATIENT": "ONE,A"}', "--now", NOW)
    assert done.status == 0
    text = " ".join(done.out.split())
    for shown in (
        "Image 1, SAT 3261121.030449, documented semantics",
        'rule 1 "heads" SEND (ROUTE-DEST-A): fires',
        "no [not] PATIENT=*TWO* saw ONE,A",
        "rule 2 DICOM (PACS-ARCHIVE): does not fire",
        "Sat 03:04 Image 1: SEND (ROUTE-DEST-A)",
        "SEND ROUTE-DEST-A, priority 750: 5 entries of image 1",
    ):
        assert shown in text


def test_a_trial_fits_a_terminal_of_80_columns(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    facts = json.dumps({"MODALITY": "CR", "PATIENT": "A-VERY-LONG-NAME,OF-A-PATIENT"})
    done = run("try", "t.rule", "--facts", facts, "--now", NOW)
    assert max(map(len, done.out.splitlines())) <= 80
    assert "  no        [not] PATIENT=*TWO*  saw A-VERY-LONG-NAME,OF-A-PATIENT" in map(str.rstrip, done.out.splitlines())


def test_as_json_a_trial_has_the_rules_and_nothing_else(run: Run) -> None:
    done = run("try", "t.rule", "--facts", '{"MODALITY": "US"}', "--now", NOW, "--json")
    answer = json.loads(done.out)
    assert list(answer) == ["rules"]
    assert [list(rule) for rule in answer["rules"]] == [
        ["number", "matched", "action", "destinations", "priority", "conditions"]
    ] * 2
    assert [rule["matched"] for rule in answer["rules"]] == [False, True]
    assert set(answer["rules"][0]["conditions"][0]) == {"keyword", "operator", "value", "actual", "result"}


def test_elements_are_tried_as_a_rule_file_is(run: Run, tmp_path: Path) -> None:
    elements = (
        "1^ACTION^SEND\n1^ACTION^1^A\n1^CONDITION^1^KW^MODALITY\n1^CONDITION^1^DT^LO\n1^CONDITION^1^OP^=\n1^CONDITION^1^VA^CT\n"
    )
    (tmp_path / "t.elements").write_text(elements, encoding="utf-8")
    words = ("try", "t.elements", "--elements", "--facts", '{"MODALITY": "CT"}', "--now", NOW, "--semantics", "vista", "--json")
    (rule,) = json.loads(run(*words).out)["rules"]
    assert (rule["matched"], rule["destinations"]) == (True, ["A"])


@pytest.mark.parametrize("how", ["plain", "at"])
def test_facts_may_lie_in_a_file(run: Run, tmp_path: Path, how: str) -> None:
    (tmp_path / "facts.json").write_text('{"MODALITY": "CR"}', encoding="utf-8")
    name = "facts.json" if how == "plain" else "@facts.json"
    answer = json.loads(run("try", "t.rule", "--facts", name, "--now", NOW, "--json").out)
    assert answer["rules"][1]["matched"] is True


def test_a_dicom_file_has_the_facts_that_the_broker_would_have(run: Run, tmp_path: Path) -> None:
    file = next(iter(make_slices(tmp_path / "ct", 1).values()))
    rules = 'send(A) when MODALITY="*" PATIENT="*" SOPClassUID="1.2.*" PACS_UID="*" SOURCE="SALT LAKE CITY" PACKAGE=RAD'
    (tmp_path / "d.rule").write_text(rules, encoding="utf-8")
    done = run("try", "d.rule", "--dicom", file, "--site", ORACLE_SITE, "--semantics", "documented", "--now", NOW, "--json")
    conditions = json.loads(done.out)["rules"][0]["conditions"]
    assert {it["keyword"]: it["result"] for it in conditions if it["result"] is not True} == {}


@IN_A_DIRECTORY
def test_an_image_of_the_database_is_tried_as_the_evaluator_would(run: Run, data: Path) -> None:
    done = run("try", "t.rule", "--image", 5, "--data", data, "--now", NOW, "--semantics", "documented")
    assert "SEND ROUTE-DEST-A, priority 770: 4 entries of image 5" in done.out
    assert "[not] PATIENT" in done.out
    other = run("try", "t.rule", "--image", 5, "--facts", '{"MODALITY": "US"}', "--data", data, "--now", NOW)
    assert "DICOM (PACS-ARCHIVE)" in other.out
    fileless = run("try", "t.rule", "--image", 17, "--data", data)
    assert "No rule is asked" in fileless.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("try", "t.rule"), "add --image IEN, --dicom PATH or --facts"),
        (("try", "--facts", "{}"), "name a rule file"),
        (("try", "t.rule", "--facts", "{}", "--dicom", "x", "--image", "1"), "Say one of"),
        (("try", "none.rule", "--facts", "{}"), "none.rule does not exist"),
        (("try", "t.rule", "--facts", "none.json"), "none.json does not exist"),
        (("try", "t.rule", "--facts", "{x"), "no JSON"),
        (("try", "t.rule", "--facts", "{}", "--now", "soon"), "no moment"),
        (("try", "t.rule", "--facts", "{}", "--semantics", "both"), "say documented or vista"),
        (("try", "t.rule", "--dicom", "t.rule"), "no DICOM file"),
        (("try", "t.rule", "--dicom", "."), "is a folder"),
        (("try", "t.rule", "--facts", "{}", "--site", "t.rule"), "t.rule is no site file"),
        (("try", "bad.rule", "--facts", "{}"), "Did you mean SEND?"),
        (("try", "deck.rule", "--facts", "{}", "--semantics", "vista"), "say --semantics documented"),
        (("try", "--batch", "none.jsonl"), "none.jsonl cannot be read"),
        (("replay", "t.rule", "--since", "soon"), "no moment"),
        (("replay", "t.rule", "--since", "2026-11-21", "--until", "2026-11-20"), "is not after"),
    ],
)
def test_bad_input_ends_with_status_2_and_says_what_to_do(run: Run, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    (tmp_path / "bad.rule").write_text("sned(A)", encoding="utf-8")
    deck = "balance(A=50%, B=50%) when MODALITY in (CT, MR)"
    (tmp_path / "deck.rule").write_text(deck, encoding="utf-8")
    done = run(*words)
    assert done.status == 2
    assert told in " ".join(done.err.split())


def test_what_vista_would_not_heed_passes_as_it_does_there_and_is_warned_of(run: Run, tmp_path: Path) -> None:
    rules = 'send(A) when BodyPartExamined=HEAD\nsend(B) when MODALITY<"CT"\nsend(C) when NOW!={SAT 00:00 to 23:59}'
    (tmp_path / "odd.rule").write_text(rules, encoding="utf-8")
    words = ("try", "odd.rule", "--facts", '{"MODALITY": "MR"}', "--now", NOW, "--json", "--semantics")
    documented, vista = run(*words, "documented"), run(*words, "vista")
    assert [rule["matched"] for rule in json.loads(documented.out)["rules"]] == [False, False, False]
    assert [rule["matched"] for rule in json.loads(vista.out)["rules"]] == [True, True, True]
    assert documented.err == ""
    warnings = [line for line in vista.err.splitlines() if line]
    assert [line[: line.index(",")] for line in warnings] == [f"odd.rule: rule {n} (line {n}" for n in (1, 2, 3)]


def test_a_batch_goes_on_after_a_bad_line_to_status_1(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [json.dumps({"id": n, "facts": {"MODALITY": "CT"}, "now": NOW}) for n in (1, 2)]
    (tmp_path / "lines.jsonl").write_text("\n".join([lines[0], "{", lines[1]]), encoding="utf-8")
    done = run("try", "t.rule", "--batch", "lines.jsonl")
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert done.status == 1
    assert [answer["id"] for answer in answers] == [1, 2, 2]
    assert ["error" in answer for answer in answers] == [False, True, False]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines[0].encode() + b"\n")))
    assert run("try", "t.rule", "--batch", "-").status == 0


def test_a_line_of_a_batch_has_the_rules_of_the_command_under_its_own_semantics(run: Run, tmp_path: Path) -> None:
    (tmp_path / "head.rule").write_text("send(A) when BodyPartExamined=HEAD", encoding="utf-8")
    lines = [json.dumps({"facts": {}, "now": NOW, "semantics": semantics}) for semantics in ("documented", "vista")]
    (tmp_path / "lines.jsonl").write_text("\n".join(lines), encoding="utf-8")
    done = run("try", "head.rule", "--batch", "lines.jsonl")
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert [answer["rules"][0]["matched"] for answer in answers] == [False, True]


def test_a_batch_that_is_no_utf_8_is_answered_line_by_line(run: Run, tmp_path: Path) -> None:
    good = json.dumps({"facts": {"PATIENT": "MÜLLER,A"}, "now": NOW}, ensure_ascii=False)
    (tmp_path / "lines.jsonl").write_bytes(
        b"\xef\xbb\xbf" + good.encode() + b"\n" + good.encode("latin-1") + b"\n" + good.encode()
    )
    done = run("try", "t.rule", "--batch", "lines.jsonl")
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert done.status == 1
    assert ["error" in answer for answer in answers] == [False, True, False]
    assert "not UTF-8" in answers[1]["error"]


def test_a_batch_against_a_site_file_has_its_destinations(run: Run, tmp_path: Path) -> None:
    line = {"id": "x", "image": 2, "facts": {"MODALITY": "CT", "study_uid": "9.1"}, "now": NOW, "semantics": "vista"}
    line["rules"] = ["1^ACTION^SEND", "1^ACTION^1^ROUTE-DEST-A", "2^ACTION^SEND", "2^ACTION^1^NOWHERE"]
    (tmp_path / "lines.jsonl").write_text(json.dumps(line), encoding="utf-8")
    (answer,) = (json.loads(text) for text in run("try", "--batch", "lines.jsonl", "--site", ORACLE_SITE).out.splitlines())
    assert answer["send"][0] == "^MAGQUEUE(2006.035,1,0)=2^14;MAG(2005.2,^ABSTRACT^1^660^"
    assert 'Sat 03:04 Image 2: Do not Cannot find location "NOWHERE".' in answer["log"]


@IN_A_DIRECTORY
def test_a_replay_is_reported_by_destination(run: Run, data: Path, oracle_store: Store) -> None:
    oracle_store.transact(lambda connection: connection.execute(update(Image).where(Image.ien == 12).values(saved_at="3250101")))
    (data / "other.rule").write_text('dicom("PACS-ARCHIVE") when MODALITY=CT', encoding="utf-8")
    words = ("replay", "t.rule", "--since", "2026-11-21", "--data", data, "--semantics", "documented")
    shown = run(*words)
    assert shown.status == 0
    assert "DICOM PACS-ARCHIVE" in shown.out
    assert "have no kept decision" in shown.out
    assert "saved from 2026-11-21 on" in shown.out
    assert shown.out.splitlines()[2].split() == ["DICOM", "PACS-ARCHIVE", "5", "+5", "0", "7", "+7", "0"]
    report: dict[str, Any] = json.loads(run(*words, "--against", "other.rule", "--json").out)
    lines = {line["destination"]: line for line in report["destinations"]}
    assert lines["SEND ROUTE-DEST-A"]["studies_gained"] == lines["SEND ROUTE-DEST-A"]["studies"] == 2
    assert lines["DICOM PACS-ARCHIVE"]["images_lost"] == 2
    assert report["against"] == "other.rule"
    assert report["fileless"] == 1


def test_the_installed_command_tries_rules(tmp_path: Path) -> None:
    (tmp_path / "t.rule").write_text(RULES, encoding="utf-8")
    words = [sys.executable, "-m", "console.cli.main", "rules", "try", "t.rule", "--facts", '{"MODALITY": "CR"}', "--json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert [rule["matched"] for rule in json.loads(done.stdout)["rules"]] == [False, True]
