"""What is wrong with an image's file is told apart from what is wrong with its whole network location."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fileman import Folder
from taskman.system.folders import GONE, LocationUnfit, NoFile, check_mounted, file_in


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
