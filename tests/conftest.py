"""Fixtures that several folders use."""

from __future__ import annotations

import importlib
import os
import resource
import shutil
import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck, settings

import fileman.secrets
from fileman import SiteKey, Store, apply_site, read_site_file
from tests.support.broker import RunningBroker
from tests.support.postgres import Database, PostgresCluster
from tests.support.pynetdicom_answers import keep_answers
from tests.support.templates import Templates

# the tests start hundreds of processes; where nothing may be kept each of them compiles every module again, for a second
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# rich takes the terminal's width for good when a console is made while these are set: tests set them one by one
for _name in ("COLUMNS", "LINES"):
    os.environ.pop(_name, None)
importlib.import_module("console.cli.options")

# a shell that runs tests in the background lets them ignore Ctrl-C, and what they start would inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)

# a busy machine draws and runs examples slowly, which says nothing of a strategy or of what is tested
settings.register_profile("magbroker", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("magbroker")

# tests load thousands of users and sign on as often: a hash that takes its time, as it should, would take minutes of theirs
fileman.secrets._HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

# the answers of a fast peer on a busy machine would be lost to tests that ask with pynetdicom
keep_answers()

ORACLE_SITE = Path(__file__).parent / "oracle" / "site.toml"


@pytest.fixture(autouse=True)
def _limits_of_this_process() -> Iterator[None]:
    """Let no test leave a limit behind: what later tests start would inherit it."""
    limits = (resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE)
    before = [resource.getrlimit(limit) for limit in limits]
    yield
    assert [resource.getrlimit(limit) for limit in limits] == before


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresCluster]:
    """Run a PostgreSQL server for the session."""
    cluster = PostgresCluster()
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def target(postgres: PostgresCluster) -> Iterator[Database]:
    """Give an empty PostgreSQL database for a site to be moved to."""
    name, url = postgres.create_database()
    yield Database(url)
    postgres.drop_database(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of an empty database, on each engine in turn; of none yet to a test that has a store put there."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'magbroker.db'}"
        return
    cluster: PostgresCluster = request.getfixturevalue("postgres")
    name, url = cluster.new_database() if "templates" in request.fixturenames else cluster.create_database()
    yield url
    cluster.drop_database(name)


@pytest.fixture(scope="session")
def templates(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """Keep the databases of which tests get copies."""
    return Templates(tmp_path_factory.mktemp("templates"), lambda: request.getfixturevalue("postgres"))


@pytest.fixture(scope="session")
def session_key_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the site key under which the templates are filled."""
    path = tmp_path_factory.mktemp("key") / "site.key"
    SiteKey.load_or_create(path)
    return path


@pytest.fixture
def store(templates: Templates, database_url: str) -> Iterator[Store]:
    """Open an empty database."""
    store = templates.open(database_url, "empty", lambda _store: None)
    yield store
    store.close()


@pytest.fixture
def site_key(session_key_path: Path, tmp_path: Path) -> SiteKey:
    """Lay the site key where a data directory has it."""
    shutil.copy(session_key_path, tmp_path / "site.key")
    return SiteKey.load_or_create(tmp_path / "site.key")


@pytest.fixture
def oracle_store(templates: Templates, database_url: str, site_key: SiteKey) -> Iterator[Store]:
    """Open a database with the recorded VistA's site."""
    site = read_site_file(ORACLE_SITE)
    loaded = datetime.fromisoformat("2026-11-21T03:37")

    def fill(store: Store) -> None:
        store.transact(lambda connection: apply_site(connection, site, site_key, loaded))

    store = templates.open(database_url, "oracle", fill)
    yield store
    store.close()


@pytest.fixture
def oracle_broker(oracle_store: Store, site_key: SiteKey) -> Iterator[RunningBroker]:
    """Run a broker on the recorded VistA's site."""
    broker = RunningBroker(oracle_store, site_key)
    yield broker
    broker.stop()
