"""On PostgreSQL the broker and TaskMan may be processes of their own."""

from __future__ import annotations

from pathlib import Path

from console.processes import Child
from tests.support.dicom import STATION, Storescp, data_set_bytes, make_slices, storescu
from tests.support.postgres import PostgresCluster
from tests.support.services import Services, demo_site
from tests.support.waiting import until


def test_images_take_the_road_with_a_taskman_apart(tmp_path: Path, postgres: PostgresCluster) -> None:
    name, url = postgres.create_database()
    database = {"MAGBROKER_DATABASE": url}
    slices = make_slices(tmp_path / "slices", 20)
    rules = tmp_path / "slices.rule"
    rules.write_text(f'dicom("DCMTK") when STATION_NAME="{STATION}"\n', encoding="utf-8")
    with Storescp(tmp_path / "received") as destination:
        site = demo_site(tmp_path / "site.toml", ("DCMTK", destination.port))
        services = Services(tmp_path / "var", site, rules, database)
        services.broker.arguments = [*services.broker.arguments, "--no-taskman"]
        command = ["taskman", "--data", str(tmp_path / "taskman")]
        taskman = Child("taskman", command, services.broker_port, tmp_path / "taskman.log", database)
        services.start(services.broker)
        taskman.start()
        try:
            services.start(services.gateway)
            storescu(services.dicom_port, tmp_path / "slices")
            until(lambda: set(destination.received()) == set(slices), "every slice at the destination")
            for uid, arrived in destination.received().items():
                assert [data_set_bytes(path) for path in arrived] == [data_set_bytes(slices[uid])], "once, unchanged"
        finally:
            taskman.stop()
            services.__exit__(None, None, None)
    postgres.drop_database(name)
