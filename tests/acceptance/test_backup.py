"""Backups taken while images stream in: what was answered before one began is filed once by what is restored from it."""

from __future__ import annotations

import json
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from console.backup import Taking
from fileman import Store
from gateway_client.objects.part10 import digest_of
from runtime import Settings, SystemClock
from tests.support.dicom import ListeningModality, make_slices, storescu
from tests.support.postgres import PostgresCluster
from tests.support.services import DEMO_SITE, Services, magbroker
from tests.support.waiting import until

ENGINES = ("sqlite", "postgresql")
#: Associations over which the images come.
MODALITIES = 3
#: Images of one association.
BATCH = 5


@dataclass
class Site:
    """Broker and gateway on a data directory, and the database that they have."""

    directory: Path
    url: str = ""
    services: Services = field(init=False)

    def __post_init__(self) -> None:
        self.services = Services(self.directory, DEMO_SITE, environment=self.environment)

    @property
    def environment(self) -> dict[str, str]:
        return {"MAGBROKER_DATABASE": self.url} if self.url else {}

    def run(self, *arguments: str) -> dict[str, Any]:
        """Run a command of the site's; give what it printed."""
        done = magbroker(*arguments, "--data", str(self.directory), "--json", environment=self.environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        store = Store(self.url or self.services.database_url)
        try:
            return [tuple(row) for row in store.read(lambda it: it.exec_driver_sql(statement).all())]
        finally:
            store.close()

    def filed(self) -> list[str]:
        """Give the SOP Instance UIDs of the filed slices, one for each time that a slice was filed."""
        return [uid for (uid,) in self.rows("SELECT uid FROM image WHERE parent IS NOT NULL ORDER BY uid")]

    def spooled(self, folder: str) -> list[Path]:
        return list((self.directory / "gateway" / "spool" / folder).iterdir())


@dataclass
class Kept:
    """A backup, and which slices had been answered with success when it began."""

    folder: Path
    answered: set[str]


def databases(engine: str, postgres: PostgresCluster | None, count: int) -> list[str]:
    """Give as many databases of an engine; of SQLite they are where the data directory is."""
    if engine == "sqlite":
        return [""] * count
    assert postgres is not None
    return [postgres.create_database()[1] for _ in range(count)]


class Stream:
    """Sends slices over some associations at a time, as many as it may by now."""

    def __init__(self, port: int, slices: dict[str, Path]) -> None:
        self._uids = {path: uid for uid, path in slices.items()}
        files, stream, self._may, self._more = list(slices.values()), self, 0, threading.Condition()

        class Modality(ListeningModality):
            def _send(self, command: list[str]) -> None:
                with stream._more:
                    stream._more.wait_for(lambda: len(stream.answered()) < stream._may, 240)
                super()._send(command)

        self._modalities = [Modality(port, files[it::MODALITIES], BATCH, pause=0.05) for it in range(MODALITIES)]
        for modality in self._modalities:
            modality.start()

    def answered(self) -> set[str]:
        """Give the slices that were answered with success."""
        return {self._uids[path] for modality in self._modalities for path in set(modality.answered)}

    def go_on(self, may: float, wait_for: float) -> None:
        """Let so many be sent in all, and wait for so many of them to be answered."""
        with self._more:
            self._may = int(may)
            self._more.notify_all()
        until(lambda: len(self.answered()) >= wait_for, f"{wait_for} images are answered", seconds=240)

    def join(self) -> None:
        self.go_on(len(self._uids), len(self._uids))
        for modality in self._modalities:
            modality.join(240)
            assert not modality.left


def back_up_amid_a_stream(tmp_path: Path, site: Site, slices: dict[str, Path], backups: int) -> list[Kept]:
    """Take backups while slices come: some of those of each share before it begins, some before its cut, some after it."""
    share, kept = len(slices) / backups, []
    with site.services:
        stream = Stream(site.services.dicom_port, slices)
        for number in range(backups):
            base = number * share
            stream.go_on(base + share / 4, base + share / 8)
            until(lambda: any(site.directory.rglob("SL*.DCM")), "there is something to copy before the cut")
            left = {
                "copying images": lambda it=base: stream.go_on(it + 3 * share / 4, it + 3 * share / 8),
                "database": lambda it=base: stream.go_on(it + share, it + 13 * share / 16),
            }

            def progress(doing: str, _done: int, _total: int, left: dict[str, Callable[[], None]] = left) -> None:
                left.pop(doing.partition(":")[0], lambda: None)()

            one = Kept(tmp_path / f"backup-{number}", stream.answered())
            Taking(Settings(data=site.directory, database=site.url), one.folder, SystemClock(), progress=progress).take()
            assert not left, "images came before the cut and after it"
            kept.append(one)
        stream.join()
        until(lambda: set(site.filed()) == set(slices), "the site itself files all", seconds=240)
    return kept


def check_restored(site: Site, kept: Kept, slices: dict[str, Path]) -> None:
    """Restore a backup, let it run until nothing is left to do, and look for every slice that was answered."""
    site.run("restore", str(kept.folder))
    check_running_on(site, kept, slices)


def check_running_on(site: Site, kept: Kept, slices: dict[str, Path]) -> None:
    """Let a site run until nothing is left to do, and look for every slice that was answered."""
    with site.services:
        until(
            lambda: not site.spooled("in") and kept.answered <= set(site.filed()), "all that was answered is filed", seconds=240
        )
        until(lambda: site.run("status")["orphans"] == [], "the files of all are in place")
        files = site.services.directory.rglob("SL*.DCM")
        digests = {path.name: digest_of(path) for path in files}
        images = site.filed()
        known = site.rows("SELECT uid, file_ref, digest FROM image WHERE parent IS NOT NULL")
        processed = Counter(
            uid for (uid,) in site.rows("SELECT uid FROM image_event WHERE stage = 'PROCESSED' AND outcome = 'queued'")
        )
        on_correct_list = site.rows("SELECT * FROM dicom_failed_image")
    assert max(Counter(images).values()) == 1, "filed once"
    assert kept.answered <= set(images) <= set(slices)
    assert {uid: digests.get(name) for uid, name, _ in known} == {uid: digest_of(slices[uid]) for uid in images}
    assert {uid: digest for uid, _, digest in known} == {uid: digest_of(slices[uid]) for uid in images}
    assert site.spooled("held") == []
    assert on_correct_list == []
    assert processed == Counter(images), "judged by the rules once"


def check_that_backups_amid_a_stream_lose_nothing(tmp_path: Path, count: int, backups: int, urls: list[str]) -> None:
    """Take backups amid a stream, restore each one, and check every promise; the first database is the site's own."""
    slices = make_slices(tmp_path / "slices", count)
    kept = back_up_amid_a_stream(tmp_path, Site(tmp_path / "var", urls[0]), slices, backups)
    for number, (one, url) in enumerate(zip(kept, urls[1:], strict=True)):
        check_restored(Site(tmp_path / f"restored-{number}", url), one, slices)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_was_answered_before_a_backup_began_is_filed_once_by_what_is_restored_from_it(
    tmp_path: Path, engine: str, request: pytest.FixtureRequest
) -> None:
    postgres = request.getfixturevalue("postgres") if engine == "postgresql" else None
    check_that_backups_amid_a_stream_lose_nothing(tmp_path, 150, 2, databases(engine, postgres, 3))


def test_a_gateway_that_is_restored_from_an_older_backup_than_its_site_files_nothing_twice(tmp_path: Path) -> None:
    """Gateways on other machines have backups of their own: there the journal does not know what the database knows."""
    slices, site = make_slices(tmp_path / "slices", 60), Site(tmp_path / "var")
    kept = [Kept(tmp_path / name, set(slices)) for name in ("older", "newer")]
    with site.services as services:
        services.kill(services.broker)
        storescu(services.dicom_port, tmp_path / "slices")
        site.run("backup", str(kept[0].folder))
        services.start(services.broker)
        until(lambda: set(site.filed()) == set(slices) and not site.spooled("in"), "all are filed")
        site.run("backup", str(kept[1].folder))
    restored, other = Site(tmp_path / "restored"), Site(tmp_path / "other")
    other.run("restore", str(kept[0].folder))
    restored.run("restore", str(kept[1].folder))
    shutil.rmtree(restored.directory / "gateway")
    (other.directory / "gateway").rename(restored.directory / "gateway")
    assert len(restored.spooled("in")) == len(restored.filed()) == len(slices)
    check_running_on(restored, kept[1], slices)
