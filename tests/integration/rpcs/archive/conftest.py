"""The archive of a broker with the recorded VistA's site."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fileman import SiteKey, Store
from tests.integration.rpcs.archive.asking import Archive
from tests.integration.rpcs.filing_gateway import Gateway
from tests.oracle.state_hook import setting
from tests.support.broker import RunningBroker


@pytest.fixture
def archive(oracle_store: Store, oracle_broker: RunningBroker, site_key: SiteKey) -> Iterator[Archive]:
    oracle_store.transact(lambda connection: setting(timing="prompt")(connection, site_key))
    with oracle_broker.client("FAKEPRG1", "1PRG!@#$") as client:
        yield Archive(Gateway(client, oracle_store))
