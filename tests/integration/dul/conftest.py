"""A table of real files, and who asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from tests.support.asking import Asking
from tests.support.certificates import Authority
from tests.support.dicom_tls import Secured
from tests.support.query_provider import Table

#: Patients with several studies and series, and objects in other transfer syntaxes.
_FOLDERS = ("77654033", "98892001")
_SINGLE = ("CT_small.dcm", "JPEG2000.dcm", "rtplan.dcm")


@pytest.fixture(scope="session")
def table() -> Table:
    """Read the table of the files."""
    single = [Path(str(get_testdata_file(name))) for name in _SINGLE]
    root = single[0].parent / "dicomdirtests"
    return Table.of_files([*single, *(path for name in _FOLDERS for path in sorted((root / name).rglob("*")) if path.is_file())])


@pytest.fixture
def asking() -> Iterator[Asking]:
    """Give our SCU."""
    with Asking() as asking:
        yield asking


@pytest.fixture(params=["plain", "TLS"])
def secured(request: pytest.FixtureRequest, tmp_path: Path) -> Secured | None:
    """Give what secures the associations, or nothing."""
    if request.param == "plain":
        return None
    authority = Authority.create(tmp_path)
    return Secured(authority, *authority.issue("localhost"))
