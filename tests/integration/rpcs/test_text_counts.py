"""Statistics of text messages count up per day, location and class, are told, and go when they are old."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from fileman import SiteKey, Store
from runtime import FixedClock
from tests.support.broker import RunningBroker
from xwb import BrokerClient

NOON = datetime.fromisoformat("2026-11-18T12:00")
COUNT, GET = "MAG DICOM AUDIT COUNT", "MAG DICOM TEXT AUDIT GET"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
def broker(oracle_store: Store, site_key: SiteKey, clock: FixedClock) -> Iterator[RunningBroker]:
    broker = RunningBroker(oracle_store, site_key, clock=clock)
    yield broker
    broker.stop()


@pytest.fixture
def gateway(broker: RunningBroker) -> Iterator[BrokerClient]:
    with broker.client() as client:
        yield client


def count(gateway: BrokerClient, location: str, message: str) -> str:
    return gateway.call(COUNT, location, message).text


def test_counts_are_kept_per_day_location_and_class(gateway: BrokerClient, clock: FixedClock) -> None:
    assert [count(gateway, "660", "ORM"), count(gateway, "660", "ORM"), count(gateway, "688", "ORM")] == ["1", "2", "1"]
    clock.advance(86400)
    assert [count(gateway, "660", "ORM"), count(gateway, "660", "ADT")] == ["1", "1"]
    assert gateway.call(GET, "660").lines == [
        "5",
        "^^ADT",
        "^^ORM",
        "3261118^2^ORM^3261118.12",
        "3261119^1^ADT^3261119.12",
        "3261119^1^ORM^3261119.12",
    ]
    assert gateway.call(GET, "660", "1").lines[3:] == ["3261119^1^ADT^3261119.12", "3261119^1^ORM^3261119.12"]
    assert gateway.call(GET, "700").lines == ["0"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "-1,No Location Specified"),
        (["x", "ORM"], "-1,No Location Specified"),
        (["660"], "-2,No Message Specified"),
        (["660", ""], "-2,No Message Specified"),
    ],
)
def test_what_is_not_told_is_not_counted(gateway: BrokerClient, arguments: list[str], said: str) -> None:
    assert gateway.call(COUNT, *arguments).text == said
    assert gateway.call("MAG DICOM AUDIT RANGE").lines == ["2006.5761^^", "2006.5762^^", "-END-"]


def test_ranges_are_told_and_old_days_go(gateway: BrokerClient, clock: FixedClock) -> None:
    for _day in range(3):
        count(gateway, "660", "ORM")
        count(gateway, "688", "ORM")
        gateway.call("MAG DICOM IMAGE PROCESSING", {1: "2", 2: "ACQUIRED||660|CT1"})
        clock.advance(86400)
    assert gateway.call("MAG DICOM AUDIT RANGE").lines == [
        "2006.5761^3261118^3261120",
        "2006.5762^3261118^3261120",
        "-END-",
    ]
    purge = "MAG DICOM AUDIT PURGE"
    assert gateway.call(purge, "2006.5761", "3261119").text == "1 day purged."
    assert gateway.call(purge, "2006.5762", "3261119.5").text == "2 days purged."
    assert gateway.call(purge, "2005", "9999999").text == "0 days purged."
    assert gateway.call(purge).text == "0 days purged."
    assert gateway.call("MAG DICOM AUDIT RANGE").lines[:2] == ["2006.5761^3261119^3261120", "2006.5762^3261120^3261120"]


def test_no_count_is_lost_among_sessions(broker: RunningBroker) -> None:
    def work(_number: int) -> list[int]:
        with broker.client() as client:
            return [int(count(client, "660", "ORM")) for _ in range(10)]

    with ThreadPoolExecutor(8) as pool:
        counted = [number for numbers in pool.map(work, range(8)) for number in numbers]
    assert sorted(counted) == list(range(1, 81))
