"""Destinations and entries are held back and let go again, and what failed is tried again when a person says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from fileman import SiteKey, Store
from fileman.files import DicomExportImage
from rpcs.actions import ACTIONS, Act, BadRequest, Caller, NotAllowed, NotFound, answer_of, perform
from rpcs.export import holding
from runtime import FixedClock
from tests.integration.rpcs.queues import Routing, run_routing
from tests.support.query_plans import statements_of
from tests.support.waiting import until

NOTHING = "-2,Nothing to be transmitted."


@pytest.fixture
def routing(oracle_store: Store, site_key: SiteKey, clock: FixedClock) -> Iterator[Routing]:
    with run_routing(oracle_store, site_key, clock) as routing:
        yield routing


def queue(routing: Routing, image: str, application: str = "ARCHIVE", location: str = "660") -> None:
    assert routing.call("QUEUE IMAGE", image, application, location, "", "5", "", "500", "0") == "1"


def ask(routing: Routing, name: str, **asked: str) -> Any:
    """Have the owner of the data directory do something."""
    request = {key.upper(): text for key, text in asked.items()}
    owner = Caller(0, "OWNER", owner=True)
    return routing.store.transact(
        lambda connection: perform(ACTIONS[f"MAGB EXPORT {name}"], Act(connection, owner, routing.clock, request)).value
    )


def take(routing: Routing, *results: str, location: str = "660") -> list[str]:
    """Take everything by destination; gives the images."""
    lines = list(routing.client.call("MAGB EXPORT NEXT", location, list(results), "", "", ["^100"]).lines)
    return [] if lines == [NOTHING] else lines[6::13]


def statuses(routing: Routing) -> list[str]:
    found = routing.all(select(DicomExportImage.status).order_by(DicomExportImage.export, DicomExportImage.sequence))
    return [row.status for row in found]


def test_nothing_is_given_for_a_destination_that_is_held(routing: Routing) -> None:
    queue(routing, "2")
    queue(routing, "5", "OTHER")
    assert ask(routing, "HOLD", destination="ARCHIVE") == {"entries": 1, "more": False, "left": []}
    queue(routing, "3")
    assert statuses(routing) == ["HOLD", "HOLD", "WAITING"], "what comes for it later is held too"
    queue(routing, "3")
    assert len(statuses(routing)) == 3, "an image that is held is not queued twice"
    assert take(routing) == ["5"]
    assert routing.lines("GET NEXT QUEUE ENTRY", ["660"], []) == [NOTHING]
    (held,) = ask(routing, "LIST")["held"]
    assert (held["destination"], held["held_by"]) == ("ARCHIVE", "OWNER")
    assert ask(routing, "RELEASE", destination="ARCHIVE")["entries"] == 2
    assert take(routing) == ["2", "3"]
    assert ask(routing, "LIST") == {"held": [], "entries": []}


def test_what_is_under_way_when_its_destination_is_held_is_finished_or_held(routing: Routing, clock: FixedClock) -> None:
    queue(routing, "2")
    queue(routing, "5")
    assert take(routing) == ["2", "5"]
    ask(routing, "HOLD", destination="ARCHIVE")
    assert take(routing, "1^1^SUCCESS", "2^1^WAITING^0^status A700^10") == []
    clock.advance(10)
    assert take(routing) == []
    assert statuses(routing) == ["SUCCESS", "HOLD"]


def test_what_a_machine_gives_back_stays_held(routing: Routing) -> None:
    queue(routing, "2")
    queue(routing, "5", "OTHER")
    assert take(routing) == ["2", "5"]
    ask(routing, "HOLD", destination="ARCHIVE")
    assert routing.client.call("MAGB EXPORT REQUEUE", routing.client.name, []).text == "2"
    assert statuses(routing) == ["HOLD", "WAITING"]


def test_single_entries_are_held_and_released(routing: Routing) -> None:
    queue(routing, "2")
    queue(routing, "5")
    assert ask(routing, "HOLD", entries="1^1,9^9") == {"entries": 1, "more": False, "left": [{"entry": "9^9", "status": ""}]}
    assert ask(routing, "HOLD", entries="1^1") == {"entries": 0, "more": False, "left": []}, "it is held already"
    (entry,) = ask(routing, "LIST", status="HOLD")["entries"]
    assert (entry["entry"], entry["image"], entry["destination"]) == ("1^1", 2, "ARCHIVE")
    assert take(routing) == ["5"]
    released = ask(routing, "RELEASE", entries="1^1,2^1")
    assert released["entries"] == 1, "what is being sent is not given twice"
    assert released["left"] == [{"entry": "2^1", "status": "XMIT"}]
    assert take(routing) == ["2"]


@pytest.mark.parametrize("name", ["HOLD", "RELEASE"])
def test_what_there_is_not_is_neither_held_nor_released(routing: Routing, name: str) -> None:
    queue(routing, "2")
    with pytest.raises(NotFound, match=r"no destination 'ARCHIV'"):
        ask(routing, name, destination="ARCHIV")
    with pytest.raises(NotFound, match=r"no such entry: 9\^9, 9\^10, 9\^11"):
        ask(routing, name, entries="9^9,9^10,9^11")
    assert ask(routing, "LIST")["held"] == []
    ask(routing, name, destination="ARCHIVE")
    take(routing, "1^1^SUCCESS")
    assert ask(routing, name, destination="ARCHIVE")["more"] is False, "all of it was sent"


def test_what_failed_is_listed_with_its_reason_and_tried_again(routing: Routing) -> None:
    queue(routing, "2")
    queue(routing, "5")
    take(routing)
    take(routing, "1^1^FAIL^1^status C000. Tried 4 times.", "2^1^FAIL^0^x")
    first, _second = ask(routing, "LIST")["entries"]
    assert (first["reason"], first["repeated"], first["status"]) == ("status C000. Tried 4 times.", True, "FAIL")
    assert len(ask(routing, "LIST", limit="1")["entries"]) == 1
    assert ask(routing, "RELEASE", destination="ARCHIVE")["entries"] == 0
    assert ask(routing, "RELEASE", entries="1^1")["entries"] == 1
    assert take(routing) == ["2"]
    assert ask(routing, "RELEASE", destination="ARCHIVE", failed="1")["entries"] == 1
    assert take(routing) == ["5"]


def test_so_many_entries_are_changed_at_once(routing: Routing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "MOST_CHANGED", 2)
    for image in ("2", "3", "5"):
        queue(routing, image)
    assert ask(routing, "HOLD", destination="ARCHIVE") == {"entries": 2, "more": True, "left": []}
    assert take(routing) == [], "nothing is given even so"
    assert routing.lines("GET NEXT QUEUE ENTRY", ["660"], []) == [NOTHING]
    assert routing.client.call("MAGB EXPORT NEXT", "660", [], "5").lines == [NOTHING]
    queue(routing, "9", "OTHER")
    assert routing.lines("GET NEXT QUEUE ENTRY", ["660"], [])[6] == "9"
    assert ask(routing, "HOLD", destination="ARCHIVE") == {"entries": 1, "more": False, "left": []}


def test_who_waits_for_entries_has_what_is_released(routing: Routing) -> None:
    queue(routing, "2")
    ask(routing, "HOLD", destination="ARCHIVE")
    answers: list[list[str]] = []
    with routing.broker.client("FAKEPRG1", "1PRG!@#$") as waiting:
        arguments = ("MAGB EXPORT NEXT", "660", [], "", "60", ["^5"])
        thread = threading.Thread(target=lambda: answers.append(list(waiting.call(*arguments).lines)))
        thread.start()
        until(lambda: bool(routing.store.sleepers._waiting))
        ask(routing, "RELEASE", destination="ARCHIVE")
        thread.join(20)
    assert [answer[6] for answer in answers] == ["2"]


def test_a_change_takes_a_key_and_a_look_does_not(routing: Routing) -> None:
    queue(routing, "2")
    for name in ("HOLD", "RELEASE"):
        with pytest.raises(NotAllowed, match="MAG SYSTEM"):
            answer_of(routing.client.call(f"MAGB EXPORT {name}", {"DESTINATION": "ARCHIVE"}).text)
    assert answer_of(routing.client.call("MAGB EXPORT LIST", {"STATUS": "WAITING"}).text)["entries"][0]["image"] == 2


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("HOLD", {}),
        ("HOLD", {"destination": "X", "entries": "1^1"}),
        ("RELEASE", {"entries": "x"}),
        ("RELEASE", {"entries": "1^"}),
        ("HOLD", {"entries": ",".join(["1^1"] * 5001)}),
        ("LIST", {"status": "NONE"}),
        ("LIST", {"limit": "1001"}),
    ],
)
def test_what_cannot_be_understood_is_refused(routing: Routing, name: str, asked: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        ask(routing, name, **asked)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_holding_and_listing_use_an_index(routing: Routing) -> None:
    queue(routing, "2")
    with statements_of(routing.store) as statements:
        ask(routing, "HOLD", destination="ARCHIVE")
        ask(routing, "RELEASE", destination="ARCHIVE")
        ask(routing, "HOLD", entries="1^1")
        ask(routing, "LIST", status="HOLD")
        with pytest.raises(NotFound):
            ask(routing, "HOLD", destination="NOSUCH")
    plans = {text: steps for text, steps in statements.plans(routing.store).items() if "dicom_export" in text}
    assert len(plans) > 3
    for text, steps in plans.items():
        assert not any(step.startswith("SCAN dicom") or "TEMP B-TREE" in step for step in steps), (text, steps)
