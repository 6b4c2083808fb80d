"""Fixtures for the tests of the ZZLAB client: a real broker for each."""

from pathlib import Path

import pytest

pytest_plugins = ["magbroker.fixtures"]


@pytest.fixture(scope="session")
def broker_site() -> Path:
    """Let brokers have the laboratory's site instead of the demo's."""
    return Path(__file__).with_name("zzlab.toml")
