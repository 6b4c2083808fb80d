"""`magbroker migrate-store` says what moved and what to do next, and never shows a password."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from fileman import Store
from fileman.sqlite_site import SITE_TABLES
from runtime import DataDirectory
from tests.support.filled_site import last_numbers_of, site_file
from tests.support.postgres import Database
from tests.support.services import magbroker
from tests.support.spoiling import spoil
from tests.support.waiting import until

IMAGES = 30
#: The last image number that was given: greater than any image that is there.
LAST_IMAGE = last_numbers_of(IMAGES)["image"]
PASSWORD = "secret"  # the tests' server trusts its user and asks for none


@pytest.fixture
def var(tmp_path: Path) -> Path:
    """Give a data directory with a SQLite site in it."""
    folder = tmp_path / "var"
    folder.mkdir()
    site_file(folder, IMAGES)
    return folder


@pytest.fixture
def url(target: Database) -> str:
    """Name the target with a password in it."""
    return target.url.replace("tests@", f"tests:{PASSWORD}@")


def test_a_site_is_moved_and_what_to_do_next_is_said(var: Path, url: str, target: Database) -> None:
    done = magbroker("migrate-store", "--to", url, "--data", str(var))
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    tables = {words[0]: words[1:] for words in lines if words[-1] == "equal" and len(words) > 2}
    assert (tables["image"][0], tables["image_event"][0], tables["ien_image"][0]) == ("30", "150", str(LAST_IMAGE))
    assert {table.name for table in SITE_TABLES} <= set(tables)
    hidden = url.replace(PASSWORD, "***")
    assert f'database = "{hidden}"' in done.stdout
    assert "site.key" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    again = magbroker("migrate-store", "--to", url, "--data", str(var))
    assert again.returncode == 0
    assert "already and equal there" in again.stdout
    assert target.execute("SELECT count(*) FROM image") == [(IMAGES,)]


def test_the_target_may_stand_in_a_variable_and_the_report_may_be_json(var: Path, url: str) -> None:
    environment = {"MAGBROKER_MIGRATE_TO": url}
    rehearsed = magbroker("migrate-store", "--data", str(var), "--dry-run", "--json", environment=environment)
    moved = magbroker("migrate-store", "--data", str(var), "--json", environment=environment)
    assert (rehearsed.returncode, moved.returncode) == (0, 0), rehearsed.stderr + moved.stderr
    before, after = json.loads(rehearsed.stdout), json.loads(moved.stdout)
    assert (before.pop("outcome"), after.pop("outcome")) == ("rehearsed", "moved")
    assert before == after
    assert after["source"] == str(var / "magbroker.db")
    assert PASSWORD not in moved.stdout
    image = next(table for table in after["tables"] if table["name"] == "image")
    assert image["source_rows"] == image["target_rows"] == IMAGES
    assert image["source_checksum"] == image["target_checksum"]
    assert {"name": "ien_image", "source": LAST_IMAGE, "target": LAST_IMAGE, "equal": True} in after["sequences"]


def test_a_site_that_comes_back_different_is_an_error_that_shows_where(var: Path, url: str, target: Database) -> None:
    spoil(target, "image", "IF NEW.ien = 7 THEN RETURN NULL; END IF; RETURN NEW;")
    done = magbroker("migrate-store", "--to", url, "--data", str(var))
    assert done.returncode == 1
    assert "differs: 29 rows" in done.stdout
    assert "Nothing was kept" in done.stdout
    told = magbroker("migrate-store", "--to", url, "--data", str(var), "--json")
    assert told.returncode == 1
    assert [table["name"] for table in json.loads(told.stdout)["tables"] if not table["equal"]] == ["image"]
    assert target.relations() == []


def test_a_site_in_use_is_rehearsed_only(var: Path, url: str, target: Database) -> None:
    broker = DataDirectory(var)
    broker.acquire()
    store = Store(f"sqlite:///{var / 'magbroker.db'}")
    try:
        refused = magbroker("migrate-store", "--to", url, "--data", str(var))
        assert refused.returncode == 1
        assert "which is running; stop it" in refused.stderr.replace("\n", " ")
        assert target.relations() == []
        assert magbroker("migrate-store", "--to", url, "--data", str(var), "--dry-run").returncode == 0
    finally:
        store.close()
        broker.release()


@pytest.mark.parametrize(("ended_by", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_command_that_was_ended_halfway_leaves_nothing_and_the_next_one_moves_the_site(
    var: Path, url: str, target: Database, ended_by: signal.Signals, status: int
) -> None:
    spoil(target, "image", "PERFORM pg_advisory_xact_lock(42); RETURN NEW;")
    with psycopg.connect(target.url.replace("+psycopg", ""), autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(42)")
        command = [sys.executable, "-m", "console.cli.main", "migrate-store", "--to", url, "--data", str(var)]
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted"
        until(lambda: holder.execute(waits).fetchone() is not None, "it waits in the middle of a table")
        running.send_signal(ended_by)
        assert running.wait(60) == status
    assert target.relations() == []
    target.execute("DROP EVENT TRIGGER spoil")
    done = magbroker("migrate-store", "--to", url, "--data", str(var))
    assert done.returncode == 0, done.stderr
    assert target.execute("SELECT count(*) FROM image") == [(IMAGES,)]


@pytest.mark.parametrize(
    ("arguments", "database", "said"),
    [
        (("--to", "{url}", "--data", "{path}/none"), "", "There is no database"),
        (("--to", "{url}", "--data", "{path}/var"), "{url}", "names PostgreSQL already"),
        (("--to", "{url}x", "--data", "{path}/var"), "", "cannot be opened"),
        (("--to", "sqlite:///{path}/x.db", "--data", "{path}/var"), "", "not to sqlite"),
        (("--data", "{path}/var"), "", "--to"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(
    var: Path, url: str, target: Database, arguments: tuple[str, ...], database: str, said: str
) -> None:
    words = [word.format(url=url, path=var.parent) for word in arguments]
    environment = {"MAGBROKER_DATABASE": database.format(url=url)} if database else {}
    run = magbroker("migrate-store", *words, environment=environment)
    assert run.returncode != 0
    assert said in run.stderr.replace("\n", " ")
    assert PASSWORD not in run.stderr
    assert "Traceback" not in run.stderr
    assert target.relations() == []
    assert not (var.parent / "none").exists()
