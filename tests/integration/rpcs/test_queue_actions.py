"""`MAGB QUEUE ...`: the queues are counted, listed and paged; entries wait again, are hurried, redirected and deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from fileman import SiteKey, Store, count_queued
from fileman.files import BackgroundQueue, DicomExport, DicomExportImage, QueuePointer, SendQueue
from rpcs.actions import ACTIONS, Act, ActionError, BadRequest, Caller, NotFound, RefusedAction, carry_out
from rpcs.export.holding import transmit_destinations
from rpcs.queues import background_queue, depths, export_queue, send_queue
from runtime import FixedClock
from tests.integration.rpcs.queues import FOUR, LOCATION, OFFLINE, ONE, OTHER_LOCATION, Routing, run_routing
from tests.support.query_plans import statements_of

NOTHING = "-2,Nothing to be transmitted."
DAY = 86400.0
PLACE = 1


@pytest.fixture
def routing(oracle_store: Store, site_key: SiteKey, clock: FixedClock) -> Iterator[Routing]:
    with run_routing(oracle_store, site_key, clock) as routing:
        yield routing


def ask(routing: Routing, name: str, **asked: object) -> Any:
    """Have the owner of the data directory do something."""
    request = {key.upper(): str(value) for key, value in asked.items()}
    act = ACTIONS[f"MAGB {name}"]
    owner = Caller(0, "OWNER", owner=True)
    return routing.store.transact(lambda it: carry_out(act, Act(it, owner, routing.clock, request))).given


def export(routing: Routing, image: int, application: str = "ARCHIVE", priority: int = 500, location: int = LOCATION) -> None:
    assert routing.call("QUEUE IMAGE", str(image), application, str(location), "", "5", "", str(priority), "0") == "1"


def take(routing: Routing, *results: str, location: int = LOCATION) -> list[str]:
    """Take everything that is to be sent; gives the images in the order in which they were given."""
    lines = list(routing.client.call("MAGB EXPORT NEXT", str(location), list(results), "100").lines)
    return [] if lines == [NOTHING] else lines[6::13]


def exports(routing: Routing) -> list[tuple[Any, ...]]:
    """Give the export queue: entry, image, destination, status, priority."""
    it = DicomExportImage
    rows = routing.all(
        select(it.export, it.sequence, it.image, it.application, it.status, it.priority).order_by(*it.__mapper__.primary_key)
    )
    return [(f"{row.export}^{row.sequence}", *row[2:]) for row in rows]


def entry(routing: Routing, image: int, application: str = "ARCHIVE") -> str:
    """Name the entry of an image for a destination."""
    (found,) = (row[0] for row in exports(routing) if row[1:3] == (image, application))
    return str(found)


def counted(routing: Routing) -> None:
    """Check what always holds: counts are right, exports without images are gone, images say what their exports do."""
    image, one = DicomExportImage, DicomExport
    kept = routing.all(select(image.export, image.origin, image.priority, image.application))
    for row in routing.all(select(one.ien, one.image_count, one.origin, one.priority, one.application)):
        own = [tuple(it[1:]) for it in kept if it.export == row.ien]
        assert row.image_count == len(own) > 0
        assert set(own) == {(row.origin, row.priority, row.application)}


def work(routing: Routing, queue: str, *statuses: str, image: int = 100, place: int = PLACE) -> list[int]:
    """Put work into a background queue; what waits is counted."""
    begin = len(routing.all(select(BackgroundQueue.ien))) + 1
    common = {"queue": queue, "duz": 1, "place": place, "requested": "3261118.12", "reason": "", "file_path": ""}
    rows = [{**common, "ien": ien, "image": image + ien, "status": status} for ien, status in enumerate(statuses, begin)]

    def put(connection: Any) -> None:
        connection.execute(insert(BackgroundQueue), rows)
        count_queued(connection, place, queue, statuses.count("NOT_PROCESSED"))

    routing.store.transact(put)
    return [int(row["ien"]) for row in rows]


def works(routing: Routing) -> dict[int, str]:
    return {
        row.ien: row.status
        for row in routing.all(select(BackgroundQueue.ien, BackgroundQueue.status).order_by(BackgroundQueue.ien))
    }


def total(routing: Routing, queue: str) -> int:
    """Give how many entries the queue's pointer says that it has."""
    (row,) = routing.all(select(QueuePointer.total).where(QueuePointer.queue == queue, QueuePointer.place == PLACE))
    return int(row.total)


def names(listed: Mapping[str, Any]) -> list[str]:
    return [it["entry"] for it in listed["entries"]]


# how long they are


def test_every_queue_is_counted_by_location_destination_and_status(routing: Routing) -> None:
    for image in (2, 3, 5):
        export(routing, image)
    export(routing, 2, "OTHER", location=OTHER_LOCATION)
    take(routing, location=OTHER_LOCATION)
    routing.send(2, FOUR, 500, "FULL", "ABSTRACT")
    routing.send(2, ONE)
    work(routing, "JUKEBOX", "NOT_PROCESSED", "FAILED", "FAILED")
    found = ask(routing, "QUEUE DEPTHS")
    rows = [(it["queue"], it["location"], it["destination"], it["status"], it["entries"]) for it in found["queues"]]
    assert ("EXPORT", 660, "ARCHIVE", "WAITING", 3) in rows
    assert ("EXPORT", 688, "OTHER", "XMIT", 1) in rows
    assert sorted(row[3:] for row in rows if row[0] == "SEND") == [("WAITING", 1), ("WAITING", 2)]
    assert [row[3:] for row in rows if row[0] == "JUKEBOX"] == [("FAILED", 2), ("NOT_PROCESSED", 1)]
    assert found["more"] is False
    only = ask(routing, "QUEUE DEPTHS", queue="EXPORT", location=688)
    assert [(it["destination"], it["entries"]) for it in only["queues"]] == [("OTHER", 1)]


def test_no_depth_is_counted_to_the_end(routing: Routing) -> None:
    export(routing, 2)
    export(routing, 3)
    depths._counting.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(depths, "COUNT_LIMIT", 1)
        assert [it["entries"] for it in ask(routing, "QUEUE DEPTHS", queue="EXPORT")["queues"]] == [1]
    depths._counting.cache_clear()


# what stands in them


def test_exports_are_listed_in_the_order_in_which_they_are_taken(routing: Routing) -> None:
    for image, priority in ((2, 250), (3, 500), (5, 750)):
        export(routing, image, priority=priority)
    export(routing, 7, "OTHER", 900)
    assert names(ask(routing, "QUEUE LIST", queue="EXPORT")) == ["1^1", "2^1", "3^1", "4^1"]
    waiting = ask(routing, "QUEUE LIST", queue="EXPORT", status="WAITING")["entries"]
    assert [(it["image"], it["priority"]) for it in waiting] == [(7, 900), (5, 750), (3, 500), (2, 250)]
    assert take(routing) == [str(it["image"]) for it in waiting], "as they are taken"
    assert names(ask(routing, "QUEUE LIST", queue="EXPORT", destination="OTHER")) == ["4^1"]
    assert names(ask(routing, "QUEUE LIST", queue="EXPORT", image=5)) == ["3^1"]
    assert names(ask(routing, "QUEUE LIST", queue="EXPORT", image=5, status="FAIL")) == []
    assert names(ask(routing, "QUEUE LIST", queue="EXPORT", location=688)) == []


@pytest.mark.parametrize("asked", [{}, {"status": "WAITING"}, {"destination": "ARCHIVE"}, {"order": "AGE", "status": "WAITING"}])
def test_a_list_is_paged_without_a_gap(routing: Routing, asked: dict[str, str], clock: FixedClock) -> None:
    for number, image in enumerate((2, 3, 5, 7, 9)):
        clock.advance(1)
        export(routing, image, priority=500 + number % 2, location=LOCATION if number % 3 else OTHER_LOCATION)
    whole = names(ask(routing, "QUEUE LIST", queue="EXPORT", **asked))
    assert len(whole) == 5
    pages: list[str] = []
    following = ""
    while following is not None:
        page = ask(routing, "QUEUE LIST", queue="EXPORT", limit=2, after=following, **asked)
        pages += names(page)
        following = page["next"]
    assert pages == whole


def test_the_send_queue_is_listed_by_number_priority_and_image(routing: Routing) -> None:
    low, high, other = (routing.send(image, place, at)[0] for image, place, at in ((2, FOUR, 250), (3, FOUR, 750), (2, ONE, 500)))
    assert names(ask(routing, "QUEUE LIST", queue="SEND")) == [str(it) for it in (low, high, other)]
    assert names(ask(routing, "QUEUE LIST", queue="SEND", status="WAITING")) == [str(it) for it in (high, other, low)]
    assert names(ask(routing, "QUEUE LIST", queue="SEND", image=2)) == [str(low), str(other)]
    assert names(ask(routing, "QUEUE LIST", queue="SEND", destination=ONE)) == [str(other)]
    (entry,) = ask(routing, "QUEUE LIST", queue="SEND", image=3)["entries"]
    assert (entry["file"], entry["location"], entry["priority"]) == ("FULL", 660, 750)
    assert entry["status_at"] is not None


def test_background_queues_are_listed_by_status_place_and_image(routing: Routing) -> None:
    first, failed, last = work(routing, "EVAL", "NOT_PROCESSED", "FAILED", "NOT_PROCESSED")
    work(routing, "JUKEBOX", "SKIPPED")
    assert names(ask(routing, "QUEUE LIST", queue="EVAL")) == [str(first), str(failed), str(last)]
    assert names(ask(routing, "QUEUE LIST", queue="EVAL", status="FAILED")) == [str(failed)]
    assert names(ask(routing, "QUEUE LIST", queue="EVAL", location=660, image=100 + last)) == [str(last)]
    assert names(ask(routing, "QUEUE LIST", queue="JUKEBOX", status="SKIPPED")) != []


@pytest.mark.parametrize(
    ("asked", "error", "why"),
    [
        ({"queue": "NONE"}, BadRequest, "QUEUE is one of EXPORT"),
        ({"queue": "EXPORT", "status": "SENT"}, BadRequest, "Entries of EXPORT are FAIL"),
        ({"queue": "EXPORT", "order": "AGE", "destination": "ARCHIVE"}, BadRequest, "AGE takes STATUS"),
        ({"queue": "EVAL", "order": "PRIORITY"}, BadRequest, "No index"),
        ({"queue": "EVAL", "destination": "ARCHIVE"}, BadRequest, "goes nowhere"),
        ({"queue": "EVAL", "location": 5}, NotFound, "institution 5"),
        ({"queue": "EXPORT", "destination": "NOSUCH"}, NotFound, "no destination 'NOSUCH'"),
        ({"queue": "SEND", "destination": "NOSUCH"}, NotFound, "no router's network location"),
        ({"queue": "EXPORT", "after": "1"}, BadRequest, "AFTER is what"),
        ({"queue": "EXPORT", "after": "x^y"}, BadRequest, "AFTER is what"),
        ({"queue": "SEND", "limit": 501}, BadRequest, "LIMIT"),
    ],
)
def test_what_a_list_cannot_be_asked_for_is_refused_with_what_it_can(
    routing: Routing, asked: dict[str, object], error: type[ActionError], why: str
) -> None:
    export(routing, 2)
    with pytest.raises(error, match=why):
        ask(routing, "QUEUE LIST", **asked)


# let wait again


def test_what_failed_or_was_sent_waits_again_and_what_was_sent_is_marked(routing: Routing) -> None:
    for image in (2, 3, 5):
        export(routing, image)
    take(routing)
    sent, failed, sending = (entry(routing, image) for image in (2, 3, 5))
    take(routing, f"{sent}^SUCCESS", f"{failed}^FAIL^0^refused")
    done = ask(routing, "QUEUE REQUEUE", queue="EXPORT", entries=f"{sent},{failed},{sending},9^9")
    assert done == {"entries": 2, "left": [{"entry": sending, "status": "XMIT"}, {"entry": "9^9", "status": ""}], "more": False}
    it = DicomExportImage
    rows = routing.all(select(it.status, it.repeated, it.reason, it.tries).order_by(it.image))
    assert [tuple(row) for row in rows] == [("WAITING", True, "", 0), ("WAITING", False, "", 0), ("XMIT", False, "", 1)]
    assert take(routing) == ["2", "3"]
    assert "requeued" in routing.stories(2)
    counted(routing)


def test_all_that_failed_for_a_destination_waits_again_lot_by_lot(routing: Routing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_queue, "MOST_CHANGED", 2)
    for image in (2, 3, 5):
        export(routing, image)
    export(routing, 7, "OTHER")
    take(routing)
    take(routing, *(f"{row[0]}^FAIL^0^no" for row in exports(routing)))
    assert ask(routing, "QUEUE REQUEUE", queue="EXPORT", destination="ARCHIVE") == {"entries": 2, "left": [], "more": True}
    assert ask(routing, "QUEUE REQUEUE", queue="EXPORT", destination="ARCHIVE") == {"entries": 1, "left": [], "more": False}
    assert take(routing) == ["2", "3", "5"]
    assert ask(routing, "QUEUE REQUEUE", queue="EXPORT", all=1)["entries"] == 1
    assert take(routing) == ["7"]


def test_what_waits_for_a_destination_already_is_not_doubled_by_what_failed(routing: Routing) -> None:
    export(routing, 2)
    take(routing)
    take(routing, "1^1^FAIL^0^no")
    export(routing, 2)
    assert ask(routing, "QUEUE REQUEUE", queue="EXPORT", destination="ARCHIVE")["entries"] == 1
    assert [row[1:4] for row in exports(routing)] == [(2, "ARCHIVE", "WAITING")]
    counted(routing)


def test_what_waits_again_for_a_held_destination_is_held(routing: Routing) -> None:
    export(routing, 2)
    take(routing)
    take(routing, "1^1^FAIL^0^no")
    ask(routing, "EXPORT HOLD", destination="ARCHIVE")
    assert ask(routing, "QUEUE REQUEUE", queue="EXPORT", entries="1^1")["entries"] == 1
    assert [row[3] for row in exports(routing)] == ["HOLD"]


def test_files_wait_again_to_be_copied_once_each(routing: Routing) -> None:
    sent, failed, sending = (routing.send(image, FOUR)[0] for image in (2, 3, 5))
    for entry, status in ((sent, "SENT"), (failed, "FAILED"), (sending, "SENDING")):
        assert routing.call("ROUTE STATUS", str(entry), status, "660") == "1"
    (again,) = routing.send(3, FOUR, 100)
    done = ask(routing, "QUEUE REQUEUE", queue="SEND", entries=f"{sent},{failed},{sending}")
    assert (done["entries"], done["left"]) == (2, [{"entry": str(sending), "status": "SENDING"}])
    assert routing.statuses() == {sent: "WAITING", sending: "SENDING", again: "WAITING"}, "the one that waits stands for both"
    rows = routing.all(select(SendQueue.priority).where(SendQueue.ien == again))
    assert [row.priority for row in rows] == [500], "and has the higher priority"


def test_background_work_waits_again_and_is_counted(routing: Routing) -> None:
    first, failed, skipped = work(routing, "JUKEBOX", "NOT_PROCESSED", "FAILED", "SKIPPED")
    assert total(routing, "JUKEBOX") == 1
    assert ask(routing, "QUEUE REQUEUE", queue="JUKEBOX", all=1)["entries"] == 2
    assert works(routing) == dict.fromkeys((first, failed, skipped), "NOT_PROCESSED")
    assert total(routing, "JUKEBOX") == 3


def test_work_of_an_image_that_waits_already_is_not_doubled(routing: Routing) -> None:
    (failed,) = work(routing, "EVAL", "FAILED", image=100)
    (waiting,) = work(routing, "EVAL", "NOT_PROCESSED", image=99)
    assert ask(routing, "QUEUE REQUEUE", queue="EVAL", entries=failed)["entries"] == 1
    assert works(routing) == {waiting: "NOT_PROCESSED"}
    assert total(routing, "EVAL") == 1


# made more urgent


def test_what_is_made_more_urgent_is_taken_first(routing: Routing) -> None:
    for image in (2, 3, 5):
        export(routing, image)
    first = entry(routing, 5)
    assert ask(routing, "QUEUE PRIORITY", queue="EXPORT", entries=first, priority=900)["entries"] == 1
    counted(routing)
    assert routing.lines("GET NEXT QUEUE ENTRY", ["660"], [])[6] == "5"
    assert ask(routing, "QUEUE PRIORITY", queue="EXPORT", destination="ARCHIVE", priority=10)["entries"] == 2
    counted(routing)
    with pytest.raises(RefusedAction, match="Being sent"):
        ask(routing, "QUEUE PRIORITY", queue="EXPORT", entries=first, priority=1)
    lines = list(routing.client.call("MAGB EXPORT NEXT", "660", [], "", "", ["^100"]).lines)
    assert lines[6::13] == ["2", "3"]


def test_files_that_are_made_more_urgent_are_copied_first(routing: Routing) -> None:
    first, second, third = (routing.send(image, FOUR)[0] for image in (2, 3, 5))
    ask(routing, "QUEUE PRIORITY", queue="SEND", entries=third, priority=900)
    ask(routing, "QUEUE PRIORITY", queue="SEND", entries=first, priority=1)
    assert [routing.next_file(FOUR)[8] for _ in range(3)] == [str(it) for it in (third, second, first)]
    assert ask(routing, "QUEUE PRIORITY", queue="SEND", destination=FOUR, priority=7) == {"entries": 0, "left": [], "more": False}


# sent elsewhere


def test_what_waits_is_held_or_failed_goes_to_another_destination_once(routing: Routing) -> None:
    for image in (2, 3, 5, 7):
        export(routing, image)
    target = transmit_destination(routing)
    export(routing, 3, target)
    routing.lines("GET NEXT QUEUE ENTRY", ["660"], [])  # image 2 is being sent
    ask(routing, "EXPORT HOLD", entries=entry(routing, 5))
    first, *others = (entry(routing, image) for image in (2, 3, 5, 7))
    done = ask(routing, "QUEUE DESTINATION", queue="EXPORT", entries=",".join((first, *others)), to=target)
    assert (done["entries"], done["left"]) == (3, [{"entry": first, "status": "XMIT"}])
    now = sorted((row[1], row[2], row[3]) for row in exports(routing))
    assert now == [(2, "ARCHIVE", "XMIT"), (3, target, "WAITING"), (5, target, "WAITING"), (7, target, "WAITING")]
    counted(routing)
    assert sorted(take(routing)) == ["3", "5", "7"]
    assert "redirected" in routing.stories(5)


def transmit_destination(routing: Routing) -> str:
    """Name a destination of the recorded site."""
    return next(iter(routing.store.read(transmit_destinations)))


def test_files_go_to_another_router_that_takes_their_type_once(routing: Routing) -> None:
    full, abstract, failed = (
        routing.send(2, FOUR, 500, "FULL")[0],
        routing.send(2, FOUR, 500, "ABSTRACT")[0],
        routing.send(3, FOUR, 800, "FULL")[0],
    )
    routing.call("ROUTE STATUS", str(failed), "FAILED", "660")
    (there,) = routing.send(3, ONE, 500)
    done = ask(routing, "QUEUE DESTINATION", queue="SEND", entries=f"{full},{abstract},{failed}", to=ONE)
    assert (done["entries"], done["left"]) == (2, [{"entry": str(abstract), "status": "WAITING"}])
    it = SendQueue
    rows = {row.ien: tuple(row[1:]) for row in routing.all(select(it.ien, it.destination, it.status, it.priority))}
    pointer = f"{ONE};MAG(2005.2,"
    assert rows == {
        full: (pointer, "WAITING", 500),
        abstract: (f"{FOUR};MAG(2005.2,", "WAITING", 500),
        there: (pointer, "WAITING", 800),
    }


def test_nothing_is_redirected_to_where_there_is_nothing(routing: Routing) -> None:
    export(routing, 2)
    routing.send(2, FOUR)
    for queue, entries in (("EXPORT", "1^1"), ("SEND", "1")):
        with pytest.raises(NotFound, match="NOSUCH"):
            ask(routing, "QUEUE DESTINATION", queue=queue, entries=entries, to="NOSUCH")
    with pytest.raises(BadRequest, match="QUEUE is one of EXPORT, SEND"):
        ask(routing, "QUEUE DESTINATION", queue="EVAL", entries="1", to="ARCHIVE")


# deleted


def test_deleted_exports_are_counted_down_and_go_with_their_last_image(routing: Routing, clock: FixedClock) -> None:
    for image in (2, 3, 5):
        export(routing, image)
    take(routing)
    first, second, third = (entry(routing, image) for image in (2, 3, 5))
    take(routing, f"{first}^SUCCESS")
    clock.advance(10 * DAY)
    take(routing, f"{second}^SUCCESS")
    with pytest.raises(RefusedAction, match="is being sent"):
        ask(routing, "QUEUE PURGE", queue="EXPORT", status="XMIT")
    with pytest.raises(RefusedAction, match="Being sent"):
        ask(routing, "QUEUE PURGE", queue="EXPORT", entries=third)
    assert ask(routing, "QUEUE PURGE", queue="EXPORT", status="SUCCESS", days=5)["entries"] == 1
    assert {row[0] for row in exports(routing)} == {second, third}
    assert ask(routing, "QUEUE PURGE", queue="EXPORT", status="SUCCESS")["entries"] == 1
    counted(routing)


def test_deleted_files_are_never_copied_and_their_images_tell_it(routing: Routing) -> None:
    waiting, sent, sending = (routing.send(image, FOUR)[0] for image in (2, 3, 5))
    routing.call("ROUTE STATUS", str(sent), "SENT", "660")
    routing.call("ROUTE STATUS", str(sending), "SENDING", "660")
    assert ask(routing, "QUEUE PURGE", queue="SEND", status="SENT", destination=FOUR)["entries"] == 1
    done = ask(routing, "QUEUE PURGE", queue="SEND", entries=f"{waiting},{sending}")
    assert (done["entries"], done["left"]) == (1, [{"entry": str(sending), "status": "SENDING"}])
    assert routing.statuses() == {sending: "SENDING"}
    assert routing.stories(2)[-1] == "cancelled"


def test_deleted_work_is_counted_down(routing: Routing, clock: FixedClock) -> None:
    work(routing, "JUKEBOX", "NOT_PROCESSED", "NOT_PROCESSED", "FAILED")
    assert ask(routing, "QUEUE PURGE", queue="JUKEBOX", status="FAILED", days=5)["entries"] == 0
    assert ask(routing, "QUEUE PURGE", queue="JUKEBOX", status="FAILED")["entries"] == 1
    assert total(routing, "JUKEBOX") == 2, "what failed was counted down when it did"
    clock.advance(6 * DAY)
    assert ask(routing, "QUEUE PURGE", queue="JUKEBOX", status="NOT_PROCESSED", days=5)["entries"] == 2
    assert (works(routing), total(routing, "JUKEBOX")) == ({}, 0)


@pytest.mark.parametrize(("queue", "module"), [("EXPORT", export_queue), ("SEND", send_queue), ("EVAL", background_queue)])
def test_so_many_entries_are_deleted_at_once(routing: Routing, queue: str, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CHANGED", 2)
    for image in (2, 3, 5):
        export(routing, image)
        routing.send(image, FOUR)
    work(routing, "EVAL", *["NOT_PROCESSED"] * 3)
    status = "NOT_PROCESSED" if queue == "EVAL" else "WAITING"
    lots = [ask(routing, "QUEUE PURGE", queue=queue, status=status) for _ in range(2)]
    assert [(lot["entries"], lot["more"]) for lot in lots] == [(2, True), (1, False)]


@pytest.mark.parametrize(
    ("name", "asked", "error", "why"),
    [
        ("REQUEUE", {"queue": "EXPORT"}, BadRequest, "Say which"),
        ("REQUEUE", {"queue": "EXPORT", "entries": "1"}, BadRequest, "An entry is written entry"),
        ("REQUEUE", {"queue": "EVAL", "entries": "1^1"}, BadRequest, "is a number"),
        ("REQUEUE", {"queue": "EXPORT", "entries": "9^9"}, NotFound, r"no such entry: 9\^9"),
        ("REQUEUE", {"queue": "EXPORT", "entries": "9^9", "destination": "ARCHIVE"}, BadRequest, "Either ENTRIES"),
        ("REQUEUE", {"queue": "EXPORT", "entries": ",".join(f"1^{n}" for n in range(1, 5002))}, BadRequest, "At most 5000"),
        ("PRIORITY", {"queue": "EXPORT", "priority": 1}, BadRequest, "Either ENTRIES"),
        ("PRIORITY", {"queue": "SEND", "entries": "1", "priority": 40000}, BadRequest, "PRIORITY is a number from 0"),
        ("PURGE", {"queue": "EXPORT"}, BadRequest, "Either ENTRIES"),
        ("PURGE", {"queue": "EXPORT", "destination": "ARCHIVE"}, BadRequest, "STATUS of those"),
        ("PURGE", {"queue": "EVAL", "status": "SENT"}, BadRequest, "Entries of EVAL are"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(
    routing: Routing, name: str, asked: dict[str, object], error: type[ActionError], why: str
) -> None:
    export(routing, 2)
    with pytest.raises(error, match=why):
        ask(routing, f"QUEUE {name}", **asked)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_action_uses_an_index(routing: Routing) -> None:
    for image in (2, 3, 5, 7):
        export(routing, image)
        routing.send(image, FOUR)
        routing.send(image, OFFLINE)
    work(routing, "EVAL", "NOT_PROCESSED", "FAILED")
    routing.store.transact(lambda it: it.execute(update(SendQueue).where(SendQueue.ien < 3).values(status="FAILED")))
    with statements_of(routing.store) as statements:
        ask(routing, "QUEUE DEPTHS")
        for asked in ({}, {"status": "WAITING"}, {"destination": "ARCHIVE"}, {"image": 2}, {"order": "AGE"}):
            ask(routing, "QUEUE LIST", queue="EXPORT", **asked)
        for asked in ({}, {"status": "WAITING"}, {"destination": FOUR}, {"image": 2}, {"order": "AGE"}):
            ask(routing, "QUEUE LIST", queue="SEND", **asked)
        for asked in ({}, {"status": "FAILED"}, {"location": 660}, {"image": 101}):
            ask(routing, "QUEUE LIST", queue="EVAL", **asked)
        ask(routing, "QUEUE PRIORITY", queue="EXPORT", destination="ARCHIVE", priority=3)
        ask(routing, "QUEUE PRIORITY", queue="SEND", destination=FOUR, priority=3)
        ask(routing, "QUEUE DESTINATION", queue="EXPORT", destination="ARCHIVE", to=transmit_destination(routing))
        ask(routing, "QUEUE DESTINATION", queue="SEND", destination=OFFLINE, to=FOUR)
        for queue, status in (("EXPORT", "SUCCESS"), ("SEND", "SENT"), ("EVAL", "FAILED")):
            ask(routing, "QUEUE REQUEUE", queue=queue, all=1)
            ask(routing, "QUEUE PURGE", queue=queue, status=status, days=3)
            ask(routing, "QUEUE PURGE", queue=queue, status=status)
    queues = ("dicom_export_image", "send_queue", "background_queue")
    plans = {text: steps for text, steps in statements.plans(routing.store).items() if any(it in text for it in queues)}
    assert len(plans) > 30
    for text, steps in plans.items():
        walked = [step for step in steps if step.startswith("SCAN") and any(it in step for it in queues)]
        assert not [step for step in walked if "USING" not in step], (text, steps)
        few = any("image=?" in step for step in steps)  # the entries of an image are put in order, and those of one moment
        sorted_ = "USE TEMP B-TREE FOR ORDER BY"
        assert few or sorted_ not in steps, (text, steps)
