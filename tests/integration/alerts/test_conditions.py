"""Each condition raises its alert once, says what is wrong, and clears it; looking costs a few looks into indexes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, insert, select, update

import taskman.api as taskman
from fileman import Store, ask_operator, to_fileman
from fileman.files import (
    Alert,
    AlertNotice,
    BackgroundQueue,
    DicomExportImage,
    DicomFailedImage,
    EvaluatorFlag,
    GatewayStatus,
    HeldDestination,
    NetworkLocation,
    RunningTask,
    SendQueue,
    Task,
    TaskManager,
)
from rpcs.alerting.finding import Room
from rules.evaluator import ENTRY_POINT, subject_of
from tests.integration.alerts.conftest import Site
from tests.support.query_plans import statements_of
from tests.support.waiting import until

SENDING, ARCHIVE = ("sending", "660"), ("destination", "ARCHIVE")


def heartbeat(site: Site, machine: str = "GW1", **facts: object) -> None:
    row = {"machine": machine, "heartbeat_at": site.clock.seconds(), "status": json.dumps({k: str(v) for k, v in facts.items()})}
    site.do(lambda it: it.execute(delete(GatewayStatus).where(GatewayStatus.machine == machine)))
    site.put(GatewayStatus, row)


def set_status(site: Site, status: str, *conditions: object, **values: object) -> None:
    changed = {"status": status, "status_at": site.clock.seconds(), **values}
    site.do(lambda it: it.execute(update(DicomExportImage).where(*conditions).values(changed)))


def queue_eval(site: Site, ien: int = 1) -> None:
    requested = to_fileman(site.clock.now())
    site.put(BackgroundQueue, {"ien": ien, "queue": "EVAL", "duz": 1, "requested": requested, "image": ien, "place": 1})


def lease(site: Site, seconds: float) -> None:
    site.put(RunningTask, {"subject": subject_of({"location": 660}), "task": 1, "expires_at": site.clock.seconds() + seconds})


def test_nothing_is_raised_where_all_is_well(site: Site) -> None:
    site.wait(300)
    assert site.alerts(every=True) == []
    assert site.store.read(lambda it: it.execute(select(Alert.ien)).all()) == []


def test_entries_that_nobody_takes_in_hand_are_the_locations_alert_and_no_destinations(site: Site) -> None:
    site.export(1, 3, "ARCHIVE")
    site.export(2, 2, "SECOND")
    site.wait(59)
    assert site.open() == {}
    site.wait(10)
    assert site.open() == {SENDING: "5 images of SALT LAKE CITY wait to be sent, and nobody has taken any in hand."}
    set_status(site, "SUCCESS")
    site.wait(25)
    assert site.open() == {}
    assert [it.cleared_at is not None for it in site.alerts(every=True)] == [True]


def test_a_destination_to_which_nothing_goes_is_told_with_the_reason_and_cleared_when_it_takes_again(site: Site) -> None:
    site.export(1, 3, "ARCHIVE")
    site.export(2, 3, "HEALTHY")
    refused = DicomExportImage.sequence == 1, DicomExportImage.application == "ARCHIVE"
    set_status(site, "RETRY", *refused, reason="No association", tries=1)
    for number in range(3, 12):
        set_status(site, "SUCCESS", DicomExportImage.application == "HEALTHY")
        site.export(number, 1, "HEALTHY")
        site.wait(20)
    assert site.open() == {ARCHIVE: "Nothing was sent to ARCHIVE for 60 seconds and more. No association. 3 images wait."}
    set_status(site, "SUCCESS", *refused)
    site.wait(30)
    assert site.open() == {}, "two wait, but it takes what it is sent"
    assert len(site.alerts(every=True)) == 1


def test_what_is_held_waits_for_a_person_who_knows(site: Site) -> None:
    site.put(HeldDestination, {"application": "ARCHIVE", "held_at": 1.0, "held_by": "X"})
    site.export(1, 3, "ARCHIVE", reason="No association", tries=4)
    site.wait(200)
    assert site.open() == {}


def test_failures_in_a_row_are_not_waited_for(site: Site) -> None:
    site.export(1, 3, "ARCHIVE")
    heartbeat(site, failing_1="4^ARCHIVE^Connection refused")
    site.wait(5)
    assert site.open() == {}
    heartbeat(site, failing_1="5^ARCHIVE^Connection refused")
    site.wait(5)
    assert site.open() == {ARCHIVE: "ARCHIVE takes nothing: 5 tries in a row failed. Connection refused. 3 images wait."}
    site.do(lambda it: it.execute(delete(DicomExportImage)))
    site.wait(30)
    assert site.open() == {}, "nothing waits for it any more"


def test_an_object_that_is_refused_again_and_again_is_told(site: Site) -> None:
    site.export(1, 1, "ARCHIVE")
    set_status(site, "RETRY", reason="status A700", tries=5)
    site.wait(5)
    assert site.open() == {ARCHIVE: "ARCHIVE takes nothing: 5 tries in a row failed. status A700. 1 image waits."}


def test_a_router_to_which_nothing_is_copied(site: Site) -> None:
    common = {"physical": "", "path": "", "kind": "MAG", "site": 1}
    site.put(NetworkLocation, {"ien": 14, "name": "ROUTER1", "router": True, **common})
    facts = {"destination": "14;MAG(2005.2,", "file_type": "DICOM", "mechanism": 1, "origin": 660, "priority": 500, "queued": ""}
    rows = [
        {"ien": number, "image": number, "status": "WAITING", "status_at": site.clock.seconds(), **facts} for number in (1, 2)
    ]
    site.put(SendQueue, *rows)
    site.wait(70)
    assert site.open() == {("destination", "ROUTER1"): "Nothing was copied to ROUTER1 for 60 seconds and more. 2 files wait."}
    sent = update(SendQueue).where(SendQueue.ien == 1).values(status="SENT", status_at=site.clock.seconds())
    site.do(lambda it: it.execute(sent))
    site.wait(30)
    assert site.open() == {}


def test_images_without_evaluator_and_images_that_an_evaluator_does_not_get_on_with(site: Site) -> None:
    queue_eval(site)
    site.wait(60)
    assert site.open() == {}
    site.wait(20)
    ((key, text),) = site.open().items()
    assert (key, text.startswith("The rule evaluator of location 660 does not run. 1 image of SALT LAKE CITY")) == (
        ("evaluator", "660"),
        True,
    )
    lease(site, 1e6)
    site.wait(40)
    assert list(site.open()) == [("evaluation", "660")]
    site.do(lambda it: it.execute(delete(BackgroundQueue)))
    site.wait(40)
    assert site.open() == {}


def test_an_evaluator_that_died_is_told_though_nothing_waits_and_one_that_was_stopped_is_not(site: Site) -> None:
    def died(connection: Connection) -> None:
        number = taskman.load(connection, ENTRY_POINT, {"location": 660}, "a test", 1, site.clock.seconds())
        values = {"status": "C", "message": "its worker died", "status_at": site.clock.seconds(), "executor": ""}
        connection.execute(update(Task).where(Task.number == number).values(values))

    site.do(died)
    site.wait(90)
    assert site.open() == {("evaluator", "660"): "The rule evaluator of location 660 died: its worker died"}
    site.put(EvaluatorFlag, {"id": 1, "running": False})
    site.wait(60)
    assert site.open() == {}


def test_a_silent_gateway_and_one_that_holds_images_back(site: Site) -> None:
    heartbeat(site, spool_received=4, spool_stored=1, spool_oldest_seconds=150)
    site.wait(5)
    assert site.open() == {("received", "GW1"): "GW1 has 5 images that are not filed; the first came 2 minutes ago."}
    site.wait(116)
    assert site.open() == {
        ("received", "GW1"): "GW1 has 5 images that are not filed; the first came 2 minutes ago.",
        ("gateway", "GW1"): "Gateway GW1 was heard of last 2 minutes ago.",
    }, "what it told last is a while ago: whether it is well is not known for clear_seconds"
    heartbeat(site)
    site.wait(30)
    assert site.open() == {}


def test_a_gateway_that_is_gone_for_good_is_no_alert_for_ever(site: Site) -> None:
    heartbeat(site)
    site.wait(130)
    assert list(site.open()) == [("gateway", "GW1")]
    site.clock.advance(31 * 86400)
    site.do(lambda it: it.execute(update(TaskManager).values(heartbeat_at=site.clock.seconds() + 1e6)))
    site.wait(30)
    assert site.open() == {}


def test_taskman_without_a_worker(site: Site) -> None:
    site.do(lambda it: it.execute(update(TaskManager).values(heartbeat_at=site.clock.seconds())))
    site.wait(590, every=60)
    assert site.open() == {}
    site.wait(60)
    assert list(site.open()) == [("taskman", "TaskMan")]


def test_the_correct_list_by_number_and_by_age(site: Site) -> None:
    facts = {"file_path": "x", "reason": "NO CASE #", "machine": "GW", "location": "660"}
    entered = to_fileman(site.clock.now())
    site.put(DicomFailedImage, *({"ien": number, "entered": entered, **facts} for number in range(1, 101)))
    site.wait(30)
    assert site.open() == {}
    site.put(DicomFailedImage, {"ien": 101, "entered": entered, **facts})
    site.wait(30)
    assert site.open() == {("correct", "CORRECT"): "More than 100 images wait on the CORRECT list."}
    some = update(DicomFailedImage).where(DicomFailedImage.ien > 1).values(queued="FIXED")
    site.do(lambda it: it.execute(some))
    site.wait(60)
    assert site.open() == {}
    site.clock.advance(86400)
    site.do(lambda it: it.execute(update(TaskManager).values(heartbeat_at=site.clock.seconds())))
    site.wait(20)
    assert site.open() == {("correct", "CORRECT"): "An image waits on the CORRECT list for 24 hours; 1 wait there."}


def test_a_medium_that_is_asked_for(site: Site) -> None:
    common = {"physical": "", "path": "", "kind": "JUKEBOX", "site": 1}
    site.put(NetworkLocation, {"ien": 2, "name": "JUKEBOX1", "label": "PLATTER-1", **common})
    site.do(lambda it: ask_operator(it, 2, "PLATTER-1", "DOE,JOHN", site.clock.seconds()))
    site.wait(90)
    assert list(site.open()) == [("media", "PLATTER-1")]


def room(name: str, percent: float, device: int = 1) -> Room:
    return Room(name, int(percent * 1e9), int(100e9), device)


def wait_for_disks(site: Site, condition: Callable[[], bool]) -> None:
    """Let time pass until disks have been asked, which takes a thread's moment."""

    def passed() -> bool:
        site.wait(31)
        return condition()

    until(passed, "the disks' answers")


def test_disks_are_full_below_a_share_and_well_again_above_a_margin(site: Site, tmp_path: Path) -> None:
    common = {"physical": "", "kind": "MAG", "site": 1}
    site.put(NetworkLocation, *({"ien": n, "name": f"RAID{n}", "path": str(tmp_path / str(n)), **common} for n in (1, 2, 3)))
    site.disks = {"data directory": room("data directory", 50), "RAID1": room("RAID1", 9.5, 2), "RAID2": room("RAID2", 9.5, 2)}
    wait_for_disks(site, lambda: bool(site.open()))
    assert site.open() == {("disk", "RAID1"): "RAID1 has 9.5 % free, 9.5 GB."}, "both lie on one disk; the third is not there"
    site.disks["RAID1"] = room("RAID1", 11, 2)
    site.wait(120)
    assert list(site.open()) == [("disk", "RAID1")]
    site.disks["RAID1"] = site.disks["RAID2"] = room("RAID1", 12.5, 2)
    wait_for_disks(site, lambda: not site.open())
    site.disks["RAID1"] = Room("RAID1", answers=False)
    wait_for_disks(site, lambda: site.open() == {("disk", "RAID1"): "RAID1 does not answer."})


def test_the_spool_of_a_gateway_elsewhere_is_told_and_one_on_a_disk_of_ours_is_not(site: Site) -> None:
    site.disks = {"data directory": room("data directory", 50, 7)}
    site.wait(31)
    heartbeat(site, "GW1", host="there", spool_device=7, free_percent="3.0", free_bytes=int(2e9))
    heartbeat(site, "GW2", host="here", spool_device=7, free_percent="3.0", free_bytes=int(2e9))
    wait_for_disks(site, lambda: bool(site.open()))
    assert site.open() == {("disk", "spool of GW1"): "spool of GW1 has 3.0 % free, 2.0 GB."}


def test_a_condition_that_fails_holds_up_no_other_and_clears_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    heartbeat(site)
    site.wait(130)
    assert list(site.open()) == [("gateway", "GW1")]
    site.do(lambda it: it.execute(update(GatewayStatus).values(status="{nonsense")))
    site.export(1, 1, "ARCHIVE")
    site.clock.advance(31 * 86400)
    site.do(lambda it: it.execute(update(TaskManager).values(heartbeat_at=0.0)))
    site.wait(10)
    assert ("taskman", "TaskMan") in site.open()
    assert ("gateway", "GW1") in site.open(), "cleared after clear_seconds only"


def test_another_process_goes_on_where_one_ended(site: Site, store: Store) -> None:
    heartbeat(site)
    site.wait(130)
    again = type(site.watch)(store, site.clock, site.watch.settings, site.watch.data)
    again.rooms = site.watch.rooms
    again.look()
    assert [it.kind for it in site.alerts(every=True)] == ["gateway"]
    notices = store.read(lambda it: it.execute(select(AlertNotice.event, AlertNotice.channel)).all())
    assert [tuple(row) for row in notices] == [("raised", "")]
    heartbeat(site)
    again.look()
    site.clock.advance(21)
    again.look()
    assert site.open() == {}
    events = store.read(lambda it: it.execute(select(AlertNotice.event).order_by(AlertNotice.ien)).scalars().all())
    assert events == ["raised", "cleared"]


def fill(site: Site, count: int) -> None:
    """Put so much there that reading it from end to end would show."""
    for number in range(1, 6):
        site.export(number, count // 5, "ARCHIVE", status="SUCCESS")
    site.export(9, 3, "ARCHIVE", reason="No association", tries=1)
    site.put(BackgroundQueue, *_eval_rows(count))
    heartbeat(site)


def _eval_rows(count: int) -> list[dict[str, object]]:
    common = {"queue": "EVAL", "duz": 1, "requested": "3261124.12", "place": 1}
    return [
        {"ien": n, "image": n, "status": "NOT_PROCESSED" if n > count - 3 else "PROCESSED", **common} for n in range(1, count)
    ]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_table_of_entries_is_read_from_end_to_end(site: Site) -> None:
    fill(site, 50)
    site.put(DicomFailedImage, {"ien": 1, "file_path": "x", "reason": "", "machine": "G", "location": "1", "entered": "3261124"})
    small = {"network_location", "imaging_site", "institution", "gateway_status", "held_destination", "operator_request"}
    small |= {"alert_mute", "task_manager", "evaluator_flag"}
    with statements_of(site.store) as statements:
        site.wait(200)
    assert site.open()
    steps = [step for plan in statements.plans(site.store).values() for step in plan]
    scanned = {step.split()[1] for step in steps if step.startswith("SCAN")}
    assert len(steps) > 25
    assert scanned - small <= {"CONSTANT", "anon_1", "(subquery-1)"}, scanned
    assert {file.__tablename__ for file in (DicomExportImage, BackgroundQueue, Task)} <= {table_of(step) for step in steps}


def table_of(step: str) -> str:
    return step.split()[1] if step.startswith(("SCAN", "SEARCH")) else ""


def test_inserting_the_same_open_alert_twice_is_impossible(site: Site) -> None:
    heartbeat(site)
    site.wait(130)
    row = {"kind": "gateway", "subject": "GW1", "text": "", "since_at": 1.0, "seen_at": 1.0, "ien": 99}
    with pytest.raises(Exception, match=r"(?i)unique"):
        site.do(lambda it: it.execute(insert(Alert).values(**row)))
