"""Directories are durable before anything lies in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime import make_directories


def test_directories_are_made_and_synced_from_the_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("runtime.durable.sync_directory", synced.append)
    make_directories(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    make_directories(tmp_path / "a" / "b" / "c")
    assert len(synced) == 3
