"""The live feed: what happens is heard once, by those who may, and one who is slow holds up nobody."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPException
from typing import Any

import pytest
from sqlalchemy import insert

from console.reactor_thread import in_reactor
from console.web.listener import WAITING_LIMIT, Listener
from console.web.rates import Rates
from console.web.tail import GAP_SECONDS, Tail
from fileman import Event, Store, add_alert, change_alert, record_events
from fileman.files import BackgroundQueue, ImageEvent
from tests.integration.rpcs.two_users import MAY, UNA
from tests.integration.web.conftest import Served
from tests.support.http import Web
from tests.support.waiting import until


async def _anything() -> tuple[str, ...]:
    """Let a listener hear what he asked for."""
    return ("image",)


def happen(store: Store, *uids: str, stage: str = "STORE") -> None:
    events = [Event(uid, 7, stage, 1.0, "GW", "filed", "") for uid in uids]
    store.transact(lambda connection: record_events(connection, events))


def heard(events: Iterator[tuple[str, Any]], kind: str) -> Any:
    """Wait for the next event of a kind."""
    return next(value for it, value in events if it == kind)


def listening(served: Served, web: Web, kinds: str, last: int | None = None) -> Iterator[tuple[str, Any]]:
    """Begin to listen: the feed has looked once then, and the listener is known."""
    until(lambda: served.service.api.feed.tail.last is not None)
    events = web.events(kinds, last)
    known = len(served.service.api.feed._listeners)
    first = next(events)
    assert first[0] in kinds, first
    until(lambda: len(served.service.api.feed._listeners) >= known)
    return events


def test_image_events_are_heard_as_they_are_committed(served: Served) -> None:
    with closing(listening(served, served.user(UNA), "queues,image")) as events:
        happen(served.store, "1.2.1", "1.2.2")
        assert [heard(events, "image")["uid"] for _ in range(2)] == ["1.2.1", "1.2.2"]
        happen(served.store, "1.2.3", stage="PROCESSED")
        third = heard(events, "image")
        assert (third["uid"], third["stage"], third["peer"]) == ("1.2.3", "PROCESSED", "GW")


def test_who_comes_back_is_told_what_he_missed(served: Served) -> None:
    with closing(listening(served, served.owner, "queues,image")) as events:
        happen(served.store, "1.2.1", "1.2.2", "1.2.3")
        first = heard(events, "image")["ien"]
        assert [heard(events, "image")["uid"] for _ in range(2)] == ["1.2.2", "1.2.3"]
    with closing(served.owner.events("image,queues", last=first)) as again:
        assert [value["uid"] for _kind, value in (next(again), next(again))] == ["1.2.2", "1.2.3"]


def test_depths_are_told_when_they_change(served: Served) -> None:
    with closing(served.owner.events("queues")) as events:
        assert heard(events, "queues") == []
        row = {"ien": 1, "queue": "EVAL", "duz": 1, "requested": "3261118", "image": 1, "place": 1}
        served.store.transact(lambda it: it.execute(insert(BackgroundQueue).values(**row)))
        (depth,) = heard(events, "queues")
        assert (depth["queue"], depth["location"], depth["entries"]) == ("EVAL", 660, 1)


def test_alerts_are_told_to_who_comes_and_as_they_change(served: Served) -> None:
    def raises(subject: str) -> int:
        now = served.clock.seconds()
        return served.store.transact(lambda it: add_alert(it, "gateway", subject, f"{subject} is silent.", now, raised=True)).ien

    first = raises("GW1")
    until(lambda: served.service.api.feed.alerts.last == 1)
    with closing(served.user(UNA).events("alert")) as events:
        greeted = heard(events, "alert")
        assert (greeted["ien"], greeted["subject"], greeted["cleared_at"]) == (first, "GW1", None)
        second = raises("GW2")
        assert heard(events, "alert")["ien"] == second
        served.store.transact(lambda it: change_alert(it, first, cleared_at=served.clock.seconds()))
        last = heard(events, "alert")
        assert (last["ien"], last["cleared_at"] is None) == (first, False)
        assert last["advice"].startswith("See that the gateway runs")


def test_rates_are_counted_as_events_pass(served: Served) -> None:
    with closing(listening(served, served.owner, "queues,rates")) as events:
        happen(served.store, *[f"1.2.{number}" for number in range(30)])
        rates = next(value for kind, value in events if kind == "rates" and value)
        assert rates["STORE"] > 0


def test_the_log_is_for_managers(served: Served) -> None:
    with closing(served.user(UNA).events("log")) as refused:
        kind, told = next(refused)
        assert (kind, told["error"], "XUMGR" in told["message"]) == ("refused", "key", True)
    with closing(served.user(UNA).events("nothing")) as refused:
        assert next(refused)[1]["error"] == "usage"
    with closing(Web(served.service.ports["web"]).events()) as refused:
        assert next(refused)[1]["error"] == "sign-on"
    with closing(listening(served, served.user(MAY), "queues,log")) as events:
        logging.getLogger("magbroker.test").warning("the disk of %s is nearly full", "RAID1")
        line = next(value for kind, value in events if kind == "log" and value["logger"] == "magbroker.test")
        assert (line["level"], line["text"]) == ("WARNING", "the disk of RAID1 is nearly full")


def test_who_may_listen_no_more_is_told_so_and_hears_nothing_more(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.web.feed.CHECK_LOOKS", 1)
    leaver, stayer = served.user(UNA), served.user(MAY)
    with closing(listening(served, leaver, "queues,image")) as left, closing(listening(served, stayer, "queues,image")) as stayed:
        assert leaver.post("/api/sign-off").body == {"signed_off": True}
        assert "good no longer" in heard(left, "ended")["message"]
        with pytest.raises((StopIteration, OSError, HTTPException)):
            next(left)
        happen(served.store, "1.2.1")
        assert heard(stayed, "image")["uid"] == "1.2.1"


def test_who_loses_a_key_hears_the_log_no_more(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.web.feed.CHECK_LOOKS", 1)
    with closing(listening(served, served.user(MAY), "queues,log")) as events:
        for verb, user in (("grant", UNA), ("revoke", MAY)):
            assert served.owner.post(f"/api/key/{verb}", duz=user.duz, key="XUMGR").status == 200
        assert "XUMGR" in heard(events, "ended")["message"]


def test_a_service_that_stops_lets_its_listeners_go(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    events = listening(served, served.owner, "queues,image")
    in_reactor(served.service.stop)
    with pytest.raises((StopIteration, OSError, HTTPException)):
        next(events)
    until(lambda: not served.service.api.feed._listeners)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


def test_there_are_not_too_many_listeners(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.web.feed.MOST_LISTENERS", 1)
    with closing(listening(served, served.owner, "queues")), closing(served.owner.events("queues")) as second:
        assert next(second)[1]["error"] == "busy"


def test_a_number_that_is_committed_late_is_heard_too_and_once(store: Store) -> None:
    tail = Tail()
    assert store.read(lambda it: tail.look(it, 0.0)) == []

    def put(number: int) -> None:
        row = {"ien": number, "uid": f"1.{number}", "stage": "STORE", "at": 1.0}
        store.transact(lambda it: it.execute(insert(ImageEvent).values(**row)))

    def look(now: float) -> list[int]:
        return [row.ien for row in store.read(lambda it: tail.look(it, now))]

    put(1)
    put(4)
    assert look(1.0) == [1, 4]
    put(3)
    assert look(2.0) == [3]
    assert look(3.0) == []
    put(2)
    put(5)
    assert look(2.0 + GAP_SECONDS) == [5], "nobody waits for ever for a number that was given back"


class FullConnection:
    """A connection that takes what it is given, and is told when to take no more."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data


def test_a_listener_that_is_slow_loses_the_oldest_and_hears_how_many() -> None:
    connection = FullConnection()
    listener = Listener(connection, ("image",), _anything)
    listener.send([b"first\n"])
    listener.pauseProducing()
    event = b"x" * 1024
    listener.send([event] * 2000)
    assert connection.written == b"first\n"
    listener.resumeProducing()
    lost = json.loads(connection.written.partition(b"data: ")[2].partition(b"\n")[0])["events"]
    kept = connection.written.count(event)
    assert (kept + lost, kept * len(event) <= WAITING_LIMIT) == (2000, True)
    listener.send([b"next\n"])
    assert connection.written.endswith(b"next\n")
    listener.stopProducing()
    listener.send([b"nobody hears\n"])
    assert not connection.written.endswith(b"nobody hears\n")


@pytest.mark.parametrize(("after", "rate"), [(1.0, 60.0), (30.0, 2.0), (59.0, 1.02), (61.0, None)])
def test_a_rate_is_the_mean_of_a_minute(after: float, rate: float | None) -> None:
    rates = Rates()
    rates.count(100.0, ["STORE"] * 60)
    rates.count(100.0 + after, [])
    assert rates.per_second(100.0 + after).get("STORE") == rate
