"""What waits to be copied is given to transmitters once, the most urgent first, and what became of it is written down."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, update

from fileman import (
    DERIVED_FILES_OPTION,
    THERE,
    Settled,
    SiteKey,
    Store,
    apply_site,
    dump_site,
    expect_derived_files,
    parse_site,
    read_folders,
    read_site_file,
    settle_derived_files,
)
from fileman.files import Image, ImagingSite, NetworkLocation, OptionSchedule, RoutedCopy, SendQueue
from runtime import FixedClock
from tests.conftest import ORACLE_SITE
from tests.integration.rpcs.queues import FOUR, LOCATION, OFFLINE, ONE, OTHER_LOCATION, Routing, run_routing
from tests.support.query_plans import statements_of

MINUTE = 60.0


@pytest.fixture
def routing(oracle_store: Store, site_key: SiteKey, clock: FixedClock) -> Iterator[Routing]:
    with run_routing(oracle_store, site_key, clock) as routing:
        yield routing


def brief(answer: list[str]) -> tuple[str, ...]:
    """Give status, destination, priority and entry of a file."""
    return (answer[0], *answer[1:3], answer[8]) if len(answer) > 1 else (answer[0],)


def test_files_come_by_priority_and_within_it_in_the_order_of_the_queue(routing: Routing) -> None:
    low, first, second, high = (routing.send(image, FOUR, at)[0] for image, at in ((2, 250), (3, 500), (5, 500), (7, 750)))
    taken = [brief(routing.next_file(FOUR)) for _ in range(5)]
    assert taken == [
        ("1", "14", "750", str(high)),
        ("1", "14", "500", str(first)),
        ("1", "14", "500", str(second)),
        ("1", "14", "250", str(low)),
        ("0",),
    ]
    assert set(routing.statuses().values()) == {"SENDING"}


def test_an_entry_is_not_given_out_before_its_file_is_made(routing: Routing) -> None:
    def await_abstract(connection: Connection) -> None:
        connection.execute(insert(OptionSchedule).values(ien=1, option=DERIVED_FILES_OPTION))
        expect_derived_files(connection, {2: ["ABSTRACT"]}, routing.clock.seconds())

    routing.store.transact(await_abstract)
    abstract = routing.send(2, FOUR, 750, "ABSTRACT")[0]
    full = routing.send(2, FOUR, 500, "FULL")[0]
    assert brief(routing.next_file(FOUR)) == ("1", "14", "500", str(full)), "what is held up holds up nothing else"
    assert routing.next_file(FOUR) == ["0"]
    assert routing.statuses()[abstract] == "WAITING"
    routing.store.transact(lambda connection: settle_derived_files(connection, {2: {"ABSTRACT": Settled(THERE)}}))
    assert brief(routing.next_file(FOUR)) == ("1", "14", "750", str(abstract))


def test_locations_and_destinations_that_are_not_asked_for_are_left(routing: Routing) -> None:
    routing.send(2, FOUR, 900, origin=OTHER_LOCATION)
    routing.send(3, ONE, 900)
    mine = routing.send(5, FOUR, 250)[0]
    assert brief(routing.next_file(FOUR)) == ("1", "14", "250", str(mine))
    assert routing.next_file(FOUR) == ["0"]
    assert sorted(routing.statuses().values()) == ["SENDING", "WAITING", "WAITING"]


def test_a_transmitter_goes_on_where_it_is_until_something_more_urgent_waits(routing: Routing) -> None:
    here = [routing.send(image, ONE)[0] for image in (2, 3, 5)]
    routing.send(7, FOUR)
    assert brief(routing.next_file(FOUR, ONE, going_on=(ONE, 500))) == ("1", "15", "500", str(here[0]))
    urgent = routing.send(9, FOUR, 750)[0]
    assert brief(routing.next_file(FOUR, ONE, going_on=(ONE, 500))) == ("1", "14", "750", str(urgent))
    assert brief(routing.next_file(FOUR, ONE, going_on=(ONE, 500))) == ("1", "15", "500", str(here[1]))
    assert brief(routing.next_file(ONE, going_on=(ONE, 500))) == ("1", "15", "500", str(here[2]))
    assert routing.next_file(FOUR, ONE, going_on=(ONE, 500)) == ["0"], "what is left there is for another destination"


def test_no_file_is_given_as_that_of_another_destination(routing: Routing) -> None:
    """VistA does that when a transmitter is interrupted and the most urgent destination is none of its own."""
    routing.send(2, FOUR, 900)
    ordinary, urgent = routing.send(3, ONE)[0], routing.send(5, ONE, 750)[0]
    assert brief(routing.next_file(ONE, going_on=(ONE, 500))) == ("1", "15", "750", str(urgent))
    assert brief(routing.next_file(ONE, going_on=(ONE, 500))) == ("1", "15", "500", str(ordinary))
    names = {row.ien: row.destination for row in routing.all(select(SendQueue.ien, SendQueue.destination))}
    assert names[ordinary] == names[urgent] == "15;MAG(2005.2,"


def test_an_off_line_destination_is_passed_over_for_a_quarter_of_an_hour(routing: Routing, clock: FixedClock) -> None:
    assert routing.call("NETWORK STATUS", str(OFFLINE), "0") == "1"
    entry = routing.send(9, OFFLINE, 750)[0]
    other = routing.send(2, FOUR, 250)[0]
    clock.advance(15 * MINUTE - 1)
    assert brief(routing.next_file(FOUR, OFFLINE)) == ("1", "14", "250", str(other))
    assert routing.next_file(FOUR, OFFLINE) == ["0"]
    clock.advance(1)
    assert brief(routing.next_file(FOUR, OFFLINE)) == ("1", "16", "750", str(entry))
    assert routing.lines("ROUTE LIST DESTI", str(LOCATION))[0] == "4", "it is on line again"


def test_the_quarter_of_an_hour_is_one_across_the_hour_too(routing: Routing, clock: FixedClock) -> None:
    """VistA subtracts times as numbers: to it 12:05 is 55 minutes after 11:50."""
    clock.advance(-10 * MINUTE)
    routing.call("NETWORK STATUS", str(OFFLINE), "0")
    routing.send(9, OFFLINE)
    clock.advance(14 * MINUTE)
    assert routing.next_file(OFFLINE) == ["0"]
    clock.advance(MINUTE)
    assert routing.next_file(OFFLINE)[0] == "1"


def test_who_goes_on_with_a_destination_that_went_off_line_gets_the_next_one(routing: Routing) -> None:
    routing.send(2, FOUR)
    other = routing.send(3, ONE)[0]
    routing.call("NETWORK STATUS", str(FOUR), "0")
    assert brief(routing.next_file(FOUR, ONE, going_on=(FOUR, 500))) == ("1", "15", "500", str(other))


@pytest.mark.parametrize(
    ("change", "kind", "path"),
    [
        ({"location": None}, "FULL", ""),
        ({}, "BIG", ""),
        ({"location": 99}, "FULL", ""),
        ({"location": 18}, "FULL", ""),
        ({"location": 18, "jukebox_location": 11}, "FULL", "\\\\SLC-JB1\\PLATTER1\\SLC00000000002.DCM"),
        ({"location": 12}, "TEXT", "\\\\SLC-IMG2\\IMAGE2$\\SLC00000000002.TXT"),
        ({"abstract_location": None, "jukebox_location": 11}, "ABSTRACT", "\\\\SLC-JB1\\PLATTER1\\SLC00000000002.ABS"),
        ({}, "DICOM", "\\\\SLC-IMG1\\IMAGE1$\\SLC0\\00\\00\\00\\00\\SLC00000000002.DCM"),
        ({"file_ref": "X.TGA"}, "DICOM", ""),
    ],
    ids=repr,
)
def test_an_entry_without_a_file_is_answered_as_such_and_done_with(
    routing: Routing, change: dict[str, object], kind: str, path: str
) -> None:
    if change:
        routing.store.transact(lambda connection: connection.execute(update(Image).where(Image.ien == 2).values(change)))
    (entry,) = routing.send(2, FOUR, 500, kind)
    answer = routing.next_file(FOUR)
    assert len(answer) == 14
    if path:
        assert (answer[0], answer[6], routing.statuses()) == ("1", path, {entry: "SENDING"})
        return
    assert (answer[0], answer[6], answer[7], routing.statuses()) == ("2", "-13", "-13", {entry: "SENT"})
    assert routing.stories(2) == ["no file"]


def test_the_path_there_has_subdirectory_and_hashed_directories(routing: Routing) -> None:
    routing.send(2, ONE)
    answer = routing.next_file(ONE)
    assert answer[7] == "\\SUBDIR\\SLC0\\00\\00\\00\\00\\SLC00000000002.DCM"
    assert answer[4:6] == ["RUSERB", "RPWDB"]
    assert answer[10] == "30"


def test_many_transmitters_get_each_file_once(routing: Routing) -> None:
    """On PostgreSQL they ask at the same time."""
    entries = {
        routing.send(2, destination, priority, f"KIND{n}")[0]
        for n in range(20)
        for destination, priority in ((FOUR, 500), (ONE, 700))
    }

    def drain(_number: int) -> list[str]:
        taken = []
        with routing.broker.client("FAKEPRG1", "1PRG!@#$") as client:
            while True:
                answer = list(client.call("MAG DICOM ROUTE NEXT FILE", "660", "", "", "1", ["1^14", "1^15"]).lines)
                if answer == ["0"]:
                    return taken
                taken.append(answer[8])

    with ThreadPoolExecutor(4) as pool:
        taken = [entry for part in pool.map(drain, range(4)) for entry in part]
    assert sorted(map(int, taken)) == sorted(entries)


def test_an_entry_whose_status_was_emptied_is_found_by_nothing_until_it_gets_another(routing: Routing) -> None:
    entry = str(routing.send(2, FOUR)[0])
    assert routing.call("ROUTE STATUS", entry, "FAILED", "660") == "1"
    assert routing.call("ROUTE STATUS", entry, "", "660") == "0"
    assert routing.call("ROUTE REQUEUE", "660") == "0"
    assert routing.call("ROUTE STATUS", entry, "FAILED", "660") == "1"
    assert routing.call("ROUTE REQUEUE", "660") == "1"
    assert brief(routing.next_file(FOUR)) == ("1", "14", "500", entry)
    assert routing.call("ROUTE STATUS", entry, "SENT", "660") == "1"
    assert routing.call("ROUTE STATUS", entry, "", "660") == "0"
    assert routing.call("ROUTE PURGE DONE", "", "660") == "1", "a purge goes through all that was sent"
    assert routing.statuses() == {}
    assert routing.stories(2) == ["failed", "failed", "sent"]


def test_a_purge_takes_what_is_done_with_at_every_location(routing: Routing) -> None:
    entries = [routing.send(image, FOUR, origin=origin)[0] for image, origin in ((2, 660), (3, 688), (5, 660), (7, 688))]
    for entry, status in zip(entries, ("SENT", "NOT FOUND", "FAILED", "SENDING"), strict=True):
        routing.call("ROUTE STATUS", str(entry), status, "660")
    assert routing.call("ROUTE PURGE DONE", "365", "660") == "2"
    assert routing.statuses() == {entries[2]: "FAILED", entries[3]: "SENDING"}


@pytest.mark.parametrize(
    ("until", "left"), [("3261119", 0), ("3261118.12", 1), ("3261118.115959", 2), ("0", 2), ("", 2), ("99999999", 0)]
)
def test_obsolete_entries_are_those_queued_before_a_moment(routing: Routing, clock: FixedClock, until: str, left: int) -> None:
    clock.advance(-1)
    routing.send(2, FOUR)
    clock.advance(1)
    routing.send(3, FOUR)
    assert routing.call("ROUTE REMOVE OBSO", until, "660") == str(2 - left)
    assert len(routing.statuses()) == left


def test_transactions_are_counted_per_place_and_outlive_a_new_site_file(routing: Routing, site_key: SiteKey) -> None:
    assert routing.call("ROUTE GET TRANS ID", "660") == "SLC000000000001"
    assert routing.call("ROUTE GET TRANS ID") == "SLC000000000002"
    assert routing.call("ROUTE GET TRANS ID", "688") == "WAS000000000001"
    site = read_site_file(ORACLE_SITE)
    routing.store.transact(lambda connection: apply_site(connection, site, site_key, routing.clock.now()))
    assert routing.call("ROUTE GET TRANS ID", "660") == "SLC000000000003"
    change = update(ImagingSite).where(ImagingSite.institution == 660).values(site_code="SLX")
    routing.store.transact(lambda connection: connection.execute(change))
    routing.set_location(FOUR, online=True)
    assert routing.call("ROUTE GET TRANS ID", "660") == "SLX000000000004"


def test_the_states_of_a_transaction_are_counted(routing: Routing) -> None:
    name = routing.call("ROUTE GET TRANS ID")
    assert routing.call("ROUTE TRANSACT STS", name) == "-2,Invalid Transaction ID"
    assert routing.call("ROUTE TRANSACT STS") == "-1,No Transaction ID Specified"
    entries = routing.send(2, FOUR, 500, "ABSTRACT", "FULL", "TEXT", transaction=name)
    routing.send(3, FOUR)
    assert routing.call("ROUTE TRANSACT STS", name) == "3=WAITING^=SENDING^=SENT^=FAILED^=?^"
    routing.next_file(FOUR)
    routing.call("ROUTE STATUS", str(entries[1]), "SENT", "660")
    assert routing.call("ROUTE TRANSACT STS", name) == "1=WAITING^1=SENDING^1=SENT^=FAILED^=?^"


def test_a_file_that_waits_already_is_raised_and_belongs_to_who_asked_last(routing: Routing) -> None:
    (entry,) = routing.send(2, FOUR, 500)
    assert routing.send(2, FOUR, 250, origin=OTHER_LOCATION) == []
    assert routing.next_file(FOUR, location=OTHER_LOCATION) == ["0"]
    assert routing.send(2, FOUR, 750, origin=OTHER_LOCATION) == []
    assert brief(routing.next_file(FOUR, location=OTHER_LOCATION)) == ("1", "14", "750", str(entry))


def transmit(routing: Routing, image: int, name: str, destination: int = FOUR) -> str:
    """Send an image and report it."""
    routing.send(image, destination)
    entry = routing.next_file(destination)[8]
    return routing.call("ROUTE LOG XMIT", entry, str(destination), "660", "SENT", name, "3261118.1159", "1")


def test_copies_are_listed_when_their_destination_has_kept_them_long_enough(routing: Routing, clock: FixedClock) -> None:
    assert transmit(routing, 2, "\\A.DCM") == "1"
    clock.advance(86400)
    assert transmit(routing, 3, "\\B.DCM") == "1"
    assert transmit(routing, 5, "\\C.DCM", ONE) == "1"
    assert routing.lines("ROUTE GET PURGE", "660", "14", "100", []) == ["1"]
    clock.advance(10 * 86400)  # the destination keeps copies for ten days
    assert routing.lines("ROUTE GET PURGE", "660", "14", "100", []) == ["2", "2005^2^1^3261118.12^\\A.DCM"]
    clock.advance(86400)
    assert routing.lines("ROUTE GET PURGE", "660", "14", "2", []) == ["2", "2005^2^1^3261118.12^\\A.DCM"]
    both = ["3", "2005^2^1^3261118.12^\\A.DCM", "2005^3^1^3261119.12^\\B.DCM"]
    assert routing.lines("ROUTE GET PURGE", "660", "14", "", []) == both
    assert routing.lines("ROUTE GET PURGE", "660", "14", "9", ["^^^2005^3^1"]) == ["2", both[2]]
    assert routing.lines("ROUTE GET PURGE", "660", "14", "9", ["2005^2^1^3261118.12"]) == ["2", both[2]]
    assert routing.lines("ROUTE GET PURGE", "660", "15", "9", []) == ["1"]
    (kept,) = routing.all(select(RoutedCopy.removed, RoutedCopy.name).where(RoutedCopy.image == 2))
    assert (kept.removed, kept.name) == ("3261130.12", "ROUTE-DEST-A")


def test_an_image_that_is_sent_again_is_a_copy_of_its_own(routing: Routing, clock: FixedClock) -> None:
    transmit(routing, 2, "\\A.DCM")
    transmit(routing, 2, "\\A2.DCM", ONE)
    clock.advance(40 * 86400)
    assert routing.lines("ROUTE GET PURGE", "660", "15", "", []) == ["2", "2005^2^2^3261118.12^\\A2.DCM"]


def test_what_failed_is_no_copy(routing: Routing, clock: FixedClock) -> None:
    entry = str(routing.send(2, FOUR)[0])
    assert routing.call("ROUTE LOG XMIT", entry, "14", "660", "FAILED", "\\A.DCM", "", "1") == "1"
    assert routing.call("ROUTE LOG XMIT", "4711", "14", "660", "SENT", "\\A.DCM", "", "1") == "-1,0"
    assert routing.call("ROUTE LOG XMIT") == '-1,-1,Invalid queue identifier: "".'
    clock.advance(40 * 86400)
    assert routing.lines("ROUTE GET PURGE", "660", "14", "", []) == ["1"]
    assert routing.statuses() == {int(entry): "FAILED"}


def test_copies_without_a_name_are_forgotten_on_the_way(routing: Routing) -> None:
    values = {"image": 2, "destination": 14, "mechanism": 1, "sent": "3200101"}
    rows = [{**values, "sequence": n, "copy": n, "file": f"F{n}" if n % 2 else ""} for n in range(1, 6)]
    routing.store.transact(lambda connection: connection.execute(insert(RoutedCopy), rows))
    lines = routing.lines("ROUTE GET PURGE", "660", "14", "3", [])
    assert lines == ["3", "2005^2^1^3200101^F1", "2005^2^3^3200101^F3"]
    left = routing.all(select(RoutedCopy.sequence).where(RoutedCopy.copy.is_not(None)).order_by(RoutedCopy.sequence))
    assert [row.sequence for row in left] == [1, 3, 4, 5]


def test_what_was_made_of_an_unknown_number_is_no_place_and_in_no_site_file(routing: Routing, site_key: SiteKey) -> None:
    assert routing.call("NETWORK STATUS", "4711", "1") == "1"
    assert routing.all(select(NetworkLocation.online).where(NetworkLocation.ien == 4711)) == [(True,)]
    assert not any(line.startswith("4711^") for line in routing.client.call("MAGB NETWORK LOCATIONS").lines)
    assert 4711 not in routing.store.read(lambda connection: read_folders(connection, Path()))
    text = routing.store.read(dump_site)
    assert "4711" not in text
    routing.store.transact(lambda connection: apply_site(connection, parse_site(text), site_key, routing.clock.now()))
    assert routing.store.read(dump_site) == text


def test_the_place_is_known_to_use_routing(routing: Routing) -> None:
    today = select(ImagingSite.institution, ImagingSite.last_routing).order_by(ImagingSite.ien)
    assert {row.last_routing for row in routing.all(today)} == {""}
    routing.lines("ROUTE NEXT FILE", "688", "", "", "1", ["1^14"])
    assert [row.last_routing for row in routing.all(today)] == ["", "3261118"]
    routing.lines("ROUTE EVAL LOG", "1", "0", "10", "999")
    assert [row.last_routing for row in routing.all(today)] == ["3261118", "3261118"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_cost_of_a_file_does_not_grow_with_what_is_queued(routing: Routing) -> None:
    routing.send(2, FOUR, 500, "ABSTRACT", "FULL", "TEXT")
    routing.send(3, ONE)
    with statements_of(routing.store) as statements:
        entry = routing.next_file(FOUR, ONE)[8]
        routing.next_file(FOUR, ONE, going_on=(FOUR, 500))
        routing.call("ROUTE STATUS", entry, "FAILED", "660")
        routing.call("ROUTE LOG XMIT", entry, "14", "660", "SENT", "\\A.DCM", "", "1")
        routing.call("ROUTE GET TRANS ID")
        routing.call("ROUTE TRANSACT STS", "SLC1")
        routing.lines("ROUTE GET PURGE", "660", "14", "100", ["2005^2^1"])
        routing.lines("ROUTE GET PURGE", "660", "14", "100", ["^^^2005^2^1"])
        routing.call("ROUTE REQUEUE", "660")
        routing.call("ROUTE PURGE DONE", "", "660")
        routing.call("ROUTE REMOVE OBSO", "1", "660")
    plans = {text: steps for text, steps in statements.plans(routing.store).items() if "send_queue" in text or "routed" in text}
    assert len(plans) > 10
    for text, steps in plans.items():
        assert not any(step.startswith("SCAN") or "TEMP B-TREE" in step for step in steps), (text, steps)
    (search,) = (steps for text, steps in plans.items() if "max(send_queue.priority)" in text)
    assert any("origin=? AND status=? AND destination=?" in step for step in search), search


def test_our_gateway_is_told_of_every_router_whether_on_line_or_not(routing: Routing) -> None:
    routing.set_location(FOUR, retention_days=None, retry_connect=0, retry_transmit=2)
    lines = routing.client.call("MAGB ROUTE DESTINATIONS").lines
    found = {int(line.split("^")[0]): line.split("^")[2:] for line in lines}
    assert found[FOUR] == ["", "0", "2"]
    assert OFFLINE in found
    assert len(found) == len(routing.all(select(NetworkLocation.ien).where(NetworkLocation.router.is_(True))))


def test_the_copies_of_images_are_listed_as_the_purge_takes_them(routing: Routing) -> None:
    for image in (2, 3):
        for kind in ("FULL", "TEXT"):
            entry = routing.send(image, FOUR, 500, kind)[0]
            routing.call("ROUTE LOG XMIT", str(entry), str(FOUR), str(LOCATION), "SENT", f"\\{image}.{kind}", "", "1")
    other = routing.send(2, ONE)[0]
    routing.call("ROUTE LOG XMIT", str(other), str(ONE), str(LOCATION), "SENT", "\\elsewhere", "", "1")
    count, *copies = routing.client.call("MAGB ROUTE COPIES", str(FOUR), ["2", "99"]).lines
    assert count == "2"
    assert [(line.split("^")[1:3], line.split("^")[4]) for line in copies] == [(["2", "1"], "\\2.FULL"), (["2", "2"], "\\2.TEXT")]
    routing.lines("ROUTE GET PURGE", str(LOCATION), str(FOUR), "2", copies[:1])
    assert routing.client.call("MAGB ROUTE COPIES", str(FOUR), ["2"]).lines == ["1", copies[1]]


def test_what_was_begun_for_a_destination_waits_again_for_who_has_its_lock(routing: Routing) -> None:
    begun, waiting, other = routing.send(2, FOUR)[0], routing.send(3, FOUR)[0], routing.send(5, ONE)[0]
    elsewhere = routing.send(7, FOUR, origin=OTHER_LOCATION)[0]
    routing.next_file(FOUR)
    routing.next_file(ONE)
    routing.next_file(FOUR, location=OTHER_LOCATION)
    key = (str(LOCATION), str(FOUR))
    assert routing.client.call("MAGB ROUTE REQUEUE", *key).text == "-1,The destination is not locked"
    assert routing.call("ROUTE LOCK TRANSMIT", str(FOUR), str(LOCATION), "1") == "1"
    assert routing.client.call("MAGB ROUTE REQUEUE", *key).text == "1"
    assert routing.client.call("MAGB ROUTE REQUEUE", *key).text == "0"
    assert routing.statuses() == {begun: "WAITING", waiting: "WAITING", other: "SENDING", elsewhere: "SENDING"}
