"""Filing beyond the records: errors of groups and reports, locks, corrections, imports, deletions, queues."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, insert, update

from fileman import DERIVED_FILES_OPTION, note_processed
from fileman.files import (
    AcquisitionCount,
    BackgroundQueue,
    CurrentImage,
    DerivedFile,
    DicomFailedImage,
    Exam,
    Image,
    ImageAudit,
    ImageHeader,
    ImagingSite,
    ImportableObject,
    LostMember,
    OptionSchedule,
    QueuePointer,
    ReportImage,
)
from rpcs.actions.status import read_status
from rpcs.image_states import image_states
from tests.integration.rpcs.filing_gateway import CONSULT, Gateway, messages, store_items
from tests.support.broker import RunningBroker
from tests.support.query_plans import statements_of
from xwb import BrokerClient, MError

#: What stands in the statements of filing, and in those of no other.
FILING = ("image", "queue", "exam", "report_", "acquisition", "unread")


@pytest.mark.parametrize("values", [{"purged": "3250101"}, {"case_number": "777"}])
def test_an_exam_whose_report_is_purged_takes_no_images(gateway: Gateway, values: dict[str, Any]) -> None:
    gateway.change(update(Exam).where(Exam.accession == "061024-101").values(**values))
    answer = gateway.store_image("5.1")
    assert answer[0] == "STORE|-303|DICOM IMAGE PROCESSING ERROR|MAGDIR81|0"
    assert messages(answer) == [
        'A problem was encountered by routine MAGDIR9A     Error Code: "-303"',
        "Radiology Report has been archived and purged.",
        "Patient 1, 9's Complement Date 6759389.9069, Case 1",
        'Problem detected by routine MAGDIR9A.     Error Code: "-303"',
        "",
    ]
    assert gateway.rows(Image) == []


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"stamp": "garbage"}, "Invalid Date: garbage Field: CREATION DATE"),
        ({"origin": "X"}, "The value 'X' for field ORIGIN INDEX in file IMAGE is not valid."),
    ],
)
def test_a_value_that_the_database_does_not_take_stops_group_and_image(
    gateway: Gateway, facts: dict[str, str], said: str
) -> None:
    group = gateway.store_image("5.1", **facts)
    assert group[0] == "STORE|-306|DICOM IMAGE PROCESSING ERROR|MAGDIR81|1"
    assert messages(group)[1] == said
    assert gateway.rows(Image) == []
    gateway.filed("5.2")
    image = gateway.store_image("5.3", **facts)
    assert image[0] == "STORE|-103|DICOM IMAGE PROCESSING ERROR|MAGDIR81|1"
    assert messages(image)[1] == said
    assert len(gateway.rows(Image)) == 2


@pytest.mark.parametrize("facts", [{}, {"frame": "1"}, {"importer": "1", "pid": "1"}, {"pid": "1"}])
def test_an_object_whose_uid_is_too_long_is_not_filed_nor_put_on_a_list(gateway: Gateway, facts: dict[str, str]) -> None:
    longest = "1." + "2" * 62
    too_long = longest + "3"
    for uid, study, named in ((too_long, "1.2.3", too_long), ("5.1", too_long, too_long), ("5.1", longest, f"{longest}.1")):
        answer = gateway.store_image(uid, study=study, **facts)
        assert answer[0] == "STORE|-103|DICOM IMAGE PROCESSING ERROR|MAGDIR81|1"
        assert messages(answer)[1] == f"The value '{named}' for field PACS UID in file IMAGE is not valid."
    assert [gateway.rows(file) for file in (Image, DicomFailedImage, ImportableObject)] == [[], [], []]
    assert gateway.filed(longest) == 2


def test_what_is_told_of_an_object_that_is_refused_does_not_fail_the_call(gateway: Gateway) -> None:
    too_long = "1." + "2" * 63
    told = [f"HEADER|{uid}|0010,0010|PN|1|IMAGPATIENT^ONE^M" for uid in (too_long, "5.1")]
    answer = gateway.ask(*store_items(too_long), told[0], *store_items("5.1"), told[1], f"DIGEST|5.1|{'a' * 65}")
    assert [line.split("|")[1] for line in answer if line.startswith("STORE|")] == ["-103", "0"]
    assert [(row.uid, row.image) for row in gateway.rows(ImageHeader)] == [("5.1", 2)]
    assert gateway.image(2).digest == ""


@pytest.mark.parametrize(
    ("values", "code", "title"),
    [
        ({"object_type": 3}, "-101", "WRONG GROUP OBJECT TYPE"),
        ({"patient": 3}, "-102", "PATIENT MISMATCH PROBLEM"),
    ],
)
def test_a_further_frame_checks_the_group_it_goes_into(gateway: Gateway, values: dict[str, int], code: str, title: str) -> None:
    gateway.filed("6.1", frame="1")
    gateway.change(update(Image).where(Image.ien == 1).values(**values))
    answer = gateway.store_image("6.1", frame="1")
    assert answer[0] == f"STORE|{code}|DICOM IMAGE PROCESSING ERROR - {title}|MAGDIR81|1"
    assert messages(answer)[0] == f'A problem was encountered by routine MAGDIR9B     Error Code: "{code}"'


@pytest.mark.parametrize("number", ["²", "99999999999", "-99999999999"])
def test_a_number_that_no_entry_has_is_that_of_no_entry(gateway: Gateway, number: str) -> None:
    for kind in ("IMAGE", "STUDY"):
        for image, study in ((number, "1"), ("1", number)):
            asked = f"CORRECT|PROCESSED|{image}|{study}|{kind}|CT1|X|9|GWA|660"
            assert gateway.ask(asked) == [f"CORRECT|COMPLETE|{image}|{study}|{kind}"]
    assert gateway.ask(f"ROLLBACK||{number}") == [f"ROLLBACK|-1|Image entry doesn't exist in image file|{number}"]
    one, two = store_items("5.1")
    assert gateway.ask(one.replace("|1|1|660|", f"|1|1|{number}|"), two)[0].startswith("STORE|0|")
    assert [image.acquisition_site for image in gateway.rows(Image)] == [None, None]
    gateway.filed("5.2")
    assert gateway.rows(Image)[-1].acquisition_site == 660
    assert gateway.ask(f"PROCESSED||660|CT1|{number.lstrip('-')}||1|GWA")[0].startswith("PROCESSED|-403|")


def test_a_locked_exam_or_report_makes_the_gateway_try_again(gateway: Gateway) -> None:
    (exam,) = [row.ien for row in gateway.rows(Exam) if row.accession == "061024-101"]
    gateway.lock(f"exam:{exam}")
    assert gateway.store_image("5.1")[0] == "STORE|-399^radiology exam locked||MAGDIR81|"
    assert gateway.rows(Image) == []
    gateway.store.transact(lambda connection: connection.exec_driver_sql("DELETE FROM lease"))
    gateway.filed("5.2")
    gateway.lock("report:1")
    gateway.filed("5.3")
    told = gateway.store_image("5.4", study="1.2.9")
    assert told[0] == "STORE|-399^radiology report locked - image processing blocked||MAGDIR81|"
    assert len(told) == 2


def test_a_group_that_never_came_under_its_report_is_not_found_again(gateway: Gateway) -> None:
    assert gateway.store_image("5.1", last="1000")[0].startswith("STORE|-307|")
    image = gateway.filed("5.2")
    assert gateway.image(image).parent == 2
    assert [(row.sequence, row.image) for row in gateway.rows(ReportImage)] == [(1, 2)]


def test_an_imported_object_waits_until_it_is_sent_with_corrected_values(gateway: Gateway) -> None:
    wrong = {"importer": "1", "accession": "061024-999", "path": "D:\\1.DCM"}
    assert messages(gateway.store_image("9.1", **wrong)) == ["-2,BAD CASE #"]
    assert gateway.rows(DicomFailedImage) == []
    assert [(row.image_uid, row.file_path) for row in gateway.rows(ImportableObject)] == [("9.1", "D:\\1.DCM")]
    gateway.filed("9.1", importer="1", old_path="D:\\1.DCM")
    assert gateway.rows(ImportableObject) == []


def test_an_imported_object_that_comes_from_anothers_place_is_refused(gateway: Gateway) -> None:
    gateway.store_image("9.1", importer="1", accession="061024-999", path="D:\\1.DCM")
    one, two = store_items("9.2", importer="1", old_path="D:\\1.DCM")
    answer = gateway.ask(one, two)
    assert answer[0] == "STORE|-99|DICOM IMAGE PROCESSING ERROR|MAGDIR81|1"
    assert messages(answer)[:4] == [
        "IMPORT RECONCILIATION DATABASE FILE DELETION ERROR:",
        "The DICOM SOP Instance UIDs don't agree.",
        "Current UID: 9.2",
        "Previous UID: 9.1",
    ]
    assert f"Argument 2: {two.removeprefix('STORE2|')}" in messages(answer)
    assert len(gateway.rows(ImportableObject)) == 1


def test_a_study_of_as_many_images_as_a_query_lists_comes_whole(gateway: Gateway) -> None:
    for number in range(26):
        gateway.store_image(f"9.{number}", accession="", study="9")
    gateway.change(update(DicomFailedImage).where(DicomFailedImage.ien == 1).values(queued="FIXED", fixed="1"))
    listed = gateway.ask("CORRECT|QUERY|660|GWA")
    assert [line.split("|")[4] for line in listed] == ["NONE", *["IMAGE"] * 25, "STUDY"]


def test_what_still_names_an_entry_that_is_gone_is_an_m_error_as_in_vista(gateway: Gateway) -> None:
    gateway.store_image("9.1", accession="", study="9")
    gateway.change(update(DicomFailedImage).where(DicomFailedImage.ien == 1).values(queued="FIXED", fixed="1"))
    assert gateway.ask("CORRECT|PROCESSED|1|1|FOO|CT1|C:\\9.1.DCM|9|GWA|660") == ["CORRECT|COMPLETE|1|1|FOO"]
    with pytest.raises(MError, match=r"MAGD\(2006.575,1"):
        gateway.ask("CORRECT|QUERY|660|GWA")
    gateway.ask("CORRECT|PROCESSED|1|1|STUDY|CT1|C:\\9.1.DCM|9|GWA|660")
    assert gateway.ask("CORRECT|QUERY|660|GWA") == []
    assert gateway.rows(DicomFailedImage) == []


@pytest.fixture
def everything(oracle_broker: RunningBroker) -> Iterator[BrokerClient]:
    """Sign on somebody who may call every procedure."""
    with oracle_broker.client("FAKEPRG1", "1PRG!@#$") as client:
        yield client


def test_an_entry_that_is_gone_and_still_named_is_told_of_by_nobody(gateway: Gateway, everything: BrokerClient) -> None:
    for number in (1, 2):
        gateway.store_image(f"9.{number}", accession="", study="9")
    gateway.store_image("8.1", accession="", study="8")
    validate, count = "MAG DICOM CORRECT VALIDATE", "MAG DICOM INCORRECT IMAGE CT"
    fields = {"FILE": "2006.575", "IENS": "1,", "FIELDS": ".01", "FLAGS": "I"}

    def told() -> dict[str, Any]:
        call = everything.call
        states = gateway.store.read(lambda connection: image_states(connection, ["9.1", "9.2"]))
        status = gateway.store.read(lambda connection: read_status(connection, 0.0))
        return {
            "studies": call(count, "660", "GWA").text,
            "read": call("DDR GETS ENTRY DATA", fields).lines[1:],
            "found": call("DDR FIND1", {"FILE": "2006.575", "VALUE": "C:\\9.1.DCM"}).lines,
            "listed": sum(line.endswith(".DCM") for line in call("DDR LISTER", {"FILE": "2006.575", "FIELDS": ".01"}).lines),
            "reasons": [states[uid].correct for uid in ("9.1", "9.2")],
            "waiting": status.correct,
        }

    assert told() == {
        "studies": "2",
        "read": ["2006.575^1^.01^C:\\9.1.DCM^"],
        "found": ["1"],
        "listed": 3,
        "reasons": ["NO CASE #", "NO CASE #"],
        "waiting": 3,
    }
    gateway.ask("CORRECT|PROCESSED|1|1|FOO|CT1|C:\\9.1.DCM|9|GWA|660")
    assert [row.removed for row in gateway.rows(DicomFailedImage)] == [True, False, False]
    gone = told()
    assert gone.pop("read") != ["2006.575^1^.01^C:\\9.1.DCM^"]
    assert gone == {"studies": "1", "found": ["0"], "listed": 2, "reasons": ["", "NO CASE #"], "waiting": 2}
    assert everything.call(validate).text == "2"
    assert everything.call(count, "660", "GWA").text == "2", "the second image of the study is its first now"
    gateway.store_image("9.1", accession="", study="9")
    assert [row.ien for row in gateway.rows(DicomFailedImage) if not row.removed] == [2, 3, 4], "it waits again"
    assert told()["reasons"] == ["NO CASE #", "NO CASE #"]


def test_a_number_is_not_given_again_when_its_image_was_taken_back(gateway: Gateway) -> None:
    first = gateway.filed("5.1")
    assert gateway.ask(f"ROLLBACK||{first}") == [f"ROLLBACK|0||{first}"]
    assert gateway.filed("5.2") == first + 2
    assert {row.ien for row in gateway.rows(ImageAudit)} == {first - 1, first}
    assert [row.image for row in gateway.rows(ReportImage)] == [first + 1]


def test_an_image_after_one_that_was_taken_back_goes_on_counting(gateway: Gateway) -> None:
    images = [gateway.filed(f"5.{number}") for number in range(1, 4)]
    gateway.ask(f"ROLLBACK||{images[0]}")
    fourth = gateway.image(gateway.filed("5.4"))
    assert (fourth.short_description, fourth.group_sequence) == ("CHEST 2 VIEWS PA&LAT (#3)", 4)


def test_a_lost_member_keeps_its_place_in_the_group_when_an_image_is_taken_back(gateway: Gateway) -> None:
    second = [gateway.filed(f"5.{number}") for number in (1, 2)][1]
    gateway.change(update(ImagingSite).values(namespace=""))
    assert gateway.store_image("5.3")[0].startswith("STORE|-103|")
    assert [row.sequence for row in gateway.rows(LostMember)] == [3]
    assert gateway.ask(f"ROLLBACK||{second}") == [f"ROLLBACK|0||{second}"]
    assert [gateway.store_image(uid)[0].partition("|DICOM")[0] for uid in ("5.4", "5.5")] == ["STORE|-103"] * 2
    assert [row.sequence for row in gateway.rows(LostMember)] == [3, 4, 5]


def test_the_object_of_an_image_that_is_a_tga_file_is_deleted_with_it(gateway: Gateway) -> None:
    image = gateway.filed("5.1")
    root = gateway.image(image).file_ref.partition(".")[0]
    gateway.change(update(Image).where(Image.ien == image).values(file_ref=f"{root}.TGA", big_location=1, big_extension="DCM"))
    gateway.ask(f"ROLLBACK||{image}")
    names = [row.file_path.rpartition("\\")[2] for row in gateway.rows(BackgroundQueue) if row.queue == "DELETE"]
    assert sorted(names) == [f"{root}.{it}" for it in ("ABS", "DCM", "TGA", "TXT")], "each once"


def test_patient_safety_counts_deleted_images_as_on_file(gateway: Gateway) -> None:
    images = [gateway.filed(f"5.{number}") for number in range(1, 4)]
    for image in images[1:]:
        gateway.ask(f"ROLLBACK||{image}")
    assert gateway.ask(f"PATIENT SAFETY||{images[-1]}|1|GW|mail") == [f"PATIENT SAFETY|0|{images[-1]}|1"]
    assert gateway.ask(f"PATIENT SAFETY||{images[-1] + 1}|1|GW|mail")[0].startswith("PATIENT SAFETY|-1 IMAGE FILE CORRUPTION|")


def test_queue_pointers_count_what_waits_in_a_queue(gateway: Gateway) -> None:
    first, second = gateway.filed("5.1"), gateway.filed("5.2")
    for image in (first, first, second):
        gateway.ask(f"PROCESSED||660|CT1|{image}|1|1|GWA")
    gateway.ask(f"ROLLBACK||{second}")
    totals = {(row.place, row.queue): row.total for row in gateway.rows(QueuePointer)}
    assert totals == {(1, "JUKEBOX"): 2, (1, "EVAL"): 3, (1, "DELETE"): 3}
    entries = [(row.place, row.queue) for row in gateway.rows(BackgroundQueue)]
    assert {key: entries.count(key) for key in totals} == totals


def test_the_pointer_to_the_last_entry_processed_never_goes_back(gateway: Gateway) -> None:
    gateway.ask(f"PROCESSED||660|CT1|{gateway.filed('5.1')}|1|1|GWA")
    for entry in (7, 5):
        gateway.store.transact(lambda connection, entry=entry: note_processed(connection, 1, "EVAL", entry, f"3261121.0{entry}"))
    pointers = {row.queue: (row.last_pointer, row.last_processed, row.total) for row in gateway.rows(QueuePointer)}
    assert pointers == {"JUKEBOX": (0, "", 1), "EVAL": (7, "3261121.07", 0)}


def test_an_image_of_a_place_that_is_not_there_is_not_queued(gateway: Gateway) -> None:
    image = gateway.filed("5.1")
    answer = gateway.ask(f"PROCESSED||999|CT1|{image}|1|1|GWA")
    assert answer[0] == "PROCESSED|-403|DICOM IMAGE PROCESSING ERROR|MAGDIR82|0"
    assert gateway.rows(BackgroundQueue) == []


def test_an_error_of_the_first_image_shows_up_in_a_lock_of_the_next(gateway: Gateway) -> None:
    (exam,) = [row.ien for row in gateway.rows(Exam) if row.accession == "061024-101"]
    gateway.lock(f"exam:{exam}")
    answer = gateway.ask(*store_items("5.1", accession="NONE"), *store_items("5.2"))
    assert messages(answer) == [
        "-2,BAD CASE #",
        "-2,BAD CASE #",
        'A problem was encountered by routine MAGDIR9A     Error Code: "-399^radiology exam locked"',
    ]


def test_an_exam_without_date_and_time_takes_no_images(gateway: Gateway) -> None:
    gateway.change(update(Exam).where(Exam.accession == "061024-101").values(exam_date=""))
    answer = gateway.store_image("5.1")
    assert answer[0] == "STORE|-301|DICOM IMAGE PROCESSING ERROR|MAGDIR81|0"
    assert messages(answer) == [
        'A problem was encountered by routine MAGDIR9A     Error Code: "-301"',
        'Problem detected by routine MAGDIR9A.     Error Code: "-301"',
        "",
    ]
    assert gateway.rows(Image) == []


REQUESTS = (
    store_items("5.1"),
    store_items("5.2", accession="NONE", study="9"),
    store_items("5.3", accession="NONE", importer="1"),
    store_items("5.4", **CONSULT),
    store_items("5.5", accession="GMRC-1", **{key: CONSULT[key] for key in ("service", "pid", "name")}),
    store_items("5.1", frame="1"),
    ("PROCESSED||660|CT1|2|1|1|GWA",),
    ("CORRECT|QUERY|660|GWA",),
    ("CORRECT|PROCESSED|1|1|STUDY|CT1|X|9|GWA|660",),
    ("PATIENT SAFETY||1|1|GW|",),
    ("ROLLBACK||2",),
)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_statement_of_image_processing_uses_an_index(gateway: Gateway) -> None:
    with statements_of(gateway.store) as statements:
        for request in REQUESTS:
            gateway.ask(*request)
    plans = statements.plans(gateway.store)
    scanned = {text: step for text, steps in plans.items() for step in steps if step.startswith("SCAN")}
    filing = {text for text in plans if any(name in text for name in FILING)}
    assert len(filing) > 30
    assert {text: step for text, step in scanned.items() if text in filing and "SCAN CONSTANT ROW" not in step} == {}


def test_requests_of_one_call_see_what_those_before_them_did(gateway: Gateway) -> None:
    acquired = "ACQUIRED||660|CT1"
    first, second, other = store_items("5.1"), store_items("5.2"), store_items("5.1", machine="GWB")
    done = [f"PROCESSED||660|CT1|{image}|1|1|GWA" for image in (2, 2, 4)]
    told = f"DIGEST|5.2|{'a' * 64}"
    answer = gateway.ask(acquired, *first, *second, acquired, *other, "ROLLBACK||3", *second, told, *done)
    assert [line.partition("^")[0] for line in answer if not line.startswith("MSG|")] == [
        "STORE|0|2",
        "STORE|0|3",
        "STORE|-1 Image already in database||MAGDIR81|",
        "ROLLBACK|0||3",
        "STORE|0|4",
        *(f"PROCESSED||660|CT1|{image}|1|1|GWA" for image in (2, 2, 4)),
    ]
    group, *images = gateway.rows(Image)
    assert (group.ien, group.members, group.last_member) == (1, 2, 2)
    assert [(row.ien, row.uid, row.group_sequence, row.digest) for row in images] == [(2, "5.1", 1, ""), (4, "5.2", 2, "a" * 64)]
    queued = [(row.queue, row.image) for row in gateway.rows(BackgroundQueue) if row.queue != "DELETE"]
    assert queued == [("JUKEBOX", 2), ("EVAL", 2), ("EVAL", 2), ("JUKEBOX", 4), ("EVAL", 4)]
    totals = {row.queue: row.total for row in gateway.rows(QueuePointer)}
    assert (totals["JUKEBOX"], totals["EVAL"]) == (2, 3)
    (count,) = gateway.rows(AcquisitionCount)
    assert (count.acquired, count.processed) == (2, 3)
    assert [(row.machine, row.uid) for row in gateway.rows(CurrentImage)] == [("GWA", "")]


def test_frames_of_one_call_go_into_the_group_of_the_first(gateway: Gateway) -> None:
    frame = store_items("6.1", frame="1")
    answer = gateway.ask(*frame, *frame, *frame, "PATIENT SAFETY||0|0|GW|")
    assert [line.split("^")[0] for line in answer[:3]] == ["STORE|0|2", "STORE|0|3", "STORE|0|4"]
    assert answer[3].startswith("PATIENT SAFETY|0|4 "), "it counts what its own call has filed"
    assert [(row.parent, row.group_sequence, row.short_description[-4:]) for row in gateway.rows(Image)[1:]] == [
        (1, number, f"(#{number})") for number in (1, 2, 3)
    ]


def test_a_refused_image_among_others_takes_no_number_of_theirs(gateway: Gateway) -> None:
    gateway.ask(*store_items("5.1"), *store_items("5.2", name="SOMEBODY^ELSE"), *store_items("5.3"))
    assert [(row.uid, row.group_sequence) for row in gateway.rows(Image)[1:]] == [("5.1", 1), ("5.3", 2)]
    numbers = [row.ien for row in gateway.rows(Image)]
    assert gateway.filed("5.4") > numbers[-1]
    if gateway.store.sqlite:
        assert [row.ien for row in gateway.rows(Image)] == [1, 2, 3, 4]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_many_images_in_a_call_take_no_more_statements_than_few(gateway: Gateway) -> None:
    gateway.filed("5.1")

    def statements(*requests: str) -> int:
        executed: list[str] = []

        def note(_connection: Any, _cursor: Any, text: str, *_more: Any) -> None:
            if any(name in text for name in FILING):  # the broker says that it lives, too
                executed.append(text)

        event.listen(gateway.store._writing, "before_cursor_execute", note)
        answer = gateway.ask(*requests)
        event.remove(gateway.store._writing, "before_cursor_execute", note)
        assert not any("|-" in line for line in answer)
        return len(executed)

    def store(numbers: range) -> int:
        uids = [f"7.{number}" for number in numbers]
        lines = [line for uid in uids for line in (*store_items(uid), f"HEADER|{uid}|0008,0060|CS|1|CR", f"DIGEST|{uid}|{uid}")]
        return statements(*lines)

    def process(images: range) -> int:
        return statements(*(f"PROCESSED||660|CT1|{image}|1|1|GWA" for image in images))

    assert store(range(2)) == store(range(2, 40))
    process(range(2, 3))  # the first makes the pointers of the queues
    assert process(range(3, 4)) == process(range(4, 42))


def test_files_to_be_made_are_awaited_from_processed_until_the_image_is_taken_back(gateway: Gateway) -> None:
    gateway.change(insert(OptionSchedule).values(ien=1, option=DERIVED_FILES_OPTION))
    image = gateway.filed("5.1")
    assert gateway.rows(DerivedFile) == [], "its object is not in its place yet"
    for _ in range(2):
        gateway.ask(f"PROCESSED||660|CT1|{image}|1|1|GWA")
    assert [row[:3] for row in gateway.rows(DerivedFile)] == [(image, "ABSTRACT", "WAITING")]
    gateway.ask(f"ROLLBACK||{image}")
    assert gateway.rows(DerivedFile) == []
