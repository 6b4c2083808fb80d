"""A backup holds all of a site, for its owner's eyes alone, or it is none; nobody waits while it is taken."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from console.backup import MANIFEST, BackupError, NotEmpty, read_manifest
from fileman import NotCopied, Store
from fileman.files import Fault, NetworkLocation
from runtime import Settings
from tests.integration.backup.conftest import IMAGES, SPOOL, SiteOnDisk

#: Kills itself at a sign of progress.
KILLED = """
import os, signal, sys
from pathlib import Path
from console.backup import Taking
from runtime import Settings, SystemClock

def tell(doing, done, total):
    if doing.startswith(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)

settings = Settings(data=Path(sys.argv[1]), database=sys.argv[2])
Taking(settings, Path(sys.argv[3]), SystemClock(), progress=tell).take()
"""


def paths_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def at(doing: str, act: Callable[[], object]) -> Callable[[str, int, int], None]:
    """Do something at the first sign of something being done."""
    left = [act]

    def progress(now: str, _done: int, _total: int) -> None:
        if left and now.startswith(doing):
            left.pop()()

    return progress


def test_every_file_is_named_with_size_and_digest_and_is_for_its_owner_alone(site: SiteOnDisk, tmp_path: Path) -> None:
    to = site.back_up(tmp_path / "kept")
    content = json.loads((to / MANIFEST).read_text())
    assert paths_below(to) == {*content["files"], MANIFEST}
    for name, (size, digest) in content["files"].items():
        assert (size, digest) == ((to / name).stat().st_size, hashlib.sha256((to / name).read_bytes()).hexdigest())
    found = [to, *to.rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in found if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in found if path.is_file()} == {0o600}
    assert content["totals"] == {"files": len(content["files"]), "bytes": sum(it[0] for it in content["files"].values())}
    assert (content["taken_at"], content["database"]["rows"]["image"]) == ("2026-11-21T09:30:00+00:00", 30)
    assert content["database"]["engine"] == ("postgresql" if site.settings.database else "sqlite")


def test_images_spool_journal_key_and_snapshots_are_in_it_and_nothing_else_of_the_data_directory(
    sqlite_site: SiteOnDisk, tmp_path: Path
) -> None:
    sqlite_site.write({"taskman.db": b"x", "log/broker.log": b"x", "other/1.DCM": b"x", "image1/SL00/.3.DCM.part": b"half"})
    names = set(read_manifest(sqlite_site.back_up(tmp_path / "kept")).files)
    images = {f"directories/1/images/{1 if it.startswith('image1') else 2}/{it.partition('/')[2]}" for it in IMAGES}
    gateway = {f"directories/1/gateway/{it}" for it in (*SPOOL, "journal.db")}
    assert names == images | gateway | {"database.db", "site/site.key", "site/site-file.toml", "site/snapshots/first.snapshot"}


@pytest.mark.parametrize("doing", ["copying images", "database", "reading the copy"])
def test_broker_and_gateway_write_while_it_is_taken(site: SiteOnDisk, tmp_path: Path, doing: str) -> None:
    store = Store(site.settings.database_url)
    journal = sqlite3.connect(site.data / "gateway" / "journal.db", timeout=0, isolation_level=None)
    written = []

    def write() -> None:
        store.transact(lambda it: it.execute(insert(Fault).values(name="meanwhile")))
        journal.execute("UPDATE instance SET state = 'STORING'")
        written.append(doing)

    try:
        site.back_up(tmp_path / "kept", at(doing, write))
    finally:
        store.close()
        journal.close()
    assert written == [doing]


def test_a_file_that_comes_while_images_are_copied_is_in_it_and_one_that_goes_does_no_harm(
    sqlite_site: SiteOnDisk, tmp_path: Path
) -> None:
    def change() -> None:
        sqlite_site.write({"image1/SL00/3.DCM": b"three", "image1/SL00/1.TXT": b"another text"})
        (sqlite_site.data / "image1/SL00/2.DCM").unlink()

    to = sqlite_site.back_up(tmp_path / "kept", at("copying images", change))
    images = to / "directories/1/images/1/SL00"
    assert (images / "3.DCM").read_bytes() == b"three"
    assert (images / "1.TXT").read_bytes() == b"another text"
    assert (images / "1.DCM").read_bytes() == b"one"


def test_what_was_deleted_after_it_was_copied_is_kept_as_the_database_may_name_it_still(
    sqlite_site: SiteOnDisk, tmp_path: Path
) -> None:
    gone = sqlite_site.data / "jukebox/1.DCM"
    to = sqlite_site.back_up(tmp_path / "kept", at("copying the spool", gone.unlink))
    assert not gone.exists()
    assert (to / "directories/1/images/2/1.DCM").read_bytes() == b"one"


def test_the_same_folder_at_two_locations_and_one_in_another_are_copied_once(sqlite_site: SiteOnDisk, tmp_path: Path) -> None:
    sqlite_site.place(3, "image1/../image1", "ALIAS")
    sqlite_site.place(4, "image1/SL00", "WITHIN")
    names = [it for it in read_manifest(sqlite_site.back_up(tmp_path / "kept")).files if "/images/" in it]
    assert sorted(it.rpartition("/")[2] for it in names) == ["1.DCM", "1.DCM", "1.TXT", "2.DCM"]


def test_links_and_locations_elsewhere_are_left_out_and_named(sqlite_site: SiteOnDisk, tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    (tmp_path / "share" / "9.DCM").write_bytes(b"nine")
    sqlite_site.place(3, str(tmp_path / "share"), "SHARE")
    sqlite_site.place(4, ".", "ALL OF IT")
    (sqlite_site.data / "image1" / "link.DCM").symlink_to("/etc/passwd")
    manifest = read_manifest(sqlite_site.back_up(tmp_path / "kept"))
    assert [what.partition(":")[0].rpartition("/")[2] for what in manifest.left_out] == [
        "network location SHARE",
        "network location ALL OF IT",
        "link.DCM",
    ]
    assert not any("9.DCM" in name or "link" in name for name in manifest.files)
    whole = read_manifest(sqlite_site.back_up(tmp_path / "whole", outside=True))
    assert "locations/3/9.DCM" in whole.files
    assert [(it.name, it.path) for it in whole.places if not it.directory] == [("SHARE", str(tmp_path / "share"))]
    sqlite_site.place(3, str(tmp_path / "unmounted"), "SHARE")
    (told, *_) = read_manifest(sqlite_site.back_up(tmp_path / "third", outside=True)).left_out
    assert told == f"network location SHARE: {tmp_path / 'unmounted'} is not there"


def test_a_data_directory_with_a_gateway_alone_is_kept_without_a_database(tmp_path: Path, sqlite_site: SiteOnDisk) -> None:
    (sqlite_site.data / "magbroker.db").unlink()
    manifest = read_manifest(sqlite_site.back_up(tmp_path / "kept"))
    assert manifest.database is None
    assert "directories/1/gateway/journal.db" in manifest.files
    nothing = SiteOnDisk(Settings(data=tmp_path / "nothing"))
    nothing.data.mkdir()
    with pytest.raises(BackupError, match="neither a database nor a gateway"):
        nothing.back_up(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_what_waits_from_a_medium_for_a_gateway_that_never_ran_is_kept(tmp_path: Path, sqlite_site: SiteOnDisk) -> None:
    (sqlite_site.data / "gateway" / "journal.db").unlink()
    names = read_manifest(sqlite_site.back_up(tmp_path / "kept")).files
    assert "directories/1/gateway/import/ready/1/lot.json" in names
    assert not any("journal.db" in name for name in names)


def test_nothing_is_written_into_a_folder_that_holds_something(sqlite_site: SiteOnDisk, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "mine").write_text("mine")
    with pytest.raises(NotEmpty, match="is not empty"):
        sqlite_site.back_up(tmp_path / "kept")
    assert paths_below(tmp_path) - {str(it.relative_to(tmp_path)) for it in sqlite_site.data.rglob("*")} == {"kept/mine"}


@pytest.mark.parametrize(
    ("call", "number", "said"),
    [
        ("write", errno.ENOSPC, "2.DCM cannot be written: No space left on device"),
        ("fsync", errno.EIO, "What was copied cannot be kept: Input/output error"),
        ("read", errno.EIO, "2.DCM cannot be read: Input/output error"),
    ],
)
def test_a_disk_that_fails_is_said_and_nothing_is_left(
    sqlite_site: SiteOnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, said: str
) -> None:
    works = getattr(os, call)

    def fail(descriptor: int, *more: Any) -> Any:
        name = os.readlink(f"/proc/self/fd/{descriptor}")
        if name.endswith("2.DCM"):
            raise OSError(number, os.strerror(number))
        return works(descriptor, *more)

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(BackupError, match=said):
        sqlite_site.back_up(tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []
    monkeypatch.undo()
    assert read_manifest(sqlite_site.back_up(tmp_path / "kept")).database is not None


def test_a_disk_that_is_full_for_the_database_is_said_too(sqlite_site: SiteOnDisk, tmp_path: Path) -> None:
    def fill() -> None:
        (tmp_path / "kept" / "database.db").write_bytes(b"")  # stands where the copy is to be

    with pytest.raises(NotCopied, match="cannot be copied"):
        sqlite_site.back_up(tmp_path / "kept", at("copying the spool", fill))
    assert list((tmp_path / "kept").iterdir()) == []


@pytest.mark.parametrize("doing", ["copying images", "copying the spool", "database", "reading the copy"])
def test_a_backup_that_was_killed_is_none_and_the_next_one_is_whole(site: SiteOnDisk, tmp_path: Path, doing: str) -> None:
    to = tmp_path / "kept"
    command = [sys.executable, "-c", KILLED, str(site.data), site.settings.database, str(to), doing]
    assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGKILL
    assert not (to / MANIFEST).exists()
    with pytest.raises(BackupError, match="it was cut off"):
        read_manifest(to)
    with pytest.raises(NotEmpty, match="holds no finished backup"):
        site.back_up(to)
    journal = sqlite3.connect(site.data / "gateway" / "journal.db", timeout=0, isolation_level=None)
    journal.execute("UPDATE instance SET state = 'STORING'")
    journal.close()
    assert read_manifest(site.back_up(tmp_path / "next")).database is not None
    assert list((site.data / "gateway").glob(".frozen-*")) == []


def test_a_location_that_comes_while_images_are_copied_is_in_it(sqlite_site: SiteOnDisk, tmp_path: Path) -> None:
    def add() -> None:
        sqlite_site.write({"image3/3.DCM": b"three"})
        sqlite_site.change(update(NetworkLocation).where(NetworkLocation.ien == 3).values(path="image3"))

    manifest = read_manifest(sqlite_site.back_up(tmp_path / "kept", at("copying images", add)))
    assert "directories/1/images/3/3.DCM" in manifest.files
