"""What d1 and d4 recorded of evaluators: the procedures' answers, with a clock and a TaskMan that the test moves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from fileman import SiteKey, Store, to_fileman
from fileman.files import BackgroundQueue, EvaluatorLog, Image
from runtime import FixedClock
from taskman import tasks
from taskman.worker import Worker
from tests.oracle import changes
from tests.oracle.nodes import differences
from tests.oracle.records import read_records
from tests.oracle.replay import TASK, normalise
from tests.oracle.state_hook import CHANGES
from tests.support.broker import RunningBroker
from tests.support.waiting import until
from xwb import BrokerClient, MError, SecurityRefused

D1 = {record["id"][-3:]: record for record in read_records("d1_eval_start_stop_log")}
D4 = {record["id"][-3:]: record for record in read_records("d4_eval_purge_and_extras")}


class Recorded:
    """A client that asks what was asked of VistA, and a TaskMan that runs what was started when it is told to."""

    def __init__(self, store: Store, key: SiteKey, clock: FixedClock, client: BrokerClient) -> None:
        self.store, self.key, self.clock, self.client = store, key, clock, client
        self.worker = Worker(store, clock, "here")
        self.numbers: dict[str, str] = {}  # a recorded task's, and the one here
        self.threads: list[threading.Thread] = []

    def ask(self, record: dict[str, Any]) -> list[str]:
        """Call as recorded, of the task that is the recorded one's here."""
        given = [(it["type"], it["value"]) for it in record["params"]]
        values = [dict(value) if kind == "list" else self.numbers.get(value, value) for kind, value in given]
        try:
            return list(self.client.call(record["rpc"], *values).lines)
        except MError:
            return ["M ERROR"]

    def check(self, *records: dict[str, Any]) -> None:
        """Compare answers with what VistA answered."""
        for record in records:
            answer, recorded = "\n".join(self.ask(record)), "\n".join(record["result"].get("lines") or [record["result"]["data"]])
            here, there = TASK.search(answer.encode()), TASK.search(recorded.encode())
            if here and there:
                self.numbers[there[1].decode()] = here[1].decode()
            assert normalise(answer.encode()) == normalise(recorded.encode()), record["id"]

    def follow(self, *records: dict[str, Any]) -> None:
        """Call as recorded, and compare the answers that were told."""
        for record in records:
            if record.get("result"):
                self.check(record)
            else:
                assert self.ask(record) != ["M ERROR"], record["id"]

    def change(self, record: dict[str, Any]) -> None:
        """Bring about a recorded change of state."""
        self.store.transact(lambda connection: CHANGES[record["state_change"].strip()](connection, self.key))

    def compare_dump(self, record: dict[str, Any]) -> None:
        """Compare stored nodes, all of them, with what VistA had stored."""
        tasks = {int(here): there for there, here in self.numbers.items()}
        days = {to_fileman(self.clock.now().date())}
        found = self.store.read(lambda connection: differences(connection, record, days, self.key, tasks))
        assert not found, "\n".join(found)

    def run_tasks(self) -> None:
        """Let every task begin that was started and did not yet."""
        due = self.store.transact(lambda connection: tasks.reserve_due(connection, "here", 9, self.clock.seconds() + 1))
        for one in due:
            thread = threading.Thread(target=self.worker.run, args=(one.number, one.attempt))
            thread.start()
            self.threads.append(thread)
            until(lambda one=one: self.said(one.number) > 0)

    def said(self, task: int) -> int:
        """Give how many lines a task's log has."""
        lines = select(func.count()).where(EvaluatorLog.task == task)
        return int(self.store.read(lambda connection: connection.execute(lines).scalar_one()))

    def queue_is_empty(self) -> None:
        """Wait until every image was judged."""
        left = select(func.count()).where(BackgroundQueue.queue == "EVAL", BackgroundQueue.place != 0)
        until(lambda: self.store.read(lambda connection: connection.execute(left).scalar_one()) == 0)

    def all_ended(self) -> None:
        """Wait for the end of every task that began."""
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime.fromisoformat("2026-11-21T03:44:38"))


@pytest.fixture
def recorded(oracle_store: Store, site_key: SiteKey, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    monkeypatch.setattr(changes, "CLOCK", clock)
    broker = RunningBroker(oracle_store, site_key, clock=clock)
    with broker.client() as client:
        recorded = Recorded(oracle_store, site_key, clock, client)
        yield recorded
        client.call("MAG DICOM ROUTE EVAL STOP")
        recorded.run_tasks()
        client.call("MAG DICOM ROUTE EVAL STOP")
        recorded.all_ended()
    broker.stop()


def file_images(recorded: Recorded, records: dict[str, dict[str, Any]], first: int, copies: str) -> None:
    """File the images of a scenario, nine records from one on, and make their copies."""
    recorded.follow(*(records[f"{number:03d}"] for number in range(first, first + 9)))
    recorded.change(records[copies])
    images = select(func.count()).select_from(Image)
    assert recorded.store.read(lambda connection: connection.execute(images).scalar_one()) == 19


def test_evaluators_are_started_watched_and_stopped_and_log_odd_rules_and_images_as_recorded(recorded: Recorded) -> None:
    file_images(recorded, D1, 6, "016")
    holder = recorded.ask(D1["029"])  # of the hours before
    recorded.run_tasks()
    assert holder[0].startswith("0,")
    recorded.change(D1["017"])
    recorded.check(D1["022"], D1["023"])
    for without_rules in ("024", "025"):
        assert recorded.ask(D1[without_rules]) == ["-2,No Routing Rules Specified"]
    assert recorded.ask(D1["026"]) == ["-1,No Location Specified"]
    recorded.check(D1["027"])
    recorded.check(D1["050"])
    recorded.all_ended()
    recorded.check(D1["028"], D1["029"], D1["030"])
    recorded.run_tasks()
    recorded.check(D1["031"], D1["032"])
    recorded.follow(D1["033"], D1["034"], D1["035"])
    recorded.queue_is_empty()
    recorded.check(D1["036"])
    recorded.compare_dump(D1["037"])
    assert recorded.ask(D1["038"]) == ["3 5", *recorded.ask(D1["036"])[3:]]
    recorded.check(*(D1[number] for number in ("039", "040", "041", "043", "044", "045", "046")))
    assert recorded.ask(D1["042"]) == ["-2,MAXIMUM parameter =  < 1"]
    assert recorded.ask(D1["047"]) == ["1"]
    recorded.all_ended()
    recorded.check(D1["048"], D1["049"], D1["050"])
    odd_rules_and_images_that_cannot_be_judged(recorded)
    recorded.compare_dump(D1["059"])


def odd_rules_and_images_that_cannot_be_judged(recorded: Recorded) -> None:
    """Go on with what d1 recorded next."""
    recorded.check(D1["051"], D1["052"])
    recorded.change(D1["053"])
    recorded.run_tasks()
    recorded.queue_is_empty()
    recorded.check(D1["054"])
    recorded.compare_dump(D1["055"])
    assert recorded.ask(D1["056"]) == ["1"]
    recorded.all_ended()
    recorded.check(D1["057"])
    recorded.run_tasks()
    recorded.check(D1["058"])
    recorded.all_ended()


def test_rules_may_begin_at_subscript_one_and_a_task_goes_on_though_a_stop_was_asked_before_it_began(recorded: Recorded) -> None:
    file_images(recorded, D4, 37, "047")
    recorded.check(D4["052"])
    recorded.run_tasks()
    assert recorded.ask(D4["053"]) == ["2", "PROCESSED||660|CT1|16|1|1|GWA"]
    recorded.queue_is_empty()
    recorded.check(D4["054"])
    recorded.compare_dump(D4["055"])
    assert recorded.ask(D4["056"]) == ["1"]
    recorded.all_ended()
    recorded.check(D4["078"])
    assert recorded.ask(D4["079"]) == [f"-1,No task #{recorded.numbers['1066']}"]
    recorded.check(D4["080"], D4["081"])
    recorded.run_tasks()
    recorded.check(D4["082"])
    assert [line[10:] for line in recorded.ask(D4["083"])[2:]] == ["A rule evaluator is already running for SALT LAKE CITY"]
    recorded.check(D4["084"])
    recorded.all_ended()
    assert recorded.ask(D4["085"]) == ["-3,Inactive: Finished"]


def numbers_of(recorded: Recorded) -> list[int]:
    rows = recorded.store.read(lambda connection: connection.execute(select(BackgroundQueue.ien)).scalars().all())
    return sorted(rows)


def test_old_entries_of_the_queue_are_purged_as_recorded(recorded: Recorded) -> None:
    file_images(recorded, D4, 6, "016")
    recorded.change(D4["017"])
    recorded.check(D4["022"], D4["023"])
    assert numbers_of(recorded) == [1, 2], "what is queued today is not found"
    recorded.compare_dump(D4["024"])
    recorded.change(D4["025"])
    assert recorded.ask(D4["026"]) == ["2^0"]
    assert numbers_of(recorded) == [1, 2, 501]
    recorded.compare_dump(D4["027"])
    assert recorded.ask(D4["028"]) == ["M ERROR"]
    assert recorded.ask(D4["029"]) == ["0^0"]
    assert recorded.ask(D4["030"]) == ["1^0"]
    assert numbers_of(recorded) == [1, 2]
    assert recorded.ask(D4["028"]) == ["0^0"]


def test_a_purge_that_is_not_in_the_context_is_refused(recorded: Recorded) -> None:
    with pytest.raises(SecurityRefused, match="MAG DICOM ROUTE EVAL PURGE"):
        recorded.client.call("MAG DICOM ROUTE EVAL PURGE", "3991231")


def test_the_dumps_of_d1_and_d4_are_those_that_are_compared_here() -> None:
    dumps = [[number for number, record in theme.items() if record.get("rpc") == "(global dump)"] for theme in (D1, D4)]
    assert dumps == [["037", "055", "059"], ["024", "027", "055"]]
