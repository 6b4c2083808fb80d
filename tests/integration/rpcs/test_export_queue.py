"""The export queue is filled on request, emptied by transmitters, listed, and rid of what nobody sent in time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, update

from fileman import SiteKey, Store
from fileman.files import DicomExport, DicomExportImage, Image
from rpcs import magb
from rpcs.export.entries import MOST_ORIGINS
from rpcs.magb import MOST_ENTRIES
from runtime import FixedClock
from tests.integration.rpcs.queues import Routing, run_routing
from tests.support.query_plans import statements_of
from tests.support.waiting import until

#: The recorded images: group 1 holds images 2 and 3, group 8 the images 9 and 10.
GROUP, MEMBERS, STUDY = "8", (9, 10), "660-010123-90"
NOTHING = "-2,Nothing to be transmitted."


@pytest.fixture
def routing(oracle_store: Store, site_key: SiteKey, clock: FixedClock) -> Iterator[Routing]:
    with run_routing(oracle_store, site_key, clock) as routing:
        yield routing


def queue(routing: Routing, image: str, priority: str = "500", application: str = "PACS-ARCHIVE", location: str = "660") -> str:
    return routing.call("QUEUE IMAGE", image, application, location, "", "5", "", priority, "0")


def take(routing: Routing, *sent: str, location: str = "660", check: str = "") -> list[str]:
    return routing.lines("GET NEXT QUEUE ENTRY", [location], list(sent), check)


def exports(routing: Routing) -> list[tuple[int, int, str]]:
    """Give number, images and accession number of every export."""
    columns = (DicomExport.ien, DicomExport.image_count, DicomExport.accession)
    return [tuple(row) for row in routing.all(select(*columns).order_by(DicomExport.ien))]


def test_a_group_is_queued_with_all_its_images_under_the_studys_own_accession_number(routing: Routing) -> None:
    assert queue(routing, GROUP) == "1"
    assert exports(routing) == [(1, 2, STUDY)]
    taken = [take(routing) for _ in range(3)]
    assert [answer[:1] + answer[3:7] for answer in taken[:2]] == [["1", "PACS-ARCHIVE", GROUP, STUDY, str(it)] for it in MEMBERS]
    assert taken[2] == [NOTHING]
    assert routing.stories(9) == ["queued"]


def test_images_of_a_study_go_together_while_one_waits_and_none_twice(routing: Routing) -> None:
    queue(routing, "9")
    queue(routing, "10")
    queue(routing, "9")
    assert exports(routing) == [(1, 2, STUDY)]
    for _ in MEMBERS:
        take(routing)
    queue(routing, "9")
    assert [(ien, images) for ien, images, _ in exports(routing)] == [(1, 2), (2, 1)], "nothing waited any more"
    queue(routing, "9", "700")
    queue(routing, "9", application="OTHER")
    queue(routing, "9", location="688")
    assert len(exports(routing)) == 5


def test_the_highest_priority_of_all_locations_comes_first(routing: Routing) -> None:
    queue(routing, "2", "250")
    queue(routing, "9", "500", location="688")
    queue(routing, "5", "500")
    both = [routing.lines("GET NEXT QUEUE ENTRY", ["660", "688"], [])[6] for _ in range(3)]
    assert both == ["5", "9", "2"]


def take_many(routing: Routing, count: str, *results: str, location: Any = "660") -> list[str]:
    return list(routing.client.call("MAGB EXPORT NEXT", location, list(results), count).lines)


def test_many_entries_come_in_the_order_in_which_each_would_come_by_itself(routing: Routing) -> None:
    def fill() -> None:
        queue(routing, "2", "250")
        queue(routing, GROUP, "500", location="688")
        queue(routing, "3", "250")
        queue(routing, "5", "500")

    locations = ["660", "688"]
    fill()
    ones = [routing.lines("GET NEXT QUEUE ENTRY", locations, []) for _ in range(6)]
    for location in locations:
        routing.call("QUEUE INIT", location)
    fill()
    first, second = (take_many(routing, count, location=locations) for count in ("4", "4"))
    many = [answer[at : at + 13] for answer in (first, second) for at in range(0, len(answer), 13)]
    numberless = [[answer[:1] + answer[3:] for answer in answers] for answers in (ones, [*many, [NOTHING]])]
    assert numberless[0] == numberless[1]
    assert len(many) == 5
    assert take_many(routing, "4", location=locations) == [NOTHING]
    taken = routing.all(select(DicomExportImage.status, DicomExportImage.taken_by, DicomExportImage.tries).distinct())
    assert [tuple(row) for row in taken] == [("XMIT", routing.client.name, 1)]


def test_the_next_entries_are_given_with_what_became_of_those_before(routing: Routing, clock: FixedClock) -> None:
    queue(routing, GROUP)
    queue(routing, "2")
    assert take_many(routing, "2")[6::13] == ["9", "10"]
    assert take_many(routing, "2", "1^1^SUCCESS^0^", "1^2^WAITING^1^status A700", "1^7^FAIL", "x")[6::13] == ["2"]
    columns = (DicomExportImage.status, DicomExportImage.repeated, DicomExportImage.reason)
    rows = routing.all(select(*columns).order_by(DicomExportImage.export, DicomExportImage.sequence))
    assert [tuple(row) for row in rows] == [("SUCCESS", False, ""), ("RETRY", True, "status A700"), ("XMIT", False, "")]
    assert [routing.stories(image)[-1] for image in MEMBERS] == ["success", "retry, sent again"]
    assert take_many(routing, "2") == [NOTHING]
    clock.advance(5)
    assert take_many(routing, "2")[6::13] == ["10"]


def take_for(routing: Routing, *rooms: str, results: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Take entries by destination; gives destination and image of each."""
    lines = list(routing.client.call("MAGB EXPORT NEXT", "660", list(results), "", "", list(rooms)).lines)
    return [] if lines == [NOTHING] else list(zip(lines[3::13], lines[6::13], strict=True))


def test_each_destination_has_its_own_next_entries(routing: Routing) -> None:
    queue(routing, GROUP, "700", application="FULL")
    queue(routing, "5", "250", application="SLOW")
    queue(routing, "2", "500", application="SLOW")
    queue(routing, "3", "500", application="FAST")
    assert take_for(routing, "FULL^0", "SLOW^1", "^9") == [("FAST", "3"), ("SLOW", "2")]
    assert take_for(routing, "FULL^0", "SLOW^1") == [("SLOW", "5")], (
        "what is not named has no room without an element for the rest"
    )
    assert take_for(routing, "^1") == [("FULL", "9")]
    assert take_for(routing, "^9") == [("FULL", "10")]
    assert take_for(routing, "^9") == []


def test_a_study_that_was_begun_goes_on_before_a_higher_priority(routing: Routing) -> None:
    queue(routing, GROUP)
    queue(routing, "2", "700")
    queue(routing, "5", "600")
    assert take_for(routing, "PACS-ARCHIVE^1^1") == [("PACS-ARCHIVE", "9")]
    assert take_for(routing, "PACS-ARCHIVE^2^1") == [("PACS-ARCHIVE", "10"), ("PACS-ARCHIVE", "2")]
    assert take_for(routing, "PACS-ARCHIVE^5^1") == [("PACS-ARCHIVE", "5")]


def test_two_studies_of_a_destination_go_side_by_side(routing: Routing) -> None:
    queue(routing, GROUP)
    queue(routing, "2")
    queue(routing, "5", "250")
    asked = take_for(routing, "PACS-ARCHIVE^1^1", "PACS-ARCHIVE^1")
    assert asked == [("PACS-ARCHIVE", "9"), ("PACS-ARCHIVE", "2")]
    asked = take_for(routing, "PACS-ARCHIVE^1^1", "PACS-ARCHIVE^1^2")
    assert asked == [("PACS-ARCHIVE", "10"), ("PACS-ARCHIVE", "5")]


def test_where_more_is_wanted_than_is_given_at_once_each_destination_has_a_share(
    routing: Routing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(magb, "MOST_ENTRIES", 5)
    for image in ("2", "3", "5"):
        for application in ("A", "B", "C"):
            queue(routing, image, application=application)
    assert Counter(application for application, _image in take_for(routing, "^3")) == {"A": 2, "B": 2, "C": 1}
    assert Counter(application for application, _image in take_for(routing, "A^0", "B^9", "^9")) == {"B": 1, "C": 2}


def test_an_entry_that_is_still_in_hand_is_given_to_nobody_else(routing: Routing, clock: FixedClock) -> None:
    queue(routing, "2")
    queue(routing, "3")
    assert take_for(routing, "^2") == [("PACS-ARCHIVE", "2"), ("PACS-ARCHIVE", "3")]
    told = [routing.stories(image) for image in (2, 3)]
    clock.advance(200)
    assert take_for(routing, "^2", results=("1^1^KEPT",)) == []
    clock.advance(200)
    assert take_for(routing, "^2") == [("PACS-ARCHIVE", "3")], "the other was taken 400 s ago"
    assert [routing.stories(image) for image in (2, 3)] == told
    routing.client.call("MAGB EXPORT RESULT", ["1^1^SUCCESS", "1^1^KEPT"])
    assert routing.stories(2)[-1] == "success"
    assert routing.all(select(DicomExportImage.status).where(DicomExportImage.image == 2))[0].status == "SUCCESS"


def test_which_exports_take_priors_along_and_what_stands_in_the_queue_is_told(routing: Routing) -> None:
    queue(routing, GROUP)
    queue(routing, "2")
    routing.broker.store.transact(
        lambda connection: connection.execute(update(DicomExport).values(with_priors=DicomExport.ien == 1))
    )
    ask = ["1", "2", "77", "x", *map(str, range(1000, 2500))], ["PACS-ARCHIVE^9.4", "OTHER^9.4", "PACS-ARCHIVE^9.9", "x"]
    assert routing.client.call("MAGB EXPORT PRIORS", *ask).lines == ["export^1", "study^PACS-ARCHIVE^9.4"]
    assert routing.client.call("MAGB EXPORT PRIORS", [], []).lines == []


def test_an_entry_that_was_put_back_waits_for_as_long_as_it_is_told(routing: Routing, clock: FixedClock) -> None:
    queue(routing, "2")
    assert take_for(routing, "^1") == [("PACS-ARCHIVE", "2")]
    assert take_for(routing, "^1", results=("1^1^WAITING^0^status A700^600",)) == []
    clock.advance(599)
    assert take_for(routing, "^1") == []
    clock.advance(1)
    assert take_for(routing, "^1") == [("PACS-ARCHIVE", "2")]
    for seconds, pause in (("9" * 12, 7 * 86400), ("-5", 0)):
        due = routing.clock.seconds() + pause
        routing.client.call("MAGB EXPORT RESULT", [f"1^1^WAITING^0^^{seconds}"])
        assert routing.all(select(DicomExportImage.next_try_at))[0].next_try_at == due


def test_what_has_arrived_is_not_tried_again_whoever_else_had_it(routing: Routing, clock: FixedClock) -> None:
    queue(routing, "2")
    take_for(routing, "^1")
    told = "1^1^SUCCESS", "1^1^SUCCESS", "1^1^WAITING^0^It came too late.^1"
    assert [routing.client.call("MAGB EXPORT RESULT", [line]).text for line in told] == ["1", "1", "1"]
    clock.advance(1)
    assert take_for(routing, "^1") == []
    assert routing.stories(2) == ["queued", "success"]
    routing.client.call("MAGB EXPORT RESULT", ["1^1^FAIL"])
    assert routing.stories(2)[-1] == "fail", "whoever knows better may say so"


def test_who_reports_late_takes_no_entry_from_the_machine_that_has_it_since(routing: Routing) -> None:
    """Else both would send it: one that the first could not send waits for whoever asks, while the other is at it."""
    queue(routing, "2")
    take_for(routing, "^1")
    taken = update(DicomExportImage).values(taken_by="OTHER", status="XMIT")
    routing.broker.store.transact(lambda connection: connection.execute(taken))
    routing.client.call("MAGB EXPORT RESULT", ["1^1^WAITING^0^It could not be reached.^0"])
    assert take_for(routing, "^1") == []
    assert [row.status for row in routing.all(select(DicomExportImage.status))] == ["XMIT"]
    assert "retry" not in routing.stories(2)
    routing.client.call("MAGB EXPORT RESULT", ["1^1^SUCCESS"])
    assert routing.stories(2)[-1] == "success", "it was this one that the destination answered"


def test_who_waits_for_entries_has_them_once_they_are_queued(routing: Routing) -> None:
    queue(routing, "9")
    take(routing)
    answers: list[list[str]] = []
    with routing.broker.client("FAKEPRG1", "1PRG!@#$") as waiting:
        arguments = ("MAGB EXPORT NEXT", ["688", "660"], ["1^1^SUCCESS"], "5", "60")
        thread = threading.Thread(target=lambda: answers.append(list(waiting.call(*arguments).lines)))
        thread.start()
        until(lambda: bool(routing.store.sleepers._waiting))
        queue(routing, "2")
        thread.join(20)
    assert [answer[6] for answer in answers] == ["2"]
    assert routing.stories(9) == ["queued", "success"], "its report is taken once"


def test_who_waits_for_entries_in_vain_is_told_so(routing: Routing) -> None:
    for seconds in ("0.05", "0", "-1", "x", ""):
        assert routing.client.call("MAGB EXPORT NEXT", "660", [], "5", seconds).lines == [NOTHING]


def test_no_more_entries_are_given_at_once_than_a_hundred(routing: Routing) -> None:
    for number in range(MOST_ENTRIES // 2 + 1):
        queue(routing, GROUP, application=f"APPLICATION {number}")
    assert len(take_many(routing, "999")) == 13 * MOST_ENTRIES
    assert len(take_many(routing, "")) == len(take_many(routing, "0")) == 13
    assert take_many(routing, "5", location="") == ["-1,No Origin Specified"]


def test_the_locations_that_have_anything_in_the_queue_are_listed(routing: Routing) -> None:
    def origins() -> list[str]:
        return list(routing.client.call("MAG GET DICOM XMIT ORIGIN").lines)

    assert origins() == ["No entries in transmission queue"]
    for image in ("2", "5"):
        queue(routing, image, location="688")
    queue(routing, "9")
    assert origins() == ["3", "660^SALT LAKE CITY", "688^WASHINGTON DC"]
    queue(routing, "9", location="77")
    assert origins() == ["4", "77^", "660^SALT LAKE CITY", "688^WASHINGTON DC"]


def test_looking_takes_nothing_and_what_was_taken_waits_again_after_five_minutes(routing: Routing, clock: FixedClock) -> None:
    queue(routing, "2")
    assert take(routing, check="1")[0] == take(routing)[0] == "1"
    clock.advance(299)
    assert take(routing) == [NOTHING]
    clock.advance(1)
    assert take(routing, check="1") == [NOTHING], "a look gives nothing back"
    assert take(routing)[6] == "2"


def test_a_report_sets_the_state_and_an_empty_one_takes_the_image_out(routing: Routing) -> None:
    queue(routing, GROUP)
    first, second = (f"1^{number}^" for number in (1, 2))
    take(routing)
    take(routing, f"{first}FAIL")
    states = routing.all(select(DicomExportImage.status).order_by(DicomExportImage.sequence))
    assert [row.status for row in states] == ["FAIL", "XMIT"]
    take(routing, first)
    assert exports(routing) == [(1, 1, STUDY)]
    take(routing, second)
    assert exports(routing) == []


def test_where_a_file_lies_is_said_as_vista_says_it(routing: Routing) -> None:
    routing.store.transact(
        lambda connection: connection.execute(update(Image).where(Image.ien == 2).values(location=18, jukebox_location=11))
    )
    queue(routing, "2")
    there = "\\\\SLC-JB1\\PLATTER1\\SLC00000000002.DCM"
    assert take(routing)[8:12] == ["SLC00000000002.DCM", there, "1", there]
    queue(routing, "3")
    answer = take(routing)
    assert answer[8] == "SLC00000000003.BIG"
    assert answer[11].endswith("SLC00000000003.TGA")


def test_exports_of_a_fortnight_ago_are_given_up_when_nothing_waits(routing: Routing, clock: FixedClock) -> None:
    queue(routing, "2", location="688")
    clock.advance(1)
    queue(routing, "5", location="688")
    clock.advance(15 * 86400 - 1)
    assert take(routing) == [NOTHING]
    assert len(exports(routing)) == 2, "the first is 15 days old to the second"
    clock.advance(1)
    assert take(routing) == [NOTHING]
    assert len(exports(routing)) == 1
    assert routing.stories(2) == ["queued", "given up"]
    assert routing.stories(5) == ["queued"]


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ([], "-1,No Image specified"),
        (["x"], "-1,No Image specified"),
        (["2"], "-2,No Destination specified"),
        (["2", "A"], "-3,No Origin specified"),
        (["4711", "A", "660", "ACC-1"], "1"),
        (["19", "A", "660", "", "5"], "-4,Accession Number Lookup Problem"),
        (["4711", "A", "660"], "-4,Accession Number Lookup Problem"),
    ],
    ids=repr,
)
def test_what_cannot_be_queued_is_refused_and_nothing_is_queued(routing: Routing, arguments: list[str], answer: str) -> None:
    assert routing.call("QUEUE IMAGE", *arguments).partition(":")[0] == answer
    assert exports(routing) == []


def test_other_kinds_of_objects_are_refused(routing: Routing) -> None:
    routing.store.transact(lambda connection: connection.execute(update(Image).where(Image.ien == 2).values(object_type=15)))
    assert queue(routing, "2") == '-4,Cannot Queue Image Object Type "15".'


def test_an_image_of_another_patient_than_its_groups_is_left_out(routing: Routing) -> None:
    routing.store.transact(lambda connection: connection.execute(update(Image).where(Image.ien == 9).values(patient=2)))
    assert queue(routing, GROUP) == "1"
    assert exports(routing) == [(1, 1, STUDY)]
    assert routing.stories(10) == ["queued"]
    assert routing.stories(9) == ["not queued: its patient is not that of its group and report"]


def test_a_location_is_emptied_and_its_exports_count_once_per_state(routing: Routing) -> None:
    assert routing.call("QUEUE INIT", "660") == "-2,No entries present for SALT LAKE CITY."
    queue(routing, GROUP)
    queue(routing, "2", location="688")
    take(routing)
    assert routing.call("QUEUE INIT", "660") == "2 entries removed from Image Transmission Queue."
    assert routing.call("QUEUE INIT", "688") == "1 entry removed from Image Transmission Queue."
    assert exports(routing) == []
    assert routing.all(select(DicomExportImage.image)) == []


def test_the_list_tells_states_and_moments_of_every_export(routing: Routing, clock: FixedClock) -> None:
    assert routing.lines("GET EXPORT IMAGE STS") == ["0"]
    queue(routing, GROUP, "700")
    clock.advance(60)
    queue(routing, "2")
    take(routing)
    clock.advance(60)
    take(routing, "1^1^FAIL")
    day = 67892
    assert routing.lines("GET EXPORT IMAGE STS") == [
        "3",
        f"660^PACS-ARCHIVE^700^1^{STUDY}^3261118.12^8^BAD IMAGE|{day},43320|1",
        f"660^PACS-ARCHIVE^700^1^{STUDY}^3261118.12^8^TRANSMIT|{day},43320|1",
        f"660^PACS-ARCHIVE^500^2^660-061024-101^3261118.1201^1^WAITING|{day},43260|1",
    ]
    clock.advance(300)
    assert "^NOT SENT|" in routing.lines("GET EXPORT IMAGE STS")[2]


def test_what_happened_within_ten_minutes_is_told_as_one(routing: Routing, clock: FixedClock) -> None:
    for image in ("9", "10"):
        queue(routing, image)
        clock.advance(599)
    assert routing.lines("GET EXPORT IMAGE STS")[1].endswith("^WAITING|67892,43200|2")
    clock.advance(2 - 1198)
    routing.call("QUEUE INIT", "660")
    for image in ("9", "10"):
        queue(routing, image)
        clock.advance(600)
    assert routing.lines("GET EXPORT IMAGE STS")[1].count("WAITING") == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_cost_of_an_entry_does_not_grow_with_what_is_queued(routing: Routing) -> None:
    queue(routing, GROUP)
    with statements_of(routing.store) as statements:
        queue(routing, "2")
        take(routing)
        take(routing, "1^1^SUCCESS")
        take_many(routing, "5", "1^2^WAITING", "1^1^")
        queue(routing, "5")
        take_for(routing, "PACS-ARCHIVE^1^1", "PACS-ARCHIVE^5")
        routing.lines("GET NEXT QUEUE ENTRY", ["999"], [])
        routing.client.call("MAG GET DICOM XMIT ORIGIN")
    plans = {text: steps for text, steps in statements.plans(routing.store).items() if "dicom_export" in text}
    assert len(plans) > 8
    for text, steps in plans.items():
        assert not any(step.startswith("SCAN") or "TEMP B-TREE" in step for step in steps), (text, steps)


def test_a_report_or_a_location_that_names_nothing_does_not_fail_the_others(routing: Routing) -> None:
    queue(routing, GROUP)
    _one, entry, image, *_ = take(routing)
    wrong = [f"{number}^1^SUCCESS" for number in ("²", "99999999999", "9" * 400, "x", "")]
    assert take(routing, *wrong, f"{entry}^{image}^")[0] == "1"
    assert exports(routing) == [(1, 1, STUDY)]
    for location in ("²", "99999999999"):
        assert take(routing, location=location) == ["-1,No Origin Specified"]


def test_so_many_locations_only_are_asked_for_in_one_call(routing: Routing) -> None:
    queue(routing, GROUP)
    before, beyond = (list(map(str, range(start, start + MOST_ORIGINS - 1))) for start in (1, 661 - MOST_ORIGINS))
    assert routing.lines("GET NEXT QUEUE ENTRY", [*before, "660"], [], "")[0] == "1"
    assert routing.lines("GET NEXT QUEUE ENTRY", ["1", *beyond, "660"], [], "") == [NOTHING]


@pytest.mark.parametrize("number", ["²", "99999999999", "9" * 5000])
def test_whoever_gives_a_number_that_nothing_has_is_told_so(routing: Routing, number: str) -> None:
    call = routing.client.call
    assert call("MAGB EXPORT RESULT", [f"{number}^1^SUCCESS", f"1^{number}^WAITING"]).text == "0"
    assert call("MAGB IMAGE EVENTS", [f"1.2^{number}^SEND^^^^"]).text == "1"
    assert call("XUS ALLKEYS", number).lines[0] == "-1"
    assert routing.call("FIND LOCATION", number).startswith("-1,")


def test_another_user_that_there_cannot_be_holds_no_key(routing: Routing) -> None:
    def holds(duz: str) -> list[str]:
        return list(routing.client.call("XUS KEY CHECK", "XUPROGMODE", duz).lines)

    assert [holds(duz) for duz in ("", "99999999999", "9" * 5000)] == [["1"], ["0"], ["0"]]
