"""One prompt broker for the folder: nothing here depends on the database or on VistA's pauses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from fileman import SiteKey, Store, apply_site, read_site_file
from tests.conftest import ORACLE_SITE
from tests.support.broker import RunningBroker


@pytest.fixture(scope="package")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """Run a broker on the recorded VistA's site, without its pauses."""
    folder: Path = tmp_path_factory.mktemp("traffic")
    site = read_site_file(ORACLE_SITE)
    prompt = site.model_copy(update={"site": site.site.model_copy(update={"timing": "prompt"})})
    key = SiteKey.load_or_create(folder / "site.key")
    store = Store(f"sqlite:///{folder / 'magbroker.db'}")
    store.transact(lambda connection: apply_site(connection, prompt, key, datetime(2026, 11, 21, 3, 37)))  # noqa: DTZ001  VistA's times carry no zone
    running = RunningBroker(store, key)
    yield running
    running.stop()
    store.close()
