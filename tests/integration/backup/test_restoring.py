"""What is restored is what was kept, whole or not at all, on either engine; nothing is ever written over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import update

from console.backup import MANIFEST, BackupError, NoBackup, NotEmpty, check
from fileman import NotMoved
from fileman.files import NetworkLocation
from gateway_client.journal import Journal
from runtime import RESTORE_FILE, DataDirectory, DataDirectoryInUse, DataDirectoryUnusable, Settings
from tests.integration.backup.conftest import RESTORED, TAKEN, SiteOnDisk, fill
from tests.support.postgres import Database

KILLED = """
import os, signal, sys
from pathlib import Path
from console.backup import Restoring
from runtime import Settings, SystemClock

left = int(sys.argv[5])

def tell(doing, done, total):
    global left
    if doing.startswith(sys.argv[4]):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

settings = Settings(data=Path(sys.argv[1]), database=sys.argv[2])
Restoring(settings, Path(sys.argv[3]), SystemClock(), progress=tell).restore()
"""


@pytest.fixture
def new(request: pytest.FixtureRequest, tmp_path: Path) -> SiteOnDisk:
    """Give a place for a site on the engine that a test names."""
    url = request.getfixturevalue("target").url if request.param == "postgresql" else ""
    return SiteOnDisk(Settings(data=tmp_path / "new", database=url))


@pytest.mark.parametrize("new", ["sqlite", "postgresql"], indirect=True)
def test_a_site_is_restored_to_either_engine_as_it_was(site: SiteOnDisk, new: SiteOnDisk, tmp_path: Path) -> None:
    kept = site.back_up(tmp_path / "kept")
    restored = new.restore(kept)
    assert new.files() == site.files()
    assert restored.rows == sum(restored.manifest.database.rows.values())
    for table in ("image", "image_event", "background_queue", "new_person", "task"):
        assert new.rows(f"SELECT * FROM {table} ORDER BY 1") == site.rows(f"SELECT * FROM {table} ORDER BY 1")
    assert (new.data / "image1/SL00/1.DCM").stat().st_mtime_ns == (site.data / "image1/SL00/1.DCM").stat().st_mtime_ns
    found = [new.data, *new.data.rglob("*")]
    assert {path.stat().st_mode & 0o077 for path in found if path.name not in ("owner.lock", "magbroker.db")} == {0}
    assert not list(new.data.rglob(RESTORE_FILE))
    journal = Journal(new.data / "gateway" / "journal.db")
    assert journal.counts() == {"RECEIVED": 1}
    journal.close()
    directory = DataDirectory(new.data)
    directory.acquire()
    directory.release()


def test_what_was_in_doubt_may_be_asked_again_however_late_it_is_restored(
    sqlite_site: SiteOnDisk, empty: SiteOnDisk, tmp_path: Path
) -> None:
    empty.restore(sqlite_site.back_up(tmp_path / "kept"))
    ((answered_at,),) = empty.rows("SELECT answered_at FROM answered_request WHERE uuid = 'in doubt'")
    assert answered_at == pytest.approx(RESTORED.timestamp(), abs=1)
    ((was,),) = sqlite_site.rows("SELECT answered_at FROM answered_request WHERE uuid = 'in doubt'")
    assert was == TAKEN.timestamp()


def _change(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _edit(kept: Path, **changes: object) -> None:
    content = json.loads((kept / MANIFEST).read_text())
    (kept / MANIFEST).write_text(json.dumps(content | changes))


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (lambda kept: _change(kept / "directories/1/images/1/SL00/2.DCM"), "images/1/SL00/2.DCM is not what it was"),
        (lambda kept: _change(kept / "database.db"), "database.db is not what it was"),
        (lambda kept: (kept / "directories/1/gateway/spool/in/a.dcm").unlink(), "spool/in/a.dcm is missing"),
        (lambda kept: (kept / "directories/1/more.dcm").write_text("x"), "more.dcm does not belong there"),
        (lambda kept: (kept / MANIFEST).unlink(), "it was cut off, or is none"),
        (lambda kept: (kept / MANIFEST).write_text("{"), "is no manifest"),
        (lambda kept: (kept / MANIFEST).write_text("[]"), "is no manifest"),
        (lambda kept: _edit(kept, format=2), "use the version that took it"),
        (lambda kept: _edit(kept, files={}), "is damaged"),
        (lambda kept: _edit(kept, files={"../../x": [1, "0" * 64]}), "is no file of it"),
        (lambda kept: _edit(kept, taken_at="2026"), "is damaged"),
    ],
)
def test_a_backup_that_is_not_what_it_was_is_said_and_nothing_is_restored(
    sqlite_site: SiteOnDisk, empty: SiteOnDisk, tmp_path: Path, spoilt: Callable[[Path], object], said: str
) -> None:
    kept = sqlite_site.back_up(tmp_path / "kept")
    check(kept)
    spoilt(kept)
    with pytest.raises(BackupError, match=said):
        check(kept)
    with pytest.raises(BackupError, match=said):
        empty.restore(kept)
    assert not empty.data.exists()


def test_rows_that_the_manifest_does_not_count_are_damage(sqlite_site: SiteOnDisk, empty: SiteOnDisk, tmp_path: Path) -> None:
    kept = sqlite_site.back_up(tmp_path / "kept")
    content = json.loads((kept / MANIFEST).read_text())
    content["database"]["rows"]["image"] += 1
    (kept / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(BackupError, match="other rows than the manifest counts"):
        empty.restore(kept)


def test_no_folder_is_no_backup(empty: SiteOnDisk, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(NoBackup):
            empty.restore(path)


def test_nothing_is_written_over(sqlite_site: SiteOnDisk, empty: SiteOnDisk, tmp_path: Path) -> None:
    kept = sqlite_site.back_up(tmp_path / "kept")
    before = sqlite_site.files()
    with pytest.raises(NotEmpty, match=r"not empty: it holds image1, .*name another one"):
        sqlite_site.restore(kept)
    assert sqlite_site.files() == before
    assert not list(sqlite_site.data.rglob(RESTORE_FILE))
    (empty.data / "gateway").mkdir(parents=True)
    (empty.data / "gateway" / "journal.db").write_text("x")
    with pytest.raises(NotEmpty, match=r"gateway/journal\.db"):
        empty.restore(kept)
    elsewhere = tmp_path / "elsewhere.db"
    elsewhere.write_text("x")
    with pytest.raises(NotEmpty, match="is there already"):
        SiteOnDisk(Settings(data=tmp_path / "third", database=f"sqlite:///{elsewhere}")).restore(kept)
    (tmp_path / "site.key").write_bytes(b"another")
    with pytest.raises(NotEmpty, match="another site's key"):
        SiteOnDisk(Settings(data=tmp_path / "third", site_key=tmp_path / "site.key")).restore(kept)
    assert not (tmp_path / "third").exists()


def test_a_database_of_postgresql_that_holds_something_is_refused_before_anything_is_written(
    sqlite_site: SiteOnDisk, tmp_path: Path, target: Database
) -> None:
    kept = sqlite_site.back_up(tmp_path / "kept")
    target.execute("CREATE TABLE mine (it int)")
    new = SiteOnDisk(Settings(data=tmp_path / "new", database=target.url))
    with pytest.raises(NotMoved, match="not empty: it holds mine"):
        new.restore(kept)
    assert not new.data.exists()


@pytest.mark.parametrize("who", ["", "gateway"])
def test_a_directory_that_somebody_runs_on_is_refused_with_his_number(
    sqlite_site: SiteOnDisk, empty: SiteOnDisk, tmp_path: Path, who: str
) -> None:
    kept = sqlite_site.back_up(tmp_path / "kept")
    running = DataDirectory(empty.data / who)
    running.acquire()
    try:
        with pytest.raises(DataDirectoryInUse, match=f"process {os.getpid()}, which is running; stop it"):
            empty.restore(kept)
    finally:
        running.release()
    assert empty.restore(kept).rows


@pytest.mark.parametrize(
    ("new", "doing", "number"),
    [
        *((engine, *when) for engine in ("sqlite", "postgresql") for when in (("restoring", 0), ("restoring", 5))),
        ("postgresql", "database", 3),  # SQLite's file is put in place at once
        *((engine, "database: counted", 0) for engine in ("sqlite", "postgresql")),
    ],
    indirect=["new"],
)
def test_a_restore_that_was_killed_lets_nobody_start_and_is_begun_again(
    sqlite_site: SiteOnDisk, new: SiteOnDisk, tmp_path: Path, doing: str, number: int
) -> None:
    kept = sqlite_site.back_up(tmp_path / "kept")
    command = [sys.executable, "-c", KILLED, str(new.data), new.settings.database, str(kept), doing, str(number)]
    assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGKILL
    for owned in (new.data, new.data / "gateway"):
        with pytest.raises(DataDirectoryUnusable, match="run 'magbroker restore' again"):
            DataDirectory(owned).acquire()
    other = fill(SiteOnDisk(Settings(data=tmp_path / "other"))).back_up(tmp_path / "other-kept")
    with pytest.raises(NotEmpty, match="restore of another backup was begun"):
        new.restore(other)
    new.restore(kept)
    assert new.files() == sqlite_site.files()
    assert new.rows("SELECT * FROM image ORDER BY 1") == sqlite_site.rows("SELECT * FROM image ORDER BY 1")
    assert not list(new.data.rglob(RESTORE_FILE))


def test_a_restore_that_ended_but_for_its_last_mark_writes_nothing_again(
    sqlite_site: SiteOnDisk, empty: SiteOnDisk, tmp_path: Path
) -> None:
    """A gateway may run by then, whose journal must not be put back."""
    kept = sqlite_site.back_up(tmp_path / "kept")
    rows = empty.restore(kept).rows
    identity = json.loads((kept / MANIFEST).read_text())["id"]
    (empty.data / RESTORE_FILE).write_text(json.dumps({"id": identity, "whole": True, "rows": rows, "places": []}))
    (empty.data / "gateway" / "journal.db").write_text("gone on")
    assert empty.restore(kept).rows == rows
    assert (empty.data / "gateway" / "journal.db").read_text() == "gone on"
    assert not (empty.data / RESTORE_FILE).exists()


def test_locations_inside_move_along_and_those_elsewhere_lie_where_they_were_or_are_told_to(
    sqlite_site: SiteOnDisk, empty: SiteOnDisk, tmp_path: Path
) -> None:
    share = tmp_path / "share"
    share.mkdir()
    (share / "9.DCM").write_bytes(b"nine")
    sqlite_site.write({"absolute/4.DCM": b"four"})
    sqlite_site.place(3, str(share), "SHARE")
    sqlite_site.place(4, str(sqlite_site.data / "absolute"), "ABSOLUTE")
    kept = sqlite_site.back_up(tmp_path / "kept", outside=True)
    with pytest.raises(NotEmpty, match=r"SHARE lies, is not empty.*--location 'SHARE=FOLDER'"):
        empty.restore(kept)
    with pytest.raises(BackupError, match="no network location RAID1 outside"):
        empty.restore(kept, elsewhere={"RAID1": tmp_path})
    assert not empty.data.exists()
    empty.restore(kept, elsewhere={"SHARE": tmp_path / "moved"})
    assert (tmp_path / "moved" / "9.DCM").read_bytes() == b"nine"
    assert (empty.data / "absolute" / "4.DCM").read_bytes() == b"four"
    assert empty.rows("SELECT name, path FROM network_location WHERE ien <= 4 ORDER BY ien") == [
        ("RAID1", "image1"),
        ("JUKEBOX", "jukebox"),
        ("SHARE", str(tmp_path / "moved")),
        ("ABSOLUTE", str(empty.data / "absolute")),
    ]


def test_a_location_that_is_a_link_to_another_disk_comes_back_as_a_folder(
    sqlite_site: SiteOnDisk, empty: SiteOnDisk, tmp_path: Path
) -> None:
    (sqlite_site.data / "jukebox").rename(tmp_path / "disk")
    (sqlite_site.data / "jukebox").symlink_to(tmp_path / "disk")
    empty.restore(sqlite_site.back_up(tmp_path / "kept"))
    assert (empty.data / "jukebox" / "1.DCM").read_bytes() == b"one"
    assert not (empty.data / "jukebox").is_symlink()
    assert empty.rows("SELECT path FROM network_location WHERE ien = 2") == [("jukebox",)]


def test_a_location_elsewhere_comes_back_where_it_was_when_it_is_gone(
    sqlite_site: SiteOnDisk, empty: SiteOnDisk, tmp_path: Path
) -> None:
    share = tmp_path / "share"
    share.mkdir()
    (share / "9.DCM").write_bytes(b"nine")
    sqlite_site.place(3, str(share), "SHARE")
    kept = sqlite_site.back_up(tmp_path / "kept", outside=True)
    (share / "9.DCM").unlink()
    empty.restore(kept)
    assert (share / "9.DCM").read_bytes() == b"nine"


def test_other_gateways_come_back_into_directories_of_their_own(
    sqlite_site: SiteOnDisk, empty: SiteOnDisk, tmp_path: Path
) -> None:
    other = SiteOnDisk(Settings(data=tmp_path / "other"))
    other.write({"image1/SL00/7.DCM": b"seven"})
    other.write({"spool/in/z.dcm": b"z"}, "gateway")
    Journal(other.data / "gateway" / "journal.db").close()
    kept = sqlite_site.back_up(tmp_path / "kept", others=[other.data])
    with pytest.raises(BackupError, match=f"holds 2 data directories. Give --gateway for each.*\n.*{other.data}"):
        empty.restore(kept)
    empty.restore(kept, others=[tmp_path / "other again"])
    assert SiteOnDisk(Settings(data=tmp_path / "other again")).files() == other.files()
    assert empty.files() == sqlite_site.files()
    with pytest.raises(BackupError, match="named twice"):
        sqlite_site.back_up(tmp_path / "twice", others=[sqlite_site.data / "." / "../var"])
    with pytest.raises(BackupError, match="no data directory"):
        sqlite_site.back_up(tmp_path / "none", others=[tmp_path / "nowhere"])


def test_a_gateway_without_a_database_is_restored_alone(sqlite_site: SiteOnDisk, empty: SiteOnDisk, tmp_path: Path) -> None:
    (sqlite_site.data / "magbroker.db").unlink()
    restored = empty.restore(sqlite_site.back_up(tmp_path / "kept"))
    assert (restored.database, restored.rows) == ("", 0)
    assert not (empty.data / "magbroker.db").exists()
    assert (empty.data / "gateway" / "spool" / "in" / "a.dcm").read_bytes() == b"a"


def test_where_there_was_no_gateway_there_is_none(sqlite_site: SiteOnDisk, empty: SiteOnDisk, tmp_path: Path) -> None:
    for path in sorted((sqlite_site.data / "gateway").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    sqlite_site.change(update(NetworkLocation).values(path="image1"))
    empty.restore(sqlite_site.back_up(tmp_path / "kept"))
    assert not (empty.data / "gateway").exists()
    assert (empty.data / "image1" / "SL00" / "1.DCM").read_bytes() == b"one"


def test_no_backup_is_taken_inside_of_what_it_is_of(sqlite_site: SiteOnDisk) -> None:
    before = sqlite_site.files()
    for inside in (sqlite_site.data / "kept", sqlite_site.data / "image1" / "kept"):
        with pytest.raises(BackupError, match="which is backed up: name a folder outside of it"):
            sqlite_site.back_up(inside)
    assert sqlite_site.files() == before
