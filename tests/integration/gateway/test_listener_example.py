"""The example of the documentation: a program that sorts what it is sent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import SecondaryCaptureImageStorage

from tests.integration.gateway.test_application import storescu
from tests.support.dicom import make_slices

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "dicom_listener.py"


def test_the_example_sorts_by_patient_and_keeps_captures_in_memory(tmp_path: Path) -> None:
    image, capture = make_slices(tmp_path / "images", 2).values()
    dataset = dcmread(capture)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.save_as(capture)
    folder = tmp_path / "sorted"
    folder.mkdir()
    command = [sys.executable, str(EXAMPLE), "0", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=EXAMPLE.parents[2]) as program:
        assert program.stdout is not None
        port = int(program.stdout.readline().rpartition(" ")[2])
        assert storescu(port, image, capture).count("(Success)") == 2
        assert "Association Rejected" in storescu(port, image, options=("-aet", "STRANGER"))
        said = [program.stdout.readline().strip() for _ in range(2)]
        program.communicate(timeout=20)
    size = said[1].rpartition(" ")[2]
    assert said == ["666_00_1100: CT Image Storage, file", f"666_00_1100: Secondary Capture Image Storage, {size}"]
    assert int(size) > 30_000
    assert [path.name for path in (folder / "666_00_1100").iterdir()] == [f"{dcmread(image).SOPInstanceUID}.dcm"]
