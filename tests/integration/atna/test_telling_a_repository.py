"""What the logs have is told to a real syslog server: whole, in the standard's form, once, and after kills and outages too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import fromstring

import pytest
from sqlalchemy import Connection, insert, select

from console.atna.repository import NotReached, Repository
from console.atna.sender import STANDS_FOR, Sender
from console.atna.sources import SETTLED_AFTER
from fileman import Audited, Change, Event, Store, record_events, write_audit, write_security_event
from fileman.files import AtnaPosition, AuditRecord, Image, NewPerson, Patient, SignOnLog
from runtime import AtnaSettings, FixedClock
from tests.support.audit_schema import faults
from tests.support.certificates import Authority
from tests.support.query_plans import statements_of
from tests.support.rsyslog import Rsyslog
from tests.support.waiting import until

NOON = datetime.fromisoformat("2026-11-24T12:00")


class Logs:
    """A database whose logs are told by the clock of the test."""

    def __init__(self, store: Store, closes: Callable[..., object], **settings: object) -> None:
        self.closes = closes
        self.store, self.clock = store, FixedClock(NOON)
        self.settings = AtnaSettings.model_validate({"host": "localhost", "transport": "tcp", "timeout_seconds": 5, **settings})
        self.sender = self.begin()
        common = {"name": "DEMO,PATIENT ONE", "saved_at": "3261124.12", "saved_by": 0, "patient": 100}
        group = {"ien": 1, "object_type": 11, "uid": "1.2", "members": 1, "last_member": 1}
        image = {"ien": 2, "object_type": 100, "uid": "1.2.1", "parent": 1, "group_sequence": 1, "sop_class": 9}
        self.put(Patient, dfn=100, name="DEMO,PATIENT ONE", ssn="666001100")
        self.put(NewPerson, duz=12, name="MANAGER,MAY", access_hash="", verify_hash="")
        self.put(Image, **group, **common)
        self.put(Image, **image, **common)

    def begin(self) -> Sender:
        """Give a sender as a process that was just started has it."""
        sender = Sender(self.store, self.clock, self.settings, Repository(self.settings), "broker.example")
        sender.begin()
        if hasattr(self, "sender"):
            self.sender.repository.close()
        self.sender = sender
        self.closes(sender.repository.close)
        return sender

    def put(self, file: type, **values: object) -> None:
        self.store.transact(lambda it: it.execute(insert(file).values(**values)))

    def happen(self, number: int = 1) -> None:
        """Let one thing of each kind happen."""
        now = self.clock.seconds()
        facts = {"duz": 12, "address": "192.0.2.9", "client": "X", "transport": "NS", "broker": "B"}
        self.put(SignOnLog, ien=number, signed_on="3261124.12", signed_off="3261124.115959", **facts)

        def work(connection: Connection) -> None:
            changes = [Change("user X", None, None)]
            asked = Audited(now, 12, "MANAGER,MAY", "RPC", "192.0.2.9", "MAGB KEY GRANT", {}, "done", "", changes)
            write_audit(connection, asked)
            write_security_event(connection, "FAILED", now, duz=12, address="192.0.2.9")
            events = [
                Event("1.2.1", None, "RECEIVE", now, "CT1@192.0.2.7", "received"),
                Event("1.2.1", 2, "STORE", now, "GW1", "filed"),
                Event("1.2.1", 2, "EVALUATE", now, "task 1", "fired"),
            ]
            record_events(connection, events)

        self.store.transact(work)

    def tell(self) -> None:
        """Tell what there is, and let the connection stand."""
        self.clock.advance(SETTLED_AFTER.total_seconds())
        while self.sender.step():
            pass
        self.clock.advance(STANDS_FOR)
        self.sender.step()

    def positions(self) -> dict[str, int]:
        rows = self.store.read(lambda it: it.execute(select(AtnaPosition.source, AtnaPosition.last)).all())
        return {row.source: row.last for row in rows}


def told(server: Rsyslog) -> Counter[str]:
    """Count what was received by the events' codes, and types where there are any."""
    found: Counter[str] = Counter()
    for record in server.records():
        assert faults(record.text) == []
        event = fromstring(record.text).find("EventIdentification")
        assert event is not None
        found[" ".join(it.get("csd-code", "") for it in event)] += 1
    return found


@pytest.fixture
def make(store: Store) -> Iterator[Callable[..., Logs]]:
    """Make logs whose connections are closed at the end."""
    with ExitStack() as stack:
        yield lambda **settings: Logs(store, stack.callback, **settings)


Make = Callable[..., Logs]
#: What `happen` is told as.
ALL = Counter({"110104": 1, "110113 110136": 1, "110114 110122": 2, "110114 110123": 1})


def certificates(folder: Path) -> tuple[Authority, tuple[Path, Path, Path]]:
    folder.mkdir()
    authority = Authority.create(folder)
    return authority, (authority.file, *authority.issue("localhost"))


@pytest.mark.parametrize("transport", ["tcp", "tls", "udp"])
def test_each_log_is_told_over_each_transport(
    store: Store, make: Make, tmp_path: Path, transport: Literal["tcp", "tls", "udp"]
) -> None:
    authority, files = certificates(tmp_path / "keys")
    own = authority.issue("broker.example")
    server = Rsyslog(tmp_path / "rsyslog", transport, files)
    secure = {"authorities": str(authority.file), "certificate": str(own[0]), "key": str(own[1])}
    with server:
        logs = make(port=server.port, transport=transport, **(secure if transport == "tls" else {}))
        logs.happen()
        logs.tell()
        until(lambda: told(server) == ALL, "every message")
        logs.tell()
        logs.happen(2)
        logs.tell()
        until(lambda: told(server) == ALL + ALL, "what happened then, once")
        logs.begin().repository.close()
    (record, *_others) = [it for it in server.records() if b'"110104"' in it.text]
    assert (record.host, record.application, record.name, record.severity) == ("broker.example", "magbroker", "DICOM+RFC3881", 5)
    assert record.at == NOON.timestamp()
    names = [it.get("UserID") for it in fromstring(record.text).findall("ActiveParticipant")]
    objects = [it.get("ParticipantObjectID") for it in fromstring(record.text).findall("ParticipantObjectIdentification")]
    assert (names, objects) == (["CT1", "magbroker"], ["1.2", "666-00-1100"])


def test_a_server_without_a_trusted_certificate_is_told_nothing(store: Store, make: Make, tmp_path: Path) -> None:
    authority, files = certificates(tmp_path / "keys")
    other, _files = certificates(tmp_path / "others")
    own = authority.issue("broker.example")
    with Rsyslog(tmp_path / "rsyslog", "tls", files) as server:
        secure = {"authorities": str(other.file), "certificate": str(own[0]), "key": str(own[1])}
        logs = make(port=server.port, transport="tls", **secure)
        logs.happen()
        with pytest.raises(NotReached, match="CERTIFICATE_VERIFY_FAILED"):
            logs.tell()
        assert server.records() == []


def test_what_happens_while_the_repository_is_away_is_told_later(store: Store, make: Make, tmp_path: Path) -> None:
    server = Rsyslog(tmp_path / "rsyslog")
    logs = make(port=server.port)
    logs.happen()
    before = logs.positions()
    for _attempt in range(3):
        with pytest.raises(NotReached):
            logs.tell()
    assert logs.positions() == before
    logs.begin()
    logs.happen(2)
    with server:
        logs.tell()
        until(lambda: sum(told(server).values()) == 9, "both, the images of one study as one message")
        assert told(server)["110113 110136"] == 2


def test_a_repository_that_is_killed_misses_nothing_and_hears_only_the_last_again(
    store: Store, make: Make, tmp_path: Path
) -> None:
    with Rsyslog(tmp_path / "rsyslog") as server:
        logs = make(port=server.port)
        for number in range(1, 6):
            logs.happen(number)
            logs.tell()
        until(lambda: sum(told(server).values()) == 25, "what happened before")
        logs.happen(6)
        logs.sender.step()  # sent, and not yet believed to be kept
        server.kill()
        until(lambda: not logs.sender.repository.check(), "the end of the connection")
        with pytest.raises(NotReached):
            logs.tell()
        server.start()
        logs.happen(7)
        logs.tell()
        until(lambda: told(server)["110113 110136"] >= 7, "everything")
        assert told(server)["110113 110136"] <= 8, "the last at most twice"
        assert told(server)["110114 110123"] in (7, 8)


def test_a_sender_that_is_killed_repeats_what_it_had_not_written_down(store: Store, make: Make, tmp_path: Path) -> None:
    with Rsyslog(tmp_path / "rsyslog") as server:
        logs = make(port=server.port)
        logs.happen()
        logs.tell()
        logs.happen(2)
        logs.sender.step()
        logs.sender.repository.close()
        logs.begin()
        logs.happen(3)
        logs.tell()
        until(lambda: told(server)["110113 110136"] == 4, "the second twice")


def test_what_was_there_before_is_told_only_where_the_settings_want_that(store: Store, make: Make, tmp_path: Path) -> None:
    with Rsyslog(tmp_path / "rsyslog") as server:
        first = make(port=1)
        first.happen()
        first.clock.advance(10)
        store.transact(lambda it: it.execute(AtnaPosition.__table__.delete()))
        first.settings = AtnaSettings(host="localhost", port=server.port, transport="tcp")
        first.begin()
        first.tell()
        assert server.records() == []
        store.transact(lambda it: it.execute(AtnaPosition.__table__.delete()))
        first.settings = AtnaSettings(host="localhost", port=server.port, transport="tcp", from_beginning=True)
        first.begin()
        first.tell()
        until(lambda: told(server) == ALL, "what was there")


def test_only_what_the_settings_name_is_told(store: Store, make: Make, tmp_path: Path) -> None:
    with Rsyslog(tmp_path / "rsyslog") as server:
        logs = make(port=server.port, of=["actions"])
        logs.happen()
        logs.tell()
        until(lambda: told(server) == Counter({"110113 110136": 1}), "the action")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_log_is_read_from_end_to_end(store: Store, make: Make, tmp_path: Path) -> None:
    with Rsyslog(tmp_path / "rsyslog") as server:
        logs = make(port=server.port)
        logs.happen()
        with statements_of(store) as statements:
            logs.tell()
    steps = [step for plan in statements.plans(store).values() for step in plan]
    assert len(steps) >= 10
    assert [step for step in steps if step.startswith("SCAN") and step.split()[1] not in ("CONSTANT", "(subquery-1)")] == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_an_event_that_is_committed_late_is_waited_for(store: Store, make: Make, tmp_path: Path) -> None:
    with Rsyslog(tmp_path / "rsyslog") as server:
        logs = make(port=server.port, of=["actions"])

        def act(ien: int) -> None:
            facts = {"at": 1.0, "name": "X", "action": f"MAGB {ien}", "outcome": "done", "ien": ien}
            logs.put(AuditRecord, **facts)

        act(1)
        act(3)
        logs.tell()
        assert logs.positions()["actions"] == 1
        act(2)
        logs.tell()
        assert logs.positions()["actions"] == 3
        act(5)
        logs.tell()
        logs.clock.advance(31)
        logs.tell()
        assert logs.positions()["actions"] == 5, "a number that was given back is not waited for for ever"
        until(lambda: told(server).total() == 4, "all of them")
