"""A destination that stalls raises its alert once, in the list, on the live feed and by webhook, and clears it, kills or not."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support.dicom import STATION, Storescp, make_slices, storescu
from tests.support.http import Web
from tests.support.services import Services, demo_site
from tests.support.telling import Hook, hook
from tests.support.waiting import until

ALERTS = {
    "look_seconds": 0.2,
    "destination_failures": 2,
    "clear_seconds": 1,
    "disk_percent": 0,
    "gateway_seconds": 3600,
    "evaluator_minutes": 1000,
}


def services_told(directory: Path, port: int, hooked: Hook) -> Services:
    """Say how broker and gateway run that send every slice to a port, and tell a webhook."""
    rules = directory / "slices.rule"
    rules.write_text(f'dicom("DCMTK") when STATION_NAME="{STATION}"\n', encoding="utf-8")
    environment = {
        "MAGBROKER_ALERTS": json.dumps({**ALERTS, "webhook": {"ops": {"url": hooked.url, "secret": "s3cret"}}}),
        "MAGBROKER_GATEWAY__DESTINATION": json.dumps({"*": {"retry_minutes": 0.02, "retries": 1000}}),
    }
    return Services(directory / "var", demo_site(directory / "site.toml", ("DCMTK", port)), rules, environment)


def listed(services: Services, **asked: object) -> list[dict[str, Any]]:
    """List alerts as the owner."""
    return list(Web(directory=services.directory).get("/api/alert/list", **asked).body["alerts"])


def open_for(services: Services) -> list[str]:
    """Name what there are open alerts of."""
    return [it["subject"] for it in listed(services)]


def test_a_destination_that_stalls_is_told_once_and_cleared_when_it_takes_again(tmp_path: Path) -> None:
    slices = make_slices(tmp_path / "slices", 6)
    destination = Storescp(tmp_path / "destination")
    with hook() as hooked, services_told(tmp_path, destination.port, hooked) as services:
        heard: list[dict[str, Any]] = []

        def listen() -> None:
            with closing(Web(directory=services.directory).events("alert")) as events:
                for _kind, value in events:
                    heard.append(value)
                    if value["cleared_at"]:
                        return

        listener = threading.Thread(target=listen)
        listener.start()
        storescu(services.dicom_port, tmp_path / "slices")
        until(lambda: open_for(services) == ["DCMTK"], "the alert in the list", seconds=120)
        until(lambda: hooked.events == [("raised", "DCMTK")], "the webhook")
        (alert,) = listed(services)
        assert (alert["kind"], alert["cleared_at"], alert["muted"]) == ("destination", None, False)
        assert alert["text"].startswith("DCMTK takes nothing")
        assert Web(directory=services.directory).get("/api/status").body["alerts"] == {"destination": 1}
        with destination:
            until(lambda: set(destination.received()) == set(slices), "every slice", seconds=120)
            until(lambda: open_for(services) == [], "the alert to be cleared")
            until(lambda: len(hooked.events) == 2, "the end by webhook")
        listener.join(30)
        assert [it["kind"] for it in listed(services, all=1)] == ["destination"]
    assert hooked.events == [("raised", "DCMTK"), ("cleared", "DCMTK")]
    assert (heard[0]["subject"], heard[0]["cleared_at"]) == ("DCMTK", None)
    assert heard[-1]["cleared_at"] is not None
    assert not listener.is_alive()


def test_a_broker_that_is_killed_meanwhile_raises_nothing_again_and_tells_what_it_had_not_told(tmp_path: Path) -> None:
    make_slices(tmp_path / "slices", 3)
    destination = Storescp(tmp_path / "destination")
    held, release = threading.Event(), threading.Event()
    with hook() as hooked, services_told(tmp_path, destination.port, hooked) as services:

        def hold(_posted: object) -> None:
            held.set()
            release.wait(60)

        hooked.before = hold
        storescu(services.dicom_port, tmp_path / "slices")
        assert held.wait(120), "the webhook is being told"
        services.kill(services.broker)
        release.set()
        hooked.before = lambda _posted: None
        services.start(services.broker)
        until(lambda: open_for(services) == ["DCMTK"], "the alert in the list", seconds=120)
        until(lambda: ("SENT", 2) in services.rows("SELECT state, tries FROM alert_notice WHERE channel = 'ops'"), "told again")
        services.kill(services.broker)
        services.start(services.broker)
        with destination:
            until(lambda: not open_for(services), "the alert to be cleared", seconds=120)
            until(lambda: hooked.events[-1] == ("cleared", "DCMTK"), "the end by webhook")
        assert services.rows("SELECT count(*) FROM alert WHERE raised_at IS NOT NULL") == [(1,)]
    assert hooked.events == [("raised", "DCMTK")] * 2 + [("cleared", "DCMTK")], "whose answer was not seen goes once more"
    assert len({it.value["id"] for it in hooked.posted[:2]}) == 1
    assert [it.value["repeated"] for it in hooked.posted] == [False, True, False]
