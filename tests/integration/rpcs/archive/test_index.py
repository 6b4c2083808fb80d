"""What is filed enters the archive's index when its file is in place, as its header says; what is deleted leaves it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from fileman import image_moved
from fileman.files import (
    ArchiveHolding,
    ArchiveInstance,
    ArchivePatient,
    ArchiveSeries,
    ArchiveStudy,
    ArchiveTail,
    ArchiveValue,
    File,
    NetworkLocation,
)
from tests.integration.rpcs.archive.asking import CT_STORAGE, EXPLICIT_LITTLE, Archive
from tests.integration.rpcs.filing_gateway import CONSULT
from tests.support.archived_objects import INDEX

HEADER = {
    "0002,0010": EXPLICIT_LITTLE,
    "0008,0016": CT_STORAGE,
    "0008,0020": "20240610",
    "0008,0030": "0930",
    "0008,0050": "061024-101",
    "0008,0060": "CT",
    "0008,0090": "REFERRER^RITA",
    "0008,1030": "HEAD | \\ 頭部",
    "0008,103E": "AXIAL",
    "0008,1060": ["READER^ONE", "READER^TWO"],
    "0010,0010": "IMAGPATIENT^ONE^M=山田^太郎=やまだ^たろう",
    "0010,0020": "666-00-0001",
    "0010,0030": "1950.01.31",
    "0010,0040": "M",
    "0010,1000": ["OTHER1", "OTHER2"],
    "0020,0011": "4",
    "0020,0013": "+7",
    "0028,0010": "512",
    "0029,xx51,SIEMENS MEDCOM HEADER": "01",
    "0040,0275>1>0040,1001": "RP1",
    "0040,0275>2>0040,1001": "RP2",
    "0040,1001": "RP1",
}


def rows(archive: Archive, file: type[File]) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in archive.gateway.rows(file)]


def test_an_image_enters_the_index_when_its_file_is_in_place(archive: Archive) -> None:
    image = archive.store("5.1", HEADER, size=1234)
    assert [rows(archive, file) for file in INDEX] == [[]] * len(INDEX)
    archive.process(image)
    ((patient,), (study,), (series,), (instance,), (holding,)) = (rows(archive, file) for file in INDEX[:-2])
    assert (patient["patient_id"], patient["name"]) == ("666-00-0001", "IMAGPATIENT^ONE^M=山田^太郎=やまだ^たろう")
    assert (patient["birth_date"], patient["sex"], patient["other_ids"]) == ("19500131", "M", "OTHER1\\OTHER2")
    assert (study["study_uid"], study["study_date"], study["study_time"]) == ("1.2.3", "20240610", "0930")
    assert (study["study_time_key"], study["description"]) == ("093000", "HEAD | \\ 頭部")
    assert study["reading_physicians"] == "READER^ONE\\READER^TWO"
    assert (series["series_uid"], series["modality"], series["procedure_ids"]) == ("1.2.3.1", "CT", "RP1\\RP2")
    assert (instance["image"], instance["sop_uid"], instance["sop_class"]) == (image, "5.1", CT_STORAGE)
    assert (instance["transfer_syntax"], instance["size"], instance["short_term"]) == (EXPLICIT_LITTLE, 1234, 10)
    assert (instance["instance_number"], instance["instance_number_key"], instance["matrix_rows"]) == ("+7", 7, 512)
    assert (instance["keep_online"], instance["do_not_archive"]) == ("01", "")
    assert (holding["instances"], holding["bytes"], holding["short_term"], holding["long_term"]) == (1, 1234, 10, 0)
    names = {(row["attribute"], row["part"], row["value"]) for row in rows(archive, ArchiveValue)}
    assert {("00100010", 2, "山田^太郎"), ("00081060", 1, "READER^TWO"), ("00401001", 0, "RP2")} <= names
    tails = {(row["attribute"], row["value"], row["folded"]) for row in rows(archive, ArchiveTail)}
    assert {("00100010", "田^太郎", "田^太郎"), ("00100010", "PATIENT^ONE^M", "patient^one^m")} <= tails
    assert ("00081060", "TWO", "two") in tails


def test_an_image_of_a_gateway_that_tells_no_header_is_described_by_vistas_files(archive: Archive) -> None:
    archive.file("5.1")
    archive.file("5.2", **CONSULT)
    patients = {row["patient_id"]: row for row in rows(archive, ArchivePatient)}
    assert (patients["666000001"]["name"], patients["666000001"]["sex"]) == ("IMAGPATIENT^ONE^M", "M")
    studies = [(row["accession"], row["study_date"], row["study_time"]) for row in rows(archive, ArchiveStudy)]
    assert studies[0] == ("660-061024-101", "20240610", "093000")
    assert studies[1][0] == "660-GMR-1"
    assert [row["modality"] for row in rows(archive, ArchiveSeries)] == ["CR", "XC"]
    assert [row["sop_class"] for row in rows(archive, ArchiveInstance)] == ["1.2.840.10008.5.1.4.1.1.1"] * 2


def test_a_header_of_another_patient_tells_nothing_of_the_patient(archive: Archive) -> None:
    archive.file("5.1", {**HEADER, "0010,0020": "999999999", "0010,0010": "SOMEBODY^ELSE"})
    (patient,) = rows(archive, ArchivePatient)
    assert (patient["patient_id"], patient["name"]) == ("666000001", "IMAGPATIENT^ONE^M")


def test_later_images_of_a_series_add_to_what_is_held_and_change_what_they_tell_otherwise(archive: Archive) -> None:
    images = [archive.store(f"5.{number}", HEADER, size=100) for number in range(1, 4)]
    archive.process(*images)
    later = archive.store("5.4", {**HEADER, "0010,0010": "IMAGPATIENT^OTHER", "0008,1030": "", "0008,0090": "NEW^NAME"}, size=100)
    archive.process(later)
    (patient,), (study,), (holding,) = (rows(archive, file) for file in (ArchivePatient, ArchiveStudy, ArchiveHolding))
    assert (patient["name"], study["description"]) == ("IMAGPATIENT^OTHER", "HEAD | \\ 頭部")
    assert (holding["instances"], holding["bytes"]) == (4, 400)
    names = {row["value"] for row in rows(archive, ArchiveValue) if row["attribute"] in ("00100010", "00080090")}
    assert names == {"IMAGPATIENT^OTHER", "NEW^NAME"}
    tails = {row["value"] for row in rows(archive, ArchiveTail) if row["attribute"] in ("00100010", "00080090")}
    assert {"PATIENT^OTHER", "W^NAME"} <= tails
    assert not any("ONE" in tail for tail in tails)


def test_an_image_that_is_processed_twice_is_held_once(archive: Archive) -> None:
    image = archive.file("5.1", HEADER, size=5)
    archive.process(image, image)
    assert [(row["instances"], row["bytes"]) for row in rows(archive, ArchiveHolding)] == [(1, 5)]
    assert len(rows(archive, ArchiveInstance)) == 1


@pytest.mark.parametrize("whole_group", [True, False])
def test_what_is_deleted_leaves_the_index_with_what_was_there_for_it_alone(archive: Archive, whole_group: bool) -> None:
    first = archive.file("5.1", HEADER, size=5)
    second = archive.file("5.2", HEADER, size=7)
    if whole_group:
        group = archive.gateway.image(first).parent
        archive.gateway.client.call("MAGQ DIK", f"{group}^1", "0", "1")
    else:
        archive.gateway.ask(f"ROLLBACK||{first}")
        assert [(row["instances"], row["bytes"]) for row in rows(archive, ArchiveHolding)] == [(1, 7)]
        archive.gateway.client.call("MAGQ DIK", f"{second}^1")
    assert [rows(archive, file) for file in INDEX] == [[]] * len(INDEX)


def test_an_image_that_moved_is_held_elsewhere(archive: Archive) -> None:
    first, second = archive.file("5.1", HEADER, size=5), archive.file("5.2", HEADER, size=7)
    store = archive.gateway.store
    store.transact(lambda it: image_moved(it, first, 10, 11))
    store.transact(lambda it: image_moved(it, second, None, 11))
    store.transact(lambda it: image_moved(it, second, None, 11))
    store.transact(lambda it: image_moved(it, 99999, 10, 11))
    held = {(row["short_term"], row["long_term"]): (row["instances"], row["bytes"]) for row in rows(archive, ArchiveHolding)}
    assert held == {(10, 11): (1, 5), (0, 11): (1, 7)}
    (match,) = archive.query("SERIES", {"0020000E": ["1.2.3.1"], "00201209": []})[1:]
    assert (match["state"], match["locations"], match["tags"]["00201209"], match["bytes"]) == ("NEAR-LINE", ["RAID1"], ["2"], 12)
    archive.gateway.change(update(NetworkLocation).where(NetworkLocation.ien == 11).values(online=False))
    states = [match["state"] for match in archive.query("IMAGE", {"00080018": []})[1:]]
    assert states == ["INSTORE", "OFFLINE"]
