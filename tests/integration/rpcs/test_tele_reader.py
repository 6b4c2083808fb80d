"""TeleReader: consults enter the list with their first image, readers choose what they read, lock and unlock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from threading import Event

import pytest
from sqlalchemy import Connection

from fileman import SiteKey, Store, apply_site, consult_image_came, parse_site
from rpcs.tele_reader import MOST_PROCEDURES
from runtime import FixedClock
from tests.support.broker import RunningBroker
from tests.support.query_plans import statements_of
from xwb import BrokerClient

NOON = datetime.fromisoformat("2026-11-18T12:00")
SITE = """
[[context]]
name = "XUS SIGNON"
rpcs = ["XUS SIGNON SETUP", "XUS AV CODE"]

[[institution]]
ien = 660
name = "SALT LAKE CITY"
station = "660"

[[institution]]
ien = 688
name = "WASHINGTON DC"
station = "688"

[[user]]
duz = 9
name = "READER,ROSE"
access = "ROSE1"
verify = "1ROS!@#$"
divisions = [660]
keys = ["XUPROGMODE"]

[[user]]
duz = 10
name = "OTHER,OLGA"
access = "OLGA1"
verify = "1OLG!@#$"
divisions = [660]
keys = ["XUPROGMODE"]

[[patient]]
dfn = 100
name = "DEMO,PATIENT ONE"
ssn = "000001234"
icn = "1000000001"

[[exam]]
service = "CON"
accession = "660-GMR-7"
ien = 7
patient = 100
datetime = 2026-11-17T08:00:00
procedure = "EYE CARE"
urgency = "ROUTINE"

[[exam]]
service = "CON"
accession = "660-GMR-8"
ien = 8
patient = 100
datetime = 2026-11-17T08:00:00
procedure = "DENTAL"

[[image_index]]
file = "2005.84"
ien = 5
name = "EYE CARE"
abbreviation = "EYE"

[[image_index]]
file = "2005.85"
ien = 3
name = "FUNDUS PHOTO"
abbreviation = "FUN"

[[acquisition_site]]
institution = 688
primary_site = 660
lock_minutes = 30

[[consult_service]]
service = "EYE CARE"
specialty = 5
procedure = 3
site = 688

[[tele_reader]]
duz = 9
site = 688
specialty = 5
procedure = 3
"""
GET, LOCK = "MAG DICOM CON UNREADLIST GET", "MAG DICOM CON UNREADLIST LOCK"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
def broker(store: Store, site_key: SiteKey, clock: FixedClock) -> Iterator[RunningBroker]:
    store.transact(lambda connection: apply_site(connection, parse_site(SITE), site_key, NOON))
    broker = RunningBroker(store, site_key, clock=clock)
    yield broker
    broker.stop()


@pytest.fixture
def reader(broker: RunningBroker) -> Iterator[BrokerClient]:
    with broker.client("ROSE1", "1ROS!@#$", "") as client:
        yield client


def came(broker: RunningBroker, consult: int, moment: datetime = NOON) -> bool:
    return broker.store.transact(lambda connection: consult_image_came(connection, consult, moment))


def listed(client: BrokerClient, *more: str) -> list[list[str]]:
    lines = client.call(GET, "688", "5", "3", *(more or ("0",))).lines
    assert not lines or lines[0] == str(len(lines))
    return [line.split("|") for line in lines[1:]]


def test_sites_and_what_a_reader_reads_are_told(reader: BrokerClient) -> None:
    site = "688|WASHINGTON DC|660|1|30"
    assert reader.call("MAG DICOM CON UNREAD ACQ SITES").lines == ["1", site]
    assert reader.call("MAG DICOM CON GET TELE READER").lines == ["1", f"{site}|5|EYE CARE|1|3|FUNDUS PHOTO|1|1"]


def test_nobody_else_reads_it(broker: RunningBroker) -> None:
    with broker.client("OLGA1", "1OLG!@#$", "") as client:
        assert client.call("MAG DICOM CON GET TELE READER").lines == ["0"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["688", "5", "3", "0"], "1, USER PREFERENCE SET"),
        (["688", "5", "3", "1"], "2, USER PREFERENCE ALREADY SET"),
        ([], "-1, ACQUISITION STATION NUMBER PARAMETER IS NOT DEFINED"),
        (["688"], "-2, SPECIALTY PARAMETER IS NOT DEFINED"),
        (["688", "5"], "-3, PROCEDURE PARAMETER IS NOT DEFINED"),
        (["688", "5", "3"], "-4, USER PREFERENCE SELCTION IS NOT DEFINED"),
        (["688", "5", "3", "x"], "-5, ILLEGAL VALUE FOR USER PREFERENCE: <<x>>"),
        (["77", "5", "3", "1"], "-7, ACQUISITION STATION NUMBER 77 IS NOT DEFINED IN FILE 4"),
        (["660", "5", "3", "1"], "-8, ACQUISITION SITE #660 IS NOT DEFINED IN FILE 2006.5849"),
        (["688", "6", "3", "1"], "-9, SPECIALTY #6 IS NOT DEFINED IN FILE 2006.5849"),
        (["688", "5", "4", "1"], "-10, PROCEDURE #4 IS NOT DEFINED IN FILE 2006.5849"),
    ],
)
def test_a_reader_chooses_what_to_read(reader: BrokerClient, arguments: list[str], said: str) -> None:
    assert reader.call("MAG DICOM CON SET TELE READER", *arguments).text == said
    kept = reader.call("MAG DICOM CON GET TELE READER").lines[1].split("|")[-1]
    assert kept == ("0" if said.startswith("1,") else "1")


def test_a_consult_enters_the_list_with_its_first_image(broker: RunningBroker, reader: BrokerClient) -> None:
    assert listed(reader) == []
    assert came(broker, 7)
    assert came(broker, 7, NOON + timedelta(hours=1))
    (entry,) = listed(reader)
    assert entry[:4] == ["1", "7", "688", "WASHINGTON DC"]
    assert entry[4:6] == ["DEMO,PATIENT ONE", "000-00-1234"]
    assert entry[7:13] == ["D1234", "0", "EYE CARE", "EYE", "FUNDUS PHOTO", "FUN"]
    assert entry[13:20] == ["3261118.12", "3261118.13", "3261118.13", "2", "U", "C", "ROUTINE"]
    assert len(entry) == 34


def test_a_consult_of_another_service_does_not(broker: RunningBroker, reader: BrokerClient) -> None:
    assert not came(broker, 8)
    assert not came(broker, 99)
    assert listed(reader) == []


def test_what_changed_since_a_moment_is_listed(broker: RunningBroker, reader: BrokerClient) -> None:
    came(broker, 7)
    assert [entry[0] for entry in listed(reader, "3261118.1159")] == ["1"]
    assert listed(reader, "3261118.12") == []
    assert reader.call(GET, "688", "5", "8,3", "3261118.1159").lines != []
    assert reader.call(GET, "688", "6", "3", "0").lines == []
    assert reader.call(GET, "77", "5", "3", "0").lines == ["-1, ACQUISITION STATION NUMBER 77 IS NOT DEFINED IN FILE 4"]


def test_one_reader_locks_and_another_waits(broker: RunningBroker, reader: BrokerClient) -> None:
    came(broker, 7)
    rose = ["READER,ROSE", "RR", "9", "9", "660"]
    olga = ["OTHER,OLGA", "OO", "10", "10", "660"]
    said = [
        reader.call(LOCK, "1", flag, *who).text
        for flag, who in (("1", rose), ("1", rose), ("1", olga), ("0", olga), ("0", rose), ("0", rose))
    ]
    assert said == [
        "0|Successful Lock|L",
        "1|Already locked by same user|L",
        "-3|Already locked by a different user|L",
        "-8|Locked by different user, can't be unlocked|L",
        "0|Successful Unlock|U",
        "2|Already unlocked|U",
    ]
    assert reader.call(LOCK, "", "1").text == "-1|No UNREAD parameter set|"
    assert reader.call(LOCK, "5", "1").text == "-2|UNREAD parameter wrong -- ^MAG(2006.5849,5,0) is undefined|"


def test_what_another_has_locked_is_not_shown_and_old_locks_end(
    broker: RunningBroker, reader: BrokerClient, clock: FixedClock
) -> None:
    came(broker, 7)
    reader.call(LOCK, "1", "1", "READER,ROSE", "RR", "9", "9", "660")
    assert [entry[26:31] for entry in listed(reader, "0", "9")] == [["READER,ROSE", "RR", "9", "9", "660"]]
    assert listed(reader, "0", "10", "660", "30") == []
    clock.advance(1801)
    assert listed(reader, "0", "10", "688", "30") == []
    assert [entry[17] for entry in listed(reader, "0", "10", "660", "30")] == ["U"]


def test_procedures_and_statuses_count_once_and_so_many_of_them_only(broker: RunningBroker, reader: BrokerClient) -> None:
    came(broker, 7)
    assert len(reader.call(GET, "688", "5", "3," * 60000, "0", "", "", "", "UuX" * 1000).lines) == 2
    assert len(reader.call(GET, "688", "5", "3," * 60000, "3261118.1159").lines) == 2
    others = ",".join(str(number) for number in range(4, 4 + MOST_PROCEDURES))
    assert len(reader.call(GET, "688", "5", f"3,{others}", "0").lines) == 2
    assert reader.call(GET, "688", "5", f"{others},3", "0").lines == []


def test_the_list_is_read_while_others_write(broker: RunningBroker, reader: BrokerClient) -> None:
    came(broker, 7)
    begun, done = Event(), Event()

    def write(_connection: Connection) -> bool:
        begun.set()
        return done.wait(30)

    writing = [broker.store.write(write) for _ in range(8)]
    try:
        assert begun.wait(30)
        assert [entry[0] for entry in listed(reader, "0", "10", "660", "30")] == ["1"]
        assert not any(it.done() for it in writing)
    finally:
        done.set()
    assert all(it.result(30) for it in writing)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_list_is_read_by_indexes(broker: RunningBroker, reader: BrokerClient) -> None:
    came(broker, 7)
    with statements_of(broker.store) as statements:
        listed(reader, "0", "10", "660", "30")
        listed(reader, "3261118.1159")
        reader.call(LOCK, "1", "1", "READER,ROSE", "RR", "9", "9", "660")
        came(broker, 7)
    plans = {text: plan for text, plan in statements.plans(broker.store).items() if "unread_consult" in text}
    assert len(plans) >= 4
    assert not [text for text, plan in plans.items() if any(step.startswith("SCAN") for step in plan)]
