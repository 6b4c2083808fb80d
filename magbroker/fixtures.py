"""pytest fixtures: `pytest_plugins = ["magbroker.fixtures"]` in conftest.py gives every test that asks for it a real broker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from magbroker.testing import RealBroker, SiteTemplate

__all__ = ["broker", "broker_site", "broker_template"]


@pytest.fixture(scope="session")
def broker_site() -> Path | str | None:
    """Name the site that brokers have: the demo site; override it with the path of a site file, or its text."""
    return None


@pytest.fixture(scope="session")
def broker_template(broker_site: Path | str | None, tmp_path_factory: pytest.TempPathFactory) -> SiteTemplate:
    """Fill a database from the site file, once in a test session."""
    return SiteTemplate(tmp_path_factory.mktemp("site"), broker_site)


@pytest.fixture
def broker(broker_template: SiteTemplate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealBroker]:
    """Run a broker of the test's own, on free ports, with a fresh copy of the database."""
    with RealBroker(broker_template, tmp_path_factory.mktemp("broker")) as running:
        yield running
