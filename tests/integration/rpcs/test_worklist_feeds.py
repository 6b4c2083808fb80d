"""Orders that come by HL7 are on the worklist when they are acknowledged."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, update

from broker import hl7_listener
from fileman import SiteKey, Store
from fileman.files import Hl7Message, ScheduledStep
from tests.support.broker import RunningBroker
from tests.support.query_plans import statements_of
from tests.unit.rpcs.test_orders import OMI, ORM, changed

CANCEL = changed(ORM, "ORC|NW", "ORC|CA")


class Ris:
    """A sender of HL7 messages over one connection."""

    def __init__(self, port: int, store: Store) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.store = store

    def send(self, message: str) -> str:
        """Send a message; give what MSA says of it."""
        self._connection.sendall(b"\x0b" + message.encode("utf-8") + b"\x1c\r")
        answer = b""
        while not answer.endswith(b"\x1c\r"):
            answer += self._connection.recv(4096)
        return answer.decode().split("\r")[1]

    def steps(self, *columns: str) -> list[tuple[Any, ...]]:
        wanted = [getattr(ScheduledStep, column) for column in columns or ("accession", "step_id", "status", "open")]
        return [tuple(row) for row in self.store.read(lambda it: it.execute(select(*wanted).order_by(ScheduledStep.ien)).all())]

    def filed(self) -> int:
        return len(self.store.read(lambda it: it.execute(select(Hl7Message.ien)).all()))

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def running(oracle_store: Store, site_key: SiteKey) -> Iterator[RunningBroker]:
    broker = RunningBroker(oracle_store, site_key, listeners={"hl7": hl7_listener(0)})
    yield broker
    broker.stop()


@pytest.fixture
def ris(running: RunningBroker, oracle_store: Store) -> Iterator[Ris]:
    ris = Ris(running.service.ports["hl7"], oracle_store)
    yield ris
    ris.close()


def test_an_order_is_on_the_worklist_when_it_is_acknowledged(ris: Ris) -> None:
    assert ris.send(ORM) == "MSA|AA|C1"
    assert ris.steps() == [("A1", "S1", "SCHEDULED", True)]
    assert ris.steps("source", "patient_id", "start_at", "location") == [("HL7", "666001103", "20261124103000", 660)]
    assert ris.filed() == 1


def test_an_order_on_the_worklist_can_be_pulled_by_a_text_gateway(ris: Ris, running: RunningBroker) -> None:
    assert ris.send(ORM) == "MSA|AA|C1"
    with running.client("FAKEPRG1", "1PRG!@#$") as gateway:
        number, _node, _counts, header, patient, *_rest = gateway.call("MAG DICOM TEXT PROCESSING", {1: "2", 2: "1|0"}).lines
    assert (number, header, patient) == ("1", *ORM.split("\r")[:2])


def test_an_order_of_several_steps_is_on_the_worklist_with_each(ris: Ris) -> None:
    assert ris.send(OMI) == "MSA|AA|C2"
    assert [step[:2] for step in ris.steps()] == [("A2", "S21"), ("A2", "S22")]


def test_an_order_that_is_sent_again_is_there_once(ris: Ris) -> None:
    for _ in range(3):
        assert ris.send(ORM) == "MSA|AA|C1"
    assert len(ris.steps()) == 1


def test_a_changed_order_changes_what_it_says_and_leaves_the_rest(ris: Ris) -> None:
    ris.send(ORM)
    change = changed(changed(changed(ORM, "ORC|NW", "ORC|XO"), "202611241030", "202611251100"), "|WHLC|", "||")
    assert ris.send(changed(change, "A1\r|R1|S1", "") if "A1\r" in change else change) == "MSA|AA|C1"
    assert ris.steps("accession", "start_at", "transport") == [("A1", "20261125110000", "WHLC")]


def test_a_change_finds_its_step_by_the_numbers_of_the_order(ris: Ris) -> None:
    ris.send(ORM)
    assert ris.send(changed(changed(ORM, "ORC|NW", "ORC|XO"), "A1|R1|S1", "||")) == "MSA|AA|C1"
    assert ris.steps() == [("A1", "S1", "SCHEDULED", True)]


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (CANCEL, "CANCELLED"),
        (changed(CANCEL, "A1|R1|S1", "||"), "CANCELLED"),
        (changed(changed(ORM, "ORC|NW", "ORC|SC"), "FI1^RIS||SC", "FI1^RIS||CM"), "COMPLETED"),
    ],
)
def test_an_order_that_is_over_leaves_the_worklist(ris: Ris, message: str, status: str) -> None:
    ris.send(ORM)
    for _ in range(2):
        assert ris.send(message) == "MSA|AA|C1"
        assert ris.steps() == [("A1", "S1", status, False)]


def test_only_the_step_that_is_named_is_cancelled(ris: Ris) -> None:
    ris.send(OMI)
    first, second = OMI.split("\rIPC|A2|R2|1.2.4|S22", 1)[0], "S22"
    assert ris.send(changed(first, "ORC|NW", "ORC|CA")) == "MSA|AA|C2"
    assert ris.steps() == [("A2", "S21", "CANCELLED", False), ("A2", second, "SCHEDULED", True)]


def test_an_order_that_is_renewed_is_on_the_worklist_again(ris: Ris) -> None:
    for message in (ORM, CANCEL, ORM):
        assert ris.send(message) == "MSA|AA|C1"
    assert ris.steps() == [("A1", "S1", "SCHEDULED", True)]


def test_a_cancellation_of_what_is_not_there_is_taken(ris: Ris) -> None:
    assert ris.send(CANCEL) == "MSA|AA|C1"
    assert (ris.steps(), ris.filed()) == ([], 1)


def test_a_step_that_is_done_stays_done(ris: Ris, oracle_store: Store) -> None:
    ris.send(ORM)
    oracle_store.transact(lambda it: it.execute(update(ScheduledStep).values(status="COMPLETED", open=False)))
    for message in (ORM, CANCEL):
        assert ris.send(message) == "MSA|AA|C1"
        assert ris.steps() == [("A1", "S1", "COMPLETED", False)]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (changed(ORM, "ORC|NW", "ORC|ZZ"), 'ORC-1: "ZZ" is no order control that is known here'),
        (changed(ORM, "|||CT|||", "||||||"), "the modality is missing"),
        (changed(ORM, "202611241030", ""), "the start date is missing"),
        (changed(ORM, "202611241030", "202613241030"), 'start_date "20261324" is no date; write 20240131'),
        (changed(ORM, "A1|R1|S1", "A" * 17 + "|R1|S1"), "accession is longer than 16 characters"),
        (changed(OMI, "S22|MR|", "S22|mr|"), 'modality "mr" is no code: capital letters, digits, blanks and underscores are'),
        (changed(ORM, "1.2.3^RIS", "1.02^RIS"), 'study_uid "1.02" is no UID'),
    ],
)
def test_an_order_that_cannot_be_read_is_filed_and_refused_with_the_reason(ris: Ris, message: str, reason: str) -> None:
    control = message.split("|")[9]
    assert ris.send(message) == f"MSA|AE|{control}|{reason}"
    assert (ris.steps(), ris.filed()) == ([], 1), "all of it or nothing"
    assert ris.send(changed(ORM, "|C1|", "|C3|")) == "MSA|AA|C3", "the connection goes on"


def test_an_order_of_another_patient_does_not_take_a_step(ris: Ris) -> None:
    ris.send(ORM)
    for message in (changed(ORM, "666001103", "666001104"), changed(CANCEL, "666001103", "666001104")):
        assert ris.send(message) == "MSA|AE|C1|order FI1 is another patient's"
    assert ris.steps("patient_id", "status") == [("666001103", "SCHEDULED")]


def test_a_reason_separates_nothing_in_the_answer(ris: Ris) -> None:
    answer = ris.send(changed(ORM, "ORC|NW", "ORC|\\F\\A\\X0D\\B"))
    assert answer == 'MSA|AE|C1|ORC-1: " A B" is no order control that is known here'


def test_a_message_in_utf_8_keeps_its_names(ris: Ris) -> None:
    name = changed(ORM, "WASHINGTON^JAMES^A^JR^DR", "山田^太郎")
    assert ris.send(changed(name, "|P|2.3.1", "|P|2.3.1||||||UNICODE UTF-8")) == "MSA|AA|C1"
    assert ris.steps("patient_name") == [("山田^太郎",)]


def test_every_look_up_of_an_order_uses_an_index(ris: Ris, oracle_store: Store) -> None:
    with statements_of(oracle_store) as statements:
        for message in (ORM, changed(ORM, "ORC|NW", "ORC|XO"), CANCEL):
            ris.send(message)
    assert statements.seen
    if oracle_store.sqlite:
        plans = {text: steps for text, steps in statements.plans(oracle_store).items() if "scheduled_" in text}
        assert len(plans) > 5
        for text, steps in plans.items():
            assert not [step for step in steps if step.startswith("SCAN") and "CONSTANT" not in step], (text, steps)
