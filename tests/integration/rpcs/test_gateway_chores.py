"""What gateways do beside filing: statistics, the CORRECT list, imports, deletion, text files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, update

from fileman import SiteKey, Store, bump_site_version
from fileman.files import (
    BackgroundQueue,
    DicomFailedImage,
    Image,
    ImageAudit,
    ImagingSite,
    ImportableObject,
    QueuePointer,
    RoutedCopy,
    UserKey,
)
from runtime import FixedClock
from tests.support.broker import RunningBroker
from xwb import BrokerClient

NOON = datetime.fromisoformat("2026-11-18T12:00")
PROCESSING = "MAG DICOM IMAGE PROCESSING"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
def broker(oracle_store: Store, site_key: SiteKey, clock: FixedClock) -> Iterator[RunningBroker]:
    keys = [{"duz": 9009, "key": key, "position": place} for place, key in enumerate(("MAG DELETE", "MAG DOD FIX"), 1)]
    oracle_store.transact(lambda connection: connection.execute(insert(UserKey), keys))
    broker = RunningBroker(oracle_store, site_key, clock=clock)
    yield broker
    broker.stop()


@pytest.fixture
def client(broker: RunningBroker) -> Iterator[BrokerClient]:
    with broker.client("FAKEPRG1", "1PRG!@#$") as client:
        yield client


def stored(client: BrokerClient, number: int, accession: str = "061024-101", path: str = "C:\\X.DCM") -> str:
    """Store an image of patient 1 and give what STORE answers."""
    first = (
        f"STORE1||660|GWA|RAD|CT1|{path}|666000001|IMAGPATIENT^ONE^M|{accession}|{accession}|20240610|093000|0|CR||<DICOM>|1"
        f"|{number}|660|0|GW|"
    )
    second = f"STORE2|1.2.3|1.2.3.1|1.2.3.1.{number}|1.2.840.10008.5.1.4.1.1.1|0|1|ACME|X1|3240610.0931|V||"
    return client.call(PROCESSING, {1: "3", 2: first, 3: second}).lines[1]


def count(store: Store, file: Any) -> int:
    return store.read(lambda connection: connection.execute(select(func.count()).select_from(file)).scalar_one())


def test_image_statistics_come_in_pages(client: BrokerClient, clock: FixedClock) -> None:
    ask = "MAG DICOM IMAGE AUDIT GET"
    for _day in range(2):
        for instrument in ("CT1", "CR1"):
            client.call(PROCESSING, {1: "2", 2: f"ACQUIRED||660|{instrument}"})
        clock.advance(86400)
    moment, later = "3261118.12", "3261119.12"
    lines = [f"3261118^1^CR1^{moment}", f"3261118^1^CT1^{moment}", f"3261119^1^CR1^{later}", f"3261119^1^CT1^{later}"]
    heads = ["^^CR1", "^^CT1"]
    assert client.call(ask, "660").lines == ["6,4", *heads, *lines]
    assert client.call(ask, "660", "3261119", "3261119").lines == ["4,2", *heads, *lines[2:]]
    assert client.call(ask, "660", "", "", "3").lines == ["5,3", *heads, *lines[:3]]
    assert client.call(ask, "660", "", "", "3", "3").lines == ["3,4", *heads, lines[3]]
    assert client.call(ask, "660", "", "", "3", "4").lines == ["2,0", *heads]
    assert client.call(ask, "700").lines == ["0,0"]


def test_a_gateway_reports_home_what_was_routed_and_counted(broker: RunningBroker, client: BrokerClient) -> None:
    client.call("MAG DICOM AUDIT COUNT", "660", "ORM")
    common = {"destination": 14, "mechanism": 1, "file_type": "FULL", "file": "F", "sequence": 1, "copy": 1}
    sent = [
        {"image": 1, "queued": "3261118.08", "began": "3261118.08", "sent": "3261118.0801", **common},
        {"image": 2, "queued": "3261118.08", "began": "3261118.09", "sent": "3261118.1", **common},
        {"image": 3, "queued": "3200101.08", "began": "3200101.08", "sent": "3200101.09", **common},
        {"image": 4, "queued": "3261118.08", "began": "", "sent": "3261118.1", **common},
        {"image": 5, "queued": "3261118.08", "began": "3261118.08", "sent": "3261118.1", **common, "copy": None},
    ]
    broker.store.transact(lambda connection: connection.execute(insert(RoutedCopy), sent))
    lines = client.call("MAG DICOM ET PHONE HOME", "660").lines
    assert lines[0] == str(len(lines) - 1)
    assert lines[2:] == [
        *("Route", "RDT=3261118", "DST=ROUTE-DEST-A", "RST=1^^^1^3600^1^^^1^3600", "RouteEnd"),
        *("Audit", "STTX=3261118^ORM^1"),
    ]
    assert client.call("MAG DICOM ET PHONE HOME").lines[-1] == "RouteEnd"


def waiting(store: Store) -> dict[int, tuple[int | None, bool]]:
    query = select(DicomFailedImage.ien, DicomFailedImage.related_to, DicomFailedImage.first_of_study)
    return {row[0]: (row[1], row[2]) for row in store.read(lambda connection: connection.execute(query).all())}


def test_studies_to_correct_are_counted_per_gateway(client: BrokerClient) -> None:
    ask = "MAG DICOM INCORRECT IMAGE CT"
    assert client.call(ask, "660", "GWA").text == "0"
    for number in range(3):
        stored(client, number, "010199-999", f"C:\\{number}.DCM")
    assert [client.call(ask, "660", machine).text for machine in ("GWA", "GWB")] == ["1", "0"]
    assert client.call(ask, "", "GWA").text == "-1,No Location Specified"
    assert client.call(ask, "660").text == "-2,No Gateway Specified"


def test_a_damaged_correct_list_is_put_in_order(broker: RunningBroker, client: BrokerClient) -> None:
    for number in range(4):
        stored(client, number, "010199-999", f"C:\\{number}.DCM")
    good = waiting(broker.store)
    assert good == {1: (None, True), 2: (1, False), 3: (1, False), 4: (1, False)}
    validate = "MAG DICOM CORRECT VALIDATE"
    assert client.call(validate).text == "4"
    assert waiting(broker.store) == good
    lost = update(DicomFailedImage).where(DicomFailedImage.ien == 3).values(related_to=77)
    broker.store.transact(lambda connection: connection.execute(lost))
    assert client.call(validate, "0").text == "4"
    assert waiting(broker.store) == good
    assert client.call("MAG DICOM INCORRECT IMAGE CT", "660", "GWA").text == "1"


def test_uids_are_checked_before_an_import(client: BrokerClient) -> None:
    check = "MAG DICOM IMPORTER CHECK UIDS"
    assert stored(client, 1).startswith("STORE|0|2^")
    whose = "^1^IMAGPATIENT,ONE M^666-00-0001^"
    number, other, found = client.call(check, {1: "2", 2: "1.2.9", 3: "1.2.3.1.1"}, "SOP").lines
    assert (number, other) == ("2", "")
    assert found.startswith(whose)
    assert found.endswith("^660-061024-101^20240610^CHEST 2 VIEWS PA&LAT^^1^2")
    assert client.call(check, {1: "1", 2: "1.2.3"}, "STUDY").lines[1].endswith("^^0")
    assert client.call(check, {1: "1", 2: "1.2.3"}, "SOP").lines == [
        "-100,A database inconsistency error was detected. Look at returned data.",
        "-6,SOP Instance UID not pointing to an XRAY or a DICOM object -- MAGIEN = 1",
    ]
    assert client.call(check, {1: "2", 2: "1.2.3.1.1", 3: "1.2.3.1.1"}, "STUDY").lines[0].startswith("-100,There were 2 ")
    assert client.call("MAG DICOM IMPORTER LOOKUP", "2").text.startswith(whose)
    assert client.call("MAG DICOM IMPORTER LOOKUP", "77").text.startswith("-6,Warning")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "-1,A list of UIDs must be supplied."),
        ([{1: "1", 2: "1.2"}], "-2,Study or SOP Instance level must be specified."),
        ([{1: "1", 2: "1.2"}, "X"], '-3,Level must be either "STUDY" or "SOP -- the value "X" was specified.'),
        ([{1: "0"}, "SOP"], "-4,Count of UIDs in list must be greater than zero."),
    ],
)
def test_a_check_that_asks_nothing_is_refused(client: BrokerClient, arguments: list[Any], said: str) -> None:
    assert client.call("MAG DICOM IMPORTER CHECK UIDS", *arguments).lines == [said]


def test_an_object_is_taken_off_the_import_list(broker: RunningBroker, client: BrokerClient) -> None:
    rows = [
        {"ien": 1, "machine": "GWA", "file_path": "A", "image_uid": "1.2.1"},
        {"ien": 2, "machine": "GWB", "file_path": "B", "image_uid": "1.2.1"},
        {"ien": 3, "machine": "GWA", "file_path": "C", "image_uid": "1.2.3"},
    ]
    broker.store.transact(lambda connection: connection.execute(insert(ImportableObject), rows))
    remove = "MAG DICOM IMPORTER DELETE"
    assert client.call(remove, "1.2.9", "GWA", "C").lines == ["-99"]
    assert count(broker.store, ImportableObject) == 3
    assert client.call(remove, "1.2.1", "GWA", "A").lines == ["0"]
    assert count(broker.store, ImportableObject) == 1
    assert client.call(remove).lines == ["0"]


def test_an_image_is_deleted_and_its_group_with_the_last(broker: RunningBroker, client: BrokerClient) -> None:
    stored(client, 1)
    stored(client, 2)
    assert client.call("MAGQ DIK", "1").lines == ["0^Deleting a Group is not allowed."]
    assert client.call("MAGQ DIK", "77").lines == ["0^Image entry doesn't exist in image file"]
    assert client.call("MAGQ DIK", "2").lines == ["1^Deletion of Image was Successful.", "2"]
    said = client.call("MAGQ DIK", "3", "", "", "duplicate").lines
    assert said == ["1^Deletion of Image was Successful.", "1^1^Deletion of Group was Successful.", "3"]
    assert count(broker.store, Image) == 0
    reasons = select(ImageAudit.ien, ImageAudit.delete_reason).order_by(ImageAudit.ien)
    found = broker.store.read(lambda connection: connection.execute(reasons).all())
    assert [tuple(row) for row in found] == [(1, "duplicate"), (2, "Unknown reason"), (3, "duplicate")]


def test_a_group_and_files_are_deleted_where_the_caller_says_so(broker: RunningBroker, client: BrokerClient) -> None:
    stored(client, 1)
    stored(client, 2)
    told = client.call("MAGQ DIK", "1", "1", "1", "wrong patient").lines
    assert told == ["1^Deletion of Image was Successful.", "1^1^Deletion of Group was Successful.", "2", "3"]
    assert count(broker.store, Image) == 0
    paths = select(BackgroundQueue.file_path).where(BackgroundQueue.queue == "DELETE")
    found = broker.store.read(lambda connection: connection.execute(paths).scalars().all())
    assert {path[-4:] for path in found} == {".DCM", ".TXT", ".ABS"}
    assert len(found) == len(set(found)) == 6
    total = select(QueuePointer.total).where(QueuePointer.queue == "DELETE")
    assert broker.store.read(lambda connection: connection.execute(total).scalar_one()) == 6
    audited = select(ImageAudit.ien, ImageAudit.members, ImageAudit.delete_reason).order_by(ImageAudit.ien)
    kept = broker.store.read(lambda connection: connection.execute(audited).all())
    assert [tuple(row) for row in kept] == [(number, 0, "wrong patient") for number in (1, 2, 3)]


def test_deletion_needs_the_key_or_force(broker: RunningBroker, client: BrokerClient) -> None:
    stored(client, 1)
    with broker.client() as gateway:
        assert gateway.call("MAGQ DIK", "2").lines == ["0^User doesn't have delete privilege."]
        assert gateway.call("MAGQ DIK", "2^1").lines[0] == "1^Deletion of Image was Successful."


def test_images_are_walked_for_their_text_files(broker: RunningBroker, client: BrokerClient) -> None:
    walk = "MAG SCAN IMAGE TEXT FILES"
    stored(client, 1)
    assert client.call(walk, "Init", "").text == " ^-1"
    image, path, where = client.call(walk, "Scan", "1", "1").text.split(",")
    assert (image, path.endswith(".TXT"), where) == ("2", True, "M")
    assert client.call(walk, "Init", "").text == "1^1"
    assert client.call(walk, "Scan", "2", "1").text == "-1,Done"
    assert client.call(walk, "Scan", "", "-1").text.startswith("2,")
    assert client.call(walk, "Restart", "").text == " ^-1"
    assert client.call(walk, "Other", "").text == '-13,Cannot perform requested action: "Other".'
    with broker.client() as gateway:
        assert gateway.call(walk, "Init", "").text == "-13,No permission to call this Remote Procedure"


def test_what_a_text_file_says_is_noted_once(client: BrokerClient) -> None:
    note = "MAG STORE TEXT FILE DETAILS"
    stored(client, 1)
    assert client.call(note, "2", "1.2.3.1", "1", "1", "1.2.3.1.1", "1.2.3").text == "0,OK"
    said = client.call(note, "2", "1.2.7", "9", "", "1.2.8", "1.2.9").text
    assert said == (
        "-13, cannot enter Series Instance UID\r\nCurrent: 1.2.3.1\r\nNew:     1.2.7"
        ', cannot enter Series Number "1"\'="9".'
        ", cannot enter Instance UID\r\nCurrent: 1.2.3.1.1\r\nNew:     1.2.8"
        ", cannot enter Study UID\r\nCurrent: 1.2.3\r\nNew:     1.2.9"
    )
    assert client.call(note, "").text == "-5,No valid image number specified."
    assert client.call(note, "77").text == '-1,No such image "77".'


def test_the_user_and_the_place_are_told(broker: RunningBroker) -> None:
    with broker.client() as gateway:
        lines = gateway.call("MAGGUSER2", "WS1").lines
        assert gateway.call("MAGG LOGOFF").text == "1"
        assert gateway.call("MAGG LOGOFF").text == "1"
    assert lines[:2] == ["1^", "9002^GATEWAY,DICOM ONE^"]
    assert lines[4] == "1^SLC^660^SALT LAKE CITY^1^660"
    assert (len(lines), lines[10]) == (15, "ORACLE.DOMAIN.EXT")


def test_the_place_is_told_by_its_site_code_where_it_has_one(broker: RunningBroker) -> None:
    def name_it(connection: Connection) -> None:
        connection.execute(update(ImagingSite).where(ImagingSite.institution == 660).values(site_code="UTAH"))
        bump_site_version(connection)

    broker.store.transact(name_it)
    with broker.client() as gateway:
        assert gateway.call("MAGGUSER2", "WS1").lines[4] == "1^UTAH^660^SALT LAKE CITY^1^660"


def test_checksums_are_collected_once_a_day(broker: RunningBroker, client: BrokerClient, clock: FixedClock) -> None:
    ask = "MAG VISTA CHECKSUMS"
    assert [client.call(ask).text, client.call(ask, "nobody").text] == ["0", "0"]
    number = int(client.call(ask, "G.IMAGING@DOMAIN.EXT").text)
    assert broker.engine.taken == [number]
    assert client.call(ask, "G.IMAGING@DOMAIN.EXT").text == "0"
    clock.advance(86400)
    assert int(client.call(ask, "G.IMAGING@DOMAIN.EXT").text) > number


def test_a_study_is_told_with_its_series_and_images(client: BrokerClient) -> None:
    stored(client, 2)
    stored(client, 1)
    lines = client.call("MAG DOD GET STUDIES IEN", "1", "1", "", "").lines
    assert lines[0] == str(len(lines) - 1)
    assert lines[1:9] == [
        "NEXT_STUDY|1.2.3|",
        "STUDY_UID|1.2.3",
        "STUDY_IEN|1|2|2|71020|660|2",
        "STUDY_PAT|1|" + lines[4].split("|")[2] + "|IMAGPATIENT,ONE M",
        *("NEXT_SERIES", "SERIES_UID|1.2.3.1", "SERIES_IEN|1", "SERIES_NUMBER|1"),
    ]
    images = [line.partition("|")[2] for line in lines if line.startswith("IMAGE_IEN|")]
    assert images == ["3", "2"]
    files = [line.rpartition(".")[2] for line in lines if line.startswith(("IMAGE_A", "IMAGE_F", "IMAGE_T"))]
    assert files == ["ABS", "DCM", "TXT"] * 2
    assert client.call("MAG DOD GET STUDIES IEN", {1: "3", 2: "2"}, "1", "", "").lines == lines
    assert client.call("MAG DOD GET STUDIES UID", "1.2.3").lines == lines
    assert client.call("MAG DOD GET STUDIES UID", {1: "1.2.3", 2: "9.9"}).lines[1:] == [*lines[1:], "NEXT_STUDY|9.9|"]
    assert client.call("MAG DOD GET STUDIES IEN", "1", "1", "1", "").lines == ["4", *lines[1:5]]
    assert client.call("MAG DOD GET STUDIES IEN", "1", "2", "", "").lines[3:] == [
        "STUDY_ERR|1.2.3|Matching study not found for patient 2"
    ]
    assert client.call("MAG DOD GET STUDIES IEN").lines == ["0"]


def test_deleted_images_are_told_on_demand(client: BrokerClient) -> None:
    for number in (1, 2):
        stored(client, number)
    client.call("MAGQ DIK", "2")
    ask = "MAG DOD GET STUDIES IEN"
    told = [client.call(ask, "1", "1", "", flags).lines for flags in ("", "D")]
    assert [[line for line in lines if line.startswith("IMAGE_IEN|")] for lines in told] == [
        ["IMAGE_IEN|3"],
        ["IMAGE_IEN|2", "IMAGE_IEN|3"],
    ]
