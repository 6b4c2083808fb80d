"""Directories and files that are durable: what is written many at once is whole, and each file fails for itself."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from runtime import durable, make_directories, write_file, write_files


@pytest.fixture
def names(tmp_path: Path) -> list[Path]:
    return [tmp_path / f"folder{number % 2}" / f"{number}.txt" for number in range(7)]


@pytest.mark.parametrize("together", [1, 3, 128])
def test_all_are_written_whatever_their_number(names: list[Path], together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "_TOGETHER", together)
    names[1].parent.mkdir()
    names[1].write_text("what was there, and was longer")
    assert write_files((name, name.name.encode()) for name in names) == {}
    assert [name.read_text() for name in names] == [name.name for name in names]
    assert sorted(path.name for folder in (0, 1) for path in names[folder].parent.iterdir()) == [name.name for name in names]


def test_what_cannot_be_written_is_named_and_the_others_are_written(names: list[Path]) -> None:
    names[0].parent.write_text("a file where a folder should be")
    problems = write_files((name, b"x") for name in names)
    assert list(problems) == names[::2]
    assert all(isinstance(problem, NotADirectoryError | FileExistsError) for problem in problems.values())
    assert [name.read_bytes() for name in names[1::2]] == [b"x"] * 3


def test_what_the_disk_did_not_take_has_no_name(names: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.fsync, []

    def fail_once(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 4:
            raise OSError(errno.EIO, "lost")
        real(descriptor)

    for folder in (0, 1):
        names[folder].parent.mkdir()
    monkeypatch.setattr(os, "fsync", fail_once)
    problems = write_files((name, b"x") for name in names)
    assert len(calls) == len(names)
    assert list(problems) == [names[3]]
    assert [name.exists() for name in names] == [number != 3 for number in range(7)]
    assert len(list(names[1].parent.iterdir())) == 2


def test_a_single_file_fails_aloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="no space"):
        write_file(tmp_path / "x", b"x")
    assert list(tmp_path.iterdir()) == []


def test_directories_are_made_and_synced_from_the_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("runtime.durable.sync_directory", synced.append)
    make_directories(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    make_directories(tmp_path / "a" / "b" / "c")
    assert len(synced) == 3
