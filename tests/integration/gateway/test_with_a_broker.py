"""What a real sender (DCMTK) sends is filed by a real broker, and what the broker queues reaches a real receiver."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid
from sqlalchemy import Connection, insert, select, update

from fileman import SiteKey, Store, apply_site
from fileman.files import BackgroundQueue, DicomExport, DicomExportImage, GatewayStatus, Image, ImageEvent, ImageHeader
from fileman.site import parse_site
from gateway_client import Application, Configuration, FileMeta, Gateway, Keep, Origin, Place, StoredObject
from gateway_client.objects.part10 import digest_of, read_meta
from gateway_client.transmission import folder_lane
from gateway_client.transmission.consignment import Consignment, Destination
from gateway_client.transmission.object_file import Outcome, Result
from gateway_client.transmission.scu import StorageSCU
from runtime import DestinationSettings, GatewaySettings, PriorSettings, Settings, free_port
from runtime.settings import PeerSettings
from tests.support.broker import RunningBroker
from tests.support.dcmtk_archive import AE_TITLE as ARCHIVE
from tests.support.dcmtk_archive import Dcmqrscp
from tests.support.sending import send_file
from tests.support.waiting import until

DEMO_SITE = Path(__file__).parents[3] / "data" / "demo.toml"


@pytest.fixture
def sink_port() -> int:
    """Give the port that the site's destinations are said to listen on."""
    return free_port()


@pytest.fixture
def demo_store(tmp_path: Path, site_key: SiteKey, sink_port: int) -> Iterator[Store]:
    """Fill a database with the demo site. The gateway sees no database, so one engine is enough here."""
    store = Store(f"sqlite:///{tmp_path / 'broker.db'}")
    site = parse_site(DEMO_SITE.read_text(encoding="utf-8").replace("11113", str(sink_port)))
    store.transact(lambda connection: apply_site(connection, site, site_key, datetime.fromisoformat("2026-11-21T03:37")))
    yield store
    store.close()


@pytest.fixture
def demo_broker(demo_store: Store, site_key: SiteKey) -> Iterator[RunningBroker]:
    """Run a broker on the demo site."""
    broker = RunningBroker(demo_store, site_key)
    yield broker
    broker.stop()


@pytest.fixture
def settings(tmp_path: Path, demo_broker: RunningBroker) -> Settings:
    """Give the settings of a gateway of the demo site."""
    gateway = GatewaySettings(
        access="DEMOGW1", verify="1GWY!@#$", dicom_port=free_port(), free_space_floor_bytes=0, instrument="DEMO"
    )
    return Settings(data=tmp_path / "data", broker_port=demo_broker.port, gateway=gateway)


@pytest.fixture
def gateway(settings: Settings) -> Iterator[Gateway]:
    """Run a gateway."""
    gateway = Gateway(Configuration.from_settings(settings))
    gateway.start()
    yield gateway
    gateway.stop()


#: pydicom's files by the option that makes storescu propose their transfer syntax.
FILES = {
    "CT_small.dcm": "-xe",
    "MR_small_implicit.dcm": "-xi",
    "MR_small_bigendian.dcm": "-xb",
    "MR_small_RLE.dcm": "-xr",
    "image_dfl.dcm": "-xd",
    "JPEG2000.dcm": "-xw",
    "SC_rgb_jpeg_dcmtk.dcm": "-xy",
    "MR_small_jpeg_ls_lossless.dcm": "-xt",
}
ACCESSION, PATIENT_ID, PATIENT_NAME = "021026-201", "666001100", "DEMO^PATIENT ONE"


def make_file(directory: Path, name: str = "CT_small.dcm", *, accession: str = ACCESSION, uid: str = "") -> Path:
    """Copy one of pydicom's files under a new UID, for a patient and an exam of the demo site."""
    source = get_testdata_file(name)
    assert isinstance(source, str)
    dataset = dcmread(source)
    dataset.SOPInstanceUID = uid or generate_uid()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.PatientID, dataset.PatientName, dataset.AccessionNumber = PATIENT_ID, PATIENT_NAME, accession
    dataset.PatientComments = ""
    path = directory / f"{dataset.SOPInstanceUID}.dcm"
    dataset.save_as(path)
    return path


def send(port: int, *paths: Path, option: str = "-xe", titles: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Send files with storescu."""
    command = ["storescu", "-v", "-R", option, *titles, "127.0.0.1", str(port), *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def images(store: Store, uid: str) -> list[int]:
    """Give the entry numbers of an image."""
    return list(store.transact(lambda connection: connection.execute(select(Image.ien).where(Image.uid == uid)).scalars().all()))


def queued(store: Store, image: int) -> bool:
    """Tell whether an image waits for the rule evaluator."""
    statement = select(BackgroundQueue.ien).where(BackgroundQueue.image == image, BackgroundQueue.queue == "EVAL")
    return bool(store.transact(lambda connection: connection.execute(statement).all()))


def filed_path(settings: Settings, store: Store, image: int) -> Path:
    """Find an image's file on its network location."""
    file = store.transact(lambda connection: connection.execute(select(Image.file_ref).where(Image.ien == image)).scalar_one())
    (path,) = (settings.data / "image1").rglob(file)
    return path


@pytest.mark.parametrize("name", FILES)
def test_what_dcmtk_sends_lies_in_its_place(
    name: str, tmp_path: Path, gateway: Gateway, settings: Settings, demo_store: Store
) -> None:
    """In every transfer syntax the data set is filed in the syntax that it came in, and the broker knows its digest."""
    sent = make_file(tmp_path, name)
    meta = read_meta(sent)
    answer = send(settings.gateway.dicom_port, sent, option=FILES[name])
    assert answer.returncode == 0, answer.stdout + answer.stderr
    until(lambda: bool(images(demo_store, meta.sop_instance_uid)))
    (image,) = images(demo_store, meta.sop_instance_uid)
    until(lambda: queued(demo_store, image))
    filed = filed_path(settings, demo_store, image)
    assert read_meta(filed).transfer_syntax == meta.transfer_syntax
    assert dcmread(filed, force=True).SOPInstanceUID == meta.sop_instance_uid
    digest = demo_store.transact(
        lambda connection: connection.execute(select(Image.digest).where(Image.ien == image)).scalar_one()
    )
    assert digest_of(filed) == digest
    until(lambda: not list((settings.gateway_directory / "spool" / "in").iterdir()))


@pytest.mark.parametrize("name", FILES)
def test_not_one_byte_of_a_data_set_is_changed(
    name: str, tmp_path: Path, gateway: Gateway, settings: Settings, demo_store: Store
) -> None:
    """DCMTK encodes anew what it sends; bytes sent as they are lie in the network location as they were."""
    sent = make_file(tmp_path, name)
    uid = read_meta(sent).sop_instance_uid
    scu = StorageSCU(gateway.configuration)
    destination = Destination("gateway", "MAGBROKER", "127.0.0.1", gateway.port)
    try:
        assert send_file(scu, destination, "study", sent) == Outcome(Result.SENT)
    finally:
        scu.close()
    until(lambda: bool(images(demo_store, uid)) and queued(demo_store, images(demo_store, uid)[0]))
    (image,) = images(demo_store, uid)
    filed = filed_path(settings, demo_store, image)
    before, after = read_meta(sent), read_meta(filed)
    assert after.transfer_syntax == before.transfer_syntax
    assert filed.read_bytes()[after.offset :] == sent.read_bytes()[before.offset :]


def test_rules_can_know_who_sent_an_image_and_to_whom(
    tmp_path: Path, settings: Settings, gateway: Gateway, demo_store: Store
) -> None:
    sent = {"CT1": "MAGBROKER", "A LONG AE TITLE1": "GATEWAY 2"}
    for calling, called in sent.items():
        path = make_file(tmp_path)
        result = send(settings.gateway.dicom_port, path, titles=("-aet", calling, "-aec", called))
        assert result.returncode == 0, result.stderr
        uid = path.stem
        until(lambda uid=uid: any(queued(demo_store, image) for image in images(demo_store, uid)))
        row = demo_store.transact(lambda connection, uid=uid: connection.execute(select(ImageHeader.elements).filter_by(uid=uid)))
        elements = json.loads(row.scalar_one())
        assert elements["0002,0017"] == {"vr": "AE", "values": [calling]}
        assert elements["0002,0018"] == {"vr": "AE", "values": [called]}
        assert elements["0008,0018"]["values"] == [uid], "the data set's own elements are there besides"


def test_the_story_of_an_image_begins_at_the_gateway(
    tmp_path: Path, gateway: Gateway, settings: Settings, demo_store: Store
) -> None:
    """The broker hears of receiving and placing, by the image's UID."""
    sent = make_file(tmp_path)
    uid = read_meta(sent).sop_instance_uid
    assert send(settings.gateway.dicom_port, sent).returncode == 0

    def stages() -> set[str]:
        statement = select(ImageEvent.stage).where(ImageEvent.uid == uid)
        return set(demo_store.transact(lambda connection: connection.execute(statement).scalars().all()))

    until(lambda: {"RECEIVE", "STORE", "PROCESSED", "PLACE"} <= stages())


def test_the_same_object_sent_again_is_filed_once(
    tmp_path: Path, gateway: Gateway, settings: Settings, demo_store: Store
) -> None:
    """A sender that repeats itself hears of success and makes no second image."""
    sent = make_file(tmp_path)
    uid = read_meta(sent).sop_instance_uid
    for _ in range(2):
        assert send(settings.gateway.dicom_port, sent).returncode == 0
        until(lambda: bool(images(demo_store, uid)) and queued(demo_store, images(demo_store, uid)[0]))
    until(lambda: not list((settings.gateway_directory / "spool" / "in").iterdir()))
    assert len(images(demo_store, uid)) == 1
    assert not list((settings.gateway_directory / "spool" / "held").iterdir())


def test_another_object_under_a_known_uid_is_held(
    tmp_path: Path, gateway: Gateway, settings: Settings, demo_store: Store
) -> None:
    """What is not the same data set is never dropped: it is put aside for a person."""
    first = make_file(tmp_path)
    uid = read_meta(first).sop_instance_uid
    assert send(settings.gateway.dicom_port, first).returncode == 0
    until(lambda: bool(images(demo_store, uid)) and queued(demo_store, images(demo_store, uid)[0]))
    other = make_file(tmp_path, "MR_small.dcm", uid=uid)
    assert send(settings.gateway.dicom_port, other).returncode == 0
    held = settings.gateway_directory / "spool" / "held"
    until(lambda: len(list(held.iterdir())) == 1)
    assert dcmread(next(held.iterdir())).Modality == "MR"
    assert len(images(demo_store, uid)) == 1


def test_an_image_of_an_unknown_exam_stays_in_the_spool(
    tmp_path: Path, gateway: Gateway, settings: Settings, demo_store: Store
) -> None:
    """What goes on the DICOM CORRECT list keeps its file until somebody has corrected it."""
    wrong = make_file(tmp_path, accession="010101-999")
    right = make_file(tmp_path)
    assert send(settings.gateway.dicom_port, wrong, right).returncode == 0
    until(lambda: bool(images(demo_store, read_meta(right).sop_instance_uid)))
    waiting = settings.gateway_directory / "spool" / "in"
    uid = read_meta(wrong).sop_instance_uid
    until(lambda: [read_meta(path).sop_instance_uid for path in waiting.iterdir()] == [uid])
    assert not images(demo_store, read_meta(wrong).sop_instance_uid)


def test_what_came_while_the_broker_was_down_is_filed_when_it_is_back(
    tmp_path: Path, settings: Settings, demo_broker: RunningBroker, demo_store: Store
) -> None:
    """Senders do not notice that there is no broker, not even over a restart of the gateway."""
    nobody = settings.model_copy(update={"broker_port": 1})
    sent = make_file(tmp_path)
    gateway = Gateway(Configuration.from_settings(nobody))
    gateway.start()
    assert send(settings.gateway.dicom_port, sent).returncode == 0
    gateway.stop()
    assert not images(demo_store, read_meta(sent).sop_instance_uid)
    again = Gateway(Configuration.from_settings(settings))
    again.start()
    try:
        until(lambda: bool(images(demo_store, read_meta(sent).sop_instance_uid)))
    finally:
        again.stop()


def test_bytes_that_are_not_dicom_do_not_disturb_the_port(settings: Settings, gateway: Gateway) -> None:
    """After noise an echo is answered."""
    for noise in (b"GET / HTTP/1.0\r\n\r\n", bytes(100), b"\xff" * 5000, b""):
        with socket.create_connection(("127.0.0.1", settings.gateway.dicom_port), timeout=10) as connection:
            connection.sendall(noise)
    echo = subprocess.run(["echoscu", "127.0.0.1", str(settings.gateway.dicom_port)], timeout=30, check=False)
    assert echo.returncode == 0


def test_the_gateway_tells_that_it_lives(gateway: Gateway, demo_store: Store) -> None:
    """The heartbeat is in the database soon after the start."""
    statement = select(GatewayStatus.machine)

    def living() -> Sequence[str]:
        return demo_store.read(lambda connection: connection.execute(statement).scalars().all())

    until(lambda: bool(living()), "a gateway tells that it lives")
    assert living() == ["DEMOGW1"]


@pytest.fixture
def sink(tmp_path: Path, sink_port: int) -> Iterator[Path]:
    """Run storescp, which keeps what it gets as it comes."""
    directory = tmp_path / "sink"
    directory.mkdir()
    command = ["storescp", "+xa", "-B", "-od", str(directory), str(sink_port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield directory
        process.terminate()


def queue_export(store: Store, image: int, application: str = "READING ROOM", *, with_priors: bool = False) -> None:
    """Put an image into the export queue."""

    def work(connection: Connection) -> None:
        connection.execute(
            insert(DicomExport),
            {
                "ien": image,
                "application": application,
                "group": 0,
                "origin": 660,
                "priority": 500,
                "requested": "",
                "image_count": 1,
                "with_priors": with_priors,
            },
        )
        connection.execute(
            insert(DicomExportImage),
            {
                "export": image,
                "sequence": 1,
                "image": image,
                "origin": 660,
                "priority": 500,
                "application": application,
                "status": "WAITING",
                "status_at": 0.0,
            },
        )

    store.transact(work)


def export(store: Store, image: int) -> tuple[str, str, bool]:
    """Give an entry's status, reason and whether it was sent again."""
    statement = select(DicomExportImage.status, DicomExportImage.reason, DicomExportImage.repeated).where(
        DicomExportImage.image == image
    )
    row = store.transact(lambda connection: connection.execute(statement).one())
    return row.status, row.reason, bool(row.repeated)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_RLE.dcm", "MR_small_implicit.dcm", "JPEG2000.dcm"])
def test_what_the_queue_names_reaches_its_destination_unchanged(
    name: str, tmp_path: Path, sink: Path, gateway: Gateway, settings: Settings, demo_store: Store
) -> None:
    """The receiver gets the very bytes that were filed, and the entry says SUCCESS."""
    sent = make_file(tmp_path, name)
    uid = read_meta(sent).sop_instance_uid
    assert send(settings.gateway.dicom_port, sent, option=FILES[name]).returncode == 0
    until(lambda: bool(images(demo_store, uid)) and queued(demo_store, images(demo_store, uid)[0]))
    (image,) = images(demo_store, uid)
    queue_export(demo_store, image)
    until(lambda: export(demo_store, image)[0] == "SUCCESS")
    (arrived,) = sink.iterdir()
    assert digest_of(arrived) == digest_of(filed_path(settings, demo_store, image))


@pytest.mark.parametrize("restored", [False, True])
def test_a_name_is_filed_in_one_form_and_sent_as_the_destination_wants_it(
    tmp_path: Path, settings: Settings, demo_store: Store, sink: Path, restored: bool
) -> None:
    changes = {
        "normalise_patient_name": True,
        "destination": {"READING ROOM": DestinationSettings(restore_patient_name=restored)},
    }
    changed = settings.model_copy(update={"gateway": settings.gateway.model_copy(update=changes)})
    path = make_file(tmp_path)
    dataset = dcmread(path)
    dataset.PatientName = "Demo, Patient One"
    dataset.save_as(path)
    uid = read_meta(path).sop_instance_uid
    gateway = Gateway(Configuration.from_settings(changed))
    gateway.start()
    try:
        assert send(settings.gateway.dicom_port, path).returncode == 0
        until(lambda: bool(images(demo_store, uid)) and queued(demo_store, images(demo_store, uid)[0]))
        (image,) = images(demo_store, uid)
        assert dcmread(filed_path(settings, demo_store, image)).PatientName == "DEMO^PATIENT^ONE"
        queue_export(demo_store, image)
        until(lambda: export(demo_store, image)[0] == "SUCCESS")
    finally:
        gateway.stop()
    (received,) = (dcmread(file) for file in sink.iterdir())
    assert received.PatientName == ("Demo, Patient One" if restored else "DEMO^PATIENT^ONE")
    assert (0x00911020 in received) is not restored


def test_what_came_over_one_association_goes_over_one(
    tmp_path: Path, settings: Settings, demo_store: Store, sink: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[tuple[str, list[str]]] = []
    sends = StorageSCU.send

    def noted(scu: StorageSCU, consignment: Consignment) -> None:
        runs.append((consignment.study, sorted(one.meta.sop_instance_uid for one in consignment.objects)))
        sends(scu, consignment)

    monkeypatch.setattr(StorageSCU, "send", noted)
    monkeypatch.setattr(folder_lane, "SETTLED", 1.0)
    changes = {"folders": "study", "destination": {"READING ROOM": DestinationSettings(whole_folders=True)}}
    changed = settings.model_copy(update={"gateway": settings.gateway.model_copy(update=changes)})
    paths = [make_file(tmp_path) for _ in range(3)]
    uids = [path.stem for path in paths]
    gateway = Gateway(Configuration.from_settings(changed))
    gateway.start()
    try:
        assert send(settings.gateway.dicom_port, *paths[:2]).returncode == 0
        assert send(settings.gateway.dicom_port, paths[2]).returncode == 0
        until(lambda: all(images(demo_store, uid) and queued(demo_store, images(demo_store, uid)[0]) for uid in uids))
        ours = [images(demo_store, uid)[0] for uid in uids]
        for image in ours:
            queue_export(demo_store, image)
        until(lambda: all(export(demo_store, image)[0] == "SUCCESS" for image in ours))
    finally:
        gateway.stop()
    assert sorted(runs) == [("folder 1", sorted(uids[:2])), ("folder 2", uids[2:])]
    assert len(list(sink.iterdir())) == 3


def test_a_deidentified_object_is_the_same_instance_after_a_restart_and_the_queue_says_which(
    tmp_path: Path, settings: Settings, demo_store: Store, sink: Path
) -> None:
    changes = {"destination": {"READING ROOM": DestinationSettings.model_validate({"deidentify": "basic"})}}
    changed = settings.model_copy(update={"gateway": settings.gateway.model_copy(update=changes)})
    path = make_file(tmp_path)
    uid = read_meta(path).sop_instance_uid

    def sent_by_another_gateway(prepare: Callable[[], None]) -> tuple[int, bytes]:
        gateway = Gateway(Configuration.from_settings(changed))
        gateway.start()
        try:
            prepare()
            (image,) = images(demo_store, uid)
            until(lambda: export(demo_store, image)[0] == "SUCCESS")
        finally:
            gateway.stop()
        (file,) = sink.iterdir()
        assert export(demo_store, image)[1] == f"It is {dcmread(file).SOPInstanceUID} there."
        content = file.read_bytes()
        file.unlink()
        return image, content

    def arrive() -> None:
        assert send(settings.gateway.dicom_port, path).returncode == 0
        until(lambda: bool(images(demo_store, uid)) and queued(demo_store, images(demo_store, uid)[0]))
        queue_export(demo_store, images(demo_store, uid)[0])

    def again() -> None:
        anew = update(DicomExportImage).values(status="WAITING", reason="")
        demo_store.transact(lambda connection: connection.execute(anew))

    image, content = sent_by_another_gateway(arrive)
    assert sent_by_another_gateway(again) == (image, content)
    assert not [it for it in (b"DEMO^PATIENT", b"666-00-1100", uid.encode()) if it in content]
    assert dcmread(filed_path(settings, demo_store, image)).SOPInstanceUID == uid, "what is filed stays as it is"


def test_a_study_whose_rule_wants_priors_brings_them_from_the_archive(
    tmp_path: Path, settings: Settings, demo_store: Store, sink: Path, sink_port: int
) -> None:
    prior, new = make_file(tmp_path), make_file(tmp_path)
    dataset = dcmread(prior)
    dataset.StudyInstanceUID, dataset.StudyDate = generate_uid(), "20031231"
    dataset.save_as(prior)
    with Dcmqrscp(tmp_path / "archive", {"READROOM": sink_port}) as port:
        command = ["storescu", "-aec", ARCHIVE, "127.0.0.1", str(port), str(prior)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        changes = {
            "destination": {"READING ROOM": DestinationSettings(priors=PriorSettings(archive=ARCHIVE))},
            "peer": {ARCHIVE: PeerSettings(host="127.0.0.1", port=port)},
        }
        changed = settings.model_copy(update={"gateway": settings.gateway.model_copy(update=changes)})
        gateway = Gateway(Configuration.from_settings(changed))
        gateway.start()
        try:
            assert send(settings.gateway.dicom_port, new).returncode == 0
            until(lambda: bool(images(demo_store, new.stem)) and queued(demo_store, images(demo_store, new.stem)[0]))
            queue_export(demo_store, images(demo_store, new.stem)[0], with_priors=True)
            until(lambda: {str(dcmread(file).SOPInstanceUID) for file in whole(sink)} == {prior.stem, new.stem})
            until(lambda: gateway.status().get("prior_over") == 1)
        finally:
            gateway.stop()


def whole(sink: Path) -> list[Path]:
    """Give the files that are not being written."""
    return [file for file in sink.iterdir() if file.stat().st_size > 30_000]


# pynetdicom leaves a socket that could not connect to the garbage collector, which closes it at once
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning")
def test_an_entry_for_a_dead_destination_waits_and_goes_out_later(
    tmp_path: Path, sink_port: int, gateway: Gateway, settings: Settings, demo_store: Store
) -> None:
    """Nothing listens at first: the entry is put back with the reason; it is sent when somebody does."""
    sent = make_file(tmp_path)
    uid = read_meta(sent).sop_instance_uid
    assert send(settings.gateway.dicom_port, sent).returncode == 0
    until(lambda: bool(images(demo_store, uid)) and queued(demo_store, images(demo_store, uid)[0]))
    (image,) = images(demo_store, uid)
    queue_export(demo_store, image)
    until(lambda: export(demo_store, image)[0] == "RETRY")
    assert "association" in export(demo_store, image)[1].lower()
    directory = tmp_path / "sink"
    directory.mkdir()
    command = ["storescp", "+xa", "-od", str(directory), str(sink_port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            due = update(DicomExportImage).values(next_try_at=0.0)

            def sent_at_last() -> bool:
                demo_store.transact(lambda connection: connection.execute(due))
                return export(demo_store, image)[0] == "SUCCESS"

            until(sent_at_last)
        finally:
            process.terminate()
    assert export(demo_store, image)[2] is False
    assert len(list(directory.iterdir())) == 1


class _Chooser(Application):
    """Leaves objects of one series to the gateway, takes those of another itself, and wants no third."""

    def __init__(self, mine: str, unwanted: str) -> None:
        self.mine, self.unwanted, self.taken = mine, unwanted, list[str]()

    def choose_place(self, meta: FileMeta, origin: Origin) -> Place:
        return Keep.MEMORY if meta.sop_instance_uid == self.mine else Keep.SPOOL

    def accept_object(self, stored: StoredObject) -> bool:
        assert stored.dataset().SOPInstanceUID == stored.meta.sop_instance_uid
        self.taken.append(stored.meta.sop_instance_uid)
        return stored.meta.sop_instance_uid != self.unwanted


def test_an_application_chooses_what_is_filed(tmp_path: Path, settings: Settings, demo_store: Store) -> None:
    """What it takes into memory, and what it refuses, the gateway neither files nor keeps."""
    sent = [make_file(tmp_path) for _ in range(3)]
    filed, mine, unwanted = (read_meta(path).sop_instance_uid for path in sent)
    chooser = _Chooser(mine, unwanted)
    gateway = Gateway(Configuration.from_settings(settings), application=chooser)
    gateway.start()
    try:
        said = send(settings.gateway.dicom_port, *sent, option="--no-halt").stderr
        assert said.count("(Success)") == 2, said
        assert said.count("(Error: CannotUnderstand)") == 1, said
        until(lambda: bool(images(demo_store, filed)))
        assert chooser.taken == [filed, mine, unwanted]
        until(lambda: gateway.status().get("spool_filed") == 1)
    finally:
        gateway.stop()
    assert images(demo_store, mine) == images(demo_store, unwanted) == []
    spool = Configuration.from_settings(settings).spool
    assert [path for path in spool.rglob("*") if path.is_file()] == []


def test_what_comes_over_one_association_is_one_folder_and_its_story_says_so(
    tmp_path: Path, settings: Settings, demo_store: Store
) -> None:
    changed = settings.model_copy(update={"gateway": settings.gateway.model_copy(update={"folders": "study"})})
    paths = [make_file(tmp_path) for _ in range(4)]
    gateway = Gateway(Configuration.from_settings(changed))
    gateway.start()
    try:
        for sent in (paths[:3], paths[3:]):
            assert send(settings.gateway.dicom_port, *sent).returncode == 0

        def told() -> dict[str, str]:
            statement = select(ImageEvent.uid, ImageEvent.detail).where(ImageEvent.stage == "RECEIVE")
            rows = demo_store.transact(lambda connection: connection.execute(statement).all())
            return {uid: detail.rpartition(", ")[2] for uid, detail in rows}

        until(lambda: len(told()) == len(paths))
        assert [told()[path.stem] for path in paths] == ["folder 1", "folder 1", "folder 1", "folder 2"]
    finally:
        gateway.stop()


def test_the_association_of_a_peer_that_wants_it_is_aborted_after_a_refusal(tmp_path: Path, settings: Settings) -> None:
    gateway = settings.gateway.model_copy(
        update={"max_object_bytes": 1000, "peer": {"CT1": PeerSettings(abort_after_refusal=True)}}
    )
    running = Gateway(Configuration.from_settings(settings.model_copy(update={"gateway": gateway})))
    running.start()
    try:
        files = [make_file(tmp_path) for _ in range(2)]
        said = {title: send(gateway.dicom_port, *files, option="--no-halt", titles=("-aet", title)) for title in ("CT1", "CT2")}
        refused = "Refused: OutOfResources"
        assert said["CT1"].stderr.count(refused) == 1
        assert "Peer aborted Association" in said["CT1"].stderr
        assert said["CT2"].stderr.count(refused) == 2
    finally:
        running.stop()
