"""What was chosen is kept for its owner alone, and bounded."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from console.shell import history
from console.shell.history import HistoryFile


def test_lines_are_kept_in_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    file = HistoryFile(tmp_path / "shell_history")
    assert file.read() == []
    for line in ("EXPORT LIST", "EXPORT LIST", "STATUS"):
        file.add(line)
    assert file.read() == ["EXPORT LIST", "STATUS"]
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert [it.name for it in tmp_path.iterdir()] == ["shell_history"]


def test_a_file_that_others_could_read_is_theirs_no_more(tmp_path: Path) -> None:
    file = HistoryFile(tmp_path / "shell_history")
    file.path.write_text("OLD\n")
    file.path.chmod(0o644)
    file.add("NEW")
    assert (file.read(), stat.S_IMODE(file.path.stat().st_mode)) == (["OLD", "NEW"], 0o600)


def test_the_oldest_lines_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST", 3)
    file = HistoryFile(tmp_path / "shell_history")
    for number in range(5):
        file.add(str(number))
    assert file.read() == ["2", "3", "4"]


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    file = HistoryFile(tmp_path / "nowhere" / "shell_history")
    file.add("STATUS")
    assert file.read() == []
