"""A program that gets objects: DCMTK and Orthanc give them, the application decides, and their counts say what it decided."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from dul import CommandField, Instance, Progress, Request, Sink, got_by
from gateway_client import BadQuery, NoAssociation, SpoolError
from gateway_client.objects.part10 import digest_of
from gateway_client.reception import offering
from magbroker.gateway import Keep, Origin, Peer, Place, Requester, StoredObject
from tests.integration.gateway.conftest import storescu
from tests.integration.gateway.test_application import PATIENCE, Program, raises, uid_of
from tests.support import dcmtk_archive, orthanc
from tests.support.dcmtk_archive import Dcmqrscp
from tests.support.dicom import Storescp, data_set_bytes, make_slices
from tests.support.identifiers import STUDY, SYNTAXES
from tests.support.orthanc import Orthanc
from tests.support.query_provider import QueryProvider, Table

CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return list(make_slices(tmp_path_factory.mktemp("images") / "study", 3).values())


@pytest.fixture(scope="module")
def wanted(images: list[Path]) -> str:
    return f"StudyInstanceUID={dcmread(images[0], stop_before_pixels=True).StudyInstanceUID}"


@pytest.fixture(scope="module", params=["DCMTK", "Orthanc"])
def archive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, images: list[Path]) -> Iterator[Requester]:
    """Run an archive that has the images."""
    folder = tmp_path_factory.mktemp("archive") / "archive"
    if request.param == "DCMTK":
        with Dcmqrscp(folder) as port:
            assert storescu(port, *images, options=("-aec", dcmtk_archive.AE_TITLE)).returncode == 0
            yield Requester(Peer("127.0.0.1", port, dcmtk_archive.AE_TITLE, "OURS"))
    else:
        with Orthanc(folder) as running:
            for image in images:
                running.post("/instances", image.read_bytes())
            yield Requester(Peer("127.0.0.1", running.port, orthanc.AE_TITLE, "OURS"))


def files_of(folder: Path) -> dict[str, str]:
    """List what lies in a folder, with what was left on the way."""
    return {path.name: digest_of(path) for path in folder.rglob("*") if path.is_file()}


def test_what_is_given_no_place_lies_in_the_folder_under_its_uid(
    archive: Requester, images: list[Path], wanted: str, tmp_path: Path
) -> None:
    program = Program()
    retrieved = archive.get(wanted, folder=tmp_path / "got", application=program)
    assert (retrieved.well, retrieved.status, retrieved.progress.completed) == (True, 0x0000, 3)
    assert files_of(tmp_path / "got") == {f"{uid_of(image)}.dcm": digest_of(image) for image in images}
    assert program.asked == ["place", "object"] * 3
    assert {stored.origin for stored in program.stored} == {Origin(archive.peer.called, "OURS", "127.0.0.1")}
    assert program.ended.get_nowait().calling == archive.peer.called
    assert [path.name for path in (tmp_path / "got").iterdir() if path.is_dir()] == []


def in_memory(_meta: object) -> Place:
    return Keep.MEMORY


@pytest.mark.parametrize(
    ("decides", "completed"),
    [
        ({"object": lambda _stored: False}, 0),
        ({"object": raises}, 0),
        ({"place": raises}, 0),
        ({"place": lambda _meta: Path("somewhere.dcm")}, 0),
        ({"place": in_memory}, 3),
        ({"place": in_memory, "object": lambda stored: stored.dataset().InstanceNumber == 1}, 1),
    ],
)
def test_the_peer_counts_what_was_taken(
    archive: Requester, wanted: str, tmp_path: Path, decides: dict[str, Callable[[object], object]], completed: int
) -> None:
    program = Program(**decides)  # type: ignore[arg-type]  # a row of the table
    retrieved = archive.get(wanted, folder=tmp_path / "got", application=program)
    assert (retrieved.progress.completed, retrieved.progress.failed) == (completed, 3 - completed)
    assert retrieved.well is (completed == 3)
    assert files_of(tmp_path / "got") == {}


def test_the_application_moves_what_comes_by_what_is_in_it(
    archive: Requester, images: list[Path], wanted: str, tmp_path: Path
) -> None:
    program = Program(object=lambda stored: bool(stored.move(tmp_path / "by" / f"{stored.dataset().InstanceNumber}.dcm")))
    assert archive.get(wanted, folder=tmp_path / "got", application=program).well
    assert files_of(tmp_path / "by") == {f"{dcmread(image).InstanceNumber}.dcm": digest_of(image) for image in images}
    assert files_of(tmp_path / "got") == {}


def test_a_program_finds_what_it_gets(archive: Requester, images: list[Path], wanted: str) -> None:
    (study,) = archive.find("study", "PatientID=666*", "StudyInstanceUID")
    assert wanted == f"StudyInstanceUID={study.StudyInstanceUID}"
    series = archive.find("series", wanted, "SeriesInstanceUID")
    found = archive.find("image", wanted, f"SeriesInstanceUID={series[0].SeriesInstanceUID}", "SOPInstanceUID")
    assert {one.SOPInstanceUID for one in found} == {uid_of(image) for image in images}
    assert len(archive.find("image", wanted, f"SeriesInstanceUID={series[0].SeriesInstanceUID}", limit=2)) == 2
    assert archive.find("study", "PatientID=NOBODY") == []


def test_a_program_has_objects_moved(images: list[Path], tmp_path: Path) -> None:
    table = Table.of_files(images)
    told: list[Progress] = []
    with Storescp(tmp_path / "sink") as sink, QueryProvider(table, {"SINK": ("127.0.0.1", sink.port)}) as provider:
        requester = Requester(Peer("127.0.0.1", provider.port))
        moved = requester.move("SINK", f"StudyInstanceUID={table.rows[0][STUDY]}", told=told.append)
        unknown = requester.move("NOBODY", f"StudyInstanceUID={table.rows[0][STUDY]}")
        received = sink.received()
    assert (moved.well, moved.progress.completed, set(received)) == (True, 3, {uid_of(image) for image in images})
    assert told[-1].completed in (2, 3)
    assert (unknown.well, unknown.status) == (False, 0xA801)


def giving(instances: Sequence[Instance]) -> QueryProvider:
    """Make a provider that gives some objects whatever is asked."""

    async def select(_request: Request, _data: bytes) -> Sequence[Instance]:
        return instances

    return QueryProvider(Table([]), services={CommandField.C_GET_RQ: got_by(select)})


def test_one_uid_that_is_none_is_refused_and_the_others_are_taken(images: list[Path], tmp_path: Path) -> None:
    read = partial(data_set_bytes, images[0])
    instances = [Instance(CT, "../evil", SYNTAXES[0], read), Instance(CT, uid_of(images[0]), SYNTAXES[0], read)]
    with giving(instances) as provider:
        retrieved = Requester(Peer("127.0.0.1", provider.port)).get("StudyInstanceUID=1.2", folder=tmp_path / "got")
    assert (retrieved.progress.completed, retrieved.progress.failed) == (1, 1)
    assert list(files_of(tmp_path)) == [f"{uid_of(images[0])}.dcm"]


def test_an_object_that_is_too_large_fails_and_the_application_hears_why(
    images: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offering, "MEMORY_LIMIT", 20_000)
    program = Program(place=in_memory)
    table = Table.of_files(images[:1])
    with QueryProvider(table) as provider:
        requester = Requester(Peer("127.0.0.1", provider.port))
        wanted = f"StudyInstanceUID={table.rows[0][STUDY]}"
        large = requester.get(wanted, folder=tmp_path, application=program)
        larger = requester.get(wanted, folder=tmp_path, application=program, max_object_bytes=1000)
    assert (large.progress.failed, larger.progress.failed) == (1, 1)
    assert program.lost.get_nowait() == (uid_of(images[0]), "An object in memory may have 20000 bytes.")


def test_the_application_hears_of_a_peer_that_is_silent(tmp_path: Path) -> None:
    """What has come of an object until then is told of, and gone."""

    def silent(_request: Request) -> Sink:
        return Nothing()

    program = Program()
    with QueryProvider(Table([]), services={CommandField.C_GET_RQ: silent}) as provider:
        requester = Requester(Peer("127.0.0.1", provider.port, called="SILENT", timeout=2))
        with pytest.raises(NoAssociation, match=r"did not answer within 2 s"):
            requester.get("StudyInstanceUID=1.2", folder=tmp_path, application=program, sop_classes=(CT,))
    assert program.silent.get(timeout=PATIENCE).calling == "SILENT"
    assert program.ended.get(timeout=PATIENCE).calling == "SILENT"
    assert list(tmp_path.iterdir()) == []


class Nothing:
    """Takes a request, and answers nothing."""

    def write(self, data: memoryview) -> None:
        """Let it go."""

    def finish(self) -> None:
        """Say nothing."""

    def abandon(self) -> None:
        """Do nothing."""


class Breaking:
    """An object that is lost half way."""

    size = 1 << 20

    def read(self, count: int) -> bytes:
        if self.size < 1 << 19:
            raise OSError(None, "half way")
        self.size -= count
        return bytes(count)

    def close(self) -> None:
        """Do nothing."""


def test_the_application_hears_of_an_object_that_was_cut_off(images: list[Path], tmp_path: Path) -> None:
    program = Program()
    whole = uid_of(images[0])
    instances = [
        Instance(CT, whole, SYNTAXES[0], partial(data_set_bytes, images[0])),
        Instance(CT, "2.25.1", SYNTAXES[0], Breaking),
    ]
    with giving(instances) as provider, pytest.raises(NoAssociation, match="was lost"):
        Requester(Peer("127.0.0.1", provider.port)).get("StudyInstanceUID=1.2", folder=tmp_path, application=program)
    assert program.lost.get_nowait() == ("2.25.1", "The association ended before it was whole.")
    assert program.ended.get_nowait().calling == "ANY-SCP"
    assert list(files_of(tmp_path)) == [f"{whole}.dcm"]


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda it: it.find("studies"), "'studies' is no level"),
        (lambda it: it.find("study", "PatientNam=DOE"), "is it PatientName"),
        (lambda it: it.find("study", model="root"), "'root' is no information model"),
        (lambda it: it.move("SINK", "Modality=CT"), "Say what is wanted"),
        (lambda it: it.get("StudyInstanceUID", folder=Path("/nowhere")), "Say what is wanted"),
    ],
)
def test_what_cannot_be_understood_is_asked_of_nobody(ask: Callable[[Requester], list[Dataset]], words: str) -> None:
    with pytest.raises(BadQuery, match=words):
        ask(Requester(Peer("127.0.0.1", 1)))


def test_where_nobody_listens_there_is_no_association_and_nothing_is_left(tmp_path: Path) -> None:
    requester = Requester(Peer("127.0.0.1", 1))
    with pytest.raises(NoAssociation, match=r"127\.0\.0\.1:1"):
        requester.get("StudyInstanceUID=1.2", folder=tmp_path, application=Program())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_is_told_of_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpoolError, match="cannot be written"):
        Requester(Peer("127.0.0.1", 1)).get("StudyInstanceUID=1.2", folder=tmp_path / "file" / "below")


def test_a_get_does_not_replace_another_object(images: list[Path], tmp_path: Path) -> None:
    there = tmp_path / f"{uid_of(images[0])}.dcm"
    there.write_bytes(images[1].read_bytes())
    refused: list[StoredObject] = []
    program = Program(object=lambda stored: bool(refused.append(stored)))
    table = Table.of_files(images[:1])
    with QueryProvider(table) as provider:
        wanted = f"StudyInstanceUID={table.rows[0][STUDY]}"
        retrieved = Requester(Peer("127.0.0.1", provider.port)).get(wanted, folder=tmp_path, application=program)
    assert (retrieved.progress.failed, refused) == (1, [])
    assert digest_of(there) == digest_of(images[1])
