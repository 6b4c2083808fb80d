"""A site with two folders of an archive, a jukebox and a router, and its system tasks run by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, update

import console.routines  # noqa: F401  registers what is run here
from fileman import Store
from fileman.files import Image, ImageEvent, ImagingSite, NetworkLocation, Task
from runtime import FixedClock
from taskman import TaskContext, api, find_option
from taskman.context import Signals
from taskman.endings import Ending

DAY = 86_400.0
#: The router of the site below, as the send queue points to it.
OUTREACH = "3;MAG(2005.2,"
#: A folder that nobody can look at: the system answers with an error, as it does for a share whose server is away.
UNREADABLE = "x" * 300


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run ended, and what it said."""

    number: int
    ending: Ending
    said: str


@dataclass
class Site:
    """A database with the network locations of a small site, whose folders lie in `data`."""

    store: Store
    clock: Any
    data: Path
    signals: list[Signals] = field(default_factory=list)

    def run(self, option: str, **variables: Any) -> Ran:
        """Run an option's routine here and now, as the task that a schedule would have made."""
        context = self.begin(option, **variables)
        ending = find_option(option).body(context)
        said = select(Task.said).where(Task.number == context.number)
        return Ran(context.number, ending, self.one(said))

    def begin(self, option: str, **variables: Any) -> TaskContext:
        """Make the running task of an option."""
        now = self.clock.seconds()

        def make(connection: Connection) -> int:
            number = api.load(connection, api.OPTION_ENTRY_POINT, variables, option, 0, now, option=option)
            connection.execute(update(Task).where(Task.number == number).values(status="5", executor="here"))
            return number

        number = self.store.transact(make)
        signals = self.signals.pop() if self.signals else Signals()
        return TaskContext(number, variables, 0, self.store, self.clock, signals, 1, "here", data=self.data)

    def add(self, file: Any, *rows: dict[str, Any]) -> None:
        """Put rows in."""
        self.store.transact(lambda connection: connection.execute(insert(file), list(rows)))

    def one(self, statement: Any) -> Any:
        """Give the one value of a selection, None when there is none."""
        return self.store.read(lambda connection: connection.execute(statement).scalar())

    def all(self, statement: Any) -> Sequence[Any]:
        """Give the rows of a selection, single columns as they are."""
        rows = self.store.read(lambda connection: connection.execute(statement).all())
        return [row[0] if len(row) == 1 else tuple(row) for row in rows]

    def count(self, file: Any, *conditions: Any) -> int:
        """Count rows."""
        return int(self.one(select(func.count()).select_from(file).where(*conditions)))

    def image(self, ien: int, *, location: int = 1, content: bytes | None = b"data set", **columns: Any) -> Path:
        """File an image, with its file unless `content` is None; give the file's path."""
        name = f"SL{ien:012d}.DCM"
        facts = {"name": "X", "file_ref": name, "location": location, "object_type": 100, "patient": 100}
        facts |= {"saved_at": "3261121", "saved_by": 0, "uid": f"1.2.{ien}"}
        self.add(Image, {"ien": ien, **facts, **columns})
        path = self.data / "image1" / "SL00" / "00" / "00" / "00" / f"{ien // 100:02d}" / name
        if content is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return path

    def events(self, stage: str) -> Sequence[Any]:
        """Give image, outcome and detail of the events of a stage."""
        columns = (ImageEvent.image, ImageEvent.outcome, ImageEvent.detail)
        return self.all(select(*columns).where(ImageEvent.stage == stage).order_by(ImageEvent.ien))


def fill_site(connection: Connection, retention_days: int | None = 30) -> None:
    """Put in one place with RAID, jukebox and router."""
    connection.execute(insert(ImagingSite).values(ien=1, institution=660, namespace="SL", write_location=1, jukebox_location=2))
    locations = [
        {"ien": 1, "name": "RAID1", "path": "image1", "kind": "MAG", "hash": True},
        {"ien": 2, "name": "JUKEBOX1", "path": "jukebox1", "kind": "JUKEBOX", "hash": True},
        {"ien": 3, "name": "OUTREACH", "path": "outreach", "kind": "ROUTER", "router": True, "retention_days": retention_days},
    ]
    common = {"physical": "\\\\X\\Y\\", "site": 1, "online": True, "hash": False, "router": False, "retention_days": None}
    connection.execute(insert(NetworkLocation), [common | location for location in locations])


@pytest.fixture
def site(store: Store, tmp_path: Path) -> Site:
    """Give the small site at a fixed time."""
    store.transact(fill_site)
    (tmp_path / "data").mkdir()
    return Site(store, FixedClock(datetime.fromisoformat("2026-11-21T12:00")), tmp_path / "data")
