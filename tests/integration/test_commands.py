"""The `magbroker` command says what it did, and what to do when something is wrong, in a line and without a traceback."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli.main import app
from tests.support.services import DEMO_SITE, magbroker

RULE = 'dicom("READING ROOM") when MODALITY=CT priority HIGH\n'


def test_site_is_loaded_dumped_and_loaded_again(tmp_path: Path) -> None:
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    loaded = magbroker("site", "load", str(DEMO_SITE), "--data", first)
    assert loaded.returncode == 0, loaded.stderr
    assert "10 patients" in loaded.stdout
    dumped = magbroker("site", "dump", "--data", first)
    assert 'verify = "1DOC' not in dumped.stdout, "codes are dumped as hashes"
    (tmp_path / "dump.toml").write_text(dumped.stdout, encoding="utf-8")
    key = tmp_path / "first" / "site.key"
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "site.key").write_bytes(key.read_bytes())
    again = magbroker("site", "load", str(tmp_path / "dump.toml"), "--data", second)
    assert again.returncode == 0, again.stderr
    assert tomllib.loads(magbroker("site", "dump", "--data", second).stdout) == tomllib.loads(dumped.stdout)


def test_status_of_an_idle_site(tmp_path: Path) -> None:
    magbroker("site", "load", str(DEMO_SITE), "--data", str(tmp_path))
    state = json.loads(magbroker("status", "--json", "--data", str(tmp_path)).stdout)
    assert state["running"] is None
    assert (state["images"], state["correct"], state["orphans"], state["evaluators"], state["brokers"]) == (0, 0, [], [], [])
    shown = magbroker("status", "--data", str(tmp_path)).stdout
    assert "not running" in shown
    assert "instruments today" in shown


def test_rules_are_checked_compiled_and_decompiled(tmp_path: Path) -> None:
    file = tmp_path / "x.rule"
    file.write_text(RULE, encoding="utf-8")
    assert "1 rule, no errors" in magbroker("rules", "check", str(file)).stdout
    compiled = magbroker("rules", "compile", str(file))
    assert "1^ACTION^DICOM" in compiled.stdout.splitlines()
    elements = tmp_path / "x.elements"
    elements.write_text(compiled.stdout, encoding="utf-8")
    back = tmp_path / "back.rule"
    back.write_text(magbroker("rules", "decompile", str(elements)).stdout, encoding="utf-8")
    assert magbroker("rules", "compile", str(back)).stdout == compiled.stdout


def test_faults_in_rules_are_told_by_the_exit_status(tmp_path: Path) -> None:
    file = tmp_path / "x.rule"
    for text, status in ((RULE, 0), (RULE.replace("CT", "CT PROCEDURE=MR"), 1), ("dicom(READING when", 2)):
        file.write_text(text, encoding="utf-8")
        assert magbroker("rules", "check", str(file)).returncode == status


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("status", "--data", "{path}/none"), "There is no database"),
        (("rules", "check", "{path}/none.rule"), "none.rule"),
        (("site", "load", "{path}/none.toml", "--data", "{path}"), "none.toml"),
        (("rules", "check", "{path}/broken.rule"), "line"),
        (("broker", "--config", "{path}/broken.rule"), "TOML"),
        (("broker", "--data", "{path}/var", "--rpc-pack", "no.such.pack"), "no.such.pack"),
        (("taskman", "--data", "{path}/var"), "magbroker broker"),
        (("site", "reset", "--data", "{path}/none"), "There is no database"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else None,
)
def test_what_is_wrong_is_said_in_a_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    (tmp_path / "broken.rule").write_text("dicom(READING when", encoding="utf-8")
    run = magbroker(*(argument.format(path=tmp_path) for argument in arguments))
    assert run.returncode != 0
    assert said in run.stderr.replace("\n", " ")
    assert "Traceback" not in run.stderr


def test_a_fault_without_its_facts_is_told_how_it_is_written(tmp_path: Path) -> None:
    assert magbroker("site", "load", str(DEMO_SITE), "--data", str(tmp_path)).returncode == 0
    run = magbroker("fault", "set", "slow-answer", "--data", str(tmp_path))
    assert run.returncode != 0
    assert "slow-answer rpc=... seconds=... [times=N]" in run.stderr.replace("\n", " ")
    assert "Traceback" not in run.stderr


def test_help_teaches() -> None:
    listed, runner = magbroker("--help").stdout, CliRunner()
    names = ("up", "broker", "gateway", "taskman", "status", "site", "rules", "fault", "rpc", "tasks", "queues", "migrate-store")
    for command in (*names, "echo", "send", "find", "move", "get"):
        assert runner.invoke(app, [command, "--help"]).exit_code == 0
        assert command in listed


def test_rules_are_laid_out_in_place_unless_comments_would_be_lost(tmp_path: Path) -> None:
    plain, commented = tmp_path / "plain.rule", tmp_path / "commented.rule"
    plain.write_text("send( raid1 )when modality = ct", encoding="utf-8")
    commented.write_text("# why\nsend( raid1 )when modality = ct", encoding="utf-8")
    shown = magbroker("rules", "format", str(plain)).stdout
    assert magbroker("rules", "format", str(commented)).stdout == shown
    assert magbroker("rules", "format", "--write", str(plain)).returncode == 0
    assert plain.read_text(encoding="utf-8") == shown
    refused = magbroker("rules", "format", "--write", str(commented))
    assert (refused.returncode, "comments (line 1)" in refused.stderr) == (1, True)
    assert commented.read_text(encoding="utf-8").startswith("# why")


def test_elements_for_a_real_vista_are_refused_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "x.rule"
    file.write_text("dicom(X) when BodyPartExamined=CHEST\n", encoding="utf-8")
    assert magbroker("rules", "compile", str(file)).returncode == 0
    refused = magbroker("rules", "compile", str(file), "--target", "vista")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "rule 1" in refused.stderr
    assert "BODY_PART_EXAMINED" in refused.stderr
