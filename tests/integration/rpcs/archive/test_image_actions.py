"""Images are listed, shown and told of; moved to another exam, deleted, rejected and called back; and all else follows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import insert, update

from fileman import to_fileman
from fileman.files import (
    ArchiveStudy,
    BackgroundQueue,
    ConsultGroup,
    DicomExport,
    DicomExportImage,
    DicomFailedImage,
    Exam,
    Image,
    ImageAudit,
    ImageEvent,
    MovedImage,
    NetworkLocation,
    RejectedImage,
    Report,
    ReportImage,
    SendQueue,
)
from rpcs.actions import BadRequest, NotFound, RefusedAction
from rpcs.look_ups.find_studies import search
from rules.evaluator.queueing import Copies, Origin, queue_copies
from tests.integration.rpcs.acting import Person
from tests.integration.rpcs.archive.asking import Archive
from tests.integration.rpcs.archive.test_index import HEADER
from tests.integration.rpcs.conftest import NOON
from tests.integration.rpcs.filing_gateway import CONSULT, LAB
from tests.support.query_plans import statements_of

ACCESSION, PATIENT_ID, STUDY_UID = "00080050", "00100020", "0020000D"
WHY = {"reason": "wrong worklist entry"}
#: An exam of the same patient, one of another, one that is cancelled.
SAME, OTHER, CANCELLED = "061124-102", "061224-103", "061324-104"
WHO = "MANAGER,MAY"


@pytest.fixture
def person(archive: Archive) -> Person:
    return Person(archive.gateway.store)


def studies(archive: Archive, **keys: str) -> list[list[str]]:
    return archive.found("STUDY", {f"{tag[1:]}": [value] for tag, value in keys.items()}, STUDY_UID)


def export(archive: Archive, image: int, destination: str = "VIEWER") -> None:
    assert archive.gateway.client.call("MAG DICOM QUEUE IMAGE", str(image), destination, "660").text == "1"


def waiting(person: Person) -> list[tuple[int, str]]:
    return [(row["image"], row["application"]) for row in person.rows(DicomExportImage)]


# ---- lists --------------------------------------------------------------------------------------------------------------


def listed(person: Person, **asked: object) -> list[int]:
    return [it["ien"] for it in person.do("IMAGE LIST", **asked)["entries"]]


def test_images_are_found_by_all_that_is_asked_newest_first(archive: Archive, person: Person) -> None:
    first, second = archive.file("5.1", HEADER), archive.file("5.2", HEADER)
    third = archive.file("5.3", **CONSULT, study="1.2.9")
    everything = sorted((first, second, third), reverse=True)
    assert listed(person) == everything
    assert listed(person, patient="1") == listed(person, patient="666-00-0001") == [second, first]
    assert listed(person, patient="imagpatient") == everything
    assert listed(person, patient="imagpatient,t") == [third]
    assert listed(person, accession="061024-101") == listed(person, accession="660-061024-101") == [second, first]
    assert listed(person, study="1.2.9") == listed(person, accession="660-GMR-1", study="1.2.9") == [third]
    assert listed(person, study="1.2.9", accession="061024-101") == []
    assert listed(person, uid="5.2") == [second]
    assert listed(person, location=660) == everything
    assert listed(person, location=688) == listed(person, patient="NOBODY") == []
    (one,) = person.do("IMAGE LIST", uid="5.3")["entries"]
    assert (one["patient_name"], one["accession"], one["study"]) == ("IMAGPATIENT,TWO", "660-GMR-1", "1.2.9")


def test_images_are_found_by_when_they_were_filed(archive: Archive, person: Person) -> None:
    images = [archive.file(f"5.{number}") for number in range(1, 4)]
    for day, image in enumerate(images, 1):
        archive.gateway.change(update(Image).where(Image.ien == image).values(saved_at=f"32611{day:02d}.12"))
    assert listed(person, since="2026-11-02") == images[:0:-1]
    assert listed(person, until="2026-11-02") == images[:1]
    assert listed(person, patient="1", since="2026-11-02", until="2026-11-02 12:01") == [images[1]]


@pytest.mark.parametrize("asked", [{}, {"patient": "1"}, {"patient": "IMAG"}, {"study": "1.2.3"}, {"location": 660}])
def test_pages_go_on_where_the_one_before_ended(archive: Archive, person: Person, asked: dict[str, object]) -> None:
    images = [archive.file(f"5.{number}") for number in range(1, 6)]
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        page = person.do("IMAGE LIST", limit=2, after=after, **asked)
        seen += [it["ien"] for it in page["entries"]]
        after = page["next"]
        if after == images[1]:
            archive.gateway.ask(f"ROLLBACK||{images[1]}")  # where it goes on is known though it is deleted
    assert seen == images[::-1]


def test_what_would_be_too_much_is_refused(archive: Archive, person: Person) -> None:
    with pytest.raises(BadRequest):
        person.do("IMAGE LIST", limit=501)
    with pytest.raises(NotFound):
        person.do("IMAGE LIST", after=99999)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_lists_are_found_along_indexes(archive: Archive, person: Person) -> None:
    archive.file("5.1", HEADER)
    moment = {"since": "2020-01-01", "until": "2030-01-01"}
    with statements_of(person.store) as statements:
        for asked in ({}, moment, {"patient": "1"}, {"location": 660}, {"location": 660, **moment}, {"patient": "1", **moment}):
            person.do("IMAGE LIST", **asked)
            person.do("IMAGE LIST", after=2, **asked)
    plans = {text: steps for text, steps in statements.plans(person.store).items() if "SELECT image.uid" in text}
    assert len(plans) >= 10
    steps = [step for found in plans.values() for step in found]
    assert not any("TEMP B-TREE" in step for step in steps), plans
    scans = {step for step in steps if step.startswith("SCAN") and step != "SCAN CONSTANT ROW"}
    assert scans <= {"SCAN image USING INDEX ix_image_saved_at_ien"}, plans


# ---- one image ----------------------------------------------------------------------------------------------------------


def test_all_is_told_of_one_image(archive: Archive, person: Person) -> None:
    image = archive.file("5.1", HEADER, size=77)
    export(archive, image)
    shown = person.do("IMAGE SHOW", image=image)
    assert shown == person.do("IMAGE SHOW", image="5.1")
    assert (shown["ien"], shown["uid"], shown["study_uid"], shown["series_uid"]) == (image, "5.1", "1.2.3", "1.2.3.1")
    assert (shown["patient"]["name"], shown["exam"]["accession"]) == ("IMAGPATIENT,ONE M", "660-061024-101")
    (full, *_others) = shown["files"]
    assert (full["type"], full["location"], full["online"], full["long_term"]) == ("FULL", "RAID1", True, False)
    assert full["path"].endswith(person.row(Image, ien=image)["file_ref"])
    assert [(it["destination"], it["status"]) for it in shown["exports"]] == [("VIEWER", "WAITING")]
    assert [it["queue"] for it in shown["queues"]] == ["JUKEBOX"]
    assert (shown["archive"]["found_by_queries"], shown["rejected"], shown["size"]) == (True, None, 77)
    assert shown["archive"]["handling"]["keep_online"] is True, "as its header says"


@pytest.mark.parametrize("asked", ["99999", "9.9.9", "nothing"])
def test_what_is_not_on_file_is_not_shown(archive: Archive, person: Person, asked: str) -> None:
    archive.file("5.1")
    with pytest.raises(NotFound):
        person.do("IMAGE SHOW", image=asked)


def test_a_group_is_no_image(archive: Archive, person: Person) -> None:
    image = archive.file("5.1")
    with pytest.raises(NotFound, match=r"is a group of images, the study 1\.2\.3"):
        person.do("IMAGE SHOW", image=person.row(Image, ien=image)["parent"])


# ---- stories ------------------------------------------------------------------------------------------------------------


def told(person: Person, image: object) -> list[str]:
    return [step["told"] for step in person.do("IMAGE STORY", image=image)["steps"]]


def waits(person: Person, image: object) -> str:
    return " ".join(person.do("IMAGE STORY", image=image)["waits_for"])


def test_a_story_tells_in_words_what_happened_and_what_is_waited_for(archive: Archive, person: Person) -> None:
    image = archive.store("5.1")
    assert waits(person, image) == "Its gateway has yet to say that its file is in its place."
    archive.process(image)
    filed, placed = told(person, "5.1")
    assert filed.startswith(f"was filed as image {image} for gateway ")
    assert placed.startswith("is in its place, as gateway ")
    assert placed.endswith(" said, and was queued for what follows")
    assert waits(person, image) == "It waits for its long-term copy (place 1)."
    export(archive, image)
    assert "It waits to be sent to VIEWER." in waits(person, image)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"status": "RETRY", "reason": "status A700"}, "VIEWER did not take it (status A700); it is tried again."),
        ({"status": "FAIL", "reason": "refused"}, "It was not sent to VIEWER: refused. MAGB EXPORT RELEASE has it tried again."),
        ({"status": "HOLD"}, "It is held for VIEWER."),
        ({"status": "XMIT"}, "It is being sent to VIEWER."),
        ({"status": "SUCCESS"}, ""),
    ],
)
def test_why_an_image_is_not_at_its_destination_is_told(
    archive: Archive, person: Person, values: dict[str, str], said: str
) -> None:
    image = archive.file("5.1")
    export(archive, image)
    archive.gateway.change(update(DicomExportImage).values(values))
    assert said in waits(person, image)
    assert bool(said) == ("VIEWER" in waits(person, image))


def test_an_object_on_the_correct_list_has_a_story_by_its_uid(archive: Archive, person: Person) -> None:
    archive.gateway.store_image("5.1", pid="999999999", name="SOMEBODY^ELSE")
    (entry,) = person.rows(DicomFailedImage)
    story = person.do("IMAGE STORY", image="5.1")
    assert story["image"] is None
    assert "was put on the CORRECT list, where a person says whose it is" in story["steps"][0]["told"]
    assert story["waits_for"][0].startswith(f"It is on the CORRECT list (entry {entry['ien']}): PID ERROR.")
    person.do("CORRECT FIX", study=entry["ien"], name="IMAGPATIENT,ONE")
    assert waits(person, "5.1").endswith("Gateway GWA is to file it anew.")
    assert f"is to be filed anew with what {WHO} said" in told(person, "5.1")[-1]


def test_a_deleted_image_has_a_story_by_its_number(archive: Archive, person: Person) -> None:
    image = archive.file("5.1")
    person.do("IMAGE DELETE", image=image, reason="doubled")
    assert told(person, image)[-1] == f"was deleted by {WHO}: doubled"
    assert waits(person, "5.1") == f"Image {image} was deleted by user 2: doubled."


def test_a_story_comes_a_page_at_a_time(archive: Archive, person: Person) -> None:
    image = archive.file("5.1")
    first = person.do("IMAGE STORY", image=image, limit=1)
    second = person.do("IMAGE STORY", image=image, limit=1, after=first["next"])
    assert [it["stage"] for it in (*first["steps"], *second["steps"])] == ["STORE", "PROCESSED"]
    assert second["next"] is None


def test_nothing_is_told_of_what_nobody_knows(person: Person) -> None:
    for asked in ("9.9.9", "99999"):
        with pytest.raises(NotFound):
            person.do("IMAGE STORY", image=asked)


def test_every_step_is_told_without_a_gap(archive: Archive, person: Person) -> None:
    image = archive.file("5.1")
    row = {"uid": "5.1", "image": image, "stage": "NEW STAGE", "at": 1.0, "outcome": "done", "detail": "{odd}", "peer": "X"}
    archive.gateway.change(insert(ImageEvent).values(row))
    assert told(person, image)[0] == "NEW STAGE: done {odd} X", "it was told last, and happened first"


# ---- moves --------------------------------------------------------------------------------------------------------------


def test_a_study_is_moved_to_another_patients_exam_with_all_that_belongs_to_it(archive: Archive, person: Person) -> None:
    images = [archive.file(f"5.{number}", HEADER) for number in (1, 2)]
    export(archive, images[0])
    group = person.row(Image, ien=images[0])["parent"]
    answer = person.do("IMAGE MOVE", study="1.2.3", accession=OTHER, patient=2, **WHY)
    assert (answer["accession"], answer["patient"], answer["images"], answer["groups"]) == (OTHER, 2, 2, [group])
    exam = person.row(Exam, accession=OTHER)
    report = person.row(Report, exam=exam["ien"])
    assert (exam["report"], report["patient"]) == (report["ien"], 2)
    for entry in (group, *images):
        row = person.row(Image, ien=entry)
        assert (row["patient"], row["report"], row["parent_file"], row["parent_ien"]) == (2, report["ien"], "74", report["ien"])
        assert row["name"] == "IMAGPATIENT,TWO  666-00-0002  CHEST 2 VIEWS PA&LAT"
        assert row["procedure_time"] == exam["exam_date"]
    assert [(row["report"], row["image"]) for row in person.rows(ReportImage)] == [(report["ien"], group)]
    assert {row["accession"] for row in person.rows(DicomExport)} == {OTHER}
    detail = f"from 660-061024-101 to {OTHER} of IMAGPATIENT,TWO (patient 2): wrong worklist entry"
    assert person.stories("MOVE EXAM") == [(image, WHO, "moved", detail) for image in images]
    shown = person.do("IMAGE SHOW", image=images[0])
    assert (shown["patient"]["dfn"], shown["exam"]["accession"]) == (2, OTHER)
    assert f"was moved to another exam by {WHO}" in told(person, images[0])[-1]


def test_queries_find_a_moved_study_under_its_patient_and_number_now(archive: Archive, person: Person) -> None:
    archive.file("5.1", HEADER)
    person.do("IMAGE MOVE", study="1.2.3", accession=OTHER, **WHY)
    assert studies(archive, t00080050=OTHER, t00100020="666000002") == [["1.2.3"]]
    assert studies(archive, t00080050="061024-101") == studies(archive, t00100020="666000001") == []
    assert archive.found("PATIENT", {PATIENT_ID: ["666000002"]}, "00100010") == [["IMAGPATIENT^TWO"]]


def test_a_study_that_was_filed_under_the_patients_other_exam_gets_its_number(archive: Archive, person: Person) -> None:
    archive.file("5.1", HEADER)
    person.do("IMAGE MOVE", study="1.2.3", accession=SAME, **WHY)
    assert studies(archive, t00080050="660-061124-102") == [["1.2.3"]]
    assert studies(archive, t00080050="061024-101") == []
    assert archive.found("PATIENT", {PATIENT_ID: ["666-00-0001"]}, "00100010")[0][0].startswith("IMAGPATIENT^ONE^M"), "as told"


def test_one_image_of_a_study_is_moved_into_a_group_of_its_own(archive: Archive, person: Person) -> None:
    first, second = archive.file("5.1", HEADER), archive.file("5.2", HEADER)
    group = person.row(Image, ien=first)["parent"]
    person.do("IMAGE MOVE", image="5.2", accession=OTHER, **WHY)
    moved = person.row(Image, ien=second)
    assert moved["parent"] not in (group, None)
    there, here = person.row(Image, ien=moved["parent"]), person.row(Image, ien=group)
    assert (there["patient"], there["members"], there["uid"], there["object_type"]) == (2, 1, "1.2.3", 11)
    assert (here["patient"], here["members"], here["last_member"]) == (1, 1, 1)
    assert archive.gateway.client.call("MAG DICOM GET IMAGE GROUP", str(there["ien"])).lines == ["1", str(second)]
    assert archive.gateway.client.call("MAG DICOM GET IMAGE GROUP", str(group)).lines == ["1", str(first)]
    person.do("IMAGE MOVE", image="5.1", accession=OTHER, **WHY)
    assert person.row(Image, ien=first)["parent"] == moved["parent"], "which the exam has already"
    assert person.row(Image, ien=moved["parent"])["members"] == 2
    assert [row["ien"] for row in person.rows(ImageAudit)] == [group], "it is left empty"


def test_one_image_that_stays_the_patients_leaves_the_study_its_number(archive: Archive, person: Person) -> None:
    archive.file("5.1", HEADER)
    image = archive.file("5.2", HEADER)
    person.do("IMAGE MOVE", image=image, accession=SAME, **WHY)
    assert studies(archive, t00080050="061024-101") == [["1.2.3"]]
    assert [row["ien"] for row in person.rows(ArchiveStudy)] == [1]
    assert person.rows(MovedImage) == []


def test_images_move_to_a_consult_and_back(archive: Archive, person: Person) -> None:
    image = archive.file("5.1", HEADER)
    person.do("IMAGE MOVE", image=image, accession="660-GMR-1", service="CON", **WHY)
    row = person.row(Image, ien=image)
    assert (row["patient"], row["parent_file"], row["parent_ien"], row["report"]) == (2, "2006.5839", 1, None)
    assert (row["package"], person.row(Image, ien=row["parent"])["procedure"]) == ("CONS", "CON/PROC")
    assert [(it["consult"], it["group"]) for it in person.rows(ConsultGroup)] == [(1, row["parent"])]
    assert person.rows(ReportImage) == []
    person.do("IMAGE MOVE", image=image, accession="061024-101", **WHY)
    row = person.row(Image, ien=image)
    assert (row["patient"], row["parent_file"], row["package"]) == (1, "74", "RAD")
    assert person.rows(ConsultGroup) == []


def test_images_move_to_a_lab_case(archive: Archive, person: Person) -> None:
    case = {"accession": LAB["accession"], "patient": 8, "exam_date": "3240610.093", "procedure": "SURGICAL PATHOLOGY"}
    archive.gateway.change(insert(Exam).values(ien=900, service="LAB", **case))
    image = archive.file("5.1", HEADER)
    person.do("IMAGE MOVE", image=image, accession=LAB["accession"], service="LAB", **WHY)
    assert person.do("IMAGE SHOW", image=image)["exam"]["accession"] == LAB["accession"]
    assert person.do("IMAGE LIST", accession=LAB["accession"])["entries"][0]["ien"] == image
    assert person.row(Image, ien=image)["specialty"] == 50


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"accession": "061024-101"}, RefusedAction),
        ({"accession": CANCELLED}, RefusedAction),
        ({"accession": "NO SUCH"}, NotFound),
        ({"accession": OTHER, "patient": 1}, RefusedAction),
        ({"accession": OTHER, "image": "5.1"}, BadRequest),
        ({"accession": OTHER, "study": "9.9"}, NotFound),
        ({"accession": OTHER, "reason": ""}, BadRequest),
        ({}, BadRequest),
    ],
)
def test_a_move_to_nowhere_is_refused_and_moves_nothing(
    archive: Archive, person: Person, asked: dict[str, Any], error: type[Exception]
) -> None:
    archive.file("5.1", HEADER)
    before = person.rows(Image)
    with pytest.raises(error):
        person.do("IMAGE MOVE", **{"study": "1.2.3", **WHY, **asked})
    assert person.rows(Image) == before


# ---- deletion, rejection, recall ----------------------------------------------------------------------------------------


def test_a_study_is_deleted_with_its_files_and_is_sent_nowhere(archive: Archive, person: Person) -> None:
    images = [archive.file(f"5.{number}", HEADER) for number in (1, 2)]
    kept = archive.file("5.3", study="1.2.4")
    export(archive, images[0])
    answer = person.do("IMAGE DELETE", study="1.2.3", reason="doubled")
    assert answer == {"images": 2, "groups": 1, "cancelled": 1, "more": False}
    assert [row["ien"] for row in person.rows(Image) if row["parent"]] == [kept]
    audit = {row["ien"]: (row["deleted_by"], row["delete_reason"]) for row in person.rows(ImageAudit)}
    assert {audit[image] for image in images} == {(2, "doubled")}
    files = {row["file_path"].rpartition("\\")[2] for row in person.rows(BackgroundQueue) if row["queue"] == "DELETE"}
    assert {f"{row['file_ref']}" for row in person.rows(ImageAudit) if row["file_ref"]} <= files
    assert waiting(person) == []
    assert studies(archive) == [["1.2.4"]]
    assert person.stories("SEND")[-1] == (images[0], WHO, "cancelled", "VIEWER: doubled")


def test_what_is_rejected_stays_and_is_neither_found_nor_sent(archive: Archive, person: Person) -> None:
    first, second = archive.file("5.1", HEADER), archive.file("5.2", HEADER)
    export(archive, first)
    where = Origin(660, to_fileman(NOON), NOON.timestamp())
    archive.gateway.change(update(NetworkLocation).where(NetworkLocation.ien == 12).values(router=True))
    person.store.transact(lambda it: queue_copies(it, first, Copies(12, 500, ("FULL",)), where))
    answer = person.do("IMAGE REJECT", image=first, reason="moved while breathing")
    assert answer == {"images": 1, "cancelled": 2, "under_way": 0}
    assert (waiting(person), person.rows(SendQueue)) == ([], [])
    assert [it[1] for it in archive.retrieve("STUDY", {STUDY_UID: ["1.2.3"]})[1:]] == ["5.2"]
    assert archive.found("STUDY", {}, "00201208") == [["1"]]
    found, *lines = archive.gateway.client.call("MAG STUDY UID QUERY", "1.2.3").lines
    assert (found, [line.partition("^")[0] for line in lines]) == ("1 image found", [str(second)])
    assert "0020,1208^1" in person.store.read(lambda it: search(it, {"0020,000D": ["1.2.3"], "0020,1208": []}, NOON.date()))
    export(archive, first)
    assert waiting(person) == []
    assert person.stories("SEND")[-1][2] == "not queued: it is rejected"
    assert archive.gateway.client.call("MAGB EXPORT MOVE", [_move([[first, 0], [second, 0]])]).text
    assert waiting(person) == [(second, "VIEWER")]
    assert person.store.transact(lambda it: queue_copies(it, first, Copies(12, 500, ("FULL",)), where)) == []
    row = person.row(Image, ien=first)
    assert (row["status"], row["file_ref"] != "") == (11, True)
    assert "It is rejected by MANAGER,MAY: moved while breathing." in waits(person, first)
    assert person.do("IMAGE SHOW", image=first)["rejected"]["reason"] == "moved while breathing"
    assert [it["rejected"] for it in person.do("IMAGE LIST")["entries"]] == [False, True]


def _move(images: list[list[int]]) -> str:
    return json.dumps({"application": "VIEWER", "location": 660, "for": "X", "images": images})


def test_what_is_processed_while_it_is_rejected_is_not_found(archive: Archive, person: Person) -> None:
    image = archive.store("5.1", HEADER)
    person.do("IMAGE REJECT", image=image, **WHY)
    archive.process(image)
    assert studies(archive) == []


def test_a_rejection_is_taken_back(archive: Archive, person: Person) -> None:
    images = [archive.file(f"5.{number}", HEADER, size=5) for number in (1, 2)]
    person.do("IMAGE REJECT", image="5.1", **WHY)
    assert person.do("IMAGE REJECT", study="1.2.3", reason="all of it")["images"] == 1
    assert studies(archive) == []
    with pytest.raises(RefusedAction, match="is rejected already"):
        person.do("IMAGE REJECT", study="1.2.3", **WHY)
    assert person.do("IMAGE ACCEPT", study="1.2.3")["images"] == 2
    assert studies(archive) == [["1.2.3"]]
    assert archive.found("STUDY", {}, "00201208") == [["2"]]
    assert ({row["status"] for row in person.rows(Image)}, person.rows(RejectedImage)) == ({1}, [])
    export(archive, images[0])
    assert waiting(person) == [(images[0], "VIEWER")]
    with pytest.raises(RefusedAction, match="is not rejected"):
        person.do("IMAGE ACCEPT", study="1.2.3")
    assert [it[2] for it in person.stories("REJECT")] == ["rejected", "rejected", "accepted", "accepted"]


def test_what_was_sent_wrongly_is_called_back_and_who_has_it_is_told(archive: Archive, person: Person) -> None:
    first, second = archive.file("5.1", HEADER), archive.file("5.2", HEADER)
    for image, destination in ((first, "VIEWER"), (second, "VIEWER"), (first, "ARCHIVE"), (second, "DESK")):
        export(archive, image, destination)
    set_to = update(DicomExportImage).where(DicomExportImage.application == "ARCHIVE")
    archive.gateway.change(set_to.values(status="SUCCESS"))
    archive.gateway.change(update(DicomExportImage).where(DicomExportImage.application == "DESK").values(status="XMIT"))
    events = ["5.2^^MOVE^^PACS^sent^for VIEWER", f"^{first}^MOVE^^OTHER^failed^for VIEWER"]
    archive.gateway.client.call("MAGB IMAGE EVENTS", events)
    archive.gateway.change(update(ImageEvent).where(ImageEvent.stage == "MOVE", ImageEvent.uid == "5.2").values(image=second))
    answer = person.do("IMAGE RETRACT", study="1.2.3", reason="another patient's")
    assert answer == {"images": 2, "cancelled": 2, "under_way": 1, "destinations": {"ARCHIVE": 1, "PACS": 1}}
    assert waiting(person) == [(first, "ARCHIVE"), (second, "DESK")]
    assert studies(archive) == [["1.2.3"]], "it stays"
    assert person.stories("RETRACT") == [(image, WHO, "retracted", "another patient's") for image in (first, second)]


def test_a_trial_changes_nothing(archive: Archive, person: Person) -> None:
    archive.file("5.1", HEADER)
    before = [person.rows(file) for file in (Image, ImageEvent, RejectedImage)]
    for name, asked in (("MOVE", {"accession": OTHER, **WHY}), ("REJECT", WHY), ("DELETE", WHY), ("RETRACT", WHY)):
        assert person.do(f"IMAGE {name}", study="1.2.3", dry_run=1, **asked)["changes"][0]["subject"] == "study 1.2.3"
    assert [person.rows(file) for file in (Image, ImageEvent, RejectedImage)] == before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_change_looks_at_every_image(archive: Archive, person: Person) -> None:
    archive.file("5.1", HEADER)
    archive.file("5.2", HEADER)
    with statements_of(person.store) as statements:
        person.do("IMAGE SHOW", image="5.1")
        person.do("IMAGE STORY", image="5.1")
        for name, asked in (
            ("REJECT", WHY),
            ("ACCEPT", {}),
            ("RETRACT", WHY),
            ("MOVE", {"accession": OTHER, **WHY}),
            ("DELETE", WHY),
        ):
            person.do(f"IMAGE {name}", image="5.1", **asked)
    plans = statements.plans(person.store)
    assert len(plans) > 60
    small = tuple(f"SCAN {name}" for name in ("imaging_site", "network_location", "option_schedule", "held_destination"))
    scans = {text: [it for it in steps if it.startswith("SCAN") and not it.startswith(small)] for text, steps in plans.items()}
    assert not {text: steps for text, steps in scans.items() if set(steps) - {"SCAN CONSTANT ROW"}}
