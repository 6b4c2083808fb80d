"""The gateway's memory does not grow with what it receives."""

from __future__ import annotations

from pathlib import Path

from pydicom import dcmread
from pydicom.uid import generate_uid

from tests.support.dicom import make_slices, storescu
from tests.support.services import DEMO_SITE, Services
from tests.support.waiting import until

OBJECTS, OBJECT_BYTES = 10, 50 << 20
LIMIT_KILOBYTES = 200 << 10


def _peak_kilobytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def test_receiving_and_filing_500_megabytes_stays_below_200_megabytes(tmp_path: Path) -> None:
    (small,) = make_slices(tmp_path / "small", 1).values()
    dataset = dcmread(small)
    dataset.Rows, dataset.Columns = 5120, OBJECT_BYTES // 5120 // 2
    dataset.PixelData = bytes(OBJECT_BYTES)
    (tmp_path / "large").mkdir()
    for number in range(OBJECTS):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.save_as(tmp_path / "large" / f"{number}.dcm")
    (tmp_path / "var").mkdir()
    with Services(tmp_path / "var", DEMO_SITE) as services:
        storescu(services.dicom_port, tmp_path / "large")
        spool = services.directory / "gateway" / "spool" / "in"
        until(lambda: not list(spool.iterdir()), "an empty spool")
        assert services.gateway.process is not None
        peak = _peak_kilobytes(services.gateway.process.pid)
    stored = [path for path in services.directory.rglob("*.DCM") if path.stat().st_size > OBJECT_BYTES]
    assert len(stored) == OBJECTS
    assert peak < LIMIT_KILOBYTES, f"{peak} kB"
