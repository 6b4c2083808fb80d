"""Five hundred connections that send one byte a second do not stop anyone else, and hold no more than the bound."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.slow_senders import slow_senders
from broker import Limits
from fileman import SiteKey, Store
from tests.support.broker import RunningBroker, in_reactor
from tests.support.waiting import until

SENDERS = 500
CAP = 8 * 1024 * 1024
#: What was cut leaves memory one turn of the reactor after it left the count.
LEAVING = 256 * 1024
CALLS = 300


@pytest.fixture
def broker(oracle_store: Store, site_key: SiteKey) -> Iterator[RunningBroker]:
    running = RunningBroker(oracle_store, site_key, limits=Limits(held_bytes=CAP))
    yield running
    running.stop()


def call_and_look(broker: RunningBroker) -> tuple[int, int]:
    """Complete a session's calls; give the most bytes that were held after any of them, and the most connections."""
    hub = broker.service.hub
    most_bytes = most_connections = 0
    with broker.client() as client:
        for _ in range(CALLS):
            assert client.call("MAG DICOM GET DOMAIN").text == "ORACLE.DOMAIN.EXT"
            counted, held, connections = in_reactor(
                lambda: (hub.retained, sum(it.weight for it in hub.connections), len(hub.connections))
            )
            assert counted <= CAP
            assert held <= CAP + LEAVING
            most_bytes, most_connections = max(most_bytes, held), max(most_connections, connections)
    return most_bytes, most_connections


def test_a_session_completes_its_calls_among_slow_senders(broker: RunningBroker) -> None:
    with slow_senders(broker.port, SENDERS, 10_000):
        held, connections = call_and_look(broker)
    assert connections > SENDERS  # all of them were there, and none was cut: they hold less than the bound
    assert held > SENDERS * 10_000


def test_slow_senders_that_hold_more_than_the_bound_are_cut(broker: RunningBroker) -> None:
    with slow_senders(broker.port, SENDERS, 100_000):
        held, connections = call_and_look(broker)
    assert held > CAP // 2
    assert 1 < connections < SENDERS
    until(lambda: in_reactor(lambda: broker.service.hub.retained == 0), "nothing is held")
