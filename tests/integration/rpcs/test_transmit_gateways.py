"""Destinations of a gateway that got another name, or is gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from fileman import SiteKey, Store
from fileman.files import TransmitDestination
from runtime import FixedClock
from tests.integration.rpcs.queues import Routing, run_routing


@pytest.fixture
def routing(oracle_store: Store, site_key: SiteKey, clock: FixedClock) -> Iterator[Routing]:
    with run_routing(oracle_store, site_key, clock) as routing:
        yield routing


def gateways(routing: Routing) -> list[str]:
    return [row.gateway for row in routing.all(select(TransmitDestination.gateway).order_by(TransmitDestination.ien))]


def test_a_gateway_is_renamed_and_removed(routing: Routing) -> None:
    before = gateways(routing)
    count = before.count("GW1")
    noun = "entry" if count == 1 else "entries"
    assert count > 0
    assert routing.call("XMIT RENAME GATEWAY", "GW1", "GW9") == f"{count} {noun} renamed"
    assert gateways(routing) == ["GW9" if name == "GW1" else name for name in before]
    assert routing.call("XMIT REMOVE GATEWAY", "GW9", "6") == "0 entries removed", "no entry has a gateway's AE title"
    assert routing.call("XMIT REMOVE GATEWAY", "GW9") == f"{count} {noun} removed"
    assert gateways(routing) == [name for name in before if name != "GW1"]
    assert routing.call("XMIT REMOVE GATEWAY", "GW9", "5") == "0 entries removed"


@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("RENAME", [], "-1,No previous Gateway name specified"),
        ("RENAME", ["A"], "-2,No new Gateway name specified"),
        ("RENAME", ["A", "B", "7"], "-3,Invalid key specified (7)"),
        ("REMOVE", [], "-1,No Gateway name specified"),
        ("REMOVE", ["A", "4"], "-3,Invalid key specified (4)"),
    ],
    ids=repr,
)
def test_what_is_missing_is_told(routing: Routing, name: str, arguments: list[str], answer: str) -> None:
    assert routing.call(f"XMIT {name} GATEWAY", *arguments) == answer
