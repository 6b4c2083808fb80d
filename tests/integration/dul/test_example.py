"""The example of the documentation: a peer that keeps what it is sent, and sends it on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread

from tests.integration.gateway.conftest import echoscu, storescu
from tests.integration.gateway.test_receiving import shipped

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "dicom_peer.py"


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[int]:
    """Run the example; gives its port."""
    command = [sys.executable, str(EXAMPLE), "serve", "0", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=EXAMPLE.parents[2])
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().rpartition(" ")[2])
    finally:
        process.terminate()
        process.communicate(timeout=10)


def test_the_peer_of_the_documentation_keeps_what_dcmtk_and_it_itself_send(peer: int, tmp_path: Path) -> None:
    ct, mr = shipped("CT_small.dcm"), shipped("MR_small_implicit.dcm")
    assert echoscu(peer) == 0
    assert storescu(peer, ct).returncode == 0
    command = [sys.executable, str(EXAMPLE), "send", "127.0.0.1", str(peer), str(ct), str(mr)]
    sent = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=EXAMPLE.parents[2], check=True)
    assert sent.stdout.splitlines() == [f"{ct}: 0000", f"{mr}: 0000"]
    for path in (ct, mr):
        original = dcmread(path)
        kept = dcmread(tmp_path / f"{original.SOPInstanceUID}.dcm")
        assert kept == original
        assert kept.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID
