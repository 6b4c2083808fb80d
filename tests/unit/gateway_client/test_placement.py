"""Files come to their places whole, durable, and without overwriting anything."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from gateway_client.acquisition.placement import Placed, place, sync_parents
from gateway_client.errors import PlacementError, UnknownShare
from gateway_client.locations import NetworkLocations
from gateway_client.objects.part10 import FileMeta, digest_of, encode_head
from tests.unit.gateway_client.fakes import CT, EXPLICIT, data_set


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "spooled"
    path.write_bytes(encode_head(FileMeta(CT, "1.2.3", EXPLICIT)) + data_set("1.2.3"))
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "share" / "SL00" / "00" / "x.DCM"


@pytest.fixture
def other_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EXDEV, "cross-device link")

    monkeypatch.setattr(os, "link", fail)


def test_on_one_file_system_a_file_is_linked(source: Path, target: Path) -> None:
    assert place(source, target, digest_of(source)) is Placed.LINKED
    assert target.samefile(source)
    sync_parents([target])


@pytest.mark.usefixtures("other_file_system")
def test_on_another_file_system_it_is_copied(source: Path, target: Path) -> None:
    assert place(source, target, digest_of(source)) is Placed.COPIED
    assert target.read_bytes() == source.read_bytes()
    assert not target.samefile(source)
    assert os.listdir(target.parent) == ["x.DCM"]


@pytest.mark.usefixtures("other_file_system")
def test_a_copy_that_differs_is_no_copy(source: Path, target: Path) -> None:
    with pytest.raises(PlacementError, match="differs"):
        place(source, target, "another digest")
    assert os.listdir(target.parent) == []


@pytest.mark.usefixtures("other_file_system")
def test_a_full_disk_leaves_no_part_of_a_copy(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    target.parent.mkdir(parents=True)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(PlacementError, match="no space"):
        place(source, target, digest_of(source))
    assert os.listdir(target.parent) == []


def test_the_same_file_in_place_is_left(source: Path, target: Path) -> None:
    place(source, target, digest_of(source))
    assert place(source, target, digest_of(source)) is Placed.THERE


def test_a_file_in_place_is_left_when_its_source_is_gone_and_without_it_that_is_a_failure(source: Path, target: Path) -> None:
    digest = digest_of(source)
    place(source, target, digest)
    source.unlink()
    assert place(source, target, digest) is Placed.THERE
    target.unlink()
    with pytest.raises(PlacementError, match="No such file"):
        place(source, target, digest)


@pytest.mark.usefixtures("other_file_system")
def test_a_copy_overwrites_nothing(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.write_bytes(b"older")
    assert place(source, target, digest_of(source)) is Placed.COPIED
    assert target.with_name("x.DCM.orphan1").read_bytes() == b"older"


@pytest.mark.parametrize("older", [b"no DICOM file", encode_head(FileMeta(CT, "9", EXPLICIT)) + data_set("9")])
def test_another_file_in_place_is_put_aside(source: Path, target: Path, older: bytes) -> None:
    target.parent.mkdir(parents=True)
    for number in (1, 2):
        target.unlink(missing_ok=True)
        target.write_bytes(older)
        assert place(source, target, digest_of(source)) is Placed.LINKED
        assert target.with_name(f"x.DCM.orphan{number}").read_bytes() == older
    assert target.samefile(source)


LINES = ["1^RAID1^\\\\DEMO-IMG1\\IMAGE1$\\^image1", "2^DEEP^\\\\DEMO-IMG1\\IMAGE1$\\DEEP\\^/mnt/deep", "3^BROKEN^^x", "rubbish"]


@pytest.mark.parametrize(
    ("unc", "local"),
    [
        ("\\\\DEMO-IMG1\\IMAGE1$\\SL00\\00\\x.DCM", "/data/image1/SL00/00/x.DCM"),
        ("\\\\demo-img1\\image1$\\x.DCM", "/data/image1/x.DCM"),
        ("\\\\DEMO-IMG1\\IMAGE1$\\DEEP\\x.DCM", "/mnt/deep/x.DCM"),
        ("\\\\DEMO-IMG1\\IMAGE1$\\\\x.DCM", "/data/image1/x.DCM"),
    ],
)
def test_shares_lie_where_the_site_says(unc: str, local: str) -> None:
    assert NetworkLocations.parse(LINES, Path("/data")).local_path(unc) == Path(local)


@pytest.mark.parametrize(
    "unc",
    [
        "",
        "x.DCM",
        "\\\\OTHER\\IMAGE1$\\x",
        "\\\\DEMO-IMG1\\IMAGE1$\\..\\x",
        "\\\\DEMO-IMG1\\IMAGE1$\\a/../../x",
        "\\\\DEMO-IMG1\\IMAGE1$\\a\0",
    ],
)
def test_no_path_leads_elsewhere(unc: str) -> None:
    with pytest.raises(UnknownShare):
        NetworkLocations.parse(LINES, Path("/data")).local_path(unc)
