"""People see alerts, say that they know, have nobody told for a while, and try whether they are told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from fileman import add_alert, change_alert, due_notices, list_mutes, muted_until
from rpcs.actions import BadRequest, NotFound
from runtime import FixedClock
from tests.integration.rpcs.conftest import MakeBroker
from tests.integration.rpcs.managed import SITE, Managed
from tests.integration.rpcs.two_users import MAY, UNA


@pytest.fixture
def site(make_broker: MakeBroker, clock: FixedClock) -> Iterator[Managed]:
    managed = Managed(make_broker(more=SITE), clock)
    yield managed
    managed.leave()


def raised(site: Managed, kind: str, subject: str, *, cleared: bool = False) -> int:
    """Put an alert there."""
    now = site.clock.seconds()

    def work(connection: Connection) -> int:
        ien = add_alert(connection, kind, subject, f"{subject} is not well.", now, raised=True).ien
        if cleared:
            change_alert(connection, ien, cleared_at=now + 1)
        return ien

    return site.store.transact(work)


def test_everybody_sees_what_is_open_and_what_to_do(site: Managed) -> None:
    old = raised(site, "disk", "RAID1", cleared=True)
    first, second = raised(site, "gateway", "GW1"), raised(site, "destination", "ARCHIVE")
    watched = site.store.transact(lambda it: add_alert(it, "disk", "RAID2", "", site.clock.seconds(), raised=False)).ien
    told = site.ask(UNA, "ALERT LIST")
    assert [it["ien"] for it in told["alerts"]] == [second, first]
    archive = told["alerts"][0]
    assert (archive["title"], "destinations echo ARCHIVE" in archive["advice"]) == ("A destination takes nothing", True)
    assert archive["raised_at"].startswith("2026-11-18T12:00:00")
    assert [it["ien"] for it in site.may("ALERT LIST", all=1)["alerts"]] == [second, first, old]
    assert [it["ien"] for it in site.may("ALERT LIST", kind="gateway")["alerts"]] == [first]
    assert [it["ien"] for it in site.may("ALERT LIST", subject="ARCHIVE")["alerts"]] == [second]
    page = site.may("ALERT LIST", all=1, limit=2)
    assert [it["ien"] for it in site.may("ALERT LIST", all=1, before=page["next"])["alerts"]] == [old]
    assert [it["told"] for it in site.may("FLOW")["needs"]] == ["ARCHIVE is not well.", "GW1 is not well."]
    assert site.may("STATUS")["alerts"] == {"destination": 1, "gateway": 1}
    assert watched not in [it["ien"] for it in site.may("ALERT LIST", all=1)["alerts"]], "it is only watched"


def test_who_sees_to_it_says_so(site: Managed) -> None:
    ien = raised(site, "gateway", "GW1")
    told = site.may("ALERT ACKNOWLEDGE", ien=ien, note="the cable is being changed")
    assert (told["acknowledged_by"], told["note"]) == (MAY.name, "the cable is being changed")
    (alert,) = site.may("ALERT LIST")["alerts"]
    assert (alert["acknowledged_by"], alert["note"], alert["cleared_at"]) == (MAY.name, "the cable is being changed", None)
    with pytest.raises(NotFound):
        site.may("ALERT ACKNOWLEDGE", ien=ien + 1)
    assert "the cable is being changed" in site.audit()


def test_nobody_is_told_of_what_is_muted_until_a_time(site: Managed) -> None:
    raised(site, "gateway", "GW1")
    now = site.clock.seconds()
    muted = site.may("ALERT QUIET", kind="gateway", subject="GW1", until="T@18:00", note="moves house")["muted"]
    assert [(it["kind"], it["subject"], it["muted_by"], it["note"]) for it in muted] == [
        ("gateway", "GW1", MAY.name, "moves house")
    ]
    assert site.may("ALERT LIST")["alerts"][0]["muted"] is True

    def until(kind: str, subject: str) -> float | None:
        return muted_until(site.store.read(lambda it: list_mutes(it, now)), kind, subject)

    assert until("gateway", "GW1") == now + 6 * 3600
    assert (until("gateway", "GW2"), until("disk", "GW1")) == (None, None)
    muted = site.may("ALERT QUIET", kind="all", until="T+1@12:00")["muted"]
    assert [it["kind"] for it in muted] == ["all", "gateway"]
    assert until("disk", "X") == now + 24 * 3600
    site.may("ALERT QUIET", kind="all")
    assert until("disk", "X") is None
    assert site.may("ALERT QUIET", kind="gateway", subject="GW1")["muted"] == []
    with pytest.raises(BadRequest, match="say which"):
        site.may("ALERT QUIET", kind="all", subject="GW1", until="T+1")


def test_a_test_waits_to_be_told_over_every_channel_and_is_listed(site: Managed) -> None:
    site.may("ALERT TEST", text="does it ring?")
    (notice,) = site.store.read(lambda it: due_notices(it, "", site.clock.seconds()))
    assert (notice.event, notice.text) == ("test", f"{MAY.name} tries whether this arrives. does it ring?")
    (listed,) = site.ask(UNA, "ALERT NOTICES")["notices"]
    assert (listed["event"], listed["state"], listed["channel"]) == ("test", "WAITING", "")
    assert site.may("ALERT NOTICES", state="SENT")["notices"] == []
