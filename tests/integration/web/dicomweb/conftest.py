"""One archive with DICOMweb and some objects for all tests of a module, on each engine in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid

from tests.support.dicomweb_site import DicomWebSite, of_the_exam
from tests.support.pictures import frames, picture
from tests.support.postgres import PostgresCluster

SLICES, FRAMES = 3, 5


@dataclass
class Filled:
    """A site, and what it holds: a series of slices, and a series of one object of several frames."""

    site: DicomWebSite
    slices: list[Dataset]
    multi: Dataset

    @property
    def study(self) -> str:
        """The path of the study."""
        return f"/studies/{self.multi.StudyInstanceUID}"

    def path(self, dataset: Dataset) -> str:
        """Give the path of an instance."""
        return f"{self.study}/series/{dataset.SeriesInstanceUID}/instances/{dataset.SOPInstanceUID}"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """Fill a site; who changes it puts it back."""
    directory: Path = tmp_path_factory.mktemp("dicomweb")
    if request.param == "sqlite":
        with DicomWebSite(directory) as site:
            yield fill(site)
        return
    cluster: PostgresCluster = request.getfixturevalue("postgres")
    name, url = cluster.create_database()
    with DicomWebSite(directory, url) as site:
        yield fill(site)
    cluster.drop_database(name)


def fill(site: DicomWebSite) -> Filled:
    """Have the gateway keep the objects, and wait until they are in place."""
    study, first, second = (generate_uid() for _ in range(3))
    slices = [of_the_exam(picture(), study, first, number + 1) for number in range(SLICES)]
    multi = of_the_exam(frames(FRAMES), study, second)
    site.archive.keep([*slices, multi])
    site.archive.filed([str(it.SOPInstanceUID) for it in (*slices, multi)])
    return Filled(site, slices, multi)
