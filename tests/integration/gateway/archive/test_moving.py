"""Retrievals of the archive with its real broker: which instances arrive, by whatever asks, from wherever they lie."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from sqlalchemy import Connection, func, select, update

from fileman import bump_site_version, image_moved
from fileman.files import ArchiveInstance, DicomExportImage, Image, NetworkLocation, OperatorRequest, Recall
from gateway_client.configuration import Peer
from gateway_client.objects.part10 import read_meta
from magbroker.gateway import Peer as RemotePeer
from magbroker.gateway import Requester
from runtime import DestinationSettings, SystemClock, free_port
from tests.integration.gateway.archive.samples import OTHER_PATIENT_ID, PATIENT_ID
from tests.integration.system.conftest import Site
from tests.support.archive_site import ROOT, an_object
from tests.support.dcmtk_retrieval import getscu, movescu
from tests.support.dicom import Storescp, data_set_bytes
from tests.support.exact_contexts import store_exactly
from tests.support.moving_site import SINK, MovingSite, bytes_of, moving_site
from tests.support.orthanc import AE_TITLE as ORTHANC
from tests.support.orthanc import Orthanc
from tests.support.query_matcher import UNIQUE, matches
from tests.support.waiting import until

RAID, JUKEBOX = 1, 2
#: A destination that takes nothing compressed.
PLAIN = "PLAIN"
#: A destination that is down; what is queued for it is tried again soon.
DOWN = "DOWN"
MAGICSTORE = {"implicit_only": True, "pending_and_close": True, "recall_seconds": 0}
LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")
PATIENTS = {
    PATIENT_ID: {"PatientName": "DEMO^PATIENT ONE", "PatientBirthDate": "19500131", "AccessionNumber": "021026-201"},
    OTHER_PATIENT_ID: {
        "PatientName": "FERNANDEZ-RUIZ^ANA MARIA",
        "PatientBirthDate": "19880617",
        "PatientSex": "F",
        "AccessionNumber": "021226-203",
    },
}
#: A third patient, of whom nothing is archived but what a test adds.
O_CONNOR = {
    "PatientName": "O'CONNOR^LIAM P",
    "PatientID": "666001102",
    "PatientBirthDate": "19450317",
    "PatientSex": "M",
    "AccessionNumber": "021326-204",
}
#: Two studies of each patient, of two series of two images.
OBJECTS = [
    an_object(
        **facts,
        PatientID=patient,
        StudyInstanceUID=(of_study := f"2.25.{patient}.{study}"),
        SeriesInstanceUID=f"{of_study}.{series}",
        SOPInstanceUID=f"{of_study}.{series}.{image}",
        InstanceNumber=image,
    )
    for patient, facts in PATIENTS.items()
    for study in (1, 2)
    for series in (1, 2)
    for image in (1, 2)
]
BYTES = bytes_of(OBJECTS)
#: As the plain matcher takes them.
VALUES = [{tag: [str(it[int(tag, 16)].value)] for tag in UNIQUE.values()} for it in OBJECTS]
STUDY = str(OBJECTS[0].StudyInstanceUID)
OF_STUDY = {uid: data for uid, data in BYTES.items() if uid.startswith(f"{STUDY}.")}
KEYS = ["QueryRetrieveLevel=STUDY", f"StudyInstanceUID={STUDY}"]


@pytest.fixture(scope="module")
def orthanc_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storescp]:
    with Storescp(tmp_path_factory.mktemp("plain"), options=("+x=",)) as plain:
        yield plain


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, orthanc_port: int, plain: Storescp) -> Iterator[MovingSite]:
    directory = tmp_path_factory.mktemp("site")
    ports = {ORTHANC: orthanc_port, PLAIN: plain.port, DOWN: free_port()}
    peers = {title: Peer("127.0.0.1", port) for title, port in ports.items()}
    entities = {"short_term": {"recall_seconds": 20}, "long_term": MAGICSTORE}
    changes = {"destinations": {DOWN: DestinationSettings(retry_minutes=0.01, retries=1000)}}
    with moving_site(directory, OBJECTS, peers=peers, entities=entities, changes=changes) as site:
        yield site


@pytest.fixture(scope="module")
def orthanc(site: MovingSite, orthanc_port: int) -> Iterator[Orthanc]:
    modalities = {f"{ROOT}DQRY": site.archive.port("short_term"), f"{ROOT}DRSP": site.archive.port("receiver")}
    with Orthanc(site.archive.directory / "orthanc", modalities, orthanc_port) as running:
        yield running


def wanted(random: Random) -> tuple[str, dict[str, list[str]]]:
    """Make the keys of a retrieval: of levels from some one on, the lowest with up to three values."""
    level = random.randrange(len(LEVELS))
    target = random.choice(VALUES)
    keys = {UNIQUE[LEVELS[at]]: target[UNIQUE[LEVELS[at]]] for at in range(level) if random.random() < 0.6}
    lowest = UNIQUE[LEVELS[level]]
    more = random.choice([0, 1, 2]) if level else 0
    keys[lowest] = list(dict.fromkeys([target[lowest][0], *(random.choice(VALUES)[lowest][0] for _ in range(more))]))
    return LEVELS[level], keys


def test_what_arrives_is_what_a_plain_matcher_finds(site: MovingSite) -> None:
    random = Random(9)
    numbers = set()
    for _ in range(60):
        level, keys = wanted(random)
        found = matches(VALUES, "IMAGE", {UNIQUE["IMAGE"]: [], **keys})
        uids = {it[UNIQUE["IMAGE"]][0] for it in found}
        moved = site.move(level, {int(tag, 16): values for tag, values in keys.items()}, "patient")
        assert moved.statuses[-1] == 0x0000, (level, keys)
        assert site.took() == {uid: BYTES[uid] for uid in uids}, (level, keys)
        numbers.add(len(uids))
    assert len(numbers) > 3, "the retrievals are of different sizes"


@pytest.mark.parametrize("model", ["patient", "study", "patient/study"])
def test_movescu_and_getscu_retrieve_the_same_bytes(site: MovingSite, tmp_path: Path, model: str) -> None:
    keys = [*KEYS, f"PatientID={PATIENT_ID}"]
    moved = movescu(site.address(), keys, SINK, model=model)
    got = getscu(tmp_path / "got", site.address(), keys, model=model)
    for done in (moved, got):
        assert (done.status, done.completed, done.failed, done.warning) == (0x0000, len(OF_STUDY), 0, 0)
    assert site.took() == OF_STUDY
    assert {path.name: data_set_bytes(path) for path in (tmp_path / "got").iterdir()} == OF_STUDY


def test_orthanc_finds_and_moves_a_study_to_itself(site: MovingSite, orthanc: Orthanc) -> None:
    question = {"Level": "Study", "Query": {"StudyInstanceUID": STUDY}}
    query = orthanc.post(f"/modalities/{ROOT}DQRY/query", question)
    assert orthanc.get(f"/queries/{query['ID']}/answers") == ["0"]
    orthanc.post(f"/queries/{query['ID']}/answers/0/retrieve", {"TargetAet": ORTHANC, "Synchronous": True})
    assert files_of(orthanc) == OF_STUDY


def files_of(orthanc: Orthanc) -> dict[str, bytes]:
    """Give what Orthanc holds, byte by byte."""
    found = {}
    for name in orthanc.get("/instances"):
        path = orthanc.directory / name
        path.write_bytes(orthanc.read(f"/instances/{name}/file"))
        found[orthanc.get(f"/instances/{name}")["MainDicomTags"]["SOPInstanceUID"]] = data_set_bytes(path)
    return found


def test_what_orthanc_moves_to_us_is_moved_from_us(site: MovingSite, orthanc: Orthanc) -> None:
    study = "2.25.666001102.1"
    it = an_object(**O_CONNOR, StudyInstanceUID=study, SOPInstanceUID=f"{study}.1")
    path = site.archive.directory / "new.dcm"
    it.save_as(path, enforce_file_format=True)
    orthanc.post("/instances", path.read_bytes())
    before = site.archive.archived()
    asked = Requester(RemotePeer("127.0.0.1", orthanc.port, ORTHANC, "VIEWER"))
    moved = asked.move(f"{ROOT}DRSP", f"StudyInstanceUID={study}")
    assert (moved.status, moved.progress.completed) == (0x0000, 1)
    until(lambda: site.archive.archived() == before + 1, "it is archived")
    assert site.move("STUDY", {"StudyInstanceUID": study}).statuses[-1] == 0x0000
    assert site.took() == bytes_of([it])


def test_a_cancelled_move_ends_with_what_remains(site: MovingSite) -> None:
    keys = ["QueryRetrieveLevel=PATIENT", f"PatientID={PATIENT_ID}"]
    done = movescu(site.address(), keys, SINK, model="patient", options=["--cancel", "1"])
    of_patient = [uid for uid in BYTES if uid.startswith(f"2.25.{PATIENT_ID}.")]
    assert done.status in (0xFE00, 0x0000), "it may have ended before"
    assert done.completed + done.remaining == len(of_patient)
    assert len(site.took()) == done.completed


def test_a_compressed_object_goes_as_it_is_and_without_compression_where_nothing_else_is_taken(
    site: MovingSite, plain: Storescp, tmp_path: Path
) -> None:
    path, study = tmp_path / "rle.dcm", "2.25.666001102.2"
    compressed = dcmread(str(get_testdata_file("MR_small_RLE.dcm")))
    for keyword, value in O_CONNOR.items():
        setattr(compressed, keyword, value)
    compressed.pop("DataSetTrailingPadding", None)  # storescu does not send it
    uid = f"{study}.1"
    compressed.SOPInstanceUID = uid
    compressed.file_meta.MediaStorageSOPInstanceUID = UID(uid)
    compressed.StudyInstanceUID = study
    compressed.save_as(path, enforce_file_format=True)
    before = site.archive.archived()
    store_exactly(tmp_path, "MAGBROKER", site.archive.gateway.port, [path])
    until(lambda: site.archive.archived() == before + 1, "it is archived")
    for destination in (SINK, PLAIN):
        moved = site.move("STUDY", {"StudyInstanceUID": study}, destination=destination)
        assert moved.counts[-1] == (None, 1, 0, 0), moved
    assert site.took() == {uid: data_set_bytes(path)}
    ((uncompressed,),) = plain.received().values()
    assert read_meta(uncompressed).transfer_syntax == ExplicitVRLittleEndian
    compressed.decompress()
    assert dcmread(uncompressed).PixelData == compressed.PixelData


# ---- a profile as MagicStore's ----


def test_a_profile_sends_in_implicit_vr_only(site: MovingSite) -> None:
    assert movescu(site.address("long_term"), KEYS, SINK).completed == len(OF_STUDY)
    got = {uid: read_meta(path).transfer_syntax for uid, (path,) in site.sink.received().items()}
    assert got == dict.fromkeys(OF_STUDY, ImplicitVRLittleEndian)
    site.took()


def test_a_profile_leaves_a_move_pending_whose_objects_are_sent_when_the_destination_is_there(
    site: MovingSite, tmp_path: Path
) -> None:
    moved = movescu(site.address("long_term"), KEYS, DOWN)
    assert (moved.status, moved.completed, moved.failed) == (0xFF00, 0, 0)
    assert moved.remaining == len(OF_STUDY)
    with Storescp(tmp_path / "down", site.archive.gateway.configuration.peers[DOWN].port) as there:
        until(lambda: queued(site) == {("SUCCESS", DOWN): len(OF_STUDY)}, "all is sent")
        assert {uid: [data_set_bytes(path) for path in paths] for uid, paths in there.received().items()} == {
            uid: [data] for uid, data in OF_STUDY.items()
        }


def queued(site: MovingSite) -> dict[tuple[str, str], int]:
    """Count the entries of the export queue by state and destination."""
    entry = (DicomExportImage.status, DicomExportImage.application)
    counted = select(*entry, func.count()).group_by(*entry)
    rows = site.archive.store.read(lambda connection: connection.execute(counted).all())
    return {(status, application): count for status, application, count in rows}


# ---- what is not in store ----


def put_away(site: MovingSite, uids: Sequence[str]) -> list[int]:
    """Have images lie on the jukebox only; give their numbers."""
    data = site.archive.directory

    def move(connection: Connection) -> list[int]:
        rows = connection.execute(select(Image.ien, Image.file_ref).where(Image.uid.in_(uids))).all()
        for row in rows:
            for file in [*(data / "image1").rglob(f"{Path(row.file_ref).stem}.*")]:
                target = data / "jukebox1" / file.relative_to(data / "image1")
                target.parent.mkdir(parents=True, exist_ok=True)
                file.rename(target)
            connection.execute(update(Image).where(Image.ien == row.ien).values(location=None, jukebox_location=JUKEBOX))
            image_moved(connection, row.ien, None, JUKEBOX)
        return [row.ien for row in rows]

    return site.archive.store.transact(move)


def recalled(site: MovingSite, count: int) -> threading.Thread:
    """Run the task that brings images back, in another thread, once they are asked for."""
    store = site.archive.store

    def run() -> None:
        waiting = select(Recall.image)
        until(lambda: len(store.read(lambda connection: connection.execute(waiting).all())) == count, "they are asked for")
        Site(store, SystemClock(), site.archive.directory).run("MAGB RECALL IMAGES")

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_near_line_images_are_fetched_and_then_moved(site: MovingSite) -> None:
    uids = sorted(OF_STUDY)[:3]
    images = put_away(site, uids)
    assert len(images) == 3
    found = site.archive.find("STUDY", {"StudyInstanceUID": STUDY, "StorageMediaFileSetID": ""})
    assert found.matches[0].StorageMediaFileSetID == "NEAR-LINE"
    task = recalled(site, 3)
    moved = site.move("STUDY", {"StudyInstanceUID": STUDY})
    task.join(60)
    assert (moved.statuses[-1], moved.counts[-1]) == (0x0000, (None, len(OF_STUDY), 0, 0))
    assert site.took() == OF_STUDY
    places = select(ArchiveInstance.short_term).where(ArchiveInstance.image.in_(images))
    assert site.archive.store.read(lambda connection: connection.execute(places).scalars().all()) == [RAID] * 3


def test_near_line_images_that_are_not_waited_for_are_sent_later(site: MovingSite) -> None:
    study = f"2.25.{OTHER_PATIENT_ID}.1"
    wanted = {uid: data for uid, data in BYTES.items() if uid.startswith(f"{study}.")}
    put_away(site, sorted(wanted)[:2])
    moved = movescu(site.address("long_term"), ["QueryRetrieveLevel=STUDY", f"StudyInstanceUID={study}"], SINK)
    assert (moved.status, moved.remaining, moved.completed) == (0xFF00, 2, len(wanted) - 2)
    until(lambda: queued(site).get(("SUCCESS", SINK)) == 2, "the other two are sent")
    assert sorted(site.took()) == sorted(wanted)


@pytest.fixture
def off_line(site: MovingSite) -> Iterator[list[str]]:
    """Have an image's only copy be on a medium that is off line."""
    study = f"2.25.{PATIENT_ID}.2"
    uids = [uid for uid in BYTES if uid.startswith(f"{study}.")]

    def change(connection: Connection, online: bool) -> None:
        values = {"online": online, "label": "PLATTER-7"}
        connection.execute(update(NetworkLocation).where(NetworkLocation.ien == JUKEBOX).values(values))
        bump_site_version(connection)

    put_away(site, uids[:1])
    site.archive.store.transact(partial(change, online=False))
    yield uids
    site.archive.store.transact(partial(change, online=True))


def test_off_line_images_fail_by_name_and_the_operator_is_asked_for_their_medium(site: MovingSite, off_line: list[str]) -> None:
    moved = site.move("STUDY", {"StudyInstanceUID": off_line[0].rsplit(".", 2)[0]})
    assert moved.statuses[-1] == 0xB000
    assert moved.counts[-1] == (None, len(off_line) - 1, 1, 0)
    assert moved.failed == off_line[:1]
    assert "is off line; an operator is asked for it" in moved.comment
    assert "PLATTER-7" in moved.comment
    assert sorted(site.took()) == sorted(off_line[1:])
    requests = select(OperatorRequest.label, OperatorRequest.asked_by)
    assert site.archive.store.read(lambda connection: connection.execute(requests).all()) == [("PLATTER-7", "VIEWER")]
