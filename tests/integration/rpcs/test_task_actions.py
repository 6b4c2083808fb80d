"""`MAGB TASK ...`: a holder of ZTMQ sees and changes everyone's tasks, others their own; each change says what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from fileman import Store
from fileman.files import BackgroundQueue, EvaluatorLog, Task, TaskSyncFlag
from rpcs.actions import ACTIONS, BadRequest, NotAllowed, NotFound, RefusedAction, answer_of
from rules.evaluator import ENTRY_POINT
from runtime import FixedClock
from taskman import TaskContext, api, routine
from taskman.error_log import log_error
from tests.integration.rpcs.conftest import MakeBroker
from tests.integration.rpcs.two_users import MAY, UNA, site_of_two_users
from tests.support.broker import RecordingEngine, RunningBroker
from xwb import BrokerClient, SecurityRefused

SITE = site_of_two_users("MAGB TASKMAN", ACTIONS, "ZTMQ")


@routine("NIGHT^ZZACT", option="ZZ ACT NIGHTLY", frequency="1D", variables={"days": 7})
def nightly(_task: TaskContext) -> None:
    """Tidy up in the night."""


class Desk:
    """A signed-on user who asks."""

    def __init__(self, client: BrokerClient) -> None:
        self.client = client

    def ask(self, name: str, /, **asked: object) -> Any:
        """Call a procedure; `catch_up` names CATCH UP."""
        request = {key.upper().replace("_", " "): str(value) for key, value in asked.items()}
        return answer_of(self.client.call(f"MAGB TASK {name}", request).text)

    def outcomes(self, name: str, **asked: object) -> dict[int, tuple[bool, str]]:
        """Tell what became of each task."""
        return {one["number"]: (one["done"], one["outcome"]) for one in self.ask(name, **asked)["tasks"]}

    def listed(self, **asked: object) -> list[int]:
        """List tasks by number."""
        return [one["number"] for one in self.ask("LIST", **asked)["tasks"]]


@pytest.fixture
def engine() -> RecordingEngine:
    return RecordingEngine()


@pytest.fixture
def broker(make_broker: MakeBroker, engine: RecordingEngine) -> RunningBroker:
    return make_broker(more=SITE, engine=engine)


@pytest.fixture
def sign_on(broker: RunningBroker) -> Iterator[Callable[[str, str], Desk]]:
    clients: list[BrokerClient] = []

    def sign_on(access: str, verify: str) -> Desk:
        clients.append(broker.client(access, verify, "MAGB TASKMAN"))
        return Desk(clients[-1])

    yield sign_on
    for client in clients:
        client.bye()


@pytest.fixture
def may(sign_on: Callable[[str, str], Desk]) -> Desk:
    return sign_on(MAY.access, MAY.verify)


@pytest.fixture
def una(sign_on: Callable[[str, str], Desk]) -> Desk:
    return sign_on(UNA.access, UNA.verify)


@pytest.fixture
def load(store: Store, clock: FixedClock) -> Callable[..., int]:
    """Make a task of a user, with what is written over its record."""

    def load(
        duz: int = UNA.duz, entry_point: str = "TAG^ZZACT", arguments: Mapping[str, Any] | None = None, **changes: Any
    ) -> int:
        def make(connection: Any) -> int:
            number = api.load(connection, entry_point, dict(arguments or {}), "a test", duz, clock.seconds())
            if changes:
                connection.execute(update(Task).where(Task.number == number).values(**changes))
            return number

        return store.transact(make)

    return load


def column(store: Store, number: int, name: str) -> Any:
    return store.read(lambda it: it.execute(select(getattr(Task, name)).where(Task.number == number)).scalar())


def test_users_see_their_own_tasks_and_a_holder_of_the_key_everyones(may: Desk, una: Desk, load: Callable[..., int]) -> None:
    hers, mays = load(UNA.duz), load(MAY.duz)
    assert una.listed() == [hers]
    assert may.listed() == [mays, hers]
    assert may.listed(mine=1) == [mays]
    assert may.listed(user="USER,U") == may.listed(user="3") == [hers]
    with pytest.raises(NotAllowed, match="ZTMQ"):
        una.ask("LIST", all=1)
    with pytest.raises(NotAllowed, match="ZTMQ"):
        una.ask("LIST", user="2")
    with pytest.raises(NotFound, match="nobody"):
        may.ask("LIST", user="NOBODY")
    with pytest.raises(NotAllowed, match="ZTMQ"):
        una.ask("SHOW", number=mays)
    assert una.ask("SHOW", number=hers)["task"]["creator"] == "USER,UNA"


def test_a_list_says_when_it_was_cut_and_refuses_what_it_does_not_know(may: Desk, load: Callable[..., int]) -> None:
    load(), load()
    assert may.ask("LIST", limit=1)["more"] is True
    assert may.ask("LIST", limit=3)["more"] is False
    for asked in ({"status": "asleep"}, {"limit": 0}, {"limit": "1001"}, {"limit": "x"}, {"numbers": "x"}):
        with pytest.raises(BadRequest):
            may.ask("LIST", **asked)
    with pytest.raises(NotFound, match="no task 4711"):
        may.ask("SHOW", number=4711)


@pytest.mark.parametrize("change", ["STOP", "REQUEUE", "DEQUEUE", "DELETE"])
def test_others_change_their_own_tasks_only(una: Desk, store: Store, load: Callable[..., int], change: str) -> None:
    hers, mays = load(UNA.duz), load(MAY.duz)
    told = una.outcomes(change, numbers=f"{hers},{mays},4711")
    assert [done for done, _ in told.values()] == [True, False, False]
    assert "ZTMQ" in told[mays][1]
    assert told[4711] == (False, "there is no such task")
    assert (column(store, mays, "status"), column(store, mays, "stop_requested"), column(store, mays, "attempt")) == (
        "1",
        False,
        1,
    )


def test_changes_are_those_of_ztload(may: Desk, store: Store, load: Callable[..., int]) -> None:
    stopped, dequeued, running = load(), load(), load(status="5", executor="here")
    assert may.outcomes("STOP", numbers=f"{stopped},{running}") == {
        stopped: (True, "Unscheduled"),
        running: (True, "Asked to stop"),
    }
    assert (column(store, stopped, "status"), column(store, running, "stopped_by")) == ("D", "MANAGER,MAY")
    may.ask("DEQUEUE", numbers=dequeued)
    assert (column(store, dequeued, "status"), column(store, dequeued, "message")) == ("F", "MANAGER,MAY")
    told = may.ask("REQUEUE", numbers=f"{dequeued}-{running}", at="2026-11-19T08:00:00Z")
    assert [one["outcome"] for one in told["tasks"]] == ["requeued", "begins again when it ends"]
    assert column(store, dequeued, "scheduled_at") == column(store, running, "requeue_at") == 1795075200.0
    persistent = load(status="5", executor="here", persistent=True)
    assert may.outcomes("DELETE", numbers=f"{dequeued},{running},{persistent}") == {
        dequeued: (True, "deleted"),
        running: (True, "deleted; its routine is told to stop"),
        persistent: (False, "it runs, persistent"),
    }
    assert may.listed() == [persistent, stopped]


def test_the_evaluator_of_one_location_is_stopped(may: Desk, una: Desk, load: Callable[..., int]) -> None:
    here = load(MAY.duz, ENTRY_POINT, {"location": 660, "rules": []}, status="5", executor="here")
    load(MAY.duz, ENTRY_POINT, {"location": 688, "rules": []}, status="5", executor="here")
    load(MAY.duz, ENTRY_POINT, {"location": 660, "rules": []}, status="6")
    assert [done for done, _ in una.outcomes("STOP", location=660).values()] == [False]
    assert may.outcomes("STOP", location=660) == {here: (True, "Asked to stop")}
    with pytest.raises(NotFound, match="location 661"):
        may.ask("STOP", location=661)
    with pytest.raises(BadRequest, match="number from 1 to"):
        may.ask("STOP", location="10000000001")


@pytest.mark.parametrize("facts", [{"status": "E"}, {"status": "F", "executor": "here"}])
def test_an_evaluator_that_died_or_was_dequeued_while_it_runs_is_stopped_too(
    may: Desk, store: Store, load: Callable[..., int], facts: dict[str, str]
) -> None:
    """Otherwise the dead one would be begun again, and the other one run on."""
    number = load(MAY.duz, ENTRY_POINT, {"location": 660, "rules": []}, **facts)
    assert may.outcomes("STOP", location=660) == {number: (True, "Unscheduled")}
    assert column(store, number, "stop_requested") is True
    if facts["status"] == "E":
        with pytest.raises(NotFound, match="location 660"):
            may.ask("STOP", location=660)


def test_a_task_that_is_started_is_handed_over_at_once(may: Desk, store: Store, engine: RecordingEngine) -> None:
    made = may.ask("START", what="zz act nightly", arguments='{"days": 3}', description="tidy")
    assert engine.taken == [made["number"]]
    shown = may.ask("SHOW", number=made["number"])["task"]
    assert (shown["entry_point"], shown["option"], shown["arguments"]) == ("ZTSK^XQ1", "ZZ ACT NIGHTLY", {"days": 3})
    assert (shown["description"], shown["duz"], shown["stat"]) == ("tidy", MAY.duz, "Active: Pending")
    later = may.ask("START", what="TAG^ZZACT", at="+2H")
    urgent = may.ask("START", what="TAG^ZZACT", priority=10)
    assert engine.taken == [made["number"], urgent["number"]]  # the other one begins when its time comes
    assert may.listed(status="future") == [later["number"]]
    assert column(store, urgent["number"], "priority") == 10


def test_a_start_that_cannot_be_is_refused_with_nothing_made(may: Desk, engine: RecordingEngine) -> None:
    with pytest.raises(NotFound, match=r"Did you mean ZZ ACT NIGHTLY\?.*There are: .*ZZ ACT NIGHTLY"):
        may.ask("START", what="ZZ ACT NIGHTLI")
    for asked in ({}, {"what": "A^B", "at": "soon"}, {"what": "A^B", "arguments": "[1]"}, {"what": "A^B", "arguments": "{"}):
        with pytest.raises(BadRequest):
            may.ask("START", **asked)
    with pytest.raises(BadRequest):
        may.ask("START", what="A^B", priority=11)
    with pytest.raises(BadRequest, match="it has days"):
        may.ask("START", what="ZZ ACT NIGHTLY", arguments='{"weeks": 1}')
    with pytest.raises(RefusedAction, match="Bad Routine"):
        may.ask("START", what="A^B^C")
    assert may.listed() == []
    engine.refuses = True
    with pytest.raises(RefusedAction, match="did not take"):
        may.ask("START", what="A^B")
    assert engine.rejected == may.listed()


def test_a_task_is_queued_though_taskman_is_down(may: Desk, engine: RecordingEngine) -> None:
    engine.up = False
    made = may.ask("START", what="NIGHT^ZZACT")
    assert (made["taskman"], made["known"]) == (False, True)
    assert may.ask("START", what="NIGHT^NOPE")["known"] is False
    assert made["number"] in may.listed(status="waiting")
    assert engine.taken == []


def test_a_start_is_for_managers(una: Desk, store: Store, engine: RecordingEngine) -> None:
    for what in ("ZZ ACT NIGHTLY", "NIGHT^ZZACT"):
        with pytest.raises(NotAllowed, match="ZTMQ"):
            una.ask("START", what=what)
    assert store.read(lambda it: it.execute(select(Task.number)).all()) == []
    assert engine.taken == []


def test_an_option_is_scheduled_changed_run_and_taken_away(may: Desk, una: Desk, engine: RecordingEngine) -> None:
    entry = may.ask("SCHEDULE ADD", option="zz act nightly", frequency="D@02:00", variables='{"days": 3}', catch_up=1)
    assert (entry["option"], entry["means"], entry["catch_up"]) == ("ZZ ACT NIGHTLY", "on weekdays at 02:00", True)
    assert entry["next_at"].startswith("2026-11-19T02:00:00")
    ien = entry["ien"]
    changed = may.ask("SCHEDULE EDIT", ien=ien, frequency="1H", special="s", paused=1, catch_up=0)
    assert (changed["means"], changed["paused"]) == ("at TaskMan's start, every hour", True)
    assert changed["catch_up"] is False
    assert changed["next_at"].startswith("2026-11-18T13:00:00"), "a new frequency counts from now"
    assert changed["variables"] == {"days": 3}
    at = may.ask("SCHEDULE EDIT", ien=ien, at="15:30", paused=0)
    assert (at["next_at"][:19], at["frequency"], at["paused"]) == ("2026-11-18T15:30:00", "1H", False)
    for variables in ('{"weeks": 1}', '{"days": "many"}', "[]"):
        with pytest.raises(BadRequest):
            may.ask("SCHEDULE EDIT", ien=ien, variables=variables)
    assert may.ask("SCHEDULE EDIT", ien=ien, variables='{"days": 5}')["variables"] == {"days": 5}
    runs = may.ask("SCHEDULE PREVIEW", ien=ien, count=2)["runs"]
    assert [run["at"][11:16] for run in runs] == ["15:30", "16:30"]
    made = may.ask("SCHEDULE RUN", ien=ien)
    assert engine.taken == [made["number"]]
    assert [one["task"] for one in una.ask("SCHEDULE LIST")["schedules"]] == [made["number"]]
    for name in ("EDIT", "REMOVE", "RUN"):
        with pytest.raises(NotAllowed):
            una.ask(f"SCHEDULE {name}", ien=ien)
    may.ask("SCHEDULE REMOVE", ien=ien)
    for name in ("EDIT", "REMOVE", "RUN", "PREVIEW"):
        with pytest.raises(NotFound, match=f"no entry {ien}"):
            may.ask(f"SCHEDULE {name}", ien=ien)


def test_an_entry_that_would_never_run_or_is_written_wrongly_is_refused(may: Desk) -> None:
    with pytest.raises(RefusedAction, match="would never run"):
        may.ask("SCHEDULE ADD", option="ZZ ACT NIGHTLY")
    with pytest.raises(NotFound, match="ZZ ACT NIGHTLY"):
        may.ask("SCHEDULE ADD", option="NONE", frequency="1D")
    for asked in ({"frequency": "1X"}, {"frequency": "1D", "special": "Q"}, {"frequency": "1D", "at": "soon"}):
        with pytest.raises(BadRequest):
            may.ask("SCHEDULE ADD", option="ZZ ACT NIGHTLY", **asked)
    with pytest.raises(RefusedAction, match="would never run"):
        may.ask("SCHEDULE ADD", option="ZZ ACT NIGHTLY", frequency="3200101.08")
    assert may.ask("SCHEDULE LIST") == {"schedules": []}
    ien = may.ask("SCHEDULE ADD", option="ZZ ACT NIGHTLY", frequency="1D")["ien"]
    with pytest.raises(RefusedAction, match="no run after now"):
        may.ask("SCHEDULE EDIT", ien=ien, frequency="3200101.08")
    assert [one["frequency"] for one in may.ask("SCHEDULE LIST")["schedules"]] == ["1D"]


def test_a_code_is_previewed_with_its_meaning(una: Desk) -> None:
    told = una.ask("SCHEDULE PREVIEW", **{"frequency": "1M(L@18:30)", "from": "2028-02-01", "count": 2})
    assert [run["at"][:16] for run in told["runs"]] == ["2028-02-29T18:30", "2028-03-31T18:30"]
    assert "month" in told["means"]


def test_flags_that_failed_tasks_keep_are_freed(may: Desk, una: Desk, store: Store, load: Callable[..., int]) -> None:
    failed, waiting = load(status="C"), load(status="4", sync_flag="ZZ")
    store.transact(lambda it: it.execute(insert(TaskSyncFlag).values(name="ZZ~", task=failed, status="1 General error")))
    assert una.ask("FLAGS") == {"flags": [{"name": "ZZ~", "task": failed, "status": "1 General error"}]}
    with pytest.raises(NotAllowed):
        una.ask("FLAG CLEAR", name="ZZ~")
    may.ask("FLAG CLEAR", name="ZZ~")
    assert column(store, waiting, "status") == "1"
    with pytest.raises(NotFound):
        may.ask("FLAG CLEAR", name="ZZ~")


def test_errors_are_listed_by_task_and_cleared_by_kind_and_age(
    may: Desk, una: Desk, store: Store, clock: FixedClock, load: Callable[..., int]
) -> None:
    hers, mays = load(UNA.duz), load(MAY.duz)
    for number, error, days in ((hers, ValueError("v"), 0), (mays, KeyError("k"), 0), (mays, ValueError("old"), 9)):
        at = clock.seconds() - days * 86400
        store.transact(lambda it, n=number, e=error, at=at: log_error(it, n, "TAG^ZZACT", "here", e, at))
    assert [one["text"] for one in una.ask("ERRORS", task=hers)["errors"]] == ["ValueError: v"]
    for asked in ({}, {"task": mays}, {"task": 4711}):
        with pytest.raises(NotAllowed):
            una.ask("ERRORS", **asked)
    assert len(may.ask("ERRORS")["errors"]) == 3
    assert may.ask("ERRORS CLEAR", days=7) == {"cleared": 1}
    assert may.ask("ERRORS CLEAR", kind="ValueError") == {"cleared": 1}
    assert may.ask("ERRORS CLEAR") == {"cleared": 1}
    with pytest.raises(NotAllowed):
        una.ask("ERRORS CLEAR")


def test_what_ended_long_ago_is_counted_and_deleted(may: Desk, una: Desk, clock: FixedClock, load: Callable[..., int]) -> None:
    long_ago = clock.seconds() - 8 * 86400
    load(status="6", status_at=long_ago), load(status="C", status_at=long_ago)
    kept, new = load(status="6", status_at=long_ago, keep_until=clock.seconds() + 60), load(status="6")
    assert may.ask("CLEAN COUNT", days=7) == {"tasks": 2}
    assert may.ask("CLEAN", days=7) == {"deleted": 2}
    assert may.listed() == [new, kept]
    with pytest.raises(NotAllowed):
        una.ask("CLEAN", days=7)


def test_the_monitor_counts_queues_and_is_for_managers(may: Desk, una: Desk, store: Store) -> None:
    entry = {"queue": "EVAL", "duz": 1, "requested": "", "image": 1, "place": 1}
    store.transact(lambda it: it.execute(insert(BackgroundQueue), [{**entry, "ien": ien} for ien in (1, 2)]))
    told = may.ask("MONITOR")
    assert told["queues"] == [
        {"queue": "EVAL", "location": 660, "name": "SALT LAKE CITY", "status": "NOT_PROCESSED", "entries": 2}
    ]
    assert (told["monitor"]["taskman"], told["monitor"]["at"][:16]) == (False, "2026-11-18T12:00")
    with pytest.raises(NotAllowed):
        una.ask("MONITOR")


def test_an_evaluator_is_shown_with_the_end_of_its_log(may: Desk, store: Store, load: Callable[..., int]) -> None:
    number = load(MAY.duz, ENTRY_POINT, {"location": 660, "rules": []})
    lines = [{"task": number, "line": line, "text": f"line {line}"} for line in range(1, 31)]
    store.transact(lambda it: it.execute(insert(EvaluatorLog), lines))
    assert may.ask("SHOW", number=number)["log"] == [f"line {line}" for line in range(11, 31)]


def test_without_the_context_nothing_is_answered(broker: RunningBroker) -> None:
    with broker.client("MAY1", "1MAYM!@#$", "") as client, pytest.raises(SecurityRefused):
        client.call("MAGB TASK LIST", {"LIMIT": "1"})
