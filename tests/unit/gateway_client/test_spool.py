"""The spool: durable before the sender hears of it, and nothing half written when it cannot be."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path

import pytest
from pydicom import dcmread

from gateway_client.errors import ObjectTooLarge, SpoolError, SpoolFull
from gateway_client.objects.part10 import FileMeta
from gateway_client.reception.spool import Origin, Spool, SpooledFile, SpoolWriter
from runtime import FixedClock
from tests.unit.gateway_client.fakes import CT, EXPLICIT, MOMENT, data_set

PIECE = 1 << 20
META = FileMeta(CT, "1.2.3", EXPLICIT, "MODALITY")


def everything(directory: Path) -> list[str]:
    """List every file below a directory."""
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path, FixedClock(MOMENT), max_object_bytes=3 * PIECE)


def test_an_object_in_pieces_is_a_dicom_file_with_its_bytes_as_they_came(spool: Spool) -> None:
    data = data_set("1.2.3")
    writer = spool.begin(META, Origin("MODALITY", "GW", "10.0.0.1"))
    for byte in data:
        writer.write(bytes([byte]))
    assert spool.names() == []
    file = writer.commit()
    assert spool.names() == [file.name]
    assert (file.size, file.origin.peer, file.received_at) == (len(data), "10.0.0.1", MOMENT.timestamp())
    whole = spool.path(file.name).read_bytes()
    assert whole.endswith(data)
    assert dcmread(spool.path(file.name)).PatientName == "DEMO^PATIENT^ONE"
    again = spool.read(file.name)
    assert (again.size, again.digest, again.meta.sop_instance_uid) == (file.size, file.digest, "1.2.3")


def test_a_file_without_a_journal_entry_still_names_the_association(spool: Spool) -> None:
    writer = spool.begin(FileMeta(CT, "1.2.3", EXPLICIT, "MODALITY", "GW"), Origin("MODALITY", "GW", "10.0.0.1"))
    writer.write(data_set("1.2.3"))
    assert spool.read(writer.commit().name).origin == Origin("MODALITY", "GW", "")


def test_the_file_is_synced_before_its_name_and_its_name_before_the_answer(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    real_sync, real_rename = os.fsync, os.rename

    def fsync(descriptor: int) -> None:
        order.append("directory" if is_directory(descriptor) else "file")
        real_sync(descriptor)

    def rename(source: str, target: str) -> None:
        order.append("rename")
        real_rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    writer = spool.begin(META)
    writer.write(data_set("1.2.3"))
    writer.commit()
    assert order == ["file", "rename", "directory"]


def several(spool: Spool, count: int) -> list[SpoolWriter]:
    """Begin objects, the first bytes of each written."""
    writers = [spool.begin(FileMeta(CT, f"1.2.{number}", EXPLICIT)) for number in range(count)]
    for number, writer in enumerate(writers):
        writer.write(data_set(f"1.2.{number}"))
    return writers


def is_directory(descriptor: int) -> bool:
    return os.path.isdir(f"/proc/self/fd/{descriptor}")


def test_objects_that_are_kept_together_share_the_sync_of_their_directory(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(is_directory(descriptor)))
    kept = spool.keep(several(spool, 3))
    assert [file.meta.sop_instance_uid for file in kept if isinstance(file, SpooledFile)] == ["1.2.0", "1.2.1", "1.2.2"]
    assert synced == [False, False, False, True]


def test_files_whose_sync_is_slow_are_synced_at_the_same_time(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(3)
    seconds = iter([0.0, 1.0])
    first = iter([True])

    def fsync(descriptor: int) -> None:
        if not is_directory(descriptor) and not next(first, False):
            together.wait(10)  # it is broken, and the test fails, unless all but the first come at the same time

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(time, "perf_counter", lambda: next(seconds))
    assert all(isinstance(file, SpooledFile) for file in spool.keep(several(spool, 4)))


def test_one_object_that_cannot_be_kept_does_not_keep_the_others_from_it(
    tmp_path: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter([0, errno.EIO, 0, 0])

    def fsync(_descriptor: int) -> None:
        if number := next(numbers):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)
    first, second, third = spool.keep(several(spool, 3))
    assert isinstance(second, SpoolError)
    assert everything(tmp_path) == sorted(f"in/{file.name}" for file in (first, third) if isinstance(file, SpooledFile))
    assert len(everything(tmp_path)) == 2


def test_a_name_that_cannot_be_made_is_a_problem_of_its_object(
    tmp_path: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename(_source: str, _target: str) -> None:
        raise OSError(errno.EACCES, "permission denied")

    monkeypatch.setattr(os, "rename", rename)
    assert all(isinstance(problem, SpoolError) for problem in spool.keep(several(spool, 2)))
    assert everything(tmp_path) == []


@pytest.mark.parametrize("call", ["writev", "fsync"])
@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, SpoolFull), (errno.EDQUOT, SpoolFull), (errno.EIO, SpoolError)])
def test_a_disk_that_fails_leaves_nothing(
    tmp_path: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch, call: str, number: int, kind: type[SpoolError]
) -> None:
    writer = spool.begin(META)

    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    def put() -> None:
        writer.write(data_set("1.2.3"))
        writer.commit()

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(kind):
        put()
    assert everything(tmp_path) == []
    with pytest.raises(SpoolError):
        writer.commit()


def test_a_directory_that_cannot_be_synced_leaves_nothing(tmp_path: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        if is_directory(descriptor):
            raise OSError(errno.EIO, "input/output error")

    writers = several(spool, 2)
    monkeypatch.setattr(os, "fsync", fail)
    assert all(isinstance(problem, SpoolError) for problem in spool.keep(writers))
    assert everything(tmp_path) == []


def test_a_disk_that_is_full_in_the_middle_leaves_nothing(tmp_path: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = spool.begin(META)
    writer.write(bytes(PIECE))

    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "writev", fail)
    with pytest.raises(SpoolFull):
        writer.write(bytes(PIECE))
    assert everything(tmp_path) == []
    with pytest.raises(SpoolFull):
        writer.write(b"more")


def test_an_object_that_is_too_large_leaves_nothing(tmp_path: Path, spool: Spool) -> None:
    writer = spool.begin(META)
    writer.write(bytes(3 * PIECE))
    with pytest.raises(ObjectTooLarge):
        writer.write(b"x")
    assert everything(tmp_path) == []


def test_below_the_floor_nothing_is_taken(tmp_path: Path) -> None:
    spool = Spool(tmp_path, FixedClock(MOMENT), free_space_floor=1 << 60)
    with pytest.raises(SpoolFull):
        spool.begin(META)
    assert everything(tmp_path) == []


def test_what_was_being_received_is_gone_after_a_start(tmp_path: Path, spool: Spool) -> None:
    kept = spool.begin(META)
    kept.commit()
    lost = spool.begin(META)
    lost.write(bytes(2 * PIECE))
    again = Spool(tmp_path, FixedClock(MOMENT))
    again.clear()
    assert everything(tmp_path) == [f"in/{name}" for name in again.names()]
    assert len(again.names()) == 1


def test_what_was_being_received_and_cannot_be_removed_is_no_trouble(
    tmp_path: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        spool.begin(META)
    stubborn = everything(tmp_path)[0]

    def unlink(path: Path) -> None:
        if path == tmp_path / stubborn:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        os.unlink(path)

    monkeypatch.setattr(Path, "unlink", unlink)
    spool.clear()
    assert everything(tmp_path) == [stubborn]


def test_what_one_process_put_in_is_told_from_what_others_did(tmp_path: Path) -> None:
    one, other = (Spool(tmp_path, FixedClock(MOMENT), tag=tag) for tag in ("00000001", "00000002"))
    kept = [spool.begin(META).commit().name for spool in (one, other)]
    half = [spool.begin(META) for spool in (one, other)]
    one.clear("00000001")
    half[1].write(b"DATA")
    kept.append(half[1].commit().name)
    assert (one.names("00000001"), one.names("00000002")) == (kept[:1], sorted(kept[1:]))
    assert everything(tmp_path) == sorted(f"in/{name}" for name in kept)


def test_refused_files_are_kept_aside_and_removed_ones_are_gone(tmp_path: Path, spool: Spool) -> None:
    held, gone = spool.begin(META).commit(), spool.begin(META).commit()
    for _ in range(2):
        spool.hold(held.name)
        spool.remove(gone.name)
    assert everything(tmp_path) == [f"held/{held.name}"]


def test_a_directory_that_cannot_be_made_is_a_spool_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError):
        Spool(tmp_path / "file" / "spool", FixedClock(MOMENT))
