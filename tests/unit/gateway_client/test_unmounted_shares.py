"""A router's share that is not mounted is neither written to nor purged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.gateway_client.fakes import MOMENT
from tests.unit.gateway_client.test_copying import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Give a location with the task that copies to it."""
    desk = Desk(tmp_path)
    yield desk
    desk.journal.close()


def test_a_share_that_is_not_mounted_is_not_written_to_in_place(desk: Desk) -> None:
    mounted = desk.directory / "mnt" / "share"
    desk.restart(str(mounted))
    desk.file(1)
    for _ in range(2):
        desk.run()
        desk.clock.advance(30)
    assert not mounted.exists()
    assert (desk.queue.online, list(desk.queue.waiting)) == (False, [1])


def test_nothing_is_told_as_purged_where_a_share_is_not_mounted(desk: Desk) -> None:
    mounted = desk.directory / "mnt" / "share"
    mounted.mkdir(parents=True)
    desk.restart(str(mounted))
    desk.file(1)
    desk.run()
    (copy,) = (path for path in mounted.rglob("*") if path.is_file())
    desk.queue.old = [f"2005^101^1^3261121^{desk.queue.logged[0][2]}"]
    elsewhere = mounted.rename(mounted.with_name("unmounted"))
    mounted.mkdir()
    desk.clock.advance(40 * 86400)
    desk.run()
    assert desk.queue.reported == []
    mounted.rmdir()
    elsewhere.rename(mounted)
    os.utime(copy, (MOMENT.timestamp(), MOMENT.timestamp()))
    desk.run()
    assert (len(desk.queue.reported), copy.exists()) == (1, False)


def test_a_location_that_is_away_is_purged_when_it_is_there_again(desk: Desk) -> None:
    share = desk.directory.parent / f"{desk.directory.name}-share"
    desk.restart(str(share))
    desk.queue.old = ["2005^1^1^3261001.12^\\1.DCM"]
    desk.run()
    assert desk.queue.old
    (share / "SL00").mkdir(parents=True)
    desk.run()
    assert desk.queue.old == []
