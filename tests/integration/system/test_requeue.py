"""What transmitters took and never reported waits again; what is at work, or done with, stays as it is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from fileman import take_lease, transmit_lock
from fileman.files import DicomExport, DicomExportImage, SendQueue, Task
from rules.evaluator.image_facts import KnownImage
from rules.evaluator.queueing import Origin, queue_actions
from rules.judging.carrying_out import Action
from rules.judging.facts import ImageFacts
from rules.language.ast import SEND
from taskman import Deleted, TaskLost, find_option
from tests.integration.system.conftest import OUTREACH, Site
from tests.support.query_plans import statements_of

OPTION = "MAGB REQUEUE STUCK ENTRIES"
MINUTE = 60.0


def send(site: Site, ien: int, status: str, minutes: float | None, **columns: Any) -> None:
    at = None if minutes is None else site.clock.seconds() - minutes * MINUTE
    facts = {"image": ien, "destination": OUTREACH, "file_type": "FULL", "mechanism": 1, "origin": 660, "priority": 500}
    site.add(SendQueue, {"ien": ien, **facts, "queued": "3261121", "status": status, "status_at": at, **columns})


def export(site: Site, sequence: int, status: str, minutes: float) -> None:
    facts = {"export": 1, "image": sequence, "origin": 660, "priority": 500, "taken_by": "GW1"}
    site.add(
        DicomExportImage,
        {"sequence": sequence, **facts, "status": status, "status_at": site.clock.seconds() - minutes * MINUTE},
    )


def statuses(site: Site) -> dict[int, str]:
    return dict(site.all(select(SendQueue.ien, SendQueue.status)))


def hold_lock(site: Site, name: str) -> None:
    now = site.clock.seconds()
    assert site.store.transact(lambda connection: take_lease(connection, name, "a transmitter", 90.0, now))


def test_an_entry_that_nobody_sends_any_more_waits_again_and_its_image_says_so(site: Site) -> None:
    site.image(1)
    send(site, 1, "SENDING", 16)
    ran = site.run(OPTION)
    assert statuses(site) == {1: "WAITING"}
    assert site.one(select(SendQueue.status_at)) == site.clock.seconds()
    assert ran.said == "1 entries of the send queue and 0 of the export queue requeued"
    assert site.events("SEND") == [(1, "requeued", f"FULL for {OUTREACH}: nothing was heard of it for 16 minutes")]


@pytest.mark.parametrize("status", ["SENT", "FAILED", "NOT FOUND", "WAITING", "FOO"])
def test_an_entry_in_any_other_state_is_untouched(site: Site, status: str) -> None:
    site.image(1)
    send(site, 1, status, 5000)
    assert isinstance(site.run(OPTION).ending, Deleted), "nothing was done, so nothing is to be read"
    assert statuses(site) == {1: status}
    assert site.events("SEND") == []


@pytest.mark.parametrize(("minutes", "status"), [(14, "SENDING"), (15, "WAITING"), (None, "SENDING")])
def test_an_entry_is_stuck_after_a_quarter_of_an_hour(site: Site, minutes: float | None, status: str) -> None:
    send(site, 1, "SENDING", minutes)
    site.run(OPTION)
    assert statuses(site) == {1: status}


def test_a_transmitter_that_has_the_lock_of_a_destination_is_given_longer(site: Site) -> None:
    hold_lock(site, transmit_lock("660", "3"))
    send(site, 1, "SENDING", 59)
    send(site, 2, "SENDING", 60)
    send(site, 3, "SENDING", 20, origin=661)
    site.run(OPTION)
    assert statuses(site) == {1: "SENDING", 2: "WAITING", 3: "WAITING"}


def test_variables_say_otherwise(site: Site) -> None:
    send(site, 1, "SENDING", 2)
    site.run(OPTION, minutes=1)
    assert statuses(site) == {1: "WAITING"}


def test_where_the_same_file_waits_already_one_entry_stands_for_both(site: Site) -> None:
    send(site, 1, "SENDING", 20, priority=770, image=5)
    send(site, 2, "WAITING", 1, image=5)
    send(site, 3, "WAITING", 1, image=5, file_type="TEXT")
    site.run(OPTION)
    assert site.all(select(SendQueue.ien, SendQueue.priority).order_by(SendQueue.ien)) == [(2, 770), (3, 500)]


def test_an_image_that_is_being_queued_again_waits_once(site: Site) -> None:
    """Both look first whether it waits, an evaluator and this task, on PostgreSQL at the same time."""
    send(site, 90, "SENDING", 20, image=5)
    queued, go_on = Event(), Event()

    def evaluate(connection: Connection) -> None:
        image = KnownImage(ImageFacts(5, "1.2"), "1.2.5", 1, "")
        wanted = [(image, Action(SEND, 1, "OUTREACH", 3, 500, 5))]
        assert queue_actions(connection, wanted, Origin(660, "", 0.0), {3: ("FULL",)}) == [1]
        queued.set()
        assert go_on.wait(10)

    evaluation = site.store.write(evaluate)
    assert queued.wait(10), evaluation.result(0)
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(site.run, OPTION)
        wait([beside], 0.5)
        go_on.set()
        evaluation.result(10)
        beside.result(10)
    site.run(OPTION)
    assert list(statuses(site).values()) == ["WAITING"]


def test_every_stuck_entry_is_found_whatever_stands_before_it(site: Site) -> None:
    hold_lock(site, transmit_lock("661", "3"))
    for ien in range(1, 503):
        send(site, ien, "SENDING", 30, origin=661)
    send(site, 600, "SENDING", 20)
    send(site, 601, "SENDING", 20, destination="9;MAG(2005.2,")
    site.run(OPTION)
    assert {ien for ien, status in statuses(site).items() if status == "WAITING"} == {600, 601}


def test_export_entries_wait_again_when_their_transmitter_took_too_long(site: Site) -> None:
    site.image(1)
    site.add(DicomExport, {"ien": 1, "application": "PACS", "group": 1, "origin": 660, "priority": 500, "requested": "3261121"})
    for sequence, (status, minutes) in enumerate(
        [("XMIT", 6), ("XMIT", 4), ("SUCCESS", 60), ("FAIL", 60), ("RETRY", 60), ("HOLD", 60)], start=1
    ):
        export(site, sequence, status, minutes)
    ran = site.run(OPTION)
    order = select(DicomExportImage.status).order_by(DicomExportImage.sequence)
    assert site.all(order) == ["WAITING", "XMIT", "SUCCESS", "FAIL", "RETRY", "HOLD"]
    assert ran.said == "0 entries of the send queue and 1 of the export queue requeued"
    assert site.events("SEND") == [(1, "requeued", "PACS: GW1 took it and did not report")]


def test_a_look_that_is_taken_every_few_minutes_uses_indexes(site: Site) -> None:
    if not site.store.sqlite:
        pytest.skip("plans are read on SQLite")
    site.image(1)
    send(site, 1, "SENDING", 20)
    send(site, 2, "SENDING", 20)
    site.add(DicomExport, {"ien": 1, "application": "PACS", "group": 1, "origin": 660, "priority": 500, "requested": "3261121"})
    export(site, 1, "XMIT", 6)
    with statements_of(site.store) as statements:
        site.run(OPTION)
    scans = [text for text, steps in statements.plans(site.store).items() if any(step.startswith("SCAN") for step in steps)]
    assert scans == []


def test_a_run_that_lost_its_task_changes_nothing(site: Site) -> None:
    send(site, 1, "SENDING", 20)
    context = site.begin(OPTION)

    site.store.transact(
        lambda connection: connection.execute(update(Task).where(Task.number == context.number).values(executor="elsewhere"))
    )
    with pytest.raises(TaskLost):
        find_option(OPTION).body(context)
    assert statuses(site) == {1: "SENDING"}
