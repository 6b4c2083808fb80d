"""`magbroker backup` and `restore` say what they did, in JSON too, and what to do when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from console.backup import MANIFEST
from tests.integration.backup.conftest import SiteOnDisk
from tests.support.terminal import Terminal


@pytest.fixture
def words(site: SiteOnDisk, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Give the options that name a site; the database stands in the environment."""
    monkeypatch.setenv("MAGBROKER_DATABASE", site.settings.database)
    return ("--data", str(site.data))


def test_a_backup_is_taken_checked_and_restored(
    words: tuple[str, ...], terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, new = tmp_path / "kept", tmp_path / "new"
    taken = terminal.run("backup", kept, *words)
    assert taken.status == 0, taken.err
    assert f"{kept} holds the state of " in taken.words
    assert "30 entries of IMAGE" in taken.words
    checked = terminal.run("restore", kept, "--check")
    assert (checked.status, checked.words.startswith(f"{kept} is whole: the state of ")) == (0, True)
    monkeypatch.delenv("MAGBROKER_DATABASE")
    restored = terminal.run("restore", kept, "--data", new)
    assert restored.status == 0, restored.err
    assert f"The database is {new / 'magbroker.db'}: " in restored.words
    again = terminal.run("restore", kept, "--data", new)
    assert (again.status, "is not empty" in again.words) == (1, True)


def test_the_summaries_may_be_json(
    words: tuple[str, ...], terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    taken = json.loads(terminal.run("backup", kept, *words, "--json").out)
    assert taken["to"] == str(kept)
    assert (taken["database"]["rows"]["image"], taken["left_out"], taken["seconds"] > 0) == (30, [], True)
    checked = json.loads(terminal.run("restore", kept, "--check", "--json").out)
    assert (checked["restored"], checked["totals"], checked["id"]) == (False, taken["totals"], taken["id"])
    monkeypatch.delenv("MAGBROKER_DATABASE")
    restored = json.loads(terminal.run("restore", kept, "--data", tmp_path / "new", "--json").out)
    assert (restored["restored"], restored["to"]) == (True, [str(tmp_path / "new")])
    assert restored["rows"] == sum(taken["database"]["rows"].values())
    assert restored["restored_database"].endswith("new/magbroker.db")


def test_what_is_left_out_is_said(sqlite_site: SiteOnDisk, terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    sqlite_site.place(3, str(tmp_path / "share"), "SHARE")
    for number in range(12):
        (sqlite_site.data / "image1" / f"{number}.DCM").symlink_to("/etc/passwd")
    said = terminal.run("backup", tmp_path / "kept", "--data", sqlite_site.data)
    assert said.words.count("Left out: ") == 11
    assert "Left out: network location SHARE: " in said.words
    assert "Left out: 3 more; --json names them." in said.words
    whole = terminal.run("backup", tmp_path / "whole", "--data", sqlite_site.data, "--all-locations")
    assert "SHARE" not in whole.words


def test_a_gateway_without_a_database_is_told_of(sqlite_site: SiteOnDisk, terminal: Terminal, tmp_path: Path) -> None:
    (sqlite_site.data / "magbroker.db").unlink()
    said = terminal.run("backup", tmp_path / "kept", "--data", sqlite_site.data)
    assert (said.status, "There is no database in it" in said.words) == (0, True)


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        ("backup", 2, "Missing argument"),
        ("backup {tmp}/kept --data {tmp}/none", 1, "There is no data directory"),
        ("backup {tmp}/new", 1, "is not empty"),
        ("backup {tmp}/file/kept", 1, "cannot be made: Not a directory"),
        ("backup {tmp}/kept --gateway {tmp}/none", 1, "There is no data directory"),
        ("restore", 2, "Missing argument"),
        ("restore {tmp}/none --data {tmp}/none", 1, "holds no backup"),
        ("restore {tmp}/none --check", 1, "holds no backup"),
        ("restore {tmp}/none --location RAID1", 2, "say NAME=FOLDER"),
        ("restore {tmp}/none --location =/x", 2, "say NAME=FOLDER"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    sqlite_site: SiteOnDisk, terminal: Terminal, tmp_path: Path, command: str, status: int, said: str
) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    given = command.format(tmp=tmp_path).split()
    data = [] if "--data" in given or given[0] == "restore" else ["--data", str(sqlite_site.data)]
    run = terminal.run(*given, *data)
    assert (run.status, said in run.words) == (status, True), run.words
    assert "Traceback" not in run.err
    assert not list(tmp_path.glob(f"*/{MANIFEST}"))


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_help_teaches(terminal: Terminal, command: str) -> None:
    said = terminal.run(command, "--help").words
    assert all(option in said for option in ("--config", "--data", "--gateway", "--json", "Exit status 0"))
