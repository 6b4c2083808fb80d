"""Destinations and network locations are changed where nothing depends on what they are; else it is said what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from fileman import SiteKey, Store
from fileman.files import Image, NetworkLocation, SendQueue
from rpcs.actions import ACTIONS, Act, BadRequest, Caller, RefusedAction, carry_out
from rpcs.export.holding import transmit_destinations
from runtime import FixedClock
from tests.integration.rpcs.queues import FOUR, Routing, run_routing
from tests.support.query_plans import statements_of


@pytest.fixture
def routing(oracle_store: Store, site_key: SiteKey, clock: FixedClock) -> Iterator[Routing]:
    with run_routing(oracle_store, site_key, clock) as routing:
        yield routing


def ask(routing: Routing, key: SiteKey, name: str, /, **asked: object) -> Any:
    """Have the owner of the data directory do something."""
    request = {each.upper(): str(value) for each, value in asked.items()}
    act, owner = ACTIONS[f"MAGB {name}"], Caller(0, "OWNER", owner=True)
    return routing.store.transact(lambda it: carry_out(act, Act(it, owner, routing.clock, request, lambda: key))).given


def destination(routing: Routing, key: SiteKey) -> dict[str, Any]:
    """Make a destination for which an image waits."""
    facts = {"ae_title": "ARCHIVE", "host": "127.0.0.1", "port": 11113, "location": 660}
    made = ask(routing, key, "DESTINATION ADD", **{"name": "ARCHIVE", "ae title": facts.pop("ae_title"), **facts})
    assert routing.call("QUEUE IMAGE", "2", "ARCHIVE", "660", "", "5", "", "500", "0") == "1"
    return dict(made)


@pytest.mark.parametrize(("name", "asked"), [("EDIT", {"name": "ANOTHER"}), ("REMOVE", {})])
def test_a_destination_for_which_objects_wait_keeps_its_name_and_stays(
    routing: Routing, site_key: SiteKey, name: str, asked: dict[str, str]
) -> None:
    one = destination(routing, site_key)
    with pytest.raises((BadRequest, RefusedAction), match="MAGB QUEUE DESTINATION"):
        ask(routing, site_key, f"DESTINATION {name}", ien=one["ien"], **asked)
    assert ask(routing, site_key, "DESTINATION EDIT", ien=one["ien"], port=11999)["port"] == 11999, "it may be moved"
    ask(routing, site_key, "QUEUE PURGE", queue="EXPORT", status="WAITING")
    ask(routing, site_key, f"DESTINATION {name}", ien=one["ien"], **asked)
    assert one["name"] not in routing.store.read(transmit_destinations)


def test_a_router_to_which_files_wait_to_be_copied_stays_one(routing: Routing, site_key: SiteKey) -> None:
    routing.send(2, FOUR)
    for name, asked in (("EDIT", {"router": 0}), ("REMOVE", {})):
        with pytest.raises((BadRequest, RefusedAction), match="MAGB QUEUE DESTINATION"):
            ask(routing, site_key, f"LOCATION {name}", ien=FOUR, **asked)
    routing.store.transact(lambda it: it.execute(delete(SendQueue)))
    assert ask(routing, site_key, "LOCATION EDIT", ien=FOUR, router=0)["router"] is False


@pytest.mark.parametrize("asked", [{"hash": 1}, {"kind": "JUKEBOX"}])
def test_a_location_in_which_files_lie_keeps_what_they_are_found_by(
    routing: Routing, site_key: SiteKey, asked: dict[str, object]
) -> None:
    ien = routing.all(select(Image.location).where(Image.location.is_not(None)).limit(1))[0].location
    routing.store.transact(lambda it: it.execute(update(NetworkLocation).where(NetworkLocation.ien == ien).values(hash=False)))
    with pytest.raises(BadRequest, match="would not be found"):
        ask(routing, site_key, "LOCATION EDIT", ien=ien, **asked)
    assert ask(routing, site_key, "LOCATION EDIT", ien=ien, path="elsewhere")["path"] == "elsewhere", "it may be moved"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_it_is_found_by_an_index_that_something_waits(routing: Routing, site_key: SiteKey) -> None:
    one = destination(routing, site_key)
    with statements_of(routing.store) as statements, pytest.raises(RefusedAction):
        ask(routing, site_key, "DESTINATION REMOVE", ien=one["ien"])
    plans = {text: steps for text, steps in statements.plans(routing.store).items() if "dicom_export_image" in text}
    assert plans
    for text, steps in plans.items():
        assert not any(step.startswith("SCAN dicom_export_image") for step in steps), (text, steps)
