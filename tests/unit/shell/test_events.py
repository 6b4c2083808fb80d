"""Server-sent events are read as they are sent, and written as lines that people read."""

from __future__ import annotations

from typing import Any

import pytest

from console.shell.event_lines import LINE_LIMIT, EventLines
from console.shell.event_stream import Event, EventStream
from console.web.feed import written

IMAGE = {
    "ien": 7,
    "uid": "1.2.3",
    "image": 12,
    "stage": "STORE",
    "at": "2026-11-24T10:31:22.000+00:00",
    "peer": "GW1",
    "outcome": "filed",
    "detail": "",
}
LOG = {"at": "2026-11-24T10:31:22.000+00:00", "level": "INFO", "logger": "broker.hub", "text": "up\x1b[2J\nagain"}


def depths(**entries: int) -> Event:
    told = [
        {"queue": "EXPORT", "location": 660, "name": "SLC", "status": status, "entries": it} for status, it in entries.items()
    ]
    return Event("queues", told)


def read(data: bytes) -> tuple[list[Event], EventStream]:
    stream = EventStream()
    found = [stream.line(line) for line in data.decode().split("\n")[:-1]]
    return [event for event in found if event is not None], stream


def test_what_the_feed_writes_is_read_and_the_last_number_kept() -> None:
    events, stream = read(b"retry: 2000\n\n" + written("image", IMAGE, 7) + written("queues", []) + b": a comment\n\n")
    assert events == [Event("image", IMAGE), Event("queues", [])]
    assert stream.last == "7"


def test_an_event_that_is_no_json_is_none() -> None:
    assert read(b"event: image\ndata: {broken\n\ndata: [1,\ndata: 2]\n\n")[0] == [Event("", [1, 2])]


def test_only_what_is_watched_is_told() -> None:
    lines = EventLines(frozenset({"EVENTS"}))
    assert lines.of(Event("image", IMAGE)) == ["10:31:22 image 12 STORE filed GW1"]
    assert lines.of(depths(WAITING=3)) == []
    assert lines.depths() == ["queue EXPORT SLC WAITING: 3"]
    assert lines.of(Event("rates", {"STORE": 1.0})) == []
    assert EventLines().of(Event("image", IMAGE)) == []


def test_a_queue_is_told_of_when_it_changes() -> None:
    lines = EventLines(frozenset({"QUEUES"}))
    assert lines.of(depths(WAITING=3, FAIL=1)) == ["queue EXPORT SLC WAITING: 3 (was 0)", "queue EXPORT SLC FAIL: 1 (was 0)"]
    assert lines.of(depths(WAITING=3)) == ["queue EXPORT SLC FAIL: 0 (was 1)"]
    assert lines.of(depths(WAITING=3)) == []


def test_a_line_of_the_log_steers_no_terminal_and_stays_one_line() -> None:
    lines = EventLines(frozenset({"EVENTS"}))
    assert lines.of(Event("log", LOG)) == [r"10:31:22 INFO broker.hub: up\x1b[2J again"]
    assert len(lines.of(Event("log", {**LOG, "text": "x" * 5000}))[0]) == LINE_LIMIT
    assert lines.of(Event("lost", {"events": 9})) == ["... 9 events were lost on the way"]


@pytest.mark.parametrize("value", [None, 3, [], {}, {"image": 1}, {**IMAGE, "at": "no time"}])
def test_what_another_version_tells_is_passed_over(value: Any) -> None:
    assert EventLines(frozenset({"EVENTS"})).of(Event("image", value)) == []
