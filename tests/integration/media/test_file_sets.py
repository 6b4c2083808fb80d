"""File-sets that are ours, DCMTK's, or both: what the world's tools find in them, and what becomes of the objects' bytes."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pydicom.data
import pytest
from pydicom import dcmread
from pydicom.fileset import FileSet
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from console.media import Addition, MediaError, Medium, NoFileSet, check, files_below, medium
from console.media.directory import decode_directory
from gateway_client.objects.part10 import digest_of, read_meta
from tests.support.dicom import make_slices

SAMPLES = Path(pydicom.data.__file__).parent / "test_files"
#: One sample of each kind of record that pydicom has an object of, and images of several transfer syntaxes and character sets.
KINDS = (
    *("CT_small.dcm", "MR_small.dcm", "693_J2KI.dcm", "JPEG-lossy.dcm", "image_dfl.dcm", "ExplVR_BigEnd.dcm"),
    *("rtplan.dcm", "rtdose.dcm", "test-SR.dcm", "reportsi.dcm", "waveform_ecg.dcm"),
)
CHARACTER_SETS = ("Arab", "Fren", "Germ", "Greek", "H31", "H32", "Hbrw", "I2", "JapMulti", "KoreanMulti", "Russ", "X1", "X2")


def samples() -> list[Path]:
    """Give the samples, and those that are written in other character sets."""
    return [
        *(SAMPLES / name for name in KINDS),
        *(SAMPLES.parent / "charset_files" / f"chr{name}.dcm" for name in CHARACTER_SETS),
    ]


def make(root: Path, *paths: Path) -> Addition:
    """Make a medium of files."""
    with Medium.create(root, "TEST 1") as made:
        return made.add(files_below(paths))


def extend(root: Path, *paths: Path) -> Addition:
    """Extend a medium."""
    with Medium.open(root) as opened:
        return opened.add(files_below(paths))


def digests(root: Path) -> dict[str, str]:
    """Give the digest of each object's data set that a DICOMDIR names, by its UID."""
    opened = Medium.open(root)
    return {record.sop_instance_uid: digest_of(opened.file(record)) for record in opened.objects()}


def complaints(root: Path) -> list[str]:
    """Give what dicom3tools and DCMTK find wrong with a DICOMDIR."""
    found = []
    for command, marks in (
        (["dciodvfy"], ("Error", "Abort")),
        (["dcdirdmp", "-v"], ("Error", "Abort")),
        (["dcmdump"], ("E:", "W:")),
    ):
        run = subprocess.run([*command, str(root / "DICOMDIR")], capture_output=True, timeout=60, check=False)
        lines = (run.stdout + run.stderr).decode("latin-1").splitlines()
        found += [line for line in lines if line.startswith(marks)]
        if command != ["dciodvfy"]:
            assert run.returncode == 0, lines
    return found


def dcmmkdir(root: Path, *options: str) -> None:
    """Run DCMTK's dcmmkdir in a medium."""
    command = ["dcmmkdir", "--general-purpose", "--invent", *options]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_dicom3tools_and_dcmtk_find_no_error_in_a_directory_of_every_kind_of_object(tmp_path: Path) -> None:
    addition = make(tmp_path / "cd", *samples())
    assert (addition.refused, addition.no_dicom) == ([], [])
    assert addition.added == len(samples())
    assert complaints(tmp_path / "cd") == []
    assert check(Medium.open(tmp_path / "cd")) == []


def test_data_sets_are_copied_bit_for_bit_and_heads_do_not_tell_by_whom_they_came(tmp_path: Path) -> None:
    make(tmp_path / "cd", *samples())
    by_uid = {str(dcmread(path, stop_before_pixels=True).SOPInstanceUID): digest_of(path) for path in samples()}
    assert digests(tmp_path / "cd") == by_uid
    opened = Medium.open(tmp_path / "cd")
    metas = [read_meta(opened.file(record)) for record in opened.objects()]
    assert {(meta.sending_ae_title, meta.receiving_ae_title) for meta in metas} == {("", "")}


def test_pydicom_reads_the_file_set(tmp_path: Path) -> None:
    make(tmp_path / "cd", SAMPLES / "CT_small.dcm", SAMPLES / "test-SR.dcm")
    file_set = FileSet(tmp_path / "cd" / "DICOMDIR")
    assert file_set.ID == "TEST 1"
    assert {str(it.SOPInstanceUID) for it in file_set} == set(digests(tmp_path / "cd"))
    with warnings.catch_warnings(action="ignore"):  # pydicom leaves its temporary folder to the garbage collector
        del file_set
        gc.collect()


def test_a_medium_is_extended_and_keeps_what_it_had(tmp_path: Path) -> None:
    slices = list(make_slices(tmp_path / "slices", 5).values())
    make(tmp_path / "cd", *slices[:2])
    first = digests(tmp_path / "cd")
    uid = Medium.open(tmp_path / "cd").directory.uid
    assert extend(tmp_path / "cd", *slices).added == 3
    extend(tmp_path / "cd", SAMPLES / "MR_small.dcm")
    opened = Medium.open(tmp_path / "cd")
    assert first.items() <= digests(tmp_path / "cd").items()
    assert (len(digests(tmp_path / "cd")), opened.directory.uid) == (6, uid)
    assert [[len(study.below) for study in patient.below] for patient in opened.directory.roots] == [[1], [1]]
    assert complaints(tmp_path / "cd") == []


def test_dcmmkdir_extends_our_directory_and_we_extend_it_again(tmp_path: Path) -> None:
    root = tmp_path / "cd"
    make(root, SAMPLES / "CT_small.dcm")
    shutil.copy(SAMPLES / "MR_small.dcm", root / "MR1")
    dcmmkdir(root, "--append", "MR1")
    assert extend(root, SAMPLES / "rtplan.dcm").added == 1
    assert len(digests(root)) == 3
    assert check(Medium.open(root)) == []
    assert complaints(root) == []


def test_we_extend_a_directory_of_dcmtk(tmp_path: Path) -> None:
    root = tmp_path / "cd"
    root.mkdir()
    shutil.copy(SAMPLES / "MR_small.dcm", root / "MR1")
    dcmmkdir(root, "MR1")
    assert extend(root, SAMPLES / "CT_small.dcm", SAMPLES / "MR_small.dcm").known == 1
    assert len(digests(root)) == 2
    assert complaints(root) == []


def test_another_object_of_the_same_uid_is_refused_and_the_first_stays(tmp_path: Path) -> None:
    make(tmp_path / "cd", SAMPLES / "MR_small.dcm")
    before = digests(tmp_path / "cd")
    addition = extend(tmp_path / "cd", SAMPLES / "MR_small_RLE.dcm", SAMPLES / "README.txt")
    assert "another object" in addition.refused[0].reason
    assert addition.no_dicom == [SAMPLES / "README.txt"]
    assert digests(tmp_path / "cd") == before


def test_a_study_that_the_medium_has_under_another_patient_is_refused(tmp_path: Path) -> None:
    dataset = dcmread(SAMPLES / "CT_small.dcm")
    dataset.PatientID = "ANOTHER"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.save_as(tmp_path / "other.dcm")
    (refused,) = make(tmp_path / "cd", SAMPLES / "CT_small.dcm", tmp_path / "other.dcm").refused
    assert "elsewhere" in refused.reason
    assert len(Medium.open(tmp_path / "cd").directory.roots) == 1


def test_a_run_that_was_cut_off_goes_on_with_the_copies_that_it_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slices = list(make_slices(tmp_path / "slices", 6).values())
    root, copied = tmp_path / "cd", medium.copy_object
    left = iter(range(4))

    def cut_off(*arguments: object) -> str:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return copied(*arguments)  # type: ignore[arg-type]  # passed on as they are

    monkeypatch.setattr(medium, "copy_object", cut_off)
    with pytest.raises(KeyboardInterrupt):
        make(root, *slices)
    assert not (root / "DICOMDIR").exists()
    kept = {file: os.stat(file).st_ino for file in (root / "DICOM").rglob("IM*")}
    assert len(kept) == 4
    monkeypatch.setattr(medium, "copy_object", copied)
    assert make(root, *slices).added == 6
    assert {file: os.stat(file).st_ino for file in kept} == kept
    assert len(list((root / "DICOM").rglob("*IM*"))) == 6


def test_a_copy_that_the_disk_gives_back_otherwise_is_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.media.copying.digest_of", lambda path: "0" * 64)
    with pytest.raises(MediaError, match="cannot be trusted"):
        make(tmp_path / "cd", SAMPLES / "CT_small.dcm")
    assert not [file for file in (tmp_path / "cd").rglob("*") if file.is_file()]


def test_two_do_not_extend_a_medium_at_once(tmp_path: Path) -> None:
    make(tmp_path / "cd", SAMPLES / "CT_small.dcm")
    with Medium.open(tmp_path / "cd"), pytest.raises(MediaError, match="Another process"), Medium.open(tmp_path / "cd"):
        pass


def test_objects_outside_of_the_profile_are_counted(tmp_path: Path) -> None:
    assert read_meta(SAMPLES / "CT_small.dcm").transfer_syntax == ExplicitVRLittleEndian
    assert make(tmp_path / "cd", SAMPLES / "CT_small.dcm", SAMPLES / "693_J2KI.dcm").outside == 1


DAMAGES: dict[str, Callable[[Path], object]] = {
    "is not there": Path.unlink,
    "the DICOMDIR says SOPInstanceUID": lambda file: shutil.copy(SAMPLES / "CT_small.dcm", file),
    "has no file meta information": lambda file: file.write_bytes(bytes(200)),
}


@pytest.mark.parametrize("problem", DAMAGES)
def test_a_check_finds_a_file_that_is_not_what_the_directory_says(problem: str, tmp_path: Path) -> None:
    make(tmp_path / "cd", SAMPLES / "MR_small.dcm")
    opened = Medium.open(tmp_path / "cd")
    DAMAGES[problem](opened.file(next(opened.objects())))
    (found,) = check(opened)
    assert problem in found.reason


def test_a_name_that_leads_out_of_the_medium_is_not_followed(tmp_path: Path) -> None:
    make(tmp_path / "cd", SAMPLES / "CT_small.dcm")
    shutil.copy(SAMPLES / "CT_small.dcm", tmp_path / "SECRET")
    (tmp_path / "cd" / "LINK").symlink_to(tmp_path)
    opened = Medium.open(tmp_path / "cd")
    record = next(opened.objects())
    for name in (["..", "SECRET"], ["LINK", "SECRET"], ["../SECRET"], ["", "SECRET"]):
        with warnings.catch_warnings(action="ignore"):
            record.dataset.ReferencedFileID = name
        with pytest.raises(NoFileSet):
            opened.file(record)


def test_a_directory_that_was_cut_off_is_neither_read_nor_extended(tmp_path: Path) -> None:
    """What is left of it would be taken for all, and its other records be lost."""
    make(tmp_path / "cd", *make_slices(tmp_path / "images", 3).values())
    whole = (tmp_path / "cd" / "DICOMDIR").read_bytes()
    for end in {*range(len(whole) - 40, len(whole)), *range(0, len(whole), 7)}:
        with pytest.raises(NoFileSet):
            decode_directory(whole[:end], tmp_path)
    (tmp_path / "cd" / "DICOMDIR").write_bytes(whole[:-2])
    with pytest.raises(NoFileSet, match="it ends before its last record does"):
        extend(tmp_path / "cd", *make_slices(tmp_path / "others", 1).values())
    assert (tmp_path / "cd" / "DICOMDIR").read_bytes() == whole[:-2]


def test_names_that_a_system_shows_in_lower_case_are_found(tmp_path: Path) -> None:
    make(tmp_path / "cd", SAMPLES / "CT_small.dcm")
    for path in sorted((tmp_path / "cd").rglob("*"), reverse=True):
        path.rename(path.with_name(path.name.lower()))
    opened = Medium.open(tmp_path / "cd")
    assert check(opened) == []
    assert extend(tmp_path / "cd", SAMPLES / "MR_small.dcm").added == 1


def test_a_source_that_cannot_be_read_is_refused_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "scratched"
    folder.mkdir()
    shutil.copy(SAMPLES / "CT_small.dcm", folder / "1")
    shutil.copy(SAMPLES / "MR_small.dcm", folder / "2")
    (folder / "3").symlink_to("/proc/self/mem")  # reading it is an input/output error
    os.mkfifo(folder / "4")
    read, opened = Path.open, []

    def scratched(path: Path, *arguments: Any, **named: Any) -> IO[Any]:
        opened.append(path.name)
        if path.name == "1" and opened.count("1") > 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", scratched)
    addition = make(tmp_path / "cd", folder)
    assert {it.path.name for it in addition.refused} == {"1", "3"}
    assert all("cannot be read: Input/output error" in it.reason for it in addition.refused)
    assert [[len(study.below) for study in patient.below] for patient in Medium.open(tmp_path / "cd").directory.roots] == [[1]]
    assert check(Medium.open(tmp_path / "cd")) == []
    assert complaints(tmp_path / "cd") == []
    assert len([file for file in (tmp_path / "cd" / "DICOM").rglob("*") if file.is_file()]) == 1


def test_a_medium_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="cannot be made"):
        Medium.create(Path("/proc/medium"))
    make(tmp_path / "cd", SAMPLES / "CT_small.dcm")
    before = digests(tmp_path / "cd")
    (tmp_path / "cd" / "DICOM" / "SE000002").write_bytes(b"in the way of a folder")
    with pytest.raises(MediaError, match="cannot be written"):
        extend(tmp_path / "cd", SAMPLES / "MR_small.dcm")
    assert digests(tmp_path / "cd") == before
