"""`magbroker rules check` says what it found for people and for programs, and its exit status what is to be done."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from console.cli.rule_lint import check
from console.cli.rules import Target, decompile_
from console.cli.site import site_load
from console.errors import ConsoleError, WrongUsage
from rules.lint import CODES
from tests.support.services import DEMO_SITE

CLEAN = 'dicom("READING ROOM") when MODALITY=CT priority HIGH\n'
DEAD = 'dicom("READING ROOM") when MODALITY=CT PROCEDURE=MR\n'
NOTED = 'dicom("READING ROOM") when BodyPartExamined="CHEST"\n'
BROKEN = 'dicom("READING ROOM") when MODALITY "CT"\ndicom("READING ROOM") when MODALITY=\n'


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of the command wrote, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def codes(self) -> list[str]:
        """Read the codes out of an answer in JSON."""
        return [finding["code"] for finding in json.loads(self.out)]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Run the command in a directory without a site."""
    monkeypatch.chdir(tmp_path)

    def run(file: Path | None, **options: Any) -> Run:
        capsys.readouterr()
        with pytest.raises(typer.Exit) as ended:
            check(file, **options)
        written = capsys.readouterr()
        return Run(ended.value.exit_code, written.out, written.err)

    return run


def _file(directory: Path, text: str) -> Path:
    file = directory / "x.rule"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("text", "status", "codes"),
    [
        (CLEAN, 0, []),
        (NOTED, 0, ["R601"]),
        (DEAD, 1, ["R101"]),
        (BROKEN, 2, ["R001", "R001"]),
        (None, 2, ["R002"]),
        ("send(A) when PATIENT=\udce9", 2, ["R002"]),
        ("#" * 1_000_001, 2, ["R002"]),
    ],
)
def test_the_exit_status_says_what_is_to_be_done(
    run: Callable[..., Run], tmp_path: Path, text: str | None, status: int, codes: list[str]
) -> None:
    file = tmp_path / "x.rule"
    if text is not None:
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
    answer = run(file, as_json=True)
    assert (answer.status, answer.codes) == (status, codes)
    keys = {"code", "severity", "line", "column", "rule", "name", "problem", "remedy"}
    assert all(set(finding) == keys for finding in json.loads(answer.out))


def test_each_finding_is_shown_with_its_line_and_a_caret(run: Callable[..., Run], tmp_path: Path) -> None:
    answer = run(_file(tmp_path, DEAD))
    place, line, caret, _remedy, summary = answer.out.splitlines()
    assert ":1:40: error R101 (rule 1): " in place
    assert line.index("PROCEDURE") == caret.index("^")
    assert summary.endswith("x.rule: 1 rule, 1 error")


def test_a_file_that_is_not_understood_shows_all_its_errors(run: Callable[..., Run], tmp_path: Path) -> None:
    answer = run(_file(tmp_path, BROKEN))
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.count("error R001") == 2
    assert "is not understood: 2 errors, the first in line 1" in answer.err


def test_destinations_are_looked_up_in_a_site_file_or_the_database(run: Callable[..., Run], tmp_path: Path) -> None:
    unknown = _file(tmp_path, 'dicom("REDING ROOM") when MODALITY=CT\n')
    assert run(unknown).status == 0, "without a site nothing is known of destinations"
    with pytest.raises(ConsoleError, match="There is no database"):
        check(unknown, data=tmp_path / "none")
    data = tmp_path / "var"
    site_load(DEMO_SITE, data=data)
    for where in ({"site": DEMO_SITE}, {"data": data}, {}):
        answer = run(unknown, as_json=True, **where)
        assert (answer.status, answer.codes) == (1, ["R401"])
        assert "Did you mean READING ROOM?" in answer.out


def test_the_target_is_that_of_the_site_unless_another_is_named(run: Callable[..., Run], tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    text = DEMO_SITE.read_text(encoding="utf-8")
    site.write_text(text.replace('rule_semantics = "documented"', 'rule_semantics = "vista"'), encoding="utf-8")
    file = _file(tmp_path, NOTED)
    assert run(file, site=site).status == 1
    assert run(file, site=site, target=Target.MAGBROKER).status == 0
    assert run(file, target=Target.VISTA).status == 1


def test_elements_are_checked_too(run: Callable[..., Run], tmp_path: Path) -> None:
    answer = run(_file(tmp_path, "1^ACTION^SEND\n1^ACTION^1^KANSAS\n1^COLOR\n"), elements=True, as_json=True)
    assert (answer.status, answer.codes) == (1, ["R003", "R108"])


def test_gaps_are_shown_for_all_rules_or_one_destination(run: Callable[..., Run], tmp_path: Path) -> None:
    file = _file(tmp_path, "send(A) when NOW={00:00 to 11:59}\nsend(B) when NOW={12:00 to 23:59}\n")
    assert run(file, cover=True).status == 0
    answer = run(file, destination=["A"])
    assert (answer.status, answer.out.count("R204")) == (1, 7)


def test_a_code_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    check(explain="r101")
    said = capsys.readouterr().out
    assert CODES["R101"].title in said
    assert CODES["R101"].remedy in said
    with pytest.raises(WrongUsage, match="R101"):
        check(explain="R999")
    with pytest.raises(WrongUsage, match="rule file"):
        check()


def test_an_element_that_is_left_out_is_told_as_it_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    decompile_(
        _file(
            tmp_path,
            "1^ACTION^SEND\n1^ACTION^1^A\n1^CONDITION^1^KW^MODALITY\n1^CONDITION^1^OP^=\n1^CONDITION^1^DT^LO\n1^CONDITION^1^VA^CT\n1^[/red]\n",
        )
    )
    assert capsys.readouterr().err == 'Rule 1 has a qualifier "[/red]".\n'
