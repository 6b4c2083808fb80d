"""A small site that is watched by the clock of the test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from console.alerts.rooms import Rooms
from console.alerts.watch import Watch
from fileman import AlertData, AlertsWanted, Store, list_alerts, to_fileman
from fileman.files import DicomExport, DicomExportImage, ImagingSite, Institution, TaskManager
from rpcs.alerting.finding import Room
from runtime import AlertSettings, FixedClock

NOON = datetime.fromisoformat("2026-11-24T12:00")
#: A site's settings by which little time has to pass.
QUICK = {"stage_minutes": 1, "destination_minutes": 1, "evaluator_minutes": 1, "clear_seconds": 20, "taskman_seconds": 600}


@dataclass
class Site:
    """A database that is watched, and what a test lets happen there."""

    store: Store
    clock: FixedClock
    watch: Watch
    #: What disks answer, by name.
    disks: dict[str, Room | None] = field(default_factory=dict)

    def put(self, file: type[Any], *rows: Mapping[str, object]) -> None:
        """Put rows there."""
        self.store.transact(lambda connection: connection.execute(insert(file), list(rows)))

    def do(self, work: Any) -> Any:
        """Do something in a transaction."""
        return self.store.transact(work)

    def wait(self, seconds: float, every: float = 5.0) -> None:
        """Let time pass, in which it is looked again and again."""
        while seconds > 0:
            self.clock.advance(min(every, seconds))
            seconds -= every
            self.watch.look()

    def open(self) -> dict[tuple[str, str], str]:
        """Give the texts of the open alerts by what they are about."""
        return {it.key: it.text for it in self.alerts()}

    def alerts(self, *, every: bool = False) -> list[AlertData]:
        """Give alerts."""
        return self.store.read(lambda connection: list_alerts(connection, AlertsWanted(every), 100))

    def export(self, first: int, count: int, application: str, **values: object) -> None:
        """Queue images for a destination."""
        now = self.clock.seconds()
        common = {"origin": 660, "priority": 500, "application": application}
        self.put(DicomExport, {"ien": first, "group": 1, "requested": to_fileman(self.clock.now()), **common})
        entry = {"export": first, "status": "WAITING", "status_at": now, **common, **values}
        self.put(DicomExportImage, *({**entry, "sequence": number, "image": number} for number in range(1, count + 1)))


@pytest.fixture
def site(store: Store, tmp_path: Path) -> Site:
    """Watch an institution with one place and a living TaskMan."""
    clock = FixedClock(NOON)
    settings = AlertSettings.model_validate(QUICK)
    watch = Watch(store, clock, settings, tmp_path, [("data directory", tmp_path)], "here")
    site = Site(store, clock, watch)
    site.put(Institution, {"ien": 660, "name": "SALT LAKE CITY", "station": "660"})
    site.put(ImagingSite, {"ien": 1, "institution": 660, "namespace": "SL"})
    now = clock.seconds() + 1e6
    site.put(TaskManager, {"executor": "E", "host": "H", "pid": 1, "started_at": now, "heartbeat_at": now})
    watch.rooms = Rooms(lambda name, _path: site.disks.get(name))
    return site
