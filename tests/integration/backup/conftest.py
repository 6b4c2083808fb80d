"""A site with a gateway that nobody runs, on each engine: rows, journal, spool, images, and what else lies there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from console.backup import Restored, Restoring, Taking
from console.backup.taking import Progress
from fileman import Store
from fileman.files import AnsweredRequest, NetworkLocation
from gateway_client.journal import Journal
from gateway_client.objects.part10 import FileMeta
from gateway_client.reception.spool import SpooledFile
from runtime import FixedClock, Settings
from tests.support.filled_site import fill_site
from tests.support.terminal import Terminal

TAKEN = datetime.fromisoformat("2026-11-21T09:30")
RESTORED = datetime.fromisoformat("2027-11-21T09:30")
#: Where the locations lie that are taken, below the data directory, and the files on them.
IMAGES = {
    "image1/SL00/1.DCM": b"one",
    "image1/SL00/1.TXT": b"text",
    "image1/SL00/2.DCM": b"two" * 100_000,
    "jukebox/1.DCM": b"one",
}
SPOOL = {"spool/in/a.dcm": b"a", "spool/held/b.dcm": b"b", "import/ready/1/lot.json": b"[]", "pseudonyms.key": b"key"}


@dataclass
class SiteOnDisk:
    """A data directory and the settings that name it."""

    settings: Settings

    @property
    def data(self) -> Path:
        return self.settings.data

    def write(self, files: dict[str, bytes], below: str = "") -> None:
        """Write files, readable by all."""
        for name, content in files.items():
            path = self.data / below / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def place(self, ien: int, path: str, name: str) -> None:
        """Have a network location of the filled site lie somewhere; the others lie nowhere."""
        self.change(update(NetworkLocation).where(NetworkLocation.ien == ien).values(path=path, name=name))

    def change(self, *statements: object) -> None:
        store = Store(self.settings.database_url)
        for statement in statements:
            store.transact(lambda it, one=statement: it.execute(one))
        store.close()

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        store = Store(self.settings.database_url)
        try:
            return [tuple(row) for row in store.read(lambda it: it.exec_driver_sql(statement).all())]
        finally:
            store.close()

    def back_up(self, to: Path, progress: Progress = lambda *_: None, **options: object) -> Path:
        """Take a backup in this process."""
        Taking(self.settings, to, FixedClock(TAKEN), progress=progress, **options).take()
        return to

    def restore(self, source: Path, progress: Progress = lambda *_: None, **options: object) -> Restored:
        """Restore a backup in this process."""
        return Restoring(self.settings, source, FixedClock(RESTORED), progress=progress, **options).restore()

    def files(self) -> dict[str, str]:
        """Give the digests of the files of images, the gateway's, and the site's, but the journal's and the database's."""
        paths = (path for path in self.data.rglob("*") if path.is_file())
        left = {"magbroker.db", "journal.db", "owner.lock"}
        return {
            str(path.relative_to(self.data)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in paths
            if not any(path.name.startswith(name) for name in left)
        }


def fill(site: SiteOnDisk) -> SiteOnDisk:
    """Fill a data directory and a database."""
    site.data.mkdir(parents=True)
    fill_site(site.settings.database_url, 30)
    site.change(update(NetworkLocation).values(path="nowhere"))
    site.place(1, "image1", "RAID1")
    site.place(2, "jukebox", "JUKEBOX")
    site.change(
        insert(AnsweredRequest).values(machine="GW", uuid="in doubt", answered_at=TAKEN.timestamp(), body_digest="", answer="0")
    )
    site.write(IMAGES)
    site.write(SPOOL, "gateway")
    site.write({"site.key": b"k" * 32, "site-file.toml": b"", "snapshots/first.snapshot": b"snap"})
    journal = Journal(site.data / "gateway" / "journal.db")
    journal.add([SpooledFile("a.dcm", FileMeta("1.2", "1.2.3", "1.2.840"), 1, "d", 1.0)])
    journal.close()
    return site


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> SiteOnDisk:
    """Give a filled site on each engine."""
    database = "" if database_url.startswith("sqlite") else database_url
    return fill(SiteOnDisk(Settings(data=tmp_path / "var", database=database)))


@pytest.fixture
def sqlite_site(tmp_path: Path) -> SiteOnDisk:
    """Give a filled site on SQLite."""
    return fill(SiteOnDisk(Settings(data=tmp_path / "var")))


@pytest.fixture
def empty(tmp_path: Path) -> SiteOnDisk:
    """Give a place for a site on SQLite."""
    return SiteOnDisk(Settings(data=tmp_path / "new"))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """Give what runs commands."""
    return Terminal(monkeypatch, capsys)
