"""What is wrong with an image's file is told apart from what is wrong with its whole network location."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from fileman import Folder
from taskman.system.folders import GONE, LocationUnfit, NoFile, check_mounted, file_in, path_in


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "there.DCM").write_bytes(b"data set")
    return Folder(7, "RAID1", tmp_path)


def fail(monkeypatch: pytest.MonkeyPatch, method: str, number: int) -> None:
    def refuse(path: Path) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, method, refuse)


def test_a_file_is_there_or_not(folder: Folder) -> None:
    assert file_in(folder, "there.DCM") == folder.root / "there.DCM"
    with pytest.raises(NoFile, match=r"there is no file .*gone\.DCM"):
        file_in(folder, "gone.DCM")


@pytest.mark.parametrize("number", sorted(GONE))
def test_the_error_of_a_share_that_is_away_is_not_the_files(folder: Folder, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    fail(monkeypatch, "is_file", number)
    with pytest.raises(LocationUnfit) as caught:
        file_in(folder, "there.DCM")
    assert caught.value.location == 7


def test_a_file_that_nobody_may_look_at_is_the_only_one_concerned(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, "is_file", errno.EACCES)
    with pytest.raises(NoFile, match="cannot be looked at: Permission denied"):
        file_in(folder, "there.DCM")


def test_a_folder_that_cannot_be_listed_is_away(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    check_mounted(folder)
    fail(monkeypatch, "iterdir", errno.EACCES)
    with pytest.raises(LocationUnfit, match="the folder of RAID1 cannot be read: Permission denied"):
        check_mounted(folder)


def test_a_directory_is_looked_at_once_for_a_set_of_names_and_a_link_that_leads_out_each_time(folder: Folder) -> None:
    hashed, checked = replace(folder, root=folder.root / "image1", hash=True), set[str]()
    hashed.root.mkdir()
    (hashed.root / "SL00").symlink_to(folder.root)
    for _ in range(2):
        with pytest.raises(NoFile, match="by a link"):
            path_in(hashed, "SL000001.DCM", checked)
    (hashed.root / "SL00").unlink()
    path = path_in(hashed, "SL000001.DCM", checked)
    assert path == hashed.root / "SL00" / "00" / "SL000001.DCM"
    assert checked == {str(path.parent)}
    assert path_in(hashed, "SL000002.DCM", checked) == path.with_name("SL000002.DCM")
    with pytest.raises(NoFile, match="leads out"):
        path_in(hashed, "..", checked)
