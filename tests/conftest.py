"""Fixtures that several folders use."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from fileman import SiteKey, Store, apply_site, read_site_file
from tests.support.broker import RunningBroker
from tests.support.postgres import PostgresCluster

ORACLE_SITE = Path(__file__).parent / "oracle" / "site.toml"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresCluster]:
    """Run a PostgreSQL server for the session."""
    cluster = PostgresCluster()
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of an empty database, on each engine in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'magbroker.db'}"
        return
    cluster: PostgresCluster = request.getfixturevalue("postgres")
    name, url = cluster.create_database()
    yield url
    cluster.drop_database(name)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """Open an empty database."""
    store = Store(database_url)
    yield store
    store.close()


@pytest.fixture
def site_key(tmp_path: Path) -> SiteKey:
    """Make a site key."""
    return SiteKey.load_or_create(tmp_path / "site.key")


@pytest.fixture
def oracle_store(store: Store, site_key: SiteKey) -> Store:
    """Fill a database with the recorded VistA's site."""
    site = read_site_file(ORACLE_SITE)
    store.transact(lambda connection: apply_site(connection, site, site_key, datetime(2026, 11, 21, 3, 37)))  # noqa: DTZ001  VistA's times carry no zone
    return store


@pytest.fixture
def oracle_broker(oracle_store: Store, site_key: SiteKey) -> Iterator[RunningBroker]:
    """Run a broker on the recorded VistA's site."""
    broker = RunningBroker(oracle_store, site_key)
    yield broker
    broker.stop()
