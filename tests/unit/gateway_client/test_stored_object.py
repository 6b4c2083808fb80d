"""An object that was received, moved by a program: durable, whole, and never in place of another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway_client import FileMeta, Origin, PlacementError, PlaceTaken, StoredObject
from gateway_client.objects.part10 import digest_of, encode_head

META = FileMeta("1.2.840.10008.5.1.4.1.1.7", "1.2.3", "1.2.840.10008.1.2.1")
DATA = bytes(range(250)) * 20


@pytest.fixture(params=["file", "memory"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> StoredObject:
    """Make an object, in a file or in memory."""
    file = tmp_path / "received.dcm"
    file.write_bytes(encode_head(META) + DATA)
    digest = digest_of(file)
    if request.param == "memory":
        file.unlink()
        return StoredObject(META, Origin(), data=DATA, digest=digest)
    return StoredObject(META, Origin(), file, digest=digest)


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """Make a folder in another file system."""
    with TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def left(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


def test_it_lies_there_alone_and_whole(stored: StoredObject, tmp_path: Path) -> None:
    moved = stored.move(tmp_path / "new" / "folder" / "one.dcm")
    assert left(tmp_path) == [moved.file]
    assert moved.part10() == encode_head(META) + DATA
    assert (moved.meta, moved.digest, moved.data) == (META, stored.digest, b"")


def test_it_moves_into_another_file_system(stored: StoredObject, tmp_path: Path, elsewhere: Path) -> None:
    moved = stored.move(elsewhere / "one.dcm")
    assert left(tmp_path, elsewhere) == [moved.file]
    assert moved.part10() == encode_head(META) + DATA


def test_another_object_that_is_there_stays(stored: StoredObject, tmp_path: Path) -> None:
    taken = tmp_path / "taken.dcm"
    taken.write_bytes(encode_head(META) + b"another")
    with pytest.raises(PlaceTaken):
        stored.move(taken)
    assert taken.read_bytes().endswith(b"another")
    assert stored.part10() == encode_head(META) + DATA
    assert len(left(tmp_path)) == (1 if stored.file is None else 2)


def test_the_same_object_that_is_there_is_it(stored: StoredObject, tmp_path: Path) -> None:
    """As after a kill between the new name and the end of the old one."""
    there = tmp_path / "there.dcm"
    there.write_bytes(encode_head(META) + DATA)
    assert stored.move(there).file == there
    assert left(tmp_path) == [there]


def test_it_stays_when_it_is_moved_to_where_it_is(tmp_path: Path) -> None:
    file = tmp_path / "one.dcm"
    file.write_bytes(encode_head(META) + DATA)
    assert StoredObject(META, Origin(), file, digest=digest_of(file)).move(file).file == file
    assert left(tmp_path) == [file]


@pytest.mark.parametrize("target", [Path("relative.dcm"), Path("/proc/none/x.dcm")])
def test_a_place_that_cannot_be_is_told_of_and_nothing_is_lost(stored: StoredObject, target: Path) -> None:
    with pytest.raises(PlacementError, match=target.name):
        stored.move(target)
    assert stored.part10() == encode_head(META) + DATA


def test_one_in_the_spool_is_not_moved(tmp_path: Path) -> None:
    file = tmp_path / "spooled.dcm"
    file.write_bytes(encode_head(META) + DATA)
    with pytest.raises(PlacementError, match="spool"):
        StoredObject(META, Origin(), file, digest=digest_of(file), in_spool=True).move(tmp_path / "one.dcm")
    assert left(tmp_path) == [file]
