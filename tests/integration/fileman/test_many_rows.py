"""Rows written many at once are those that SQLAlchemy writes one by one, defaults and expressions with them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select

from fileman import DERIVED_FILES_OPTION, IS_AWAITED, ManyRows, Store, StoreFailed, upserts
from fileman.files import DerivedFile, EvaluatorLog, File, ImageEvent, NetworkLocation, OptionSchedule, SendQueue

EVENT = {
    "uid": "1.2",
    "image": None,
    "stage": "STORE",
    "at": 5,
    "peer": "100% %(peer)s :peer ?",
    "outcome": "",
    "detail": "Ünï\n",
}
COPY = {
    "ien": 1,
    "image": 7,
    "destination": "1;MAG(2005.2,",
    "file_type": "FULL",
    "mechanism": 1,
    "origin": 660,
    "priority": 500,
    "status": "WAITING",
    "queued": "3260101",
    "status_at": 1,
    "of_image": 7,
    "of_type": "FULL",
}
SHARE = {"name": "IMAGES", "kind": "MAG", "site": 660, "physical": "\\\\HOST\\IMAGES", "path": "images"}
WAITED_FOR = {"image": 7, "file_type": "FULL", "expected_at": 0}
HELD = insert(SendQueue).values(held=IS_AWAITED)


def _rows(connection: Connection, file: type[File]) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(select(file)).mappings()]


@pytest.mark.parametrize(
    ("file", "rows"),
    [
        (ImageEvent, [EVENT, {**EVENT, "image": 3}]),
        (EvaluatorLog, [{"task": 1, "line": line, "text": f"line {line}"} for line in range(100)]),
        (NetworkLocation, [{**SHARE, "ien": 1, "online": False}, {**SHARE, "ien": 2, "online": True}]),
        (DerivedFile, [WAITED_FOR]),
    ],
    ids=lambda it: getattr(it, "__name__", ""),
)
def test_rows_are_those_of_sqlalchemy(store: Store, file: type[File], rows: list[dict[str, object]]) -> None:
    def write(connection: Connection) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        connection.execute(delete(file))
        connection.execute(insert(file), rows)
        expected = _rows(connection, file)
        connection.execute(delete(file))
        ManyRows(file).write(connection, rows)
        return expected, _rows(connection, file)

    expected, written = store.transact(write)
    if file is ImageEvent:  # numbered by the database
        expected, written = ([{**row, "ien": 0} for row in them] for them in (expected, written))
    assert len(written) == len(rows)
    assert written == expected
    assert [[type(value) for value in row.values()] for row in written] == [
        [type(value) for value in row.values()] for row in expected
    ]


@pytest.mark.parametrize("awaited", [True, False])
def test_expressions_are_asked_for_each_row(store: Store, awaited: bool) -> None:
    copies = ManyRows(HELD)

    def write(connection: Connection) -> list[bool]:
        if awaited:
            connection.execute(insert(DerivedFile), [WAITED_FOR])
            connection.execute(insert(OptionSchedule).values(ien=1, option=DERIVED_FILES_OPTION))
        copies.write(connection, [COPY, {**COPY, "ien": 2, "image": 8, "of_image": 8}])
        return list(connection.execute(select(SendQueue.held).order_by(SendQueue.ien)).scalars())

    assert store.transact(write) == [awaited, False]


def test_a_row_that_is_there_is_replaced_when_the_statement_says_so(store: Store) -> None:
    lines = ManyRows(
        upserts(
            EvaluatorLog,
            lambda made: made.on_conflict_do_update(
                index_elements=[EvaluatorLog.task, EvaluatorLog.line], set_={"text": made.excluded.text}
            ),
        )
    )

    def write(connection: Connection) -> list[str]:
        lines.write(connection, [{"task": 1, "line": 1, "text": "first"}, {"task": 1, "line": 2, "text": "other"}])
        lines.write(connection, [{"task": 1, "line": 1, "text": "second"}])
        return list(connection.execute(select(EvaluatorLog.text).order_by(EvaluatorLog.line)).scalars())

    assert store.transact(write) == ["second", "other"]


def test_nothing_is_written_of_no_rows(store: Store) -> None:
    store.transact(lambda connection: ManyRows(EvaluatorLog).write(connection, []))
    assert store.read(lambda connection: _rows(connection, EvaluatorLog)) == []


def test_what_the_database_refuses_is_told_and_not_written(store: Store) -> None:
    line = {"task": 1, "line": 1, "text": "twice"}
    with pytest.raises(StoreFailed) as failed:
        store.transact(lambda connection: ManyRows(EvaluatorLog).write(connection, [line, line]))
    assert failed.value.for_what_it_held
    assert store.read(lambda connection: _rows(connection, EvaluatorLog)) == []


@pytest.mark.parametrize("other", [{"task": 1, "line": 2}, {"task": 1, "line": 2, "text": "", "more": ""}])
def test_rows_with_different_columns_are_refused(store: Store, other: dict[str, object]) -> None:
    rows = [{"task": 1, "line": 1, "text": ""}, other]
    with pytest.raises(ValueError, match="the same columns"):
        store.transact(lambda connection: ManyRows(EvaluatorLog).write(connection, rows))
    assert store.read(lambda connection: _rows(connection, EvaluatorLog)) == []
