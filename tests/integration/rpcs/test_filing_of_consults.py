"""Filing of consults and lab cases beyond the records: their notes and groups, and the consults that TeleReader is to read."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from fileman.files import ConsultGroup, ConsultService, Exam, Image, LabGroup, TiuImage, TiuNote, UnreadConsult
from tests.integration.rpcs.filing_gateway import CONSULT, LAB, Gateway, messages


@pytest.fixture
def lab(gateway: Gateway) -> Gateway:
    """Add a lab case of the first patient, whose number in LAB DATA is 501."""
    case = {"service": "LAB", "accession": "SP 24 17", "service_ien": 501, "patient": 1, "procedure": "SURGICAL PATHOLOGY"}
    gateway.change(insert(Exam).values(ien=900, exam_date="3240610.093", **case))
    return gateway


def test_the_images_of_a_lab_case_wait_under_it_until_there_is_a_note(lab: Gateway) -> None:
    first, second = lab.filed("7.1", **LAB), lab.filed("7.2", **LAB)
    group = lab.image(first).parent
    assert lab.image(second).parent == group
    (kept,) = lab.rows(LabGroup)
    assert (kept.parent_file, kept.lab_patient, kept.inverse, kept.group) == ("63.08", 501, "6759388.907", group)
    header = lab.image(group)
    assert (header.procedure, header.package, header.specialty, header.procedure_or_event) == ("PATHOLOGY", "LAB", 50, 121)
    assert (header.parent_file, header.parent_ien, header.parent_inverse) == ("2006.5838", 501, "6759388.907")
    assert header.report is None
    assert lab.image(second).short_description == "SURGICAL PATHOLOGY (#2)"


def test_a_radiology_gateway_finds_a_lab_case_last(lab: Gateway) -> None:
    image = lab.filed("7.1", **{**LAB, "service": "RAD"})
    assert lab.image(image).package == "LAB"


def test_a_lab_case_of_another_section_than_anatomic_pathology_is_not_found(lab: Gateway) -> None:
    lab.change(update(Exam).where(Exam.ien == 900).values(accession="CH 24 17"))
    assert messages(lab.store_image("7.1", **{**LAB, "accession": "CH 24 17"})) == ["-2,BAD CASE #"]


def test_a_consult_with_a_note_takes_its_images_under_the_note(gateway: Gateway) -> None:
    gateway.change(insert(TiuNote).values(ien=77, patient=2))
    gateway.change(update(Exam).where(Exam.accession == "660-GMR-1").values(tiu_note=77))
    first = gateway.filed("8.1", **CONSULT)
    again = gateway.filed("8.2", **CONSULT)
    other = gateway.filed("8.3", **{**CONSULT, "study": "1.2.9"})
    groups = [gateway.image(image).parent for image in (first, again, other)]
    assert groups[0] == groups[1] != groups[2]
    links = gateway.rows(TiuImage)
    assert [(link.note, link.image) for link in links] == [(77, groups[0]), (77, groups[2])]
    for image in (groups[0], first, again):
        row = gateway.image(image)
        assert (row.parent_file, row.parent_ien, row.parent_image_pointer) == ("8925", 77, links[0].ien)
    assert gateway.rows(ConsultGroup) == []


def test_a_consult_that_is_complete_keeps_further_images_waiting(gateway: Gateway) -> None:
    gateway.change(insert(TiuNote).values(ien=77, patient=2))
    gateway.change(update(Exam).where(Exam.accession == "660-GMR-1").values(tiu_note=77, status="COMPLETE"))
    image = gateway.filed("8.1", **CONSULT)
    assert gateway.image(image).parent_file == "2006.5839"


def test_a_consult_takes_the_description_and_the_date_of_the_header(gateway: Gateway) -> None:
    image = gateway.image(gateway.filed("8.1", **{**CONSULT, "label": "TOOTH 3", "time": "101500"}))
    assert (image.short_description, image.procedure_time, image.procedure_or_event) == ("TOOTH 3", "3240610.1015", 38)


def test_images_of_a_second_device_make_another_group_and_the_last_group_decides(gateway: Gateway) -> None:
    first = gateway.image(gateway.filed("8.1", **CONSULT)).parent
    second = gateway.image(gateway.filed("8.2", **{**CONSULT, "model": "X2"})).parent
    third = gateway.image(gateway.filed("8.3", **CONSULT)).parent
    assert len({first, second, third}) == 3
    assert gateway.image(gateway.filed("8.4", **CONSULT)).parent == third


@pytest.mark.parametrize(
    ("code", "title", "said", "break_it"),
    [
        (
            "-501",
            "TIU PATIENT/REPORT MISMATCH",
            "Internal entry number of TIU note: ^TIU(8925,77)",
            update(TiuNote).values(patient=3),
        ),
        (
            "-502",
            "PATIENT MISMATCH PROBLEM",
            "Internal entry number of group: ^MAG(2005,1)",
            update(Image).where(Image.ien == 1).values(patient=3),
        ),
        (
            "-503",
            "TIU/IMAGE GROUP MISMATCH",
            "The image points to TIU note ien #78",
            update(Image).where(Image.ien == 1).values(parent_ien=78),
        ),
    ],
)
def test_a_note_and_its_group_must_fit(gateway: Gateway, code: str, title: str, said: str, break_it: Any) -> None:
    gateway.change(insert(TiuNote).values(ien=77, patient=2))
    gateway.change(update(Exam).where(Exam.accession == "660-GMR-1").values(tiu_note=77))
    gateway.filed("8.1", **CONSULT)
    gateway.change(break_it)
    answer = gateway.store_image("8.2", **CONSULT)
    assert answer[0] == f"STORE|{code}|DICOM IMAGE PROCESSING ERROR - {title}|MAGDIR81|1"
    assert messages(answer)[0] == f'A problem was encountered by routine MAGDIR9E     Error Code: "{code}"'
    assert said in messages(answer)


@pytest.mark.parametrize(
    ("code", "values"),
    [("-504", {"patient": 3}), ("-505", {"parent_file": "8925"})],
)
def test_a_group_that_waits_must_fit(gateway: Gateway, code: str, values: dict[str, Any]) -> None:
    gateway.filed("8.1", **CONSULT)
    gateway.change(update(Image).where(Image.ien == 1).values(**values))
    answer = gateway.store_image("8.2", **CONSULT)
    assert answer[0].startswith(f"STORE|{code}|")
    assert answer[0].endswith("|MAGDIR81|1")


def test_a_consults_last_image_takes_its_place_in_the_waiting_list_along(gateway: Gateway) -> None:
    image = gateway.filed("8.1", **CONSULT)
    gateway.ask(f"ROLLBACK||{image}")
    assert gateway.rows(ConsultGroup) == []
    assert gateway.rows(Image) == []


@pytest.fixture
def teleread(gateway: Gateway) -> Gateway:
    """Let TeleReader read the consults of one service."""
    gateway.change(update(Exam).where(Exam.accession == "660-GMR-1").values(procedure="EYE CARE"))
    gateway.change(insert(ConsultService).values(service="EYE CARE", specialty=5, procedure=3, site=660))
    return gateway


def unread(gateway: Gateway) -> list[tuple[int, int, str]]:
    return [(row.consult, row.images, row.status) for row in gateway.rows(UnreadConsult)]


def test_a_consult_whose_image_is_filed_is_to_be_read(teleread: Gateway) -> None:
    teleread.filed("5.1")
    assert unread(teleread) == [], "no consult's"
    teleread.filed("8.1", **CONSULT)
    teleread.filed("8.2", **CONSULT)
    assert unread(teleread) == [(1, 2, "U")]
    (row,) = teleread.rows(UnreadConsult)
    assert row.first_image <= row.last_image == row.last_activity
    assert (row.site, row.specialty, row.procedure) == (660, 5, 3)
    filed = [it for it in teleread.rows(Image) if it.package == "CONS"]
    assert {(it.specialty, it.procedure_or_event) for it in filed} == {(5, 3)}
    assert len(filed) == 3, "a group and two images"


def test_an_image_that_radiology_did_not_know_counts_for_its_consult(teleread: Gateway) -> None:
    teleread.filed("8.1", **{**CONSULT, "service": "RAD"})
    assert unread(teleread) == [(1, 1, "U")]


def test_an_image_that_cannot_be_filed_counts_all_the_same(teleread: Gateway) -> None:
    assert teleread.store_image("8.1", **CONSULT, last="99")[0].startswith("STORE|-307|")
    assert unread(teleread) == [(1, 1, "U")]


def test_neither_images_of_others_nor_further_frames_nor_other_services_are_counted(teleread: Gateway) -> None:
    assert teleread.store_image("8.2", **{**CONSULT, "name": "SOMEBODY^ELSE"})[0].startswith("STORE|-2 ")
    assert unread(teleread) == []
    teleread.filed("8.3", **CONSULT)
    teleread.filed("8.3", **CONSULT, frame="1")
    assert unread(teleread) == [(1, 1, "U")]
    teleread.change(update(Exam).where(Exam.accession == "660-GMR-1").values(procedure="DENTAL"))
    teleread.change(delete(UnreadConsult))
    teleread.filed("8.4", **CONSULT)
    assert unread(teleread) == []


@pytest.mark.parametrize(("before", "after"), [("W", "U"), ("U", "U"), ("L", "L"), ("R", "R"), ("C", "C"), ("D", "D")])
def test_an_image_changes_the_state_of_a_consult_that_waits_for_one_and_no_other(
    teleread: Gateway, before: str, after: str
) -> None:
    teleread.filed("8.1", **CONSULT)
    teleread.change(update(UnreadConsult).values(status=before, reader="READER,ROSE"))
    teleread.filed("8.2", **CONSULT)
    assert unread(teleread) == [(1, 2, after)]
    assert [row.reader for row in teleread.rows(UnreadConsult)] == ["READER,ROSE"]
