"""One archive for the tests of a module, with the objects of the table tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.gateway.archive.samples import sample_objects
from tests.support.archive_site import ArchiveSite


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchiveSite]:
    """Run an archive that holds the samples."""
    with ArchiveSite(tmp_path_factory.mktemp("archive")) as site:
        site.keep(sample_objects())
        yield site
