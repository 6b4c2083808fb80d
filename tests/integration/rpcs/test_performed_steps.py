"""MAGB MPPS: a performed step is on disk when it is answered; scheduled steps and exams stand where it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from fileman import SiteKey, Store, apply_site, dump_site, parse_site
from fileman.files import Exam, ImageEvent, PerformedOrder, PerformedSeries, PerformedStep, ScheduledStep
from fileman.worklist import HL7, put_step
from tests.support.broker import RunningBroker
from tests.support.query_plans import statements_of
from tests.unit.rpcs.test_performed_steps import CREATED, ENDED, UID, without
from xwb import BrokerClient

NOW = datetime.fromisoformat("2026-11-24T10:30")
EXAM = """
[[exam]]
accession = "A1"
patient = 2
datetime = 2026-11-24T10:00:00
procedure = "CT HEAD"
status = "{status}"
"""


class Modality:
    """What a gateway passes on of a modality."""

    def __init__(self, client: BrokerClient, store: Store) -> None:
        self._client, self.store = client, store

    def say(self, action: str, attributes: dict[str, Any] | None = None, uid: str = UID) -> dict[str, Any]:
        text = json.dumps({"uid": uid, "action": action, "ae_title": "CT1", "attributes": attributes or {}})
        pieces = {number: text[at : at + 100] for number, at in enumerate(range(0, len(text), 100), start=1)}
        answer: dict[str, Any] = json.loads(self._client.call("MAGB MPPS", pieces).text)
        return answer

    def does(self, step: str, *, uid: str, ends: str = "COMPLETED") -> None:
        """Perform a scheduled step."""
        created = {**CREATED, "00400270": [{"0020000D": ["1.2.3"], "00080050": ["A1"], "00400009": [step]}]}
        assert self.say("CREATE", created, uid) == {"status": "0000"}
        if ends:
            assert self.say("SET", {**ENDED, "00400252": [ends]}, uid) == {"status": "0000"}

    def rows(self, statement: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.store.read(lambda it: it.execute(statement).all())]

    @property
    def steps(self) -> list[tuple[Any, ...]]:
        """Where the scheduled steps stand."""
        table = ScheduledStep
        return self.rows(select(table.step_id, table.status, table.open).order_by(table.ien))

    @property
    def exam(self) -> str:
        """Where the exam stands."""
        return str(self.rows(select(Exam.status).where(Exam.accession == "A1"))[0][0])


@pytest.fixture
def modality(oracle_store: Store, site_key: SiteKey) -> Iterator[Modality]:
    site = parse_site(oracle_store.read(dump_site) + EXAM.format(status="WAITING FOR EXAM"))
    oracle_store.transact(lambda it: apply_site(it, site, site_key, NOW))
    schedule(oracle_store, "S1")
    broker = RunningBroker(oracle_store, site_key)
    with broker.client("FAKEPRG1", "1PRG!@#$") as client:
        yield Modality(client, oracle_store)
    broker.stop()


def schedule(store: Store, step_id: str, **more: str) -> None:
    order = {"accession": "A1", "step_id": step_id, "study_uid": "1.2.3", "patient_id": "P1", "patient_name": "DOE^JANE"}
    store.transact(lambda it: put_step(it, HL7, {**order, "modality": "CT", "start_date": "20261124", **more}, 1.0))


def test_a_step_that_is_told_of_is_kept_whole(modality: Modality) -> None:
    modality.does("S1", uid=UID)
    ((uid, status, ae_title, patient, study, start, end),) = modality.rows(
        select(
            PerformedStep.uid,
            PerformedStep.status,
            PerformedStep.ae_title,
            PerformedStep.patient_id,
            PerformedStep.study_uid,
            PerformedStep.start_at,
            PerformedStep.end_at,
        )
    )
    assert (uid, status, ae_title, patient, study) == (UID, "COMPLETED", "CT1", "P1", "1.2.3")
    assert (start, end) == ("20261124103000", "20261124104500")
    assert modality.rows(select(PerformedSeries.series_uid, PerformedSeries.instances)) == [("1.2.3.4.1", 3)]
    got = modality.say("GET")
    assert got["attributes"]["00400340"] == ENDED["00400340"]
    assert modality.say("GET", {"00400252": [], "00400280": []})["attributes"] == {"00400252": ["COMPLETED"]}


def test_scheduled_step_and_exam_stand_where_the_modality_says(modality: Modality) -> None:
    modality.does("S1", uid=UID, ends="")
    assert (modality.steps, modality.exam) == ([("S1", "STARTED", True)], "CALLED FOR EXAM")
    assert modality.say("SET", ENDED) == {"status": "0000"}
    assert (modality.steps, modality.exam) == ([("S1", "COMPLETED", False)], "EXAMINED")


def test_a_discontinued_step_is_to_be_done_again(modality: Modality) -> None:
    modality.does("S1", uid=UID, ends="DISCONTINUED")
    assert (modality.steps, modality.exam) == ([("S1", "SCHEDULED", True)], "WAITING FOR EXAM")
    modality.does("S1", uid="1.2.3.5")
    assert (modality.steps, modality.exam) == ([("S1", "COMPLETED", False)], "EXAMINED")


def test_an_exam_is_examined_when_all_of_its_steps_are_done(modality: Modality) -> None:
    schedule(modality.store, "S2")
    modality.does("S1", uid="1.2.1")
    assert modality.exam == "CALLED FOR EXAM"
    modality.does("S2", uid="1.2.2")
    assert modality.exam == "EXAMINED"


def test_a_step_done_in_two_parts_is_done_when_none_goes_on(modality: Modality) -> None:
    modality.does("S1", uid="1.2.1", ends="")
    modality.does("S1", uid="1.2.2")
    assert modality.steps == [("S1", "STARTED", True)]
    assert modality.say("SET", {**ENDED, "00400252": ["DISCONTINUED"]}, "1.2.1") == {"status": "0000"}
    assert (modality.steps, modality.exam) == ([("S1", "COMPLETED", False)], "EXAMINED")


@pytest.mark.parametrize("status", ["CANCELLED", "COMPLETE"])
def test_an_exam_that_somebody_else_closed_stays_so(modality: Modality, status: str) -> None:
    modality.store.transact(lambda it: it.execute(update(Exam).where(Exam.accession == "A1").values(status=status)))
    modality.does("S1", uid=UID)
    assert modality.exam == status


def test_a_cancelled_step_that_is_done_all_the_same_stays_off_the_worklist(modality: Modality) -> None:
    schedule(modality.store, "S1", status="CANCELLED")
    modality.does("S1", uid=UID)
    assert modality.steps == [("S1", "CANCELLED", False)]


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ({"0020000D": ["1.2.3"], "00080050": ["A1"], "00400009": ["S1"]}, ("A1", True)),
        ({"0020000D": ["1.2.3"], "00400009": ["S1"]}, ("A1", True)),
        ({"0020000D": ["1.2.3"]}, ("A1", True)),
        ({"0020000D": ["1.2.9"], "00080050": ["A1"], "00400009": ["S1"]}, ("A1", False)),  # another study's
        ({"0020000D": ["1.2.9"]}, ("", False)),  # unscheduled
    ],
)
def test_the_step_is_found_by_its_numbers_or_else_by_its_study(
    modality: Modality, order: dict[str, Any], found: tuple[str, bool]
) -> None:
    assert modality.say("CREATE", {**CREATED, "00400270": [order]}) == {"status": "0000"}
    ((accession, scheduled),) = modality.rows(select(PerformedOrder.accession, PerformedOrder.scheduled))
    assert (accession, scheduled is not None) == found


def test_the_same_told_again_is_answered_as_the_first_time(modality: Modality) -> None:
    for _ in range(2):
        assert modality.say("CREATE", CREATED) == {"status": "0000"}
    for _ in range(2):
        assert modality.say("SET", ENDED) == {"status": "0000"}
    assert len(modality.rows(select(PerformedStep.uid))) == 1
    assert len(modality.rows(select(ImageEvent.stage))) == 2


@pytest.mark.parametrize(
    ("action", "attributes", "answer"),
    [
        ("CREATE", {**CREATED, "00400254": ["OTHER"]}, ("0111", None)),
        ("CREATE", without(CREATED, "00080060"), ("0120", None)),
        ("SET", {"00400254": ["MORE"]}, ("0110", "A710")),
        ("SET", {"00400252": "x"}, ("0106", None)),
        ("DELETE", {}, ("0110", None)),
    ],
)
def test_what_is_refused_is_told_why_and_changes_nothing(
    modality: Modality, action: str, attributes: dict[str, Any], answer: tuple[str, str | None]
) -> None:
    modality.does("S1", uid=UID)
    before = modality.rows(select(*PerformedStep.__table__.columns))
    told = modality.say(action, attributes)
    assert (told["status"], told.get("error_id")) == answer
    assert told["error"]
    assert modality.rows(select(*PerformedStep.__table__.columns)) == before


@pytest.mark.parametrize("action", ["SET", "GET"])
def test_a_step_that_was_never_created_is_not_there(modality: Modality, action: str) -> None:
    assert modality.say(action, ENDED)["status"] == "0112"


def test_the_story_tells_each_step_with_its_exam(modality: Modality) -> None:
    modality.does("S1", uid=UID)
    told = modality.rows(select(ImageEvent.uid, ImageEvent.stage, ImageEvent.peer, ImageEvent.outcome, ImageEvent.detail))
    assert told == [
        (UID, "PERFORMED STEP", "CT1", "IN PROGRESS", "step PPS1; 0 instances; exam A1 is CALLED FOR EXAM"),
        (UID, "PERFORMED STEP", "CT1", "COMPLETED", "step PPS1; 3 instances; exam A1 is EXAMINED"),
    ]


def test_what_no_database_holds_is_refused(modality: Modality) -> None:
    told = modality.say("CREATE", {**CREATED, "00400254": ["A\0B"]})
    assert (told["status"], told["error"]) == ("0110", "REQUEST holds a NUL or half a character")


def test_every_look_up_uses_an_index(modality: Modality) -> None:
    with statements_of(modality.store) as statements:
        modality.does("S1", uid=UID)
    assert statements.seen
    if modality.store.sqlite:
        for text, steps in statements.plans(modality.store).items():
            assert not [step for step in steps if step.startswith("SCAN") and "CONSTANT" not in step], (text, steps)
