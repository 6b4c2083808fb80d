"""HL7 messages are pulled by number, upwards: none may appear below a number that was pulled."""

from __future__ import annotations

from datetime import datetime
from threading import Event

from sqlalchemy import Connection, text

from fileman import Store, hl7_messages
from tests.support.waiting import until

NOON = datetime.fromisoformat("2026-11-18T12:00")
_WAITING = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")


def enter(connection: Connection, control: str) -> int:
    return hl7_messages.file_message(connection, f"MSH|{control}", "ORM", control, NOON)


def test_no_message_can_be_pulled_before_one_of_a_lower_number(store: Store) -> None:
    entered, commit = Event(), Event()

    def enter_slowly(connection: Connection) -> int:
        number = enter(connection, "A")
        entered.set()
        assert commit.wait(30)
        return number

    def stands_waiting() -> bool:
        return store.sqlite or second.done() or bool(store.read(lambda connection: connection.execute(_WAITING).scalar()))

    first = store.write(enter_slowly)
    assert entered.wait(30)
    second = store.write(lambda connection: enter(connection, "B"))
    try:
        until(stands_waiting)
        assert not second.done()
        assert store.read(lambda connection: hl7_messages.message_from(connection, 1)) is None
    finally:
        commit.set()
    assert (first.result(30), second.result(30)) == (1, 2)
