"""One fsync serves all who wait, and none who came too late for it."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from gateway_client.durable import GroupSync
from runtime import make_directories


def test_threads_that_wait_together_share_an_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began, go_on = threading.Event(), threading.Event()
    count = []

    def fsync(_: int) -> None:
        count.append(1)
        began.set()
        assert go_on.wait(10)

    group = GroupSync(tmp_path)
    monkeypatch.setattr(os, "fsync", fsync)
    first = threading.Thread(target=group.sync)
    first.start()
    assert began.wait(10)
    others = [threading.Thread(target=group.sync) for _ in range(8)]
    for thread in others:
        thread.start()
    while group._asked < 9:
        threading.Event().wait(0.001)
    go_on.set()
    for thread in [first, *others]:
        thread.join(10)
    assert len(count) == 2
    group.close()


def test_everybody_who_counted_on_a_failed_fsync_hears_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began, go_on = threading.Event(), threading.Event()
    failures: list[OSError] = []
    calls = []

    def fsync(_: int) -> None:
        calls.append(1)
        if len(calls) == 1:
            began.set()
            assert go_on.wait(10)
        if len(calls) == 2:
            raise OSError(errno.EIO, "lost")

    def sync() -> None:
        try:
            group.sync()
        except OSError as error:
            failures.append(error)

    group = GroupSync(tmp_path)
    monkeypatch.setattr(os, "fsync", fsync)
    threads = [threading.Thread(target=sync)]
    threads[0].start()
    assert began.wait(10)
    threads += [threading.Thread(target=sync) for _ in range(4)]
    for thread in threads[1:]:
        thread.start()
    while group._asked < 5:
        threading.Event().wait(0.001)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert len(failures) == 4
    group.sync()
    group.close()


def test_directories_are_made_and_synced_from_the_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("runtime.durable.sync_directory", synced.append)
    make_directories(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    make_directories(tmp_path / "a" / "b" / "c")
    assert len(synced) == 3
