"""A broker on a small site that each test words for itself, with a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from random import Random
from typing import Any

import pytest

from fileman import SiteKey, Store, apply_site, parse_site
from runtime import FixedClock
from tests.integration.rpcs.filing_gateway import Gateway
from tests.oracle.state_hook import setting
from tests.support.broker import RunningBroker
from xwb import Cipher

NOON = datetime.fromisoformat("2026-11-18T12:00")

BASE = """
[site]
default_institution = 660
{settings}

[[institution]]
ien = 660
name = "SALT LAKE CITY"
station = "660"

[[institution]]
ien = 688
name = "WASHINGTON DC"
station = "688"

[[user]]
duz = 1
name = "FIRST,FRED"
access = "FRED1"
verify = "1FRED!@#$"
divisions = [660]
contexts = ["MAIN"]
{user}

[[context]]
name = "XUS SIGNON"
rpcs = [
  "XUS SIGNON SETUP", "XUS INTRO MSG", "XUS AV CODE", "XUS CVC", "XUS DIVISION GET", "XUS DIVISION SET",
  "XWB GET VARIABLE VALUE",
]

[[context]]
name = "MAIN"
rpcs = ["ZZ ORACLE SINGLE", "ZZ ORACLE PARAMS", "ZZ ORACLE ERROR", "XWB GET VARIABLE VALUE", "XUS DIVISION GET", "XUS ALLKEYS"]
{context}

{more}
"""

MakeBroker = Callable[..., RunningBroker]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
def make_broker(store: Store, site_key: SiteKey, clock: FixedClock) -> Iterator[MakeBroker]:
    """Start a broker; the arguments are lines that are put into the site file."""
    running: list[RunningBroker] = []

    def make(*, settings: str = "", user: str = "", context: str = "", more: str = "", **options: Any) -> RunningBroker:
        text = BASE.format(settings=settings, user=user, context=context, more=more)
        store.transact(lambda connection: apply_site(connection, parse_site(text), site_key, clock.now()))
        broker = RunningBroker(store, site_key, clock=clock, **options)
        running.append(broker)
        return broker

    yield make
    for broker in running:
        broker.stop()


@pytest.fixture
def other_cipher() -> Callable[[], Cipher]:
    """Make a cipher of a table of our own."""

    def make() -> Cipher:
        characters = bytes(code for code in range(32, 127) if code != ord("^"))
        random = Random(7)
        return Cipher([bytes(random.sample(characters, len(characters))) for _ in range(20)])

    return make


@pytest.fixture
def gateway(oracle_store: Store, oracle_broker: RunningBroker, site_key: SiteKey) -> Iterator[Gateway]:
    """Sign a gateway on at the recorded site."""
    oracle_store.transact(lambda connection: setting(timing="prompt")(connection, site_key))
    with oracle_broker.client() as client:
        yield Gateway(client, oracle_store)
