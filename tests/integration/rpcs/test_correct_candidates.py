"""`MAGB CORRECT CANDIDATES`: the exam that a study was meant for comes first, whatever was written wrongly at the scanner."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from fileman import Store
from fileman.files import DicomFailedImage, Exam, ImageHeader, Patient, RadiologyProcedure
from rpcs.actions import ACTIONS, BadRequest, NotFound, answer_of
from rpcs.correct_candidates import LONGEST, MOST_COMPARED, WEIGHTS, Given, find_candidates, read_given
from tests.integration.rpcs.conftest import MakeBroker
from tests.integration.rpcs.two_users import UNA, site_of_two_users
from tests.support.query_plans import statements_of

SITE = site_of_two_users("MAGB GATEWAY", (name for name in ACTIONS if name.startswith("MAGB CORRECT ")))
#: The patient and the exam that a study is of, as it comes when nothing is wrong.
ANA, HER_EXAM = 5, 50
RIGHT = Given("FERNANDEZ-RUIZ^ANA^MARIA", "666-01-4325", "021226-203", "MR", "19880617", "F", "20260212")
#: Others, who have exams on the same day and look like her in one thing each.
LASTS, FIRSTS = ("FERNANDES", "RUIZ", "O'CONNOR", "SMITH", "SMYTHE", "WASHINGTON"), ("ANA", "ANNA", "MARIA", "LIAM", "JAMES")


def fill(connection: Connection) -> None:
    """Write her and thirty others."""
    names = [f"{last},{first}" for last, first in product(LASTS, FIRSTS)]
    others = [
        {"dfn": 100 + n, "name": name, "ssn": f"66655{7 * n + 1000:04d}", "birth_date": f"26{n + 10}0617", "sex": "FM"[n % 2]}
        for n, name in enumerate(names)
    ]
    ana = {"dfn": ANA, "name": "FERNANDEZ-RUIZ,ANA MARIA", "ssn": "666014325", "birth_date": "2880617", "sex": "F"}
    connection.execute(insert(Patient), [{"icn": "", **it} for it in others] + [ana | {"icn": "1008500002V465999"}])
    connection.execute(insert(RadiologyProcedure), [{"ien": 210, "name": "MRI BRAIN W/O CONT", "modalities": "MR,PR"}])
    exam = {
        "service": "RAD",
        "procedure_ien": 210,
        "exam_date": "3260212.1030",
        "procedure": "MRI BRAIN W/O CONT",
        "status": "WAITING FOR EXAM",
    }
    own = {"ien": HER_EXAM, "patient": ANA, "accession": "021226-203", "case_number": "203", "site_accession": ""}
    theirs = [
        {
            "ien": 100 + n,
            "patient": it["dfn"],
            "accession": f"021226-{300 + n}",
            "case_number": str(300 + n),
            "site_accession": "",
        }
        for n, it in enumerate(others)
    ]
    connection.execute(insert(Exam), [exam | it for it in (own, *theirs)])


@pytest.fixture
def filled(store: Store) -> Store:
    store.transact(fill)
    return store


def likest(store: Store, given: Given) -> Any:
    return store.read(lambda connection: find_candidates(connection, given, 10))[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"accession": ""},
        {"accession": "021226-230"},
        {"accession": "203"},
        {"accession": "", "patient_id": ""},
        {"accession": "", "patient_id": "666-01-4352"},
        {"accession": "", "patient_id": "66601432"},
        {"accession": "", "patient_id": "1008500002V465999", "name": "RUIZ^A"},
        {"accession": "", "patient_id": "F4325", "name": "FERNANDEZ"},
        {"accession": "", "patient_id": "4325", "name": "FERNANDEZ"},
        {"accession": "", "patient_id": "X", "name": "ANA^FERNANDEZ-RUIZ"},
        {"accession": "", "patient_id": "X", "name": "FERNANDEZ RUIZ^ANA"},
        {"accession": "", "patient_id": "X", "name": "FERNÁNDEZ-RUÍZ^ANA MARÍA"},
        {"accession": "", "patient_id": "X", "name": "FERMANDEZ-RUIZ^ANNA"},
        {"accession": "", "patient_id": "X", "name": "FERNANDEZ-RIUZ^ANA"},
        {"accession": "", "patient_id": "X", "name": "FERNANDEZ^ANA"},
        {"accession": "", "patient_id": "X", "name": "FERNANDEZ-RUIZ^ANA", "birth_date": "19880716", "exam_date": "20260214"},
        {"accession": "021226-204", "patient_id": "666014326", "name": "SMITH^JOHN", "birth_date": ""},
        {"accession": "", "patient_id": "666014325", "name": "", "exam_date": ""},
    ],
    ids=str,
)
def test_the_exam_that_was_meant_comes_first_though_something_is_wrong(wrong: dict[str, str], filled: Store) -> None:
    found = likest(filled, replace(RIGHT, **wrong))
    dated = wrong.get("exam_date", RIGHT.exam_date) or wrong.get("accession", RIGHT.accession)
    assert (found.dfn, found.exam) == (ANA, HER_EXAM if dated else None)


def test_a_study_with_nothing_wrong_scores_all(filled: Store) -> None:
    found = likest(filled, RIGHT)
    assert (found.score, found.exam, found.name, found.patient_id, found.accession) == (
        100,
        HER_EXAM,
        "FERNANDEZ-RUIZ,ANA MARIA",
        "666014325",
        "021226-203",
    )
    assert {it.field: it.score for it in found.fields} == dict.fromkeys(WEIGHTS, 1.0)


def test_a_patient_without_an_exam_in_those_days_says_so(filled: Store) -> None:
    found = likest(filled, replace(RIGHT, accession="", exam_date="20250212"))
    assert (found.dfn, found.exam, found.note) == (ANA, None, "no exam in those days")


def test_a_cancelled_exam_says_that_it_takes_no_images(filled: Store) -> None:
    row = {"ien": 51, "service": "RAD", "accession": "021226-204", "patient": ANA, "exam_date": "3260212.1130"}
    filled.transact(lambda connection: connection.execute(insert(Exam), [row | {"status": "CANCELLED"}]))
    found = likest(filled, replace(RIGHT, accession="021226-204"))
    assert (found.exam, found.note) == (51, "takes no images: it is cancelled")


def test_what_is_like_nobody_finds_nobody(filled: Store) -> None:
    given = Given("QQQQ^XXXX", "999999999", "999999-9", "US", "", "", "19990101")
    assert filled.read(lambda connection: find_candidates(connection, given, 10)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"exam_date": "16000101"},
        {"exam_date": "99991231"},
        {"exam_date": "00010101", "birth_date": "00000000"},
        {"accession": "9" * LONGEST, "name": "X" * LONGEST},
        {"patient_id": "1" * LONGEST, "name": "^" * LONGEST},
        {"name": "%_\\'=", "accession": "'; --", "patient_id": "\u0663" * 9},
    ],
    ids=str,
)
def test_whatever_a_peer_wrote_can_be_looked_for(wrong: dict[str, str], filled: Store) -> None:
    found = filled.read(lambda connection: find_candidates(connection, replace(RIGHT, **wrong), 10))
    assert found[0].dfn == ANA, "what else it came with is hers"


def test_no_more_of_a_text_is_read_than_is_compared(filled: Store) -> None:
    wide = dict.fromkeys(("name", "original_name", "patient_id", "accession", "modality"), "A" * 70000)
    entry = SimpleNamespace(**wide, entered="3261124", image_uid="")
    given = filled.read(lambda connection: read_given(connection, entry))
    assert {len(given.name), len(given.patient_id), len(given.accession)} == {LONGEST}


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_are_given_than_were_asked_for_and_the_likest_come_first(most: int, filled: Store) -> None:
    found = filled.read(lambda connection: find_candidates(connection, replace(RIGHT, accession=""), most))
    assert len(found) == most
    assert [it.score for it in found] == sorted((it.score for it in found), reverse=True)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # PostgreSQL chooses its plans by how much there is
def test_looking_goes_through_indexes_however_many_patients_there_are(filled: Store) -> None:
    with statements_of(filled) as statements:
        filled.read(lambda connection: find_candidates(connection, replace(RIGHT, patient_id="1008500002V465999"), 10))
        filled.read(lambda connection: find_candidates(connection, RIGHT, 10))
    steps = [step for plan in statements.plans(filled).values() for step in plan]
    assert len(statements.seen) >= 8
    assert [step for step in steps if step.startswith("SCAN")] == []
    assert any("USING INDEX ix_patient_ssn" in step for step in steps)


def test_a_study_of_the_list_is_compared_with_its_header_too(make_broker: MakeBroker, request: pytest.FixtureRequest) -> None:
    entry = {
        "ien": 1,
        "file_path": "1.dcm",
        "reason": "BAD CASE #",
        "entered": "3260213",
        "machine": "GWA",
        "study_uid": "8.1",
        "image_uid": "8.1.1",
        "name": "FERNANDES,ANA",
        "original_name": "FERNANDES~ANA",
        "patient_id": "666-01-4325",
        "accession": "021226-999",
        "modality": "MR",
        "first_of_study": True,
    }
    header = {"0010,0030": {"vr": "DA", "values": ["19880617"]}, "0010,0040": {"vr": "CS", "values": ["F"]}}

    def fail(connection: Connection) -> None:
        connection.execute(insert(DicomFailedImage), [entry])
        connection.execute(insert(ImageHeader), [{"uid": "8.1.1", "elements": json.dumps(header), "size": 0}])

    broker = make_broker(more=SITE)
    broker.store.transact(fill)
    broker.store.transact(fail)
    client = broker.client(UNA.access, UNA.verify, "MAGB GATEWAY")

    request.addfinalizer(client.bye)

    def ask(**asked: object) -> Any:
        return answer_of(client.call("MAGB CORRECT CANDIDATES", {key: str(value) for key, value in asked.items()}).text)

    told = ask(STUDY=1, LIMIT=2)
    assert told["given"] == {
        "name": "FERNANDES~ANA",
        "patient_id": "666-01-4325",
        "accession": "021226-999",
        "modality": "MR",
        "birth_date": "19880617",
        "sex": "F",
        "exam_date": "20260213",
    }
    first, second = told["candidates"]
    assert (first["dfn"], first["accession"]) == (ANA, "021226-203")
    assert first["score"] > second["score"] + 10
    scores = {it["field"]: it["score"] for it in first["fields"]}
    assert scores["patient_id"] == scores["birth_date"] == scores["sex"] == scores["modality"] == 1.0
    assert 0.8 < scores["name"] < 1.0
    assert (scores["accession"], scores["exam_date"]) == (0.0, 0.8)
    with pytest.raises(NotFound, match="no entry 9"):
        ask(STUDY=9)
    with pytest.raises(BadRequest, match="LIMIT"):
        ask(STUDY=1, LIMIT=MOST_COMPARED)
