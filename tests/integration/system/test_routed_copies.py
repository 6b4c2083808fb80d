"""Copies on routers' locations go when the location no longer keeps them, and nothing else goes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from fileman import to_fileman
from fileman.files import Image, NetworkLocation, RoutedCopy, SendQueue
from taskman import find_option
from tests.integration.system.conftest import DAY, OUTREACH, Site

OPTION = "MAGB PURGE ROUTED COPIES"


def sent(site: Site, ien: int, days: float, image: int, status: str = "SENT", file_type: str = "FULL") -> Path:
    """Put a copy at the router's location, as old as that, written down as one if it was sent; its entry waits otherwise."""
    if status == "SENT":
        moment = to_fileman(site.clock.now() - timedelta(days=days))
        facts = {"destination": 3, "mechanism": 1, "file_type": file_type, "sent": moment, "name": "OUTREACH"}
        site.add(RoutedCopy, {"image": image, "sequence": ien, "copy": ien, **facts, "file": f"\\\\OUT\\SL{image:012d}.DCM"})
    else:
        facts = {"destination": OUTREACH, "mechanism": 1, "origin": 660, "priority": 500, "queued": "3261001"}
        at = site.clock.seconds() - days * DAY
        site.add(SendQueue, {"ien": ien, **facts, "image": image, "file_type": file_type, "status": status, "status_at": at})
    extension = {"FULL": "DCM", "TEXT": "TXT", "ABSTRACT": "ABS"}[file_type]
    copy = site.data / "outreach" / f"SL{image:012d}.{extension}"
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes(b"copy")
    return copy


def change(site: Site, ien: int, **values: object) -> None:
    site.store.transact(
        lambda connection: connection.execute(update(NetworkLocation).where(NetworkLocation.ien == ien).values(values))
    )


def purged(site: Site) -> list[int]:
    gone = select(RoutedCopy.sequence).where(RoutedCopy.copy.is_(None), RoutedCopy.removed == "3261121.12")
    return list(site.all(gone.order_by(RoutedCopy.sequence)))


def test_a_copy_goes_on_the_day_after_its_last_and_what_is_known_of_it_stays(site: Site) -> None:
    old, young = site.image(1), site.image(2)
    gone, text, kept = sent(site, 1, 30, 1), sent(site, 2, 31, 1, file_type="TEXT"), sent(site, 3, 29.9, 2)
    assert site.run(OPTION).said == "OUTREACH: 2 copies removed"
    assert [gone.exists(), text.exists(), kept.exists(), old.exists(), young.exists()] == [False, False, True, True, True]
    assert purged(site) == [1, 2]
    assert site.count(RoutedCopy) == 3
    assert site.events("PURGE") == [(1, "purged", "TEXT at OUTREACH"), (1, "purged", "FULL at OUTREACH")]
    assert site.run(OPTION).said == "OUTREACH: 0 copies removed"


@pytest.mark.parametrize("status", ["WAITING", "SENDING", "FAILED", "NOT FOUND"])
def test_only_what_was_sent_goes(site: Site, status: str) -> None:
    site.image(1)
    copy = sent(site, 1, 400, 1, status)
    site.run(OPTION)
    assert copy.exists()
    assert purged(site) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"retention_days": None}, "no router's location has retention_days"),
        ({"online": False}, "OUTREACH: off line"),
        ({"path": "elsewhere"}, "OUTREACH: its folder is not there"),
        ({"path": "image1"}, "OUTREACH: its folder and that of RAID1 lie in one another; nothing is removed"),
        ({"path": "image1/SL00"}, "OUTREACH: its folder and that of RAID1 lie in one another; nothing is removed"),
        ({"path": "."}, "OUTREACH: its folder and that of RAID1 lie in one another; nothing is removed"),
        ({"path": "link"}, "OUTREACH: its folder and that of RAID1 lie in one another; nothing is removed"),
    ],
)
def test_a_location_that_keeps_or_hides_or_is_the_archive_loses_nothing(site: Site, values: dict[str, object], said: str) -> None:
    archived = site.image(1)
    copy = sent(site, 1, 400, 1)
    (site.data / "link").symlink_to(site.data / "image1")
    change(site, 3, **values)
    assert site.run(OPTION).said == said
    assert archived.exists()
    assert copy.exists()
    assert purged(site) == []


@pytest.mark.parametrize(
    "values",
    [{"subdirectory": "..\\image1"}, {"subdirectory": "out"}],
    ids=["a subdirectory with dots", "a link inside of the folder"],
)
def test_no_path_and_no_link_leads_out_of_the_location(site: Site, values: dict[str, object]) -> None:
    site.image(1)
    sent(site, 1, 400, 1)
    outside = site.data / "precious" / "SL000000000001.DCM"
    outside.parent.mkdir()
    outside.write_bytes(b"the archive's")
    (site.data / "outreach" / "out").symlink_to(outside.parent)
    change(site, 3, **values)
    assert site.run(OPTION).said == "OUTREACH: 0 copies removed, 1 could not be"
    assert outside.exists()
    assert purged(site) == []


def test_subdirectory_and_hashed_directories_are_where_the_transmitter_put_them(site: Site) -> None:
    site.image(1)
    sent(site, 1, 400, 1)
    change(site, 3, subdirectory="SUB\\DIR", hash=True)
    copy = site.data / "outreach" / "SUB" / "DIR" / "SL00" / "00" / "00" / "00" / "00" / "SL000000000001.DCM"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(b"copy")
    assert site.run(OPTION).said == "OUTREACH: 1 copies removed"
    assert not copy.exists()


@pytest.mark.parametrize(("days", "status"), [(3, "SENT"), (400, "SENDING"), (400, "WAITING")])
def test_a_copy_that_was_sent_again_since_stays(site: Site, days: float, status: str) -> None:
    site.image(1)
    sent(site, 1, 400, 1)
    copy = sent(site, 2, days, 1, status)
    site.run(OPTION)
    assert copy.exists()
    assert purged(site) == [1]


def test_a_copy_goes_though_its_entry_or_its_image_went_before(site: Site) -> None:
    copy = sent(site, 1, 31, 7)
    assert site.count(SendQueue) == site.count(Image) == 0
    assert site.run(OPTION).said == "OUTREACH: 1 copies removed"
    assert not copy.exists()


def test_what_a_gateway_has_removed_already_is_not_looked_for(site: Site) -> None:
    copy = sent(site, 1, 31, 7)
    site.store.transact(lambda connection: connection.execute(update(RoutedCopy).values(copy=None, removed="3261120")))
    assert site.run(OPTION).said == "OUTREACH: 0 copies removed"
    assert copy.exists()


@pytest.mark.parametrize(
    ("last_purge", "said"),
    [("3261121", "a gateway purges it"), ("3261120", "a gateway purges it"), ("3261119", "1 copies removed")],
)
def test_a_location_that_a_gateway_purges_is_left_to_it_until_it_stays_away(site: Site, last_purge: str, said: str) -> None:
    site.image(1)
    copy = sent(site, 1, 400, 1)
    change(site, 3, last_purge=last_purge)
    assert site.run(OPTION).said == f"OUTREACH: {said}"
    assert copy.exists() is (said == "a gateway purges it")


def test_a_copy_that_somebody_else_removed_is_written_off(site: Site) -> None:
    site.image(1)
    sent(site, 1, 400, 1).unlink()
    site.run(OPTION)
    assert purged(site) == [1]
    assert site.events("PURGE") == [(1, "was not there any more", "FULL at OUTREACH")]


def test_what_cannot_be_removed_keeps_nothing_else_from_going(site: Site) -> None:
    for number in range(1, 103):
        site.image(number, content=None)
        copy = sent(site, number, 400 - number, number)
        if number < 102:
            copy.unlink()
            copy.mkdir()
    assert site.run(OPTION).said == "OUTREACH: 1 copies removed, 101 could not be"
    assert not copy.exists()
    assert purged(site) == [102]


def test_a_stop_ends_the_run_before_the_next_location(site: Site) -> None:
    site.image(1)
    copy = sent(site, 1, 400, 1)
    context = site.begin(OPTION)
    context.signals.stopping.set()
    find_option(OPTION).body(context)
    assert copy.exists()
