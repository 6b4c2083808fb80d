"""The examples of the documentation: a program that sorts what it is sent, and one that fetches studies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import SecondaryCaptureImageStorage

from tests.integration.gateway.test_application import storescu
from tests.support.dicom import make_slices
from tests.support.query_provider import AE_TITLE, QueryProvider, Table

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"


def test_the_example_sorts_by_patient_and_keeps_captures_in_memory(tmp_path: Path) -> None:
    image, capture = make_slices(tmp_path / "images", 2).values()
    dataset = dcmread(capture)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.save_as(capture)
    folder = tmp_path / "sorted"
    folder.mkdir()
    command = [sys.executable, str(EXAMPLES / "dicom_listener.py"), "0", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=EXAMPLES.parents[1]) as program:
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


def test_the_example_fetches_what_is_not_blank(tmp_path: Path) -> None:
    images = list(make_slices(tmp_path / "images", 3).values())
    blank = dcmread(images[1])
    blank.PixelData = bytes(len(blank.PixelData))
    blank.save_as(images[1])
    folder = tmp_path / "fetched"
    with QueryProvider(Table.of_files(images)) as archive:
        arguments = (f"127.0.0.1:{archive.port}", AE_TITLE, blank.PatientID, str(folder))
        command = [sys.executable, str(EXAMPLES / "dicom_fetch.py"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=EXAMPLES.parents[1])
    assert done.stdout == f"{blank.StudyInstanceUID}: 2 images, 1 failed\n"
    kept = {path.name: dcmread(path).SOPInstanceUID for path in (folder / blank.StudyInstanceUID).iterdir()}
    wanted = [dcmread(image) for image in (images[0], images[2])]
    assert kept == {f"{it.SeriesNumber}-{it.InstanceNumber}.dcm": it.SOPInstanceUID for it in wanted}
