"""An archive for a module's tests, and objects of every kind that it takes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.archive_site import ArchiveSite
from tests.support.magicstore_objects import Maker
from tests.support.terminal import Terminal


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchiveSite]:
    """Run a gateway with an archive's entities, and its broker."""
    with ArchiveSite(tmp_path_factory.mktemp("archive")) as site:
        yield site


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Give what makes objects."""
    return Maker(tmp_path_factory.mktemp("objects"))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """Give what runs commands."""
    return Terminal(monkeypatch, capsys)
