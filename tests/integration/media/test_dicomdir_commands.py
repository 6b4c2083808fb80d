"""`magbroker dicomdir` says what it did, in words and as JSON, and ends with a status that scripts can go by."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.integration.media.test_file_sets import SAMPLES, digests
from tests.support.services import magbroker


def test_a_medium_is_made_listed_checked_and_extended(tmp_path: Path) -> None:
    root, files = str(tmp_path / "cd"), tmp_path / "files"
    files.mkdir()
    shutil.copy(SAMPLES / "CT_small.dcm", files)
    (files / "notes.txt").write_text("no image", encoding="ascii")
    made = magbroker("dicomdir", "create", root, str(files), "--id", "TEST 1")
    assert made.returncode == 0, made.stderr
    assert "1 object added (" in made.stdout
    assert ", 1 no DICOM; 1 in all" in made.stdout
    added = json.loads(magbroker("dicomdir", "add", root, str(SAMPLES / "MR_small.dcm"), "--json").stdout)
    assert (added["added"], added["objects"], added["refused"]) == (1, 2, [])
    listed = json.loads(magbroker("dicomdir", "list", root, "--json").stdout)
    assert [patient["PatientID"] for patient in listed] == ["1CT1", "4MR1"]
    leaf = listed[0]["below"][0]["below"][0]["below"][0]
    assert (leaf["type"], leaf["file"], leaf["sop_instance_uid"] in digests(tmp_path / "cd")) == (
        "IMAGE",
        "DICOM/SE000001/IM000001",
        True,
    )
    assert "CompressedSamples^CT1" in magbroker("dicomdir", "list", root).stdout
    assert magbroker("dicomdir", "check", root).returncode == 0


def test_what_is_wrong_is_told_in_a_line_and_by_the_status(tmp_path: Path) -> None:
    root = str(tmp_path / "cd")
    nothing = magbroker("dicomdir", "list", str(tmp_path))
    assert (nothing.returncode, "has no DICOMDIR" in nothing.stderr) == (1, True)
    magbroker("dicomdir", "create", root, str(SAMPLES / "MR_small.dcm"))
    again = magbroker("dicomdir", "create", root, str(SAMPLES / "MR_small.dcm"))
    assert (again.returncode, "dicomdir add" in again.stderr) == (1, True)
    refused = magbroker("dicomdir", "add", root, str(SAMPLES / "MR_small_RLE.dcm"), "--json")
    assert (refused.returncode, json.loads(refused.stdout)["refused"][0]["path"]) == (1, str(SAMPLES / "MR_small_RLE.dcm"))
    (tmp_path / "cd" / "DICOM" / "SE000001" / "IM000001").unlink()
    checked = magbroker("dicomdir", "check", root, "--json")
    assert (checked.returncode, len(json.loads(checked.stdout)["problems"])) == (1, 1)
    named = magbroker("dicomdir", "create", str(tmp_path / "other"), str(SAMPLES / "MR_small.dcm"), "--id", "bad id!")
    assert (named.returncode, "is no File-set ID" in named.stderr, (tmp_path / "other").exists()) == (2, True, False)
    missing = magbroker("dicomdir", "add", root, str(tmp_path / "nowhere"))
    assert (missing.returncode, "nowhere does not exist" in missing.stderr) == (1, True)


def test_a_medium_of_nothing_is_not_made_and_can_be_made_later(tmp_path: Path) -> None:
    root, notes = tmp_path / "cd", tmp_path / "notes.txt"
    notes.write_text("no image", encoding="ascii")
    made = magbroker("dicomdir", "create", str(root), str(notes))
    assert (made.returncode, made.stderr) == (1, f"There is nothing to put on {root}: no DICOMDIR was made.\n")
    assert list(root.iterdir()) == []
    assert magbroker("dicomdir", "create", str(root), str(SAMPLES / "MR_small.dcm")).returncode == 0


def test_a_dicomdir_that_nobody_can_read_is_told_with_what_helps(tmp_path: Path) -> None:
    root = tmp_path / "cd"
    assert magbroker("dicomdir", "create", str(root), str(SAMPLES / "MR_small.dcm")).returncode == 0
    whole = (root / "DICOMDIR").read_bytes()
    for left in (300, len(whole) // 2, len(whole) - 1):
        (root / "DICOMDIR").write_bytes(whole[:left])
        listed = magbroker("dicomdir", "list", str(root))
        assert (listed.returncode, "make a new one of the files" in listed.stderr) == (1, True), left


def test_an_object_that_is_cut_off_is_no_part_of_a_medium_and_found_on_one(tmp_path: Path) -> None:
    root, files = tmp_path / "cd", tmp_path / "files"
    files.mkdir()
    (files / "cut.dcm").write_bytes((SAMPLES / "MR_small.dcm").read_bytes()[:-1000])
    shutil.copy(SAMPLES / "MR_small.dcm", files / "whole.dcm")
    made = json.loads(magbroker("dicomdir", "create", str(root), str(files), "--json").stdout)
    assert (made["added"], [Path(one["path"]).name for one in made["refused"]]) == (1, ["cut.dcm"])
    there = root / "DICOM" / "SE000001" / "IM000001"
    there.write_bytes(there.read_bytes()[:-1000])
    checked = magbroker("dicomdir", "check", str(root))
    assert (checked.returncode, "bytes are missing at its end" in checked.stderr) == (1, True)
