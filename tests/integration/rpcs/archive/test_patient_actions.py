"""Patients are changed and merged, and whatever names them follows: images, exams, worklist, queries."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from fileman.files import (
    ArchiveOverride,
    ArchivePatient,
    ArchiveStudy,
    AuditRecord,
    DicomFailedImage,
    Exam,
    Image,
    ImageAudit,
    LabGroup,
    MergedPatient,
    Patient,
    Report,
    ScheduledStep,
    ScheduledValue,
    TiuNote,
)
from fileman.worklist import put_step
from rpcs.actions import BadRequest, NotFound, RefusedAction
from tests.integration.rpcs.acting import Person
from tests.integration.rpcs.archive.asking import Archive
from tests.integration.rpcs.archive.test_index import HEADER
from tests.integration.rpcs.filing_gateway import CONSULT, LAB
from tests.support.query_plans import statements_of

NAME, PATIENT_ID, BIRTH, OTHER_IDS = "00100010", "00100020", "00100030", "00101000"


@pytest.fixture
def person(archive: Archive) -> Person:
    return Person(archive.gateway.store)


STEP = {"accession": "A1", "step_id": "S1", "patient_id": "666000001", "patient_name": "IMAGPATIENT^ONE^M=山田^太郎"}
STEP |= {"modality": "CT", "start_date": "20261201", "sex": "M"}


def schedule(archive: Archive) -> None:
    archive.gateway.store.transact(lambda it: put_step(it, "HL7", STEP, 1.0))


def names(archive: Archive, **keys: str) -> list[list[str]]:
    return archive.found("PATIENT", {f"{tag[1:]}": [value] for tag, value in keys.items()}, NAME)


def test_a_change_is_told_by_the_file_of_patients_the_worklist_and_queries(archive: Archive, person: Person) -> None:
    archive.file("5.1", HEADER)
    schedule(archive)
    told = person.do("PATIENT UPDATE", dfn=1, name="newname, una mae", birth_date="1951-02-03", sex="F", ssn="666-99-0001")
    assert told["changed"] == ["name", "ssn", "birth_date", "sex"]
    row = person.row(Patient, dfn=1)
    assert (row["name"], row["ssn"], row["birth_date"], row["sex"]) == ("NEWNAME,UNA MAE", "666990001", "2510203", "F")
    (step,) = person.rows(ScheduledStep)
    assert (step["patient_id"], step["patient_name"], step["birth_date"]) == ("666990001", "NEWNAME^UNA^MAE", "19510203")
    assert step["sex"] == "F"
    assert names(archive, t00100010="NEWNAME*", t00100020="666990001", t00100030="19510203") == [["NEWNAME^UNA^MAE"]]
    assert names(archive, t00100010="IMAGPATIENT*") == []
    lines = archive.gateway.client.call("MAG DICOM GET PATIENT", "1").lines
    assert {"DEM^1^NEWNAME,UNA MAE", "DEM^2^666990001^666-99-0001", "DEM^5^F^FEMALE"} <= set(lines)
    image = person.row(Image, uid="5.1")["ien"]
    current = archive.gateway.client.call("MAG IMAGE CURRENT INFO", str(image)).lines
    assert {"0010,0010^NEWNAME,UNA,MAE", "0010,0020^666990001", "0010,0040^F"} <= set(current)


def test_a_name_on_the_worklist_keeps_its_other_scripts_unless_it_is_another(archive: Archive, person: Person) -> None:
    schedule(archive)
    before = person.row(ScheduledStep)["study_uid"]
    person.do("PATIENT UPDATE", dfn=1, sex="F")
    assert person.row(ScheduledStep)["patient_name"] == STEP["patient_name"]
    person.do("PATIENT UPDATE", dfn=1, name="NEWNAME,UNA")
    assert (person.row(ScheduledStep)["patient_name"], person.row(ScheduledStep)["study_uid"]) == ("NEWNAME^UNA", before)
    found = {it["text"] for it in person.rows(ScheduledValue) if it["tag"] == NAME}
    assert found == {"NEWNAME^UNA"}, "by which queries find it"


def test_what_headers_say_of_a_patient_who_was_changed_counts_no_more(archive: Archive, person: Person) -> None:
    archive.file("5.1", HEADER)
    person.do("PATIENT UPDATE", dfn=1, name="NEWNAME,UNA")
    archive.file("5.2", HEADER, name="NEWNAME^UNA")
    assert names(archive, t00100020="666000001") == [["NEWNAME^UNA"]]
    assert person.row(ArchivePatient, dfn=1)["other_ids"] == "OTHER1\\OTHER2", "which no file of VistA's has"


def test_a_change_that_changes_nothing_does_nothing(person: Person) -> None:
    before = person.row(Patient, dfn=1)
    assert person.do("PATIENT UPDATE", dfn=1, name=before["name"])["changed"] == []
    assert person.row(Patient, dfn=1) == before


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"dfn": 1}, BadRequest),
        ({"dfn": 1, "name": "NO COMMA"}, BadRequest),
        ({"dfn": 1, "name": "A^B,C"}, BadRequest),
        ({"dfn": 1, "name": "A," + "B" * 64}, BadRequest),
        ({"dfn": 1, "birth_date": "31.01.1950"}, BadRequest),
        ({"dfn": 1, "sex": "X"}, BadRequest),
        ({"dfn": 99, "sex": "F"}, NotFound),
        ({"dfn": 1, "ssn": "666000002"}, RefusedAction),
        ({"dfn": 1, "icn": "1000000002V123456"}, RefusedAction),
    ],
)
def test_what_cannot_be_changed_is_refused_and_changes_nothing(
    person: Person, asked: dict[str, object], error: type[Exception]
) -> None:
    before = person.rows(Patient)
    with pytest.raises(error):
        person.do("PATIENT UPDATE", **asked)
    assert person.rows(Patient) == before


def test_all_that_is_of_one_patient_becomes_the_others(archive: Archive, person: Person) -> None:
    case = {"accession": LAB["accession"], "patient": 1, "exam_date": "3240610.093", "procedure": "SURGICAL PATHOLOGY"}
    archive.gateway.change(insert(Exam).values(ien=900, service="LAB", **case))
    schedule(archive)
    images = [archive.file("5.1", HEADER), archive.file("5.2", **LAB), archive.file("5.3", study="1.2.4")]
    archive.gateway.ask(f"ROLLBACK||{images[2]}")
    person.do("ARCHIVE RULE", scope="PATIENT", subject="1", rule="KEEP")
    exams = {it["ien"] for it in person.rows(Exam) if it["patient"] == 1}
    counts = person.do("PATIENT MERGE", dfn=1, into=8)
    assert (counts["exams"], counts["images"]) == (len(exams), 4), "two images and their groups"
    for file in (Image, Exam, Report, TiuNote, ImageAudit):
        assert not [it for it in person.rows(file) if it["patient"] == 1], file
    assert {it["name"].partition("  ")[0] for it in person.rows(Image)} == {"GARCIA-LOPEZ,MARIA ELENA"}
    assert {it["lab_patient"] for it in person.rows(LabGroup)} == {8}
    assert person.row(ScheduledStep)["patient_id"] == "666000008"
    assert not [it for it in person.rows(Patient) if it["dfn"] == 1]
    assert [it["subject"] for it in person.rows(ArchiveOverride)] == ["8"]
    told = "IMAGPATIENT,ONE M (patient 1) into GARCIA-LOPEZ,MARIA ELENA (patient 8)"
    assert person.stories("MERGE") == [(image, "MANAGER,MAY", "merged", told) for image in images[:2]]


@pytest.mark.parametrize("survivor_has_images", [False, True])
def test_queries_find_the_survivors_studies_under_the_survivor(
    archive: Archive, person: Person, survivor_has_images: bool
) -> None:
    image = archive.file("5.1", HEADER)
    if survivor_has_images:
        archive.file("5.2", **CONSULT, study="1.2.9")
    person.do("PATIENT MERGE", dfn=1, into=2)
    studies = {"1.2.3", "1.2.9"} if survivor_has_images else {"1.2.3"}
    found = archive.found("STUDY", {PATIENT_ID: ["666000002"]}, "0020000D")
    assert {uid for (uid,) in found} == studies
    assert names(archive, t00100020="666000002") == [["IMAGPATIENT^TWO"]]
    assert names(archive, t00101000="666000001") == [["IMAGPATIENT^TWO"]], "the old number finds him"
    assert names(archive, t00100020="666000001") == []
    assert [it["dfn"] for it in person.rows(ArchivePatient)] == [2]
    _head, instance = archive.retrieve("STUDY", {"0020000D": ["1.2.3"]})
    assert instance[3] == image


def test_a_study_that_both_had_is_one_study(archive: Archive, person: Person) -> None:
    archive.file("5.1", HEADER)
    archive.file("5.2", **CONSULT)
    assert len(person.rows(ArchiveStudy)) == 2
    person.do("PATIENT MERGE", dfn=1, into=2)
    (study,) = person.rows(ArchiveStudy)
    assert study["study_uid"] == "1.2.3"
    assert sorted(it[1] for it in archive.retrieve("STUDY", {"0020000D": ["1.2.3"]})[1:]) == ["5.1", "5.2"]
    (found,) = archive.found("STUDY", {"0020000D": ["1.2.3"]}, "00201208")
    assert found == ["2"]


def test_the_old_numbers_find_the_survivor_and_file_objects_that_bear_them(archive: Archive, person: Person) -> None:
    person.do("PATIENT MERGE", dfn=1, into=2)
    for asked in ({"ssn": "666-00-0001"}, {"dfn": 1}):
        found = person.do("PATIENT LIST", **asked)
        assert [it["dfn"] for it in found["entries"]] == [2]
        assert [(it["dfn"], it["ssn"]) for it in found["merged"]] == [(1, "666000001")]
    assert [it["into"] for it in person.do("PATIENT LIST", name="IMAGPATIENT,O")["merged"]] == [2]
    image = archive.file("5.1")
    assert person.row(Image, ien=image)["patient"] == 2
    assert person.rows(DicomFailedImage) == []
    assert archive.gateway.store_image("5.9", name="SOMEBODY^ELSE", pid="666000001")[0].startswith("STORE|-2")


def test_who_was_merged_can_be_followed_through_a_later_merge(person: Person) -> None:
    person.do("PATIENT MERGE", dfn=1, into=2)
    person.do("PATIENT MERGE", dfn=2, into=8)
    assert {it["dfn"]: it["into"] for it in person.rows(MergedPatient)} == {1: 8, 2: 8}
    assert [it["dfn"] for it in person.do("PATIENT LIST", dfn=1)["entries"]] == [8]


@pytest.mark.parametrize(("one", "other", "error"), [(1, 1, RefusedAction), (1, 99, NotFound), (99, 1, NotFound)])
def test_a_merge_of_nobody_or_with_oneself_is_refused(person: Person, one: int, other: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        person.do("PATIENT MERGE", dfn=one, into=other)
    assert person.rows(MergedPatient) == []


def test_a_merge_that_was_done_is_refused_and_says_into_whom(person: Person) -> None:
    person.do("PATIENT MERGE", dfn=1, into=2)
    with pytest.raises(RefusedAction, match="Patient 1 was merged into patient 2 by MANAGER,MAY"):
        person.do("PATIENT MERGE", dfn=1, into=2)
    assert [it["outcome"] for it in person.rows(AuditRecord)] == ["done", "refused"]


def test_patients_are_listed_by_name_a_page_at_a_time(person: Person) -> None:
    everybody = [it["name"] for it in person.do("PATIENT LIST")["entries"]]
    assert everybody == sorted(everybody)
    assert len(everybody) == 8
    seen, after = [], 0
    while after is not None:
        page = person.do("PATIENT LIST", limit=3, after=after)
        seen += [it["name"] for it in page["entries"]]
        after = page["next"]
    assert seen == everybody
    assert [it["dfn"] for it in person.do("PATIENT LIST", name="imagpatient")["entries"]] == [1, 2]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_patient_is_looked_for_among_all(archive: Archive, person: Person) -> None:
    archive.file("5.1", HEADER)
    with statements_of(person.store) as statements:
        for asked in ({}, {"name": "A"}, {"ssn": "1"}, {"dfn": 1}, {"after": 2}):
            person.do("PATIENT LIST", **asked)
        person.do("PATIENT UPDATE", dfn=1, ssn="666990001", icn="1")
        person.do("PATIENT MERGE", dfn=1, into=2)
    plans = statements.plans(person.store)
    scans = {text: steps for text, steps in plans.items() if any(step.startswith("SCAN") for step in steps)}
    allowed = {"SCAN patient USING INDEX ix_patient_name_dfn"}
    assert not {text: steps for text, steps in scans.items() if not {it for it in steps if it.startswith("SCAN")} <= allowed}
    assert not any("TEMP B-TREE" in step for text, steps in plans.items() if "FROM patient" in text for step in steps)
