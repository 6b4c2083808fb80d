"""Commands in this process, and images of one study."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.dicom import make_slices
from tests.support.dicom_tls import Secured
from tests.support.terminal import Terminal


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """Give what runs commands."""
    return Terminal(monkeypatch, capsys)


@pytest.fixture
def slices(tmp_path: Path) -> dict[str, Path]:
    """Write the images of one study, by SOP Instance UID."""
    return make_slices(tmp_path / "slices", 12)


@pytest.fixture
def secured(tmp_path: Path) -> Secured:
    """Give certificates of one authority, for localhost."""
    authority = Authority.create(tmp_path)
    return Secured(authority, *authority.issue("localhost"))
