"""Filing beyond the records: lab cases, notes, errors of groups and reports, locks, corrections, imports, deletions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from console.road import image_states, read_status
from fileman import DERIVED_FILES_OPTION, SiteKey, Store, bump_site_version, note_processed, take_lease
from fileman.files import (
    BackgroundQueue,
    ConsultGroup,
    ConsultService,
    DerivedFile,
    DicomFailedImage,
    Exam,
    File,
    Image,
    ImageAudit,
    ImagingSite,
    ImportableObject,
    LabGroup,
    LostMember,
    OptionSchedule,
    QueuePointer,
    ReportImage,
    TiuImage,
    TiuNote,
    UnreadConsult,
)
from runtime import SystemClock
from tests.oracle.state_hook import setting
from tests.support.broker import RunningBroker
from tests.support.query_plans import statements_of
from xwb import BrokerClient, MError

RPC = "MAG DICOM IMAGE PROCESSING"


class Gateway:
    """A gateway that is signed on, and the database behind its broker."""

    def __init__(self, client: BrokerClient, store: Store) -> None:
        self.client = client
        self.store = store

    def ask(self, *requests: str) -> list[str]:
        """Send requests in one call; give the results without their count."""
        listed = {1: str(len(requests) + 1), **dict(enumerate(requests, 2))}
        return self.client.call(RPC, listed).lines[1:]

    def store_image(self, uid: str, **facts: str) -> list[str]:
        """Store one image; without facts it belongs to radiology exam 061024-101."""
        return self.ask(*store_items(uid, **facts))

    def filed(self, uid: str, **facts: str) -> int:
        """Store an image that is filed; give its entry number."""
        answer = self.store_image(uid, **facts)
        assert answer[0].startswith("STORE|0|"), answer
        return int(answer[0].split("|")[2].partition("^")[0])

    def change(self, statement: Any) -> None:
        """Change the database from outside."""

        def work(connection: Any) -> None:
            connection.execute(statement)
            bump_site_version(connection)

        self.store.transact(work)

    def rows(self, file: type[File]) -> list[Any]:
        """Read a file."""
        table: Any = file.__table__
        return list(self.store.read(lambda connection: connection.execute(select(table).order_by(*table.primary_key)).all()))

    def image(self, ien: int) -> Any:
        """Read an entry of IMAGE."""
        return next(row for row in self.rows(Image) if row.ien == ien)

    def lock(self, name: str) -> None:
        """Lock something as another process does."""
        now = SystemClock().seconds()
        assert self.store.transact(lambda connection: take_lease(connection, name, "somebody", 60, now))


def store_items(uid: str, **facts: str) -> tuple[str, str]:
    """Make STORE1 and STORE2."""
    told = {
        "machine": "GWA",
        "service": "RAD",
        "path": f"C:\\{uid}.DCM",
        "pid": "666000001",
        "name": "IMAGPATIENT^ONE^M",
        "accession": "061024-101",
        "date": "20240610",
        "time": "093000",
        "importer": "0",
        "modality": "CR",
        "label": "",
        "frame": "0",
        "study": "1.2.3",
        "sop_class": "1.2.840.10008.5.1.4.1.1.1",
        "last": "0",
        "model": "X1",
        "stamp": "",
        "origin": "V",
        "old_path": "",
        **facts,
    }
    one = (
        "STORE1||660|{machine}|{service}|CT1|{path}|{pid}|{name}|{accession}|{accession}|{date}|{time}|{importer}|{modality}|"
        "{label}|<DICOM>|1|1|660|{frame}|GW|"
    )
    two = "STORE2|{study}|{study}.1|{uid}|{sop_class}|{last}|1|ACME|{model}|{stamp}|{origin}||{old_path}"
    return one.format(**told), two.format(uid=uid, **told)


@pytest.fixture
def gateway(oracle_store: Store, oracle_broker: RunningBroker, site_key: SiteKey) -> Iterator[Gateway]:
    oracle_store.transact(lambda connection: setting(timing="prompt")(connection, site_key))
    with oracle_broker.client() as client:
        yield Gateway(client, oracle_store)


def messages(answer: list[str]) -> list[str]:
    """Give the message lines of an error."""
    return [line.split("|", 2)[2] for line in answer if line.startswith("MSG|")]


CONSULT = {"service": "CON", "accession": "660-GMR-1", "pid": "666000002", "name": "IMAGPATIENT^TWO", "modality": "XC"}
LAB = {"service": "LAB", "accession": "SP 24 17", "modality": "GM"}


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


def test_a_consults_last_image_takes_its_place_in_the_waiting_list_along(gateway: Gateway) -> None:
    image = gateway.filed("8.1", **CONSULT)
    gateway.ask(f"ROLLBACK||{image}")
    assert gateway.rows(ConsultGroup) == []
    assert gateway.rows(Image) == []


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
    names = ("image", "queue", "exam", "report_", "acquisition", "unread")
    filing = {text for text in plans if any(name in text for name in names)}
    assert len(filing) > 30
    assert {text: step for text, step in scanned.items() if text in filing and "SCAN CONSTANT ROW" not in step} == {}


def test_files_to_be_made_are_awaited_from_processed_until_the_image_is_taken_back(gateway: Gateway) -> None:
    gateway.change(insert(OptionSchedule).values(ien=1, option=DERIVED_FILES_OPTION))
    image = gateway.filed("5.1")
    assert gateway.rows(DerivedFile) == [], "its object is not in its place yet"
    for _ in range(2):
        gateway.ask(f"PROCESSED||660|CT1|{image}|1|1|GWA")
    assert [row[:3] for row in gateway.rows(DerivedFile)] == [(image, "ABSTRACT", "WAITING")]
    gateway.ask(f"ROLLBACK||{image}")
    assert gateway.rows(DerivedFile) == []
