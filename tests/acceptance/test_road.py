"""The whole road with real peers: DCMTK sends, the services file and judge, DCMTK receives."""

from __future__ import annotations

from pathlib import Path

from console.processes import Child
from runtime import free_port
from tests.support.dicom import STATION, Storescp, data_set_bytes, make_slices, storescu
from tests.support.services import Services, demo_site, magbroker, services_sending_to
from tests.support.waiting import until


def _filed(services: Services) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for uid, ien in services.rows("SELECT uid, ien FROM image WHERE parent IS NOT NULL"):
        found.setdefault(str(uid), []).append(int(str(ien)))
    return found


def _exports(services: Services) -> list[tuple[object, ...]]:
    return services.rows(
        "SELECT i.uid, e.status, e.reason, e.repeated FROM dicom_export_image e JOIN image i ON i.ien = e.image ORDER BY i.uid",
    )


def test_demo_ends_with_every_sample_where_it_belongs(tmp_path: Path) -> None:
    ports = {
        name: str(free_port())
        for name in (
            "MAGBROKER_BROKER_PORT",
            "MAGBROKER_TEXT_PORT",
            "MAGBROKER_SINK_PORT",
            "MAGBROKER_WEB_PORT",
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
    rules.write_text(f'dicom("DCMTK") when STATION_NAME="{STATION}"\n', encoding="utf-8")
    dicom_port = free_port()
    with Storescp(tmp_path / "received") as destination:
        environment = {
            "MAGBROKER_BROKER_PORT": str(free_port()),
            "MAGBROKER_TEXT_PORT": str(free_port()),
            "MAGBROKER_WEB_PORT": str(free_port()),
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
    with Storescp(tmp_path / "received") as destination, services_sending_to(tmp_path, destination.port) as services:
        services.kill(services.broker)
        storescu(services.dicom_port, tmp_path / "slices")
        assert len(list((services.directory / "gateway" / "spool" / "in").iterdir())) == 20
        services.start(services.broker)
        until(lambda: set(destination.received()) == set(slices), "every slice at the destination")
        assert {uid: len(iens) for uid, iens in _filed(services).items() if uid in slices} == dict.fromkeys(slices, 1)


def test_a_destination_that_is_away_keeps_its_entries_with_the_reason(tmp_path: Path) -> None:
    slices = make_slices(tmp_path / "slices", 3)
    destination = Storescp(tmp_path / "received")
    with services_sending_to(tmp_path, destination.port) as services:
        storescu(services.dicom_port, tmp_path / "slices")
        until(lambda: [bool(reason) for _, _, reason, _ in _exports(services)] == [True] * 3, "three entries with a reason")
        assert all("No association" in str(reason) for _, _, reason, _ in _exports(services))
        with destination:
            until(lambda: set(destination.received()) == set(slices), "every slice at the destination", seconds=150)
            until(lambda: {row[1] for row in _exports(services)} == {"SUCCESS"}, "success in the queue")
