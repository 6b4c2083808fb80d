"""The spooling thread: what waits together is kept together, and one object's trouble is no other's."""

from __future__ import annotations

import errno
import os
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway_client.errors import NotAnObject, SpoolError
from gateway_client.objects.header import read_header
from gateway_client.objects.part10 import FileMeta
from gateway_client.reception.spool import Origin, Spool, SpooledFile
from gateway_client.reception.spooling import End, Spooling, SpoolThread
from runtime import FixedClock
from tests.unit.gateway_client.fakes import CT, EXPLICIT, MOMENT, data_set


class Desk:
    """A spooling thread, and what it tells."""

    def __init__(self, directory: Path) -> None:
        self.spool = Spool(directory, FixedClock(MOMENT))
        self.files: list[SpooledFile] = []
        self.told: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.thread = SpoolThread(self.spool, self.received, self.told.put)
        self.done: list[str] = []

    def received(self, file: SpooledFile) -> None:
        if file.meta.sop_instance_uid == "1.2.13":
            raise OSError(errno.EIO, "no journal")
        self.files.append(file)

    def put(self, uid: str, data: bytes | None = None, end: End | None = End.WHOLE) -> Spooling:
        """Have an object spooled."""
        spooling = Spooling(FileMeta(CT, uid, EXPLICIT), Origin())
        pieces = [memoryview(data_set(uid) if data is None else data)]
        self.thread.put(spooling, pieces, end, lambda: self.done.append(uid))
        return spooling

    def hear(self, count: int) -> None:
        """Do what the thread has told, until so many objects were told of."""
        while len(self.done) < count:
            self.told.get(timeout=10)()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.thread.stop()
    desk.spool.close()


def test_objects_that_wait_for_the_disk_are_kept_together_and_told_in_their_order(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on = threading.Event(), threading.Event()
    directories: list[int] = []

    def fsync(descriptor: int) -> None:
        began.set()
        assert go_on.wait(10)
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            directories.append(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    desk.put("1.2.0")
    assert began.wait(10)
    for number in range(1, 6):
        desk.put(f"1.2.{number}")
    assert desk.files == []
    go_on.set()
    desk.hear(6)
    assert desk.done == [f"1.2.{number}" for number in range(6)]
    assert [file.meta.sop_instance_uid for file in desk.files] == desk.done
    assert len(directories) == 2


def test_the_header_comes_with_an_object_unless_it_is_too_long(desk: Desk) -> None:
    desk.put("1.2.1", data_set("1.2.1"))
    desk.put("1.2.2", data_set("1.2.2") + b"\xe0\x7f\x10\x00OW\0\0\0\0\2\0" + bytes(0x20000))
    desk.put("1.2.3", data_set("1.2.3") + b"\x31\x00\x10\x00UN\0\0\0\0\2\0" + bytes(0x20000))
    desk.hear(3)
    for file in desk.files[:2]:
        assert file.header == read_header(desk.spool.path(file.name))
    assert desk.files[2].header is None


def test_what_is_wrong_with_one_object_is_its_own_trouble(desk: Desk) -> None:
    broken, unwanted, abandoned = desk.put("1.2.1", b"no data set"), desk.put("1.2.13"), desk.put("1.2.3", end=End.ABANDONED)
    good = desk.put("1.2.4")
    desk.hear(4)
    assert isinstance(broken.problem, NotAnObject)
    assert isinstance(unwanted.problem, SpoolError)
    assert (abandoned.problem, good.problem) == (None, None)
    assert [file.meta.sop_instance_uid for file in desk.files] == ["1.2.4"]
    assert list(desk.spool._temporary.iterdir()) == []


def test_an_object_in_pieces_is_told_of_after_each_and_kept_after_the_last(desk: Desk) -> None:
    data, spooling = data_set("1.2.1"), Spooling(FileMeta(CT, "1.2.1", EXPLICIT), Origin())
    for piece, end in ((data[:100], None), (data[100:200], None), (data[200:], End.WHOLE)):
        desk.thread.put(spooling, [memoryview(piece)], end, lambda: desk.done.append("piece"))
    desk.hear(3)
    assert desk.spool.path(desk.files[0].name).read_bytes().endswith(data)
