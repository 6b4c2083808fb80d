"""Prompt brokers for the folder: nothing here depends on the database or on VistA's pauses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from fileman import SiteKey, Store, apply_site, read_site_file
from tests.conftest import ORACLE_SITE
from tests.oracle.recorded_day import RecordedDay
from tests.support.broker import RunningBroker

MakeBroker = Callable[..., RunningBroker]


@pytest.fixture(scope="package")
def make_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeBroker]:
    """Give what runs a broker on the recorded VistA's site, some of its settings changed."""
    running: list[RunningBroker] = []

    def make(site: dict[str, Any] | None = None, **settings: Any) -> RunningBroker:
        folder = tmp_path_factory.mktemp("broker")
        recorded = read_site_file(ORACLE_SITE)
        changed = recorded.site.model_copy(update={"timing": "prompt", **(site or {})})
        key = SiteKey.load_or_create(folder / "site.key")
        store = Store(f"sqlite:///{folder / 'magbroker.db'}")
        now = datetime.fromisoformat("2026-11-21T03:37")
        store.transact(lambda connection: apply_site(connection, recorded.model_copy(update={"site": changed}), key, now))
        running.append(RunningBroker(store, key, clock=RecordedDay(), **settings))
        return running[-1]

    yield make
    for broker in running:
        broker.stop()
        broker.store.close()


@pytest.fixture(scope="package")
def broker(make_broker: MakeBroker) -> RunningBroker:
    """Run a broker that the folder's tests share."""
    return make_broker()
