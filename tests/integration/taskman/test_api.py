"""Every entry point of ^%ZTLOAD answers as VistA's does, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import wait
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from fileman import Store
from fileman.files import NewPerson, Task
from taskman import Refused, api, managers, record, tasks
from taskman.outlook import look

NOW = 1_000_000.0
#: The status of a task, and which executor has it, before the call.
WAITING, RUNNING, FINISHED = ("1", ""), ("5", "here"), ("6", "")
PREPARED, FAILED, UNSCHEDULED, CREATED = ("4", "here"), ("C", ""), ("F", ""), ("K", "")


def load(store: Store, state: tuple[str, str] = WAITING, **facts: Any) -> int:
    values: dict[str, Any] = {"description": "a test", "duz": 9001, "now": NOW, **facts}
    number = store.transact(lambda connection: api.load(connection, values.pop("entry_point", "TAG^ZZAPI"), {}, **values))
    change = update(Task).where(Task.number == number).values(status=state[0], executor=state[1], job="4711" if state[1] else "")
    store.transact(lambda connection: connection.execute(change))
    return number


def call(store: Store, entry: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    return store.transact(lambda connection: entry(connection, *arguments, **named))


def row(store: Store, number: int) -> dict[str, Any]:
    found = store.read(
        lambda connection: connection.execute(select(Task.__table__).where(Task.number == number)).mappings().one()
    )
    return dict(found)


#: ^%ZTLOAD with what it refuses: the facts, and what it leaves in %ZTLOAD("ERROR").
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"entry_point": ""}, "Bad Routine"),
    ({"entry_point": "^"}, "Bad Routine"),
    ({"entry_point": "A^B^C"}, "Bad Routine"),
    ({"at": ""}, "Bad Date/Time"),
    ({"at": "tomorrow"}, "Bad Date/Time"),
    ({"entry_point": "ZTSK^XQ1"}, "Bad Option"),
    ({"device": "HOME"}, "Restricted Device"),
    ({"device": "HOME;80;66"}, "Restricted Device"),
]


@pytest.mark.parametrize(("facts", "reason"), REFUSED)
def test_a_bad_request_is_refused_in_vistas_words_and_takes_no_number(store: Store, facts: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as refused:
        load(store, **facts)
    assert refused.value.reason == reason
    assert store.read(lambda connection: connection.execute(select(Task.number)).first()) is None


def test_a_record_holds_what_was_asked_for(oracle_store: Store) -> None:
    number = load(
        oracle_store,
        entry_point="ZZAPI",
        option="ZZ OPTION",
        device="NULL;132",
        uci="VAH,ROU",
        volume="VAH:ROU",
        priority=8,
        sync_flag="ZZ",
        at="3261121.12",
        keep_until=NOW + 60,
    )
    found = row(oracle_store, number)
    assert (found["entry_point"], found["option"], found["device"], found["uci"]) == ("^ZZAPI", "ZZ OPTION", "NULL;132", "VAH")
    assert (found["priority"], found["sync_flag"], found["keep_until"], found["status"]) == (8, "ZZ", NOW + 60, "1")
    name = oracle_store.read(lambda connection: connection.execute(select(NewPerson.name).where(NewPerson.duz == 9001)).scalar())
    assert found["creator"] == name
    assert name


def test_a_task_without_description_has_the_standard_one(store: Store) -> None:
    number = store.transact(lambda connection: api.load(connection, "TAG^ZZAPI", {}))
    assert row(store, number)["description"] == "No Description (%ZTLOAD)"


def test_a_task_may_be_created_without_being_scheduled(store: Store) -> None:
    number = load(store, ("K", ""), at="@")
    assert row(store, number)["scheduled_at"] is None
    assert call(store, api.stat, number).text == "Inactive: Available"


#: Entry point, the task's state (None: there is none), and what is answered.
STAT = [
    (None, (False, 0, "Undefined")),
    (WAITING, (True, 1, "Active: Pending")),
    (PREPARED, (True, 1, "Active: Pending")),
    (RUNNING, (True, 2, "Active: Running")),
    (FINISHED, (True, 3, "Inactive: Finished")),
    (CREATED, (True, 4, "Inactive: Available")),
    (FAILED, (True, 5, "Inactive: Interrupted")),
    (UNSCHEDULED, (True, 5, "Inactive: Interrupted")),
]
ISQED = [(None, ("", "I")), (WAITING, ("1", "")), (RUNNING, ("0", "")), (FINISHED, ("0", "")), (PREPARED, ("0", ""))]
ASKSTOP = [
    (None, "1^Task missing", ""),
    (WAITING, "2^Unscheduled", "D"),
    (PREPARED, "2^Unscheduled", "4"),  # the worker that has it sees the flag before it begins
    (RUNNING, "2^Asked to stop", "5"),
    (FINISHED, "1^Finished running", "6"),
    (FAILED, "2^Unscheduled", "C"),
]
JOB = [(None, ""), (WAITING, ""), (RUNNING, "4711"), (FINISHED, "")]
PSET = [(None, False), (WAITING, False), (RUNNING, True), (FINISHED, False)]
KILL = [(None, False), (WAITING, True), (RUNNING, True), (FINISHED, True)]


def number_of(store: Store, state: tuple[str, str] | None) -> int:
    return 4711 if state is None else load(store, state)


@pytest.mark.parametrize(("state", "answer"), STAT)
def test_stat(store: Store, state: tuple[str, str] | None, answer: tuple[bool, int, str]) -> None:
    status = call(store, api.stat, number_of(store, state))
    assert (status.defined, status.number, status.text) == answer


@pytest.mark.parametrize(("state", "answer"), ISQED)
def test_isqed(store: Store, state: tuple[str, str] | None, answer: tuple[str, str]) -> None:
    queued = call(store, api.isqed, number_of(store, state))
    assert (queued.queued, queued.error) == answer
    assert (queued.duz, queued.at) == ((None, None) if state is None else (9001, NOW))


@pytest.mark.parametrize("number", [0, -1])
def test_isqed_of_what_is_no_number(store: Store, number: int) -> None:
    assert call(store, api.isqed, number) == api.Queued("", "IT")


@pytest.mark.parametrize(("state", "answer", "after"), ASKSTOP)
def test_askstop(store: Store, state: tuple[str, str] | None, answer: str, after: str) -> None:
    number = number_of(store, state)
    assert call(store, api.askstop, number, NOW, "ALEXANDER,ROBERT") == answer
    if state is not None:
        found = row(store, number)
        assert (found["status"], found["stop_requested"], found["stopped_by"]) == (after, True, "ALEXANDER,ROBERT")


def test_askstop_of_what_is_no_number(store: Store) -> None:
    assert call(store, api.askstop, 0, NOW) == "0^BAD TASK NUMBER"


@pytest.mark.parametrize(("state", "answer"), JOB)
def test_job(store: Store, state: tuple[str, str] | None, answer: str) -> None:
    assert call(store, api.job, number_of(store, state)) == answer


@pytest.mark.parametrize(("state", "answer"), PSET)
def test_pset_and_pclear(store: Store, state: tuple[str, str] | None, answer: bool) -> None:
    number = number_of(store, state)
    assert call(store, api.pset, number) is answer
    if answer:
        assert not call(store, api.kill, number)  # a persistent task that runs is not deleted
        call(store, api.pclear, number)
        assert call(store, api.kill, number)


@pytest.mark.parametrize(("state", "answer"), KILL)
def test_kill(store: Store, state: tuple[str, str] | None, answer: bool) -> None:
    number = number_of(store, state)
    assert call(store, api.kill, number) is answer
    assert not call(store, api.stat, number).defined


def test_a_task_that_ends_while_it_is_requeued_begins_again_once(store: Store) -> None:
    """Who requeues waits for the worker that writes the end down, and goes on from there."""
    number = load(store)
    assert call(store, tasks.reserve_due, "here", 1, NOW)
    assert call(store, tasks.claim_task, number, 1, "here", NOW)
    ended, go_on = Event(), Event()

    def end(connection: Connection) -> None:
        assert tasks.end_task(connection, number, 1, "here", record.FINISHED, NOW, record.ENDED)
        ended.set()
        assert go_on.wait(10)

    ending = store.write(end)
    assert ended.wait(10)
    asked = store.write(lambda connection: api.req(connection, number, NOW, ""))
    assert wait([asked], 0.3).not_done, "it waits for the end"
    go_on.set()
    ending.result(10)
    assert asked.result(10)
    found = row(store, number)
    assert (found["status"], found["attempt"], found["requeue_at"], found["executor"]) == (record.SCHEDULED, 2, None, "")


def test_dq_takes_a_task_out_of_every_list_with_the_users_name(oracle_store: Store) -> None:
    number = load(oracle_store)
    assert call(oracle_store, api.dq, number, 9001, NOW)
    found = row(oracle_store, number)
    assert (found["status"], found["message"]) == ("F", found["creator"])
    assert call(oracle_store, api.isqed, number).queued == "0"
    assert not oracle_store.read(lambda connection: look(connection, NOW).tasks_due)


def test_dq_of_a_number_that_is_none_and_of_a_task_that_is_none(store: Store) -> None:
    assert not call(store, api.dq, 0, 9001, NOW)
    assert call(store, api.dq, 4711, 9001, NOW)


def test_a_task_that_was_dequeued_while_it_ran_ends_as_what_it_ends_as(oracle_store: Store) -> None:
    number = load(oracle_store, RUNNING)
    call(oracle_store, api.dq, number, 9001, NOW)
    assert call(oracle_store, tasks.end_task, number, 1, "here", record.FINISHED, NOW, record.ENDED)
    assert call(oracle_store, api.stat, number).text == "Inactive: Finished"


#: REQ^%ZTLOAD of a finished task: what is asked for, and which fields differ afterwards.
REQ: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"status": "1", "message": "REQUEUED", "scheduled_at": NOW}),
    ({"at": ""}, {"scheduled_at": NOW + 100}),
    ({"at": "1D"}, {"scheduled_at": NOW + 86400}),
    ({"at": "@"}, {"status": "H", "message": "EDITED BUT NOT REQUEUED", "scheduled_at": NOW}),
    ({"entry_point": "ELSE^ZZAPI"}, {"entry_point": "ELSE^ZZAPI"}),
    ({"description": "another"}, {"description": "another"}),
    ({"device": "NULL"}, {"device": "NULL"}),
    ({"device": "@"}, {"device": ""}),
    ({"arguments": {"a": 1}}, {"arguments": '{"a": 1}'}),
]


@pytest.mark.parametrize(("asked", "after"), REQ)
def test_req_edits_a_task_and_schedules_it_again(store: Store, asked: dict[str, Any], after: dict[str, Any]) -> None:
    number = load(store, FINISHED)
    assert call(store, api.req, number, NOW + 100, **asked)
    found = row(store, number)
    assert {name: found[name] for name in after} == after
    assert (found["first_created_at"], found["created_at"]) == (NOW, NOW + 100)


BAD_REQ: list[dict[str, Any]] = [{"at": "soon"}, {"entry_point": "A^B^C"}, {"device": "HOME"}]


@pytest.mark.parametrize("asked", BAD_REQ)
def test_req_changes_nothing_when_it_cannot(store: Store, asked: dict[str, Any]) -> None:
    number = load(store, FINISHED)
    before = row(store, number)
    assert not call(store, api.req, number, NOW, **asked)
    assert not call(store, api.req, 4711, NOW)
    assert row(store, number) == before


def test_req_without_a_description_says_so(store: Store) -> None:
    number = load(store, FINISHED, description=record.NO_DESCRIPTION)
    call(store, api.req, number, NOW)
    assert row(store, number)["description"] == "No Description (REQ~%ZTLOAD)"


def test_a_task_that_is_requeued_while_it_runs_is_begun_again_when_it_ends(store: Store) -> None:
    number = load(store, RUNNING)
    assert call(store, api.req, number, NOW, "1H")
    assert call(store, api.stat, number).text == "Active: Running"
    assert call(store, api.isqed, number).queued == "1"
    assert call(store, tasks.end_task, number, 1, "here", record.FINISHED, NOW, record.ENDED)
    found = row(store, number)
    assert (found["status"], found["scheduled_at"], found["attempt"], found["message"]) == ("1", NOW + 3600, 2, "REQUEUED")


def test_desc_rtn_and_option_find_ones_own_tasks_and_with_the_key_everyones(store: Store) -> None:
    mine = load(store, entry_point="ONE^ZZAPI", description="find me")
    other = load(store, entry_point="TWO^ZZAPI", description="find me", duz=9002)
    plain = load(store, entry_point="ZZAPI", description="not me")
    percent = load(store, entry_point="%ZZ", description="not me")
    runs = load(store, entry_point="ZTSK^XQ1", option="ZZ OPTION", description="not me")
    searches: list[tuple[Callable[..., list[int]], str, list[int], list[int]]] = [
        (api.desc, "find me", [mine], [mine, other]),
        (api.desc, "find", [], []),
        (api.desc, "", [], []),
        (api.rtn, "ONE^ZZAPI", [mine], [mine]),
        (api.rtn, "^ZZAPI", [mine, plain], [mine, other, plain]),
        (api.rtn, "ZZAPI", [mine, plain], [mine, other, plain]),
        (api.rtn, "ZAPI", [], []),
        (api.rtn, "zzapi", [], []),
        (api.rtn, "^%ZZ", [percent], [percent]),
        (api.rtn, "^%", [], []),
        (api.rtn, "", [], []),
        (api.option, "ZZ OPTION", [runs], [runs]),
        (api.option, "", [], []),
        (api.option, "%", [], []),
    ]
    for search, wanted, own, all_of_them in searches:
        assert call(store, search, wanted, 9001) == own, (search, wanted)
        assert call(store, search, wanted, 9001, everyones=True) == all_of_them, (search, wanted)


def test_tm_tells_whether_a_manager_gave_a_sign(store: Store) -> None:
    assert not call(store, api.tm, NOW)
    store.transact(lambda connection: managers.beat(connection, "here", 1, 0, NOW))
    assert call(store, api.tm, NOW + 499)
    assert not call(store, api.tm, NOW + 500)


def test_a_record_that_somebody_changes_now_is_busy(store: Store) -> None:
    if store.sqlite:
        pytest.skip("SQLite has one writer: nobody else changes a record while it works")
    number = load(store)

    def meanwhile(connection: Connection) -> tuple[record.Status, str, bool]:
        api.askstop(connection, number, NOW)  # has the record locked now
        seen = store.read(lambda reading: api.stat(reading, number))
        return seen, call(store, api.askstop, number, NOW), call(store, api.kill, number)

    seen, asked, killed = store.transact(meanwhile)
    assert (seen.defined, seen.number, seen.text, asked, killed) == (False, 0, "Busy", "0^Busy", False)
    assert call(store, api.stat, number).text == "Inactive: Interrupted"
