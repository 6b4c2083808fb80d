"""The evaluator empties the EVAL queue of its place, once, whatever one entry holds, and stops when told."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, func, insert, select, update

from fileman import SiteKey, Store, StoreFailed, apply_site, evaluation, next_ien, read_site_file, wake_after_commit
from fileman.files import (
    BackgroundQueue,
    DicomExport,
    DicomExportImage,
    EvaluatorFlag,
    EvaluatorLog,
    Image,
    ImageEvent,
    ImageHeader,
    RuleDecision,
    SendQueue,
    StudyDecision,
    Task,
)
from rules.evaluator import ENTRY_POINT, Evaluator, subject_of
from rules.evaluator import task as evaluator_module
from rules.evaluator.evaluator_log import write_log
from rules.evaluator.image_facts import ImageRows, KnownImage
from runtime import FixedClock
from taskman import TaskContext, TaskLost, api, record, subjects, tasks
from taskman.worker import Worker
from tests.conftest import ORACLE_SITE
from tests.integration.rules.recorded_site import fill_recorded_images, stored_elements
from tests.oracle.records import read_records
from tests.support.query_plans import statements_of
from tests.support.waiting import until

LOCATION = 660
SEND_CR = ["1^ACTION^SEND", "1^ACTION^1^ROUTE-DEST-A"] + [
    f"1^CONDITION^1^{element}" for element in ("KW^MODALITY", "DT^CS", "OP^=", "VA^CR")
]
EXPORT_ALL = ["1^ACTION^DICOM", "1^ACTION^1^PACS-ARCHIVE"]
#: The four file types of ROUTE-DEST-A.
FLAGS = 4
D1 = {record["id"][-3:]: record for record in read_records("d1_eval_start_stop_log")}


@pytest.fixture
def site(oracle_store: Store) -> Store:
    """Give the recorded site with the recorded images."""
    oracle_store.transact(fill_recorded_images)
    return oracle_store


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime.fromisoformat("2026-11-21T03:44:38"))


def queue(store: Store, *images: int) -> None:
    def add(connection: Connection) -> None:
        for image in images:
            ien = next_ien(connection, "background_queue")
            values = {"queue": "EVAL", "duz": 9002, "requested": "3261121", "image": image, "place": 1}
            connection.execute(insert(BackgroundQueue).values(ien=ien, **values))

    store.transact(add)


def load(store: Store, rules: Sequence[tuple[str, str]]) -> int:
    arguments = {"location": LOCATION, "rules": rules}
    return store.transact(lambda connection: api.load(connection, ENTRY_POINT, arguments, "a test", 9002, 0.0))


def make(store: Store, clock: FixedClock, rules: Sequence[str], semantics: str = "vista", task: int = 0) -> Evaluator:
    """Make an evaluator that a test runs by hand."""
    number = task or load(store, [])
    return Evaluator(TaskContext(number, {}, 9002, store, clock), LOCATION, stored_elements(store, rules, semantics))


def recorded_rules(record: dict[str, Any]) -> list[tuple[str, str]]:
    return [(subscript, text) for subscript, text in record["params"][1]["value"]]


def log_of(store: Store, task: int) -> list[str]:
    statement = select(EvaluatorLog.text).where(EvaluatorLog.task == task).order_by(EvaluatorLog.line)
    return list(store.read(lambda connection: connection.execute(statement).scalars().all()))


def count(store: Store, table: Any, *conditions: Any) -> int:
    statement = select(func.count()).select_from(table).where(*conditions)
    return int(store.read(lambda connection: connection.execute(statement).scalar_one()))


def waiting(store: Store) -> int:
    return count(store, BackgroundQueue, BackgroundQueue.status == "NOT_PROCESSED")


def test_an_evaluator_whose_task_went_on_elsewhere_logs_nothing(site: Store, clock: FixedClock) -> None:
    number = load(site, [])
    gone = TaskContext(number, {}, 9002, site, clock, attempt=1, executor="here")
    site.transact(lambda connection: connection.execute(update(Task).values(attempt=2, executor="there")))
    with pytest.raises(TaskLost):
        write_log(gone, ["Started"])
    assert log_of(site, number) == []


def set_flag(store: Store, *, running: bool) -> None:
    def change(connection: Connection) -> None:
        connection.execute(delete(EvaluatorFlag))
        connection.execute(insert(EvaluatorFlag).values(id=1, running=running))

    store.transact(change)


class Running:
    """An evaluator task that a worker runs in a thread."""

    def __init__(self, store: Store, clock: FixedClock, rules: Sequence[tuple[str, str]]) -> None:
        self.store = store
        self.worker = Worker(store, clock, "here")
        self.number = load(store, rules)
        store.transact(lambda connection: tasks.reserve_due(connection, "here", 1, 1.0))
        self.thread = threading.Thread(target=self.worker.run, args=(self.number, 1))
        self.thread.start()
        until(lambda: log_of(store, self.number) != [])

    def ended(self) -> str:
        """Wait for the end; give the status."""
        self.thread.join(20)
        assert not self.thread.is_alive()
        return self.store.read(lambda connection: api.stat(connection, self.number)).code


def test_a_run_says_what_the_recorded_ones_said(site: Store, clock: FixedClock) -> None:
    run = Running(site, clock, recorded_rules(D1["029"]))
    for image in (2, 5, 7):
        queue(site, image)
    until(lambda: waiting(site) == 0)
    started = f"Started at {evaluator_module.to_horolog(clock.now())}"
    recorded = D1["036"]["result"]["lines"][1:]
    expected = [re_started(line, started) for line in recorded]
    assert log_of(site, run.number) == expected
    set_flag(site, running=False)
    assert run.ended() == record.FINISHED
    assert log_of(site, run.number)[-1] == started.replace("Started", "Sat 03:44 Stopped")


def test_an_evaluator_that_rests_is_woken_by_a_new_entry_and_by_its_workers_end(
    site: Store, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rest in ("FIRST_REST", "LONGEST_REST"):
        monkeypatch.setattr(evaluator_module, rest, 600.0)
    run = Running(site, clock, recorded_rules(D1["029"]))
    until(lambda: evaluation(1) in site.sleepers._waiting)
    queue(site, 2)
    site.transact(lambda connection: wake_after_commit(connection, evaluation(1)))
    until(lambda: waiting(site) == 0)
    until(lambda: evaluation(1) in site.sleepers._waiting)
    run.worker.stopping.set()
    site.sleepers.wake_all()
    run.thread.join(20)
    assert not run.thread.is_alive()


def re_started(line: str, started: str) -> str:
    """Put this run's beginning in place of the recorded one."""
    return f"{line[:10]}{started}" if "Started at" in line else line


def test_images_without_file_and_entries_without_image_leave_the_queue_as_recorded(site: Store, clock: FixedClock) -> None:
    queue(site, 2, 17, 999)
    run = Running(site, clock, recorded_rules(D1["051"]))
    until(lambda: waiting(site) == 0)
    recorded = D1["054"]["result"]["lines"][1:]
    started = f"Started at {evaluator_module.to_horolog(clock.now())}"
    assert log_of(site, run.number) == [re_started(line, started) for line in recorded]
    assert count(site, BackgroundQueue) == 0
    site.transact(lambda connection: api.askstop(connection, run.number, 0.0))
    assert run.ended() == record.STOPPED


def test_an_image_with_a_location_and_no_file_is_told_apart(site: Store, clock: FixedClock) -> None:
    site.transact(lambda connection: connection.execute(update(Image).where(Image.ien == 2).values(file_ref="")))
    queue(site, 2)
    evaluator = make(site, clock, SEND_CR)
    evaluator.work_off()
    assert log_of(site, evaluator.task.number) == ["Sat 03:44 Image 2 has no files associated with it"]
    assert count(site, SendQueue) == 0


def test_a_second_evaluator_of_a_location_says_so_and_ends(site: Store, clock: FixedClock) -> None:
    subject = subject_of({"location": LOCATION})
    first = Running(site, clock, [])
    assert site.read(lambda connection: api.is_running(connection, subject, clock.seconds()))
    second = Running(site, clock, [])
    assert second.ended() == record.FINISHED
    assert log_of(site, second.number)[1:] == ["Sat 03:44 A rule evaluator is already running for SALT LAKE CITY"]
    assert site.read(lambda connection: subjects.holder(connection, subject, clock.seconds())) == first.number
    set_flag(site, running=False)
    assert first.ended() == record.FINISHED
    assert not site.read(lambda connection: api.is_running(connection, subject, clock.seconds()))


def watch_judging(monkeypatch: pytest.MonkeyPatch, before: Callable[[int], None]) -> None:
    """Call something before each image is judged."""
    know = evaluator_module.know_image

    def watched(rows: ImageRows, *rest: Any) -> KnownImage:
        before(rows.image.ien)
        return know(rows, *rest)

    monkeypatch.setattr(evaluator_module, "know_image", watched)


@pytest.mark.parametrize("how", ["flag", "task"])
def test_a_stop_is_honoured_within_one_image(site: Store, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    numbers: list[int] = []

    def stop(_image: int) -> None:
        if how == "flag":
            set_flag(site, running=False)
        else:
            site.transact(lambda connection: api.askstop(connection, numbers[0], 0.0))

    watch_judging(monkeypatch, stop)
    run = Running(site, clock, [(str(at), text) for at, text in enumerate(SEND_CR, start=2)])
    numbers.append(run.number)
    queue(site, *[2, 3, 5, 7, 9, 10] * 3)
    assert run.ended() == (record.FINISHED if how == "flag" else record.STOPPED)
    assert waiting(site) == 17
    assert count(site, RuleDecision) == 1


def test_a_shutdown_leaves_the_task_to_the_next_start(site: Store, clock: FixedClock) -> None:
    run = Running(site, clock, [])
    run.worker.stopping.set()
    assert run.ended() == record.SCHEDULED
    assert not any("Stopped" in line for line in log_of(site, run.number))


def test_an_image_that_cannot_be_judged_stays_marked_and_the_others_go_on(
    site: Store, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(image: int) -> None:
        if image == 5:
            raise ValueError("no such modality")

    watch_judging(monkeypatch, spoil)
    queue(site, 2, 5, 7)
    evaluator = make(site, clock, SEND_CR)
    assert evaluator.work_off() == 3
    assert log_of(site, evaluator.task.number) == [
        "Sat 03:44 Image 2: SEND (ROUTE-DEST-A)",
        "Sat 03:44 *** EVAL queue error: ValueError: no such modality ***",
        "Sat 03:44 Image 7: SEND (ROUTE-DEST-A)",
    ]
    assert count(site, BackgroundQueue, BackgroundQueue.status == "FAILED") == 1
    assert evaluator.work_off() == 0


def test_an_entry_that_cannot_be_written_spoils_no_other(site: Store, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    act = evaluator_module.queue_actions

    def spoil(connection: Connection, wanted: Sequence[tuple[KnownImage, Any]], *rest: Any) -> list[int]:
        queued = act(connection, wanted, *rest)
        if any(image.facts.image == 3 for image, _action in wanted):
            connection.execute(insert(BackgroundQueue).values(ien=1))  # refused by the database
        return queued

    monkeypatch.setattr(evaluator_module, "queue_actions", spoil)
    queue(site, 2, 3, 7)
    evaluator = make(site, clock, SEND_CR)
    assert evaluator.work_off() == 3
    log = log_of(site, evaluator.task.number)
    assert len(log) == 3
    assert log[1].startswith("Sat 03:44 *** EVAL queue error: StoreFailed: ")
    assert [count(site, SendQueue, SendQueue.image == image) for image in (2, 3, 7)] == [FLAGS, 0, FLAGS]
    assert count(site, BackgroundQueue, BackgroundQueue.status == "FAILED") == 1


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_refused_write_that_no_entry_is_to_blame_for_is_done_later_and_the_study_is_remembered(
    site: Store, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    refusals = iter(range(times))
    transact = Store.transact

    def refuse(store: Store, work: Callable[[Connection], Any]) -> Any:
        if next(refusals, None) is not None:
            raise StoreFailed
        return transact(store, work)

    queue(site, 2, 3)
    evaluator = make(site, clock, SEND_CR)
    monkeypatch.setattr(Store, "transact", refuse)
    for _ in range(times):
        with pytest.raises(StoreFailed):
            evaluator.work_off()
        assert waiting(site) == 2, "nothing is marked"
    assert evaluator.work_off() == 2
    assert count(site, SendQueue) == 2 * FLAGS
    assert count(site, StudyDecision) > 0


def test_a_database_that_is_away_for_a_while_is_waited_for(
    site: Store, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluator_module, "DATABASE_PAUSE", 0.01)
    away = threading.Event()
    seen = threading.Event()
    read = Store.read

    def refuse(store: Store, work: Callable[[Connection], Any]) -> Any:
        if away.is_set() and threading.current_thread() is run.thread:
            seen.set()
            raise StoreFailed
        return read(store, work)

    run = Running(site, clock, [(str(at), text) for at, text in enumerate(SEND_CR, start=2)])
    monkeypatch.setattr(Store, "read", refuse)
    away.set()
    assert seen.wait(20)
    queue(site, 2)
    away.clear()
    until(lambda: waiting(site) == 0)
    assert log_of(site, run.number)[-1] == "Sat 03:44 Image 2: SEND (ROUTE-DEST-A)"
    set_flag(site, running=False)
    assert run.ended() == record.FINISHED


def test_what_two_evaluators_judge_at_once_is_queued_once(
    site: Store, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = (make(site, clock, [*SEND_CR, "2^ACTION^DICOM", "2^ACTION^1^PACS-ARCHIVE"]) for _ in range(2))
    met: list[int] = []

    def overtake(image: int) -> None:
        met.append(image)
        if len(met) == 1:
            quick.work_off()

    watch_judging(monkeypatch, overtake)
    queue(site, 2, 3)
    slow.work_off()
    assert Counter(met) == {2: 2, 3: 2}
    assert (count(site, SendQueue), count(site, DicomExportImage)) == (2 * FLAGS, 2)
    assert log_of(site, slow.task.number) == []
    assert count(site, ImageEvent) == 2


def test_a_run_that_begins_again_keeps_what_it_decided_of_a_study(site: Store, clock: FixedClock) -> None:
    rules = ["1^ACTION^SEND", "1^ACTION^1^ROUTE-DEST-A"] + [
        f"1^CONDITION^1^{element}" for element in ("KW^PACS_UID", "DT^LO", "OP^=", "VA^9.1.1")
    ]
    first = make(site, clock, rules)
    queue(site, 2)
    first.work_off()
    again, other = make(site, clock, rules, task=first.task.number), make(site, clock, rules)
    queue(site, 3)
    again.work_off()
    queue(site, 3)
    other.work_off()
    assert log_of(site, again.task.number)[1:] == ["Sat 03:44 Image 3: SEND (ROUTE-DEST-A)"]
    assert log_of(site, other.task.number) == ["Sat 03:44 Image 3: Do not SEND (ROUTE-DEST-A)"]


def test_an_image_that_waits_for_a_service_is_not_queued_again(site: Store, clock: FixedClock) -> None:
    queue(site, 2, 3, 2)
    make(site, clock, EXPORT_ALL).work_off()
    images = site.read(lambda connection: connection.execute(select(DicomExportImage.image)).scalars().all())
    assert list(images) == [2, 3]
    site.transact(lambda connection: connection.execute(update(DicomExportImage).values(status="SUCCESS")))
    queue(site, 2)
    make(site, clock, EXPORT_ALL).work_off()
    assert count(site, DicomExportImage, DicomExportImage.status == "WAITING") == 1


def test_a_decision_is_kept_with_what_it_was_made_from(site: Store, clock: FixedClock) -> None:
    queue(site, 7)
    rules = [*SEND_CR, *(element.replace("1^", "2^", 1) for element in SEND_CR[:5]), "2^CONDITION^1^VA^MR"]
    evaluator = make(site, clock, rules)
    evaluator.work_off()
    row = site.read(lambda connection: connection.execute(select(RuleDecision)).mappings().one())
    assert (row["image"], row["task"], row["version"]) == (7, evaluator.task.number, evaluator.rules.id)
    assert row["evaluated_at"] == "3261121.034438"
    assert json.loads(row["fired"]) == [1]
    assert json.loads(row["queued"]) == [
        {"rule": 1, "verb": "SEND", "destination": "ROUTE-DEST-A", "priority": 510, "entries": FLAGS}
    ]
    assert row["decided_by"] == 7
    facts = json.loads(row["facts"])
    assert (facts["MODALITY"], facts["urgency"]) == (["CR"], "URGENT")
    event = site.read(lambda connection: connection.execute(select(ImageEvent)).mappings().one())
    assert (event["uid"], event["image"], event["outcome"]) == ("9.3.1", 7, "1 of 2 rules fired")
    priorities = site.read(lambda connection: connection.execute(select(SendQueue.priority)).scalars().all())
    assert set(priorities) == {510}


def test_header_elements_are_looked_up_under_documented_semantics(site: Store, clock: FixedClock) -> None:
    elements = {"0010,0040": {"vr": "CS", "values": ["F"]}}
    site.transact(
        lambda connection: connection.execute(insert(ImageHeader).values(uid="9.1.1", image=2, elements=json.dumps(elements)))
    )
    rules = ["1^ACTION^SEND", "1^ACTION^1^ROUTE-DEST-A"] + [
        f"1^CONDITION^1^{element}" for element in ("KW^PATIENT_S_SEX", "DT^CS", "OP^=", "VA^F")
    ]
    queue(site, 2, 5)
    make(site, clock, rules, "documented").work_off()
    images = site.read(lambda connection: connection.execute(select(SendQueue.image)).scalars().all())
    assert set(images) == {2}


def test_no_statement_of_the_evaluator_reads_a_whole_file(tmp_path: Path, clock: FixedClock) -> None:
    store = Store(f"sqlite:///{tmp_path / 'magbroker.db'}")
    key = SiteKey.load_or_create(tmp_path / "site.key")
    site = read_site_file(ORACLE_SITE)
    store.transact(lambda connection: apply_site(connection, site, key, clock.now()))
    store.transact(fill_recorded_images)
    evaluator = make(store, clock, [*SEND_CR, "1^PRIORITY^HIGH", "2^ACTION^DICOM", "2^ACTION^1^PACS-ARCHIVE"])
    queue(store, 2)
    evaluator.work_off()  # reads the site, which it then knows
    queue(store, 2, 3, 5, 7)
    with statements_of(store) as statements:
        assert evaluator.work_off() == 4
        assert not evaluator.task.stop_requested()
    plans = statements.plans(store)
    assert len(plans) > 15
    scans = {
        text: steps
        for text, steps in plans.items()
        if any(step.startswith("SCAN ") and step != "SCAN CONSTANT ROW" for step in steps)
    }
    store.close()
    assert scans == {}


@pytest.mark.parametrize(("answer", "expected"), [("YES", True), ("NO", False)])
def test_an_export_says_whether_prior_studies_go_along(site: Store, clock: FixedClock, answer: str, expected: bool) -> None:
    evaluator = make(site, clock, [*EXPORT_ALL, f"1^PRIORSTUDY^{answer}"], "documented")
    for image in (2, 3):  # of one study: the first one decides it, and the second joins its export
        queue(site, image)
        evaluator.work_off()
    exports = site.read(lambda connection: connection.execute(select(DicomExport.with_priors, DicomExport.image_count)).all())
    assert [tuple(row) for row in exports] == [(expected, 2)]
