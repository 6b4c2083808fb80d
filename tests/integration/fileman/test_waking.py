"""Whoever waits for something in this process hears of it when it is committed, and not of anything else."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, select

from fileman import Store, evaluation, transmission, wake_after_commit
from fileman.files import EvaluatorFlag
from rules.evaluator import set_flag
from tests.support.waiting import until

HERE, THERE = evaluation(1), evaluation(2)


def flag(store: Store) -> bool | None:
    return store.read(lambda connection: connection.execute(select(EvaluatorFlag.running)).scalar())


def raise_flag(connection: Connection) -> None:
    set_flag(connection, running=True)
    wake_after_commit(connection, HERE)
    wake_after_commit(connection, HERE)


def test_a_commit_wakes_those_who_wait_for_its_topic_and_they_see_it(store: Store) -> None:
    heard: list[bool | None] = []
    others: list[str] = []
    store.sleepers.listen([HERE, transmission(1)], lambda: heard.append(flag(store)))
    store.sleepers.listen([THERE, transmission(1)], lambda: others.append("woken"))
    before = store.sleepers.count
    store.transact(lambda connection: set_flag(connection, running=False))
    assert (heard, store.sleepers.count) == ([], before)
    store.transact(raise_flag)
    until(lambda: heard == [True])
    assert store.sleepers.count == before + 1
    assert others == []


def test_whoever_waits_no_more_hears_nothing_and_all_are_woken_at_the_end(store: Store) -> None:
    heard: list[str] = []
    stop = store.sleepers.listen([HERE], lambda: heard.append("first"))
    store.sleepers.listen([HERE], lambda: heard.append("second"))
    store.sleepers.listen([THERE], lambda: heard.append("third"))
    stop()
    stop()
    store.transact(raise_flag)
    until(lambda: heard == ["second"])
    store.sleepers.wake_all()
    assert heard[1:] == ["second", "third"]


def test_what_is_undone_wakes_nobody_before_the_next_commit(store: Store) -> None:
    heard: list[str] = []
    store.sleepers.listen([HERE], lambda: heard.append("woken"))

    def fail(connection: Connection) -> None:
        raise_flag(connection)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.transact(fail)
    assert flag(store) is None
