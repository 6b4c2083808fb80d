"""The whole road with real peers: DCMTK sends, the services file and judge, DCMTK receives."""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
import time
from pathlib import Path

from console.processes import Child
from runtime import free_port
from tests.support.dicom import STATION, ResendingModality, Storescp, data_set_bytes, make_slices, storescu
from tests.support.services import Services, demo_site, magbroker
from tests.support.waiting import until

RULE = f'dicom("DCMTK") when STATION_NAME="{STATION}"\n'


def _services(directory: Path, port: int) -> Services:
    rules = directory / "slices.rule"
    rules.write_text(RULE, encoding="utf-8")
    environment = {"MAGBROKER_GATEWAY__DESTINATION": '{"*": {"retry_minutes": 0.1, "retries": 1000}}'}
    return Services(directory / "var", demo_site(directory / "site.toml", ("DCMTK", port)), rules, environment)


def _rows(services: Services, statement: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(f"file:{services.directory / 'magbroker.db'}?mode=ro", uri=True)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def _filed(services: Services) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for uid, ien in _rows(services, "SELECT uid, ien FROM image WHERE parent IS NOT NULL"):
        found.setdefault(str(uid), []).append(int(str(ien)))
    return found


def _exports(services: Services) -> list[tuple[object, ...]]:
    return _rows(
        services,
        "SELECT i.uid, e.status, e.reason, e.repeated FROM dicom_export_image e JOIN image i ON i.ien = e.image ORDER BY i.uid",
    )


def _placed_files(services: Services) -> dict[str, Path]:
    """Give the files that the gateway put in place, by SOP Instance UID."""
    found: dict[str, Path] = {}
    (names,) = zip(*_rows(services, "SELECT path FROM network_location WHERE path != ''"), strict=True)
    files = {path.name: path for name in names for path in (services.directory / str(name)).rglob("*") if path.is_file()}
    for uid, name in _rows(services, "SELECT uid, file_ref FROM image WHERE parent IS NOT NULL"):
        if str(name) in files:
            found[str(uid)] = files[str(name)]
    return found


def test_demo_ends_with_every_sample_where_it_belongs(tmp_path: Path) -> None:
    ports = {
        name: str(free_port())
        for name in (
            "MAGBROKER_BROKER_PORT",
            "MAGBROKER_TEXT_PORT",
            "MAGBROKER_SINK_PORT",
            "MAGBROKER_GATEWAY__DICOM_PORT",
        )
    }
    run = magbroker("up", "--demo", "--once", "--data", str(tmp_path / "var"), environment=ports)
    assert run.returncode == 0, run.stdout + run.stderr
    for heading in ("file", "patient", "accession", "IEN", "stored as", "rules", "destination", "status"):
        assert heading in run.stdout
    assert "CORRECT list: " in run.stdout
    assert "no rule wants it" in run.stdout
    assert "All 20 samples came where they belong." in run.stdout


def test_taken_port_is_named(tmp_path: Path) -> None:
    with Storescp(tmp_path / "taken") as other:
        run = magbroker("broker", "--data", str(tmp_path / "var"), "--port", str(other.port))
    assert run.returncode == 1
    assert str(other.port) in run.stderr
    assert "MAGBROKER_BROKER_PORT" in run.stderr


def test_slices_sent_while_up_serves_arrive_bit_identical(tmp_path: Path) -> None:
    slices = make_slices(tmp_path / "slices", 60)
    rules = tmp_path / "slices.rule"
    rules.write_text(RULE, encoding="utf-8")
    dicom_port = free_port()
    with Storescp(tmp_path / "received") as destination:
        environment = {
            "MAGBROKER_BROKER_PORT": str(free_port()),
            "MAGBROKER_TEXT_PORT": str(free_port()),
            "MAGBROKER_GATEWAY__DICOM_PORT": str(dicom_port),
            "MAGBROKER_GATEWAY__RULES": str(rules),
            "MAGBROKER_GATEWAY__ACCESS": "DEMOGW1",
            "MAGBROKER_GATEWAY__VERIFY": "1GWY!@#$",
        }
        site = demo_site(tmp_path / "site.toml", ("DCMTK", destination.port))
        up = Child(
            "up", ["up", "--data", str(tmp_path / "var"), "--site", str(site)], dicom_port, tmp_path / "up.log", environment
        )
        up.start()
        try:
            up.await_ready()
            storescu(dicom_port, tmp_path / "slices")
            until(lambda: set(destination.received()) == set(slices), "every slice at the destination")
        finally:
            up.stop()
        for uid, copies in destination.received().items():
            assert [data_set_bytes(copy) == data_set_bytes(slices[uid]) for copy in copies] == [True]


def test_images_wait_in_the_spool_while_the_broker_is_down(tmp_path: Path) -> None:
    slices = make_slices(tmp_path / "slices", 20)
    with Storescp(tmp_path / "received") as destination, _services(tmp_path, destination.port) as services:
        services.kill(services.broker)
        storescu(services.dicom_port, tmp_path / "slices")
        assert len(list((services.directory / "gateway" / "spool" / "in").iterdir())) == 20
        services.start(services.broker)
        until(lambda: set(destination.received()) == set(slices), "every slice at the destination")
        assert {uid: len(iens) for uid, iens in _filed(services).items() if uid in slices} == dict.fromkeys(slices, 1)


def test_a_destination_that_is_away_keeps_its_entries_with_the_reason(tmp_path: Path) -> None:
    slices = make_slices(tmp_path / "slices", 3)
    destination = Storescp(tmp_path / "received")
    with _services(tmp_path, destination.port) as services:
        storescu(services.dicom_port, tmp_path / "slices")
        until(lambda: [bool(reason) for _, _, reason, _ in _exports(services)] == [True] * 3, "three entries with a reason")
        assert all("No association" in str(reason) for _, _, reason, _ in _exports(services))
        with destination:
            until(lambda: set(destination.received()) == set(slices), "every slice at the destination", seconds=150)
            until(lambda: {row[1] for row in _exports(services)} == {"SUCCESS"}, "success in the queue")


def test_nothing_is_lost_or_doubled_when_processes_are_killed(tmp_path: Path) -> None:
    check_that_kills_lose_nothing(tmp_path, seed=1)


def check_that_kills_lose_nothing(tmp_path: Path, seed: int) -> None:
    """Send 400 slices while broker and gateway are killed twice each at moments that the seed gives; check every promise."""
    slices = make_slices(tmp_path / "slices", 400)
    chance = random.Random(seed)
    with Storescp(tmp_path / "received") as destination, _services(tmp_path, destination.port) as services:
        sender = ResendingModality(services.dicom_port, slices.values())
        sender.start()
        unfinished: list[int] = []
        for victim in chance.sample([services.broker, services.broker, services.gateway, services.gateway], 4):
            time.sleep(chance.uniform(0.3, 2.5))
            unfinished.append(len(slices) - len(destination.received()))
            services.kill(victim)
            services.start(victim)
        sender.join(120)
        assert not sender.left
        assert all(unfinished), "every kill must fall while images are on their way"
        until(lambda: set(destination.received()) >= set(slices), "every slice at the destination", seconds=180)
        until(lambda: {row[1] for row in _exports(services)} <= {"SUCCESS", "FAIL"}, "an end of every entry", seconds=120)
        until(lambda: set(_placed_files(services)) >= set(slices), "every image filed once")
        status = magbroker("status", "--json", "--data", str(services.directory))
        received, exports = destination.received(), _exports(services)
        filed, files = _filed(services), _placed_files(services)
    assert {uid: len(filed[uid]) for uid in slices} == dict.fromkeys(slices, 1)
    for uid, path in slices.items():
        assert data_set_bytes(files[uid]) == data_set_bytes(path)
    digests = {uid: hashlib.sha256(data_set_bytes(path)).hexdigest() for uid, path in slices.items()}
    assert {str(uid): digest for uid, digest in _digests(services) if uid in slices} == digests
    marked = {str(uid) for uid, _status, _reason, repeated in exports if repeated}
    assert all(len(copies) <= 1 + (uid in marked) for uid, copies in received.items())
    assert all(data_set_bytes(copy) == data_set_bytes(slices[uid]) for uid, copies in received.items() for copy in copies)
    assert json.loads(status.stdout)["orphans"] == []


def _digests(services: Services) -> list[tuple[object, ...]]:
    return _rows(services, "SELECT uid, digest FROM image WHERE parent IS NOT NULL")
