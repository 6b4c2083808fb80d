"""A radiologist with the key sees which exams can be routed where, and has them queued."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from fileman import SiteKey, Store, bump_site_version
from fileman.files import BackgroundQueue, DicomExport, DicomExportImage, Image, Report, SendQueue, UserKey
from runtime import FixedClock
from tests.integration.rpcs.queues import FOUR, LOCATION, OFFLINE, ONE, Routing, run_routing

PROGRAMMER = 9009
#: A router's network location that takes no file type.
NO_FILES = 17
COPY, DICOM = "MAGJ DEMAND ROUTE", "MAGJ DEMAND ROUTE DICOM"


@pytest.fixture
def routing(oracle_store: Store, site_key: SiteKey, clock: FixedClock) -> Iterator[Routing]:
    with run_routing(oracle_store, site_key, clock) as routing:
        copies = delete(Image).where(Image.ien > 16)  # of image 2, made for other tests
        oracle_store.transact(lambda connection: connection.execute(copies))
        yield routing


def give_key(routing: Routing, *keys: str) -> None:
    def give(connection: Connection) -> None:
        rows = [{"duz": PROGRAMMER, "key": key, "position": position} for position, key in enumerate(keys, start=50)]
        connection.execute(insert(UserKey), rows)
        bump_site_version(connection)

    routing.store.transact(give)


def ask(routing: Routing, name: str, *elements: str) -> list[str]:
    return list(routing.client.call(f"MAGJ ROUTE {name}", list(elements)).lines)


def exam_of(routing: Routing) -> tuple[str, str]:
    """Give the pointers of image 2's exam, without and with its report."""
    of_image = select(Image.report).where(Image.ien == 2).scalar_subquery()
    (report,) = routing.all(select(Report.ien, Report.patient, Report.exam_date).where(Report.ien == of_image))
    whole, _, part = report.exam_date.partition(".")
    units = 99999999999 - (int(whole) * 10000 + int(part.ljust(4, "0")))
    inverse = f"{units // 10000}.{units % 10000:04d}".rstrip("0").rstrip(".")
    pointers = f"{report.patient}^{inverse}^1"
    return pointers, f"{pointers}^{report.ien}"


def test_only_who_holds_a_key_may_route_and_only_where_there_is_a_destination(routing: Routing) -> None:
    assert routing.client.call("MAGJ ROUTE ENABLE").text == "FALSE"
    give_key(routing, COPY)
    assert routing.client.call("MAGJ ROUTE ENABLE").text == "TRUE"
    for ien in (FOUR, ONE, 17):
        routing.set_location(ien, online=False)
    assert routing.client.call("MAGJ ROUTE ENABLE").text == "FALSE"


def test_exams_are_described_with_what_may_be_chosen(routing: Routing) -> None:
    give_key(routing, COPY, DICOM)
    _, pointers = exam_of(routing)
    lines = ask(routing, "REQUEST", pointers, "1^2^3^4")
    assert lines[0] == "1^1~Route Exams to Selected Locations"
    assert lines[1] == "^Case #^Patient^Procedure^Image Date/Time^Status^Modality"
    assert lines[2].startswith("^660-061024-101^IMAGPATIENT,ONE M^")
    assert lines[2].endswith(f"^CR|{pointers}||")
    assert "JUN 10,2024@" in lines[2]
    where = lines.index("*PROMPT")
    assert lines[where : where + 6] == [
        "*PROMPT",
        "DROP^Route To^^[Do Not Route]",
        "0^[Do Not Route]",
        "14^ROUTE-DEST-A",
        "15^ROUTE-DEST-B",
        "17^ROUTE-NOFLAGS",
    ]
    assert "1DCM^dcm PACS-ARCHIVE" in lines
    assert lines[-4:] == ["*ERROR", "1 Exams Not Able to be Routed", "Request has Invalid Case Pointer (1^2^3^4).", "*END"]


def test_images_on_the_jukebox_are_asked_for_once(routing: Routing) -> None:
    _, pointers = exam_of(routing)
    routing.store.transact(lambda connection: connection.execute(update(Image).where(Image.ien == 2).values(location=18)))
    for _ in range(2):
        lines = ask(routing, "REQUEST", pointers)
        assert lines[0] == "0^0~Unable to Route any Exams"
        assert lines[3] == "Case #660-061024-101--Images have been requested from Jukebox; try again later."
    assert routing.all(select(BackgroundQueue.queue, BackgroundQueue.image)) == [("JBTOHD", 2)]


def test_chosen_exams_are_queued_for_copying_and_for_dicom(routing: Routing) -> None:
    give_key(routing, COPY, DICOM)
    _, pointers = exam_of(routing)
    lines = ask(routing, "EXAMS", f"{ONE}^900|{pointers}", f"1DCM^250|{pointers}", f"0^500|{pointers}")
    assert lines == ["0^1~2 Exams were queued to be routed."]
    sends = routing.all(
        select(SendQueue.image, SendQueue.priority, SendQueue.origin, SendQueue.file_type).order_by(SendQueue.ien)
    )
    assert {tuple(row[1:]) for row in sends} == {(900, LOCATION, "FULL")}
    assert [row.image for row in sends][:2] == [2, 3]
    assert [tuple(row) for row in routing.all(select(DicomExport.application, DicomExport.priority))] == [("PACS-ARCHIVE", 250)]
    assert len(routing.all(select(DicomExportImage.image))) == len(sends)


def test_exams_without_report_or_images_are_told(routing: Routing) -> None:
    give_key(routing, COPY)
    lines = ask(routing, "EXAMS", "14^500|1^2^3", "14^500|1^2^3^4711")
    assert lines == [
        "5^0~Unable to queue any exams for routing.",
        "*ERROR",
        "2 Exams Not Able to be Queued",
        "Exam not queued: Missing exam pointer information for exam (14^500|1^2^3)",
        "Exam not queued: No images found (14^500|1^2^3^4711)",
        "*END",
    ]
    assert routing.statuses() == {}


def nothing_queued(routing: Routing) -> bool:
    return not routing.statuses() and not routing.all(select(DicomExport.ien))


def test_what_a_user_is_not_offered_is_not_queued(routing: Routing) -> None:
    _, pointers = exam_of(routing)
    asked = [f"{ONE}^900|{pointers}", f"1DCM^900|{pointers}"]

    def refused(*elements: str) -> list[str]:
        return [f"Exam not queued: Destination is not available ({element})" for element in elements]

    assert ask(routing, "EXAMS", *asked)[3:-1] == refused(*asked), "without a key"
    give_key(routing, COPY)
    others = [f"{place}^900|{pointers}" for place in (1, OFFLINE, 4711, "1DCM", f"{ONE}x")]
    assert ask(routing, "EXAMS", *others)[3:-1] == refused(*others), "no router, off line, unknown, another key's, misspelt"
    assert nothing_queued(routing)
    assert ask(routing, "EXAMS", *asked)[0] == "4^1~1 Exam were queued to be routed."
    assert set(routing.statuses().values()) == {"WAITING"}
    assert not routing.all(select(DicomExport.ien))


def test_only_exams_of_which_an_image_is_queued_are_counted(routing: Routing) -> None:
    give_key(routing, COPY, DICOM)
    _, pointers = exam_of(routing)
    other = update(Image).where(Image.ien.in_((2, 3))).values(patient=2)
    routing.store.transact(lambda connection: connection.execute(other))
    asked = [f"1DCM^900|{pointers}", f"{NO_FILES}^900|{pointers}"]
    lines = ask(routing, "EXAMS", *asked)
    assert lines[0] == "5^0~Unable to queue any exams for routing."
    assert lines[3:-1] == [f"Exam not queued: No image could be queued ({element})" for element in asked]
    assert nothing_queued(routing)


@pytest.mark.parametrize("inverse", ["1E999999999", "NaN", "", "x", "9" * 400])
def test_what_is_no_inverse_date_names_no_exam(routing: Routing, inverse: str) -> None:
    lines = ask(routing, "REQUEST", f"1^{inverse}^1^4")
    assert lines[3] == f"Request has Invalid Case Pointer (1^{inverse}^1^4)."
