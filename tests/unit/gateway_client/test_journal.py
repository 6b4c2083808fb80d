"""The journal: what it takes is there after a start, whole or not at all."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from gateway_client import journal as journal_module
from gateway_client.errors import JournalError
from gateway_client.journal import SCHEMA_VERSION, UNDER_WAY, Change, Journal, Request, RequestKind, State
from gateway_client.objects.part10 import FileMeta
from gateway_client.reception.spool import SpooledFile
from gateway_client.transmission.transmissions import Sending, Transmission, Transmissions
from tests.unit.gateway_client.fakes import CT, EXPLICIT


def file(name: str, uid: str = "") -> SpooledFile:
    """Make an object that lies in the spool."""
    return SpooledFile(name, FileMeta(CT, uid or f"1.2.{name}", EXPLICIT), 10, f"digest of {name}", 5.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def test_an_object_is_taken_once(path: Path) -> None:
    journal = Journal(path)
    assert journal.add([file("a"), file("b")]) == [1, 2]
    assert journal.add([file("b"), file("c")]) == [3]
    assert journal.counts() == {"RECEIVED": 3}


def test_everything_is_there_in_a_new_process(path: Path) -> None:
    journal = Journal(path)
    (number,) = journal.add([file("a")])
    journal.change([Change(number, State.STORED, 12, "\\\\S\\", "x.DCM", reason="warned", tries=2)], 1.0)
    journal.open_request(Request("u", RequestKind.STORE, ("REQUEST|u", "É|"), (number,)))
    journal.add_events(["one", "two"])
    other = Journal(path)
    (instance,) = other.in_state(State.STORED, 10.0, 5)
    assert (instance.ien, instance.directory, instance.file, instance.reason, instance.tries) == (
        12,
        "\\\\S\\",
        "x.DCM",
        "warned",
        2,
    )
    assert other.open_requests(RequestKind.STORE) == [Request("u", RequestKind.STORE, ("REQUEST|u", "É|"), (number,))]
    assert other.events(10) == (["one", "two"], [1, 2])
    other.close_request("u", ["2"])
    other.forget_events(1)
    assert journal.open_requests(RequestKind.STORE) == []
    assert journal.events(10) == (["two"], [2])


def test_a_change_leaves_alone_what_it_does_not_name(path: Path) -> None:
    journal = Journal(path)
    (number,) = journal.add([file("a")])
    journal.change([Change(number, State.RECEIVED, reason="why", tries=3, alone=True)], 1.0)
    journal.change([Change(number, State.STORING)], 2.0)
    (instance,) = journal.instances([number])
    assert (instance.reason, instance.tries, instance.alone) == ("why", 3, True)


def test_a_batch_takes_each_uid_once_and_none_that_is_under_way(path: Path) -> None:
    journal = Journal(path)
    numbers = journal.add([file("a", "1.1"), file("b", "1.1"), file("c", "1.2"), file("d", "1.3"), file("e", "1.3")])
    journal.change([Change(numbers[3], State.STORING)], 0.0)
    assert [it.name for it in journal.batch(10.0, 10)] == ["a", "c"]
    assert [it.name for it in journal.batch(10.0, 1)] == ["a"]
    journal.change([Change(numbers[3], State.FILED), Change(numbers[2], State.RECEIVED, next_try=20.0)], 0.0)
    assert [it.name for it in journal.batch(10.0, 10)] == ["a", "e"]


def test_an_object_that_must_go_alone_goes_alone(path: Path) -> None:
    journal = Journal(path)
    numbers = journal.add([file("a"), file("b"), file("c")])
    journal.change([Change(numbers[1], State.RECEIVED, alone=True)], 0.0)
    assert [it.name for it in journal.batch(10.0, 10)] == ["a", "c"]
    journal.change([Change(numbers[0], State.STORED), Change(numbers[2], State.STORED)], 0.0)
    assert [it.name for it in journal.batch(10.0, 10)] == ["b"]


def test_a_transaction_that_fails_changes_nothing(path: Path) -> None:
    journal = Journal(path)

    def fail_in_the_middle() -> None:
        with journal.transaction():
            journal.add([file("a")])
            journal.add_events(["event"])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_in_the_middle()
    assert journal.counts() == {}
    assert journal.events(5) == ([], [])
    journal.add([file("a")])
    assert journal.counts() == {"RECEIVED": 1}


def test_what_is_done_long_ago_is_forgotten_and_the_rest_is_not(path: Path) -> None:
    journal = Journal(path)
    numbers = journal.add([file("a"), file("b"), file("c")])
    journal.change([Change(numbers[0], State.FILED), Change(numbers[1], State.REFUSED)], 100.0)
    assert journal.purge(100.0) == 0
    assert journal.purge(101.0) == 1
    assert journal.counts() == {"RECEIVED": 1, "REFUSED": 1}


def test_an_answered_request_keeps_its_answer_and_not_its_lines(path: Path) -> None:
    journal = Journal(path)
    journal.open_request(Request("u", RequestKind.PROCESSED, ("REQUEST|u", "PROCESSED|"), (1,)))
    assert journal.open_requests(RequestKind.STORE) == []
    journal.close_request("u", ["2", "PROCESSED|"])
    with journal.transaction() as connection:
        rows = [tuple(row) for row in connection.execute("SELECT state, lines, answer FROM request")]
    assert rows == [("ANSWERED", "[]", '["2", "PROCESSED|"]')]


def test_copies_are_of_the_same_data_set_and_placed_or_filed(path: Path) -> None:
    journal = Journal(path)
    numbers = journal.add([file(name, f"1.{name[0]}") for name in ("a1", "b1", "c1", "a2", "b2", "c2", "d1")])
    with journal.transaction() as connection:
        connection.execute("UPDATE instance SET digest='same' WHERE name NOT IN ('b2')")
    journal.change([Change(numbers[0], State.FILED), Change(numbers[1], State.PLACED), Change(numbers[2], State.STORED)], 0.0)
    assert journal.copies(numbers[3:]) == {numbers[3]}
    journal.change([Change(numbers[2], State.PLACED)], 0.0)
    assert journal.copies(numbers[3:]) == {numbers[3], numbers[5]}


def test_a_copy_of_what_a_corrected_object_was_when_it_came_is_known(path: Path) -> None:
    journal = Journal(path)
    first, again, other = journal.add([file("a", "1.2"), file("b", "1.2"), file("c", "1.2")])
    with journal.transaction() as connection:
        connection.execute("UPDATE instance SET digest='received' WHERE name='b'")
        connection.execute(
            "INSERT INTO correction (name, new_values, tried_at, original_digest) VALUES ('a', '[]', 0, 'received')"
        )
    journal.change([Change(first, State.FILED)], 0.0)
    assert journal.copies([again, other]) == {again}


def test_a_batch_is_found_in_order_however_many_wait(path: Path) -> None:
    """Sorting all that wait for each batch would cost more the more there are."""
    journal = Journal(path)
    queries = {journal_module._BATCH: ("RECEIVED", 0, *UNDER_WAY, 5), journal_module._IN_STATE: ("STORED", 0, 5)}
    with journal.transaction() as connection:
        for query, values in queries.items():
            plan = " ".join(row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", values))
            assert "INDEX instance_state" in plan
            assert "TEMP B-TREE" not in plan


#: What takes away what the version brought.
OLDER = {
    2: "DROP INDEX instance_state; CREATE INDEX instance_state ON instance (state, next_try, id);",
    3: "DROP TABLE correction;",
    4: "DROP TRIGGER imported_forgotten; DROP TABLE imported;",
    5: "ALTER TABLE instance DROP COLUMN instrument;",
    6: "DROP INDEX instance_waiting; DROP TABLE study_wait;",
    7: "ALTER TABLE instance DROP COLUMN taken_back;",
    8: "DROP TABLE commitment_reference; DROP TABLE commitment;",
    9: "DROP TABLE folder; ALTER TABLE instance DROP COLUMN folder;",
    10: "ALTER TABLE transmission DROP COLUMN next_try;",
    11: "DROP INDEX commitment_gathering; ALTER TABLE commitment_reference DROP COLUMN image;"
    "ALTER TABLE transmission DROP COLUMN sop_class_uid;",
    12: "DROP TRIGGER normalised_forgotten; DROP TABLE normalised;",
    13: "DROP INDEX instance_folder; ALTER TABLE transmission DROP COLUMN repeated;",
    14: "DROP TABLE kept; DROP INDEX commitment_image;",
    15: "ALTER TABLE commitment DROP COLUMN received;",
    16: "DROP TABLE prior_move; DROP TABLE prior_search;",
    17: "ALTER TABLE prior_search DROP COLUMN study_time;",
}


def layout(journal: Journal) -> tuple[set[tuple[str, str]], set[str]]:
    """Give the columns of a journal by their tables, and what its indexes are on."""
    with journal.transaction() as connection:
        made = [tuple(row) for row in connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")]
        columns = {
            (name, column["name"])
            for kind, name, _ in made
            if kind == "table"
            for column in connection.execute(f"PRAGMA table_info({name})")
        }
    return columns, {" ".join(sql.split()) for kind, _, sql in made if kind == "index"}


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_an_older_journal_is_brought_up_to_date(path: Path, version: int) -> None:
    journal = Journal(path)
    journal.add([file("a")])
    newest = layout(journal)
    journal.close()
    with sqlite3.connect(path) as older:
        for step in range(SCHEMA_VERSION, version, -1):
            older.executescript(OLDER[step])
        older.execute(f"PRAGMA user_version={version}")
    older.close()
    newer = Journal(path)
    assert layout(newer) == newest
    with newer.transaction() as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
    assert newer.counts() == {"RECEIVED": 1}


def test_a_journal_of_another_version_is_refused(path: Path) -> None:
    Journal(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(JournalError, match="version 99"):
        Journal(path)


def test_a_file_that_is_no_journal_is_refused(path: Path) -> None:
    path.write_bytes(b"not a database, though it is long enough to be looked at" * 20)
    with pytest.raises(JournalError):
        Journal(path)


def test_the_journal_is_durable_by_default(path: Path) -> None:
    journal = Journal(path)
    with journal.transaction() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_transmissions_are_remembered_by_entry(path: Path) -> None:
    transmissions = Transmissions(Journal(path))
    item = Transmission(4, 1, 12, "READING ROOM", "11", "\\\\S\\x.DCM", "1.2.3", Sending.SENDING, tries=2, doubts=1, reason="why")
    transmissions.save([item], 1.0)
    again = Transmissions(Journal(path))
    came_back = replace(item, path="elsewhere", tries=0, doubts=0)
    others = [replace(came_back, sequence=2), replace(came_back, image=13), replace(came_back, destination="RESEARCH")]
    assert again.known([came_back, *others]) == [replace(item, path="elsewhere"), *others]
    assert again.in_state(Sending.SENDING) == [item]
    assert again.counts() == {"SENDING": 1}


@pytest.mark.parametrize(("state", "left"), [(Sending.SENT, {}), (Sending.FAILED, {}), (Sending.WAITING, {"QUEUED": 1})])
def test_what_is_reported_is_forgotten_unless_it_waits(path: Path, state: Sending, left: dict[str, int]) -> None:
    transmissions = Transmissions(Journal(path))
    item = Transmission(4, 1, 12, "READING ROOM", "11", "x", state=state, doubts=1)
    transmissions.save([item], 1.0)
    transmissions.reported([item], 2.0)
    assert transmissions.counts() == left
    transmissions.purge(3.0)
    assert transmissions.counts() == {}
