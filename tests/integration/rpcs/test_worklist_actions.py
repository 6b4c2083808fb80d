"""`MAGB WORKLIST FEED` and `LIST`: everybody in the context sees the worklist, a holder of MAG SYSTEM puts steps on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import select

from fileman.files import ScheduledStep
from rpcs.actions import BadRequest, NotAllowed, answer_of
from tests.integration.rpcs.conftest import MakeBroker
from tests.integration.rpcs.two_users import MAY, UNA, User, site_of_two_users
from tests.support.broker import RunningBroker

SITE = site_of_two_users("MAGB GATEWAY", ("MAGB WORKLIST FEED", "MAGB WORKLIST LIST"), "MAG SYSTEM")
ROW = {
    "accession": "T1",
    "patient_id": "P1",
    "patient_name": "YAMADA^TAROU=山田^太郎",
    "modality": "CT",
    "start_date": "2026-11-24",
    "start_time": "10:30",
}

Ask = Callable[..., Any]


def rows(*lines: tuple[int, dict[str, str]]) -> dict[str, str]:
    """Cut lines of a table into the texts of a request."""
    text = json.dumps([list(line) for line in lines])
    return {f"ROWS{number}": text[at : at + 50] for number, at in enumerate(range(0, len(text), 50), start=1)}


@pytest.fixture
def broker(make_broker: MakeBroker) -> RunningBroker:
    return make_broker(more=SITE)


def signed_on(broker: RunningBroker, user: User) -> Iterator[Ask]:
    with broker.client(user.access, user.verify, "MAGB GATEWAY") as client:
        yield lambda name, asked: answer_of(client.call(f"MAGB WORKLIST {name}", asked).text)


@pytest.fixture
def may(broker: RunningBroker) -> Iterator[Ask]:
    yield from signed_on(broker, MAY)


@pytest.fixture
def una(broker: RunningBroker) -> Iterator[Ask]:
    yield from signed_on(broker, UNA)


def test_rows_of_a_table_go_onto_the_worklist_and_are_listed(may: Ask, una: Ask) -> None:
    assert may("FEED", rows((2, ROW), (3, {**ROW, "accession": "T2", "status": "COMPLETED"}))) == {"entries": 2}
    listed = una("LIST", {"LIMIT": "1"})
    (one,) = listed["entries"]
    assert (one["accession"], one["step_id"], one["source"], one["patient_name"]) == ("T1", "T1", "CSV", ROW["patient_name"])
    assert (one["start_date"], one["start_time"], listed["more"]) == ("20261124", "1030", False)
    everything = una("LIST", {"ALL": "1", "AFTER": str(one["ien"])})
    assert [it["status"] for it in everything["entries"]] == ["COMPLETED"]


def test_a_row_that_comes_again_changes_its_step(may: Ask) -> None:
    for day in ("2026-11-24", "2026-11-25"):
        assert may("FEED", rows((2, {**ROW, "start_date": day}))) == {"entries": 1}
    assert [it["start_date"] for it in may("LIST", {})["entries"]] == ["20261125"]
    may("FEED", rows((2, {**ROW, "status": "CANCELLED"})))
    assert may("LIST", {})["entries"] == []


def test_the_worklist_is_fed_with_the_key_alone(una: Ask, broker: RunningBroker) -> None:
    with pytest.raises(NotAllowed, match="MAG SYSTEM"):
        una("FEED", rows((2, ROW)))
    assert broker.store.read(lambda it: it.execute(select(ScheduledStep.ien)).all()) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (rows((7, {**ROW, "modality": "ct"})), "line 7, column modality: "),
        (rows((7, {**ROW, "colour": "red"})), "line 7, column colour: is no column"),
        (rows((1, ROW), (7, {**ROW, "patient_id": "P2"})), "line 7, column patient_id: step T1 of T1 is another patient's"),
        ({"ROWS1": "[[1]]"}, "ROWS1 and so on are to be JSON"),
        ({"ROWS1": '[[1, {"accession": "\\ud800"}]]'}, "ROWS1 and so on are to be JSON"),
        ({}, "ROWS is needed"),
        (rows(*[(number, ROW) for number in range(501)]), "ROWS1 and so on are to be JSON"),
    ],
    ids=["modality", "unknown column", "another patient", "no values", "half a character", "nothing", "too many"],
)
def test_rows_that_cannot_be_taken_change_nothing(may: Ask, broker: RunningBroker, asked: dict[str, str], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        may("FEED", asked)
    assert broker.store.read(lambda it: it.execute(select(ScheduledStep.ien)).all()) == []
