"""`magbroker rules publish, versions, rollback, show, start, explain`, by the database's owner and by a signed-on user."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert

from console.cli.main import main
from fileman import SiteKey, Store, next_ien
from fileman.files import BackgroundQueue
from rules.evaluator import ENTRY_POINT, Evaluator
from rules.evaluator.task import rules_to_begin_with
from runtime import FixedClock
from taskman import TaskContext, api
from tests.integration.rules.recorded_site import fill_recorded_images
from tests.support.broker import RunningBroker

FIRST = 'rule "chest" send("ROUTE-DEST-A") when MODALITY=CR\nsend("ROUTE-DEST-B") when MODALITY=MR\n'
SECOND = 'send("ROUTE-DEST-B") when MODALITY=CR\n'


@dataclass(frozen=True)
class Said:
    """What a command wrote, and what it ended with."""

    out: str
    err: str
    status: int


@pytest.fixture
def site(oracle_store: Store) -> Store:
    oracle_store.transact(fill_recorded_images)
    return oracle_store


@pytest.fixture
def rules(
    site: Store, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Said]:
    monkeypatch.setenv("MAGBROKER_DATABASE", site.url)
    monkeypatch.setenv("MAGBROKER_DATA", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: object, status: int = 0) -> Said:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["magbroker", "rules", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        said = Said(shown.out, shown.err, int(ended.value.code or 0))
        assert said.status == status, said
        return said

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "site.rule"
    path.write_text(FIRST, encoding="utf-8")
    return path


def unwrapped(text: str) -> str:
    """Leave out blanks and line ends: where lines are wrapped is the terminal's matter."""
    return "".join(text.split())


def evaluate(store: Store, image: int) -> int:
    """Let an evaluator judge one image; give its task."""
    arguments = {"location": 660, "rules": []}

    def prepare(connection: Connection) -> int:
        entry = {"queue": "EVAL", "duz": 9002, "requested": "3261121", "image": image, "place": 1}
        connection.execute(insert(BackgroundQueue).values(ien=next_ien(connection, "background_queue"), **entry))
        return api.load(connection, ENTRY_POINT, arguments, "a test", 9002, 0.0)

    number = store.transact(prepare)
    loaded, sequence, _lines = store.transact(lambda it: rules_to_begin_with(it, arguments, "a test", 0.0))
    clock = FixedClock(datetime.fromisoformat("2026-11-21T03:44:38"))
    assert Evaluator(TaskContext(number, arguments, 9002, store, clock), 660, loaded, sequence).work_off() == 1
    return number


def test_the_owner_publishes_looks_and_goes_back(rules: Callable[..., Said], file: Path) -> None:
    assert "nothing is published" in rules("versions", "--location", 660).out
    told = rules("publish", file, "--location", 660, "--note", "to begin with").out
    assert "2 rules" in told
    assert "no evaluator runs there" in " ".join(told.split())
    first = json.loads(rules("versions", "--location", 660, "--json").out)["versions"][0]
    assert first["note"] == "to begin with"
    assert first["published_by"].startswith("owner ")
    file.write_text(SECOND, encoding="utf-8")
    rules("publish", file, "--location", 660)
    assert rules("show", first["version"]).out == FIRST
    rules("rollback", "--location", 660)
    listed = rules("versions", "--location", 660).out
    assert listed.count(first["version"]) == 2, listed
    assert "back from" in listed


def test_a_file_with_errors_is_not_published(rules: Callable[..., Said], file: Path) -> None:
    file.write_text('send("A") whne MODALITY=CR\n', encoding="utf-8")
    assert "line 1, column 11" in rules("publish", file, "--location", 660, status=2).err
    assert rules("publish", file.with_name("none.rule"), "--location", 660, status=2).err
    assert "nothing is published" in rules("versions", "--location", 660).out
    assert rules("show", "abcdef", status=3).err


def test_faults_in_what_is_published_are_pointed_out(rules: Callable[..., Said], file: Path) -> None:
    assert "fault" not in rules("publish", file, "--location", 660).out
    file.write_text(FIRST + 'send("ROUTE-DEST-A") when MODALITY=CT MODALITY=MR\n', encoding="utf-8")
    told = unwrapped(rules("publish", file, "--location", 660).out)
    assert unwrapped(f"1 fault in the file: 'magbroker rules check {file}' shows them") in told


@pytest.mark.parametrize("verb", ["format", "compile", "decompile"])
def test_a_file_that_is_not_there_is_named(rules: Callable[..., Said], file: Path, verb: str) -> None:
    missing = file.with_name("none.rule")
    assert unwrapped(f"{missing} does not exist") in unwrapped(rules(verb, missing, status=2).err)


def test_an_image_is_explained(rules: Callable[..., Said], site: Store, file: Path) -> None:
    rules("publish", file, "--location", 660)
    number = evaluate(site, 2)
    said = rules("explain", 2, "--all").out
    assert unwrapped(f"evaluated at 2026-11-21 03:44:38 by task {number}") in unwrapped(said)
    assert "rule 1 SEND (ROUTE-DEST-A): fired" in said
    assert "MODALITY=MR" in said
    assert "saw CR" in said
    assert "rule 1: SEND ROUTE-DEST-A, priority 500, 4 entries" in said
    told = json.loads(rules("explain", 2, "--json").out)
    assert (told["image"], told["task"], told["fired"]) == (2, number, [1])
    assert [(rule["number"], rule["matched"]) for rule in told["rules"]] == [(1, True), (2, False)]
    assert told["rules"][1]["conditions"][0] == {
        "keyword": "MODALITY",
        "operator": "=",
        "value": "MR",
        "actual": ["CR"],
        "result": False,
        "why": told["rules"][1]["conditions"][0]["why"],
        "within": "",
    }
    assert "No rules were asked" in rules("explain", 3, status=3).err


def test_a_signed_on_user_needs_the_context(rules: Callable[..., Said], site: Store, site_key: SiteKey, file: Path) -> None:
    broker = RunningBroker(site, site_key)
    try:
        user = ("--access", "FAKEDOC1", "--verify", "1DOC!@#$", "--broker", f"127.0.0.1:{broker.port}")
        said = rules("publish", file, "--location", 660, *user, status=1)
        assert "MAGB GATEWAY" in said.err
    finally:
        broker.stop()
