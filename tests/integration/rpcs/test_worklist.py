"""MAGB WORKLIST answers what a plain matcher in Python finds, a page at a time, with an index for every key that has one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from fileman import SiteKey, Store
from fileman.worklist import add_steps
from tests.support.broker import RunningBroker
from tests.support.query_plans import statements_of
from tests.support.worklist_model import (
    AE,
    ALL_PATHS,
    DATE,
    MODALITY,
    NAME,
    PATIENT_ID,
    STATUS,
    TIME,
    Keys,
    entries,
    found,
    queries,
)
from xwb import BrokerClient

ENTRIES = entries(120)


class Worklist:
    """A gateway that asks for the worklist."""

    def __init__(self, client: BrokerClient) -> None:
        self._client = client

    def ask(self, keys: Keys, after: str = "", count: int = 1000, **more: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Ask once; give the head and the matches."""
        text = json.dumps({"ae_title": "CT1", "keys": keys, **more})
        pieces = {number: text[at : at + 16000] for number, at in enumerate(range(0, len(text), 16000), start=1)}
        head, *lines = self._client.call("MAGB WORKLIST", pieces, after, str(count)).lines
        return json.loads(head), [json.loads(line)["tags"] for line in lines]

    def accessions(self, keys: Keys, **more: Any) -> list[str]:
        """Give the accession numbers of the matches."""
        head, matches = self.ask({**keys, "00080050": keys.get("00080050", [])}, **more)
        assert head["more"] is None, head
        return [accession for match in matches for accession in match["00080050"]]


@pytest.fixture
def filled(oracle_store: Store) -> Store:
    oracle_store.transact(lambda connection: add_steps(connection, ENTRIES))
    return oracle_store


@pytest.fixture
def worklist(filled: Store, site_key: SiteKey) -> Iterator[Worklist]:
    broker = RunningBroker(filled, site_key)
    with broker.client("FAKEPRG1", "1PRG!@#$") as client:
        yield Worklist(client)
    broker.stop()


def expected(keys: Keys, *, fold: bool = False) -> list[str]:
    return [str(entry["accession"]) for entry in ENTRIES if found(entry, keys, fold=fold)]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=queries())
def test_the_answer_is_what_a_plain_matcher_finds(worklist: Worklist, keys: Keys) -> None:
    assert worklist.accessions(keys) == expected(keys)


@pytest.mark.parametrize(
    ("keys", "fold"),
    [
        ({NAME: ["doe*"]}, True),
        ({NAME: ["doe*"]}, False),
        ({NAME: ["*=山田"]}, False),
        ({NAME: ["山*"]}, False),
        ({NAME: ["YAMADA*=山田=やまだ"]}, False),
        ({NAME: ["==やまだ"]}, False),
        ({NAME: ["DE [X]*"]}, False),
        ({NAME: ["100%*"]}, False),
        ({f"{AE}": ["US?"]}, False),
        ({f"{AE}": ["CT?"]}, False),
        ({DATE: ["20261121-20261122"], TIME: ["1000-1800"]}, False),
        ({DATE: ["20261121-"], TIME: ["12-"]}, False),
        ({DATE: ["20261122"], TIME: ["10-12"]}, False),
        ({TIME: ["103000"]}, False),
        ({STATUS: ["COMPLETED"]}, False),
        ({"0020000D": [str(ENTRIES[0]["study_uid"]), str(ENTRIES[3]["study_uid"])], STATUS: ["SCHEDULED", "STARTED"]}, False),
    ],
    ids=str,
)
def test_what_is_special_in_names_dates_and_titles_matches_as_in_dicom(worklist: Worklist, keys: Keys, fold: bool) -> None:
    assert worklist.accessions(keys, fold_names=fold) == expected(keys, fold=fold)


def test_names_are_found_however_their_accents_are_written_where_they_are_folded(worklist: Worklist) -> None:
    exactly = worklist.accessions({NAME: ["Müller*"]})
    assert exactly
    for written in ("mÜLLER*", "mu\u0308ller*"):
        assert worklist.accessions({NAME: [written]}, fold_names=True) == exactly
        assert worklist.accessions({NAME: [written]}) == []
    assert worklist.accessions({NAME: ["muller*"]}, fold_names=True) == [], "another name"


def test_pages_follow_each_other_without_a_gap(worklist: Worklist) -> None:
    keys: Keys = {"00080050": []}
    seen, after = [], ""
    while True:
        head, matches = worklist.ask(keys, after, 7)
        seen += [match["00080050"][0] for match in matches]
        if head["more"] is None:
            break
        assert len(matches) == 7
        after = head["more"]
    assert seen == expected({})


def test_every_attribute_is_told_where_it_was_asked_for_and_others_are_named(worklist: Worklist) -> None:
    entry = next(entry for entry in ENTRIES if entry["open"] and entry["allergies"])
    head, (match,) = worklist.ask({path: [] for path in ALL_PATHS} | {"00080050": [str(entry["accession"])], "00091001": []})
    assert head["unsupported"] == ["00091001"]
    (step,) = match["00400100"]
    assert (match["00100010"], match["00102110"]) == ([entry["patient_name"]], str(entry["allergies"]).split("\\"))
    assert (step["00400002"], step["00080060"]) == ([entry["start_date"]], [entry["modality"]])
    assert match["00321064"] == step["00400008"] == [], "there are no codes"
    assert set(match) == {path.split(">")[0] for path in ALL_PATHS}


def test_an_empty_sequence_is_told_whole(worklist: Worklist) -> None:
    _, (match, *_) = worklist.ask({"00400100": [], "00081110": [], "00081120>00081150": []})
    assert len(match["00400100"][0]) == 14
    assert (match["00081110"], match["00081120"]) == ([], [])


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"keys": []}, "keys is to be an object"),
        ({"keys": {"00100010": "DOE"}}, "00100010 is to have a list of texts"),
        ({"keys": {"00100010": ["x" * 257]}}, "more than 1000 values, or one of more than 256"),
        ({"keys": {f"{number:08}": [] for number in range(301)}}, "more than 300 keys"),
        ({"keys": {"00100010": ["*a" * 20]}}, "more than 12 wild cards"),
        ({"keys": {"00100010": ["A=B=C=D"]}}, "more than 3 groups"),
        ({"keys": {"00100010": [f"N{number}*" for number in range(101)]}}, "more than 100 values"),
        ({"keys": {DATE: ["20261121"] * 101}}, "more than 100 values"),
        ({"keys": {DATE: ["tomorrow"]}}, "neither a date nor a range"),
        ({"keys": {DATE: ["-"]}}, "neither a date nor a range"),
        ({"keys": {TIME: ["noon"]}}, "neither a time nor a range"),
        ({"keys": {"00101030": ["heavy"]}}, "neither a number nor a range"),
        ({"keys": {}, "view": {"institution": "NOWHERE"}}, "there is no institution"),
        ({"keys": {}, "view": {"types": ["CT"]}}, "each of view.types"),
        ({"keys": {}, "view": []}, "view is to be an object"),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
def test_a_query_that_cannot_be_carried_out_is_told_why(worklist: Worklist, request_: dict[str, Any], error: str) -> None:
    (line,) = worklist._client.call("MAGB WORKLIST", {1: json.dumps(request_)}, "", "").lines
    told = json.loads(line)
    assert error in told["error"]
    assert told["status"] in ("A900", "C001")


def test_what_is_no_json_is_told_so(worklist: Worklist) -> None:
    (line,) = worklist._client.call("MAGB WORKLIST", {1: "[" * 9000}, "", "").lines
    assert "JSON" in json.loads(line)["error"]


def test_an_instrument_sees_its_imaging_types_only(worklist: Worklist) -> None:
    seen = worklist.accessions({}, view={"institution": "660", "types": [["RAD", "CT", ""], ["RAD", "MRI", ""]]})
    assert seen == expected({MODALITY: ["CT", "MR"]})
    assert worklist.accessions({}, view={"types": [["CON", "CARDIO", "*"]]}) == []


def test_a_case_number_finds_the_accession_number_that_ends_in_it(filled: Store, worklist: Worklist) -> None:
    row = {**ENTRIES[0], "accession": "112326-77", "step_id": "1", "status": "SCHEDULED"}
    filled.transact(lambda connection: add_steps(connection, [row]))
    assert worklist.accessions({"00080050": ["77"]}) == []
    assert worklist.accessions({"00080050": ["77"]}, view={"accession": "SHORT"}) == ["112326-77"]


INDEXED = [
    ({PATIENT_ID: ["000007"]}, "ix_scheduled_step_patient_id (patient_id=?"),
    ({PATIENT_ID: ["0000*"]}, "ix_scheduled_step_patient_id (patient_id>?"),
    ({"00080050": ["ACC00007"]}, "scheduled_step_1 (accession=?"),
    ({"0020000D": ["1.2"]}, "ix_scheduled_step_study_uid (study_uid=?"),
    ({"00401001": ["R7"]}, "ix_scheduled_step_procedure_id (procedure_id=?"),
    ({NAME: ["DOE^*"]}, "ix_scheduled_value_tag_text_step (tag=? AND text>?"),
    ({NAME: ["DOE^JOHN"]}, "ix_scheduled_value_tag_text_step (tag=? AND text=?"),
    ({AE: ["CT1"]}, "ix_scheduled_value_tag_text_step (tag=? AND text=?"),
    ({DATE: ["20261121"]}, "ix_scheduled_step_open_start_at (open=? AND start_at>? AND start_at<?"),
    ({DATE: ["20261121-20261122"]}, "ix_scheduled_step_open_start_at (open=? AND start_at>? AND start_at<?"),
    ({MODALITY: ["CT"], DATE: ["20261121-"]}, "ix_scheduled_step_open_modality_start_at (open=? AND modality=? AND start_at>?"),
    ({DATE: ["20261121-20261122"], TIME: ["0800-1200"]}, "ix_scheduled_step_open_start_at (open=? AND start_at>? AND start_at<?"),
    ({}, "ix_scheduled_step_open_ien (open=? AND ien>?"),
    ({"00100040": ["F"]}, "ix_scheduled_step_open_ien (open=? AND ien>?"),
]


@pytest.mark.parametrize(("keys", "index"), INDEXED, ids=str)
def test_every_look_up_uses_the_index_of_its_keys(filled: Store, worklist: Worklist, keys: Keys, index: str) -> None:
    with statements_of(filled) as statements:
        worklist.ask({**keys, "00080050": keys.get("00080050", [])})
    if not filled.sqlite:
        assert statements.seen
        return
    plans = {text: steps for text, steps in statements.plans(filled).items() if "scheduled_" in text}
    assert any(index in step for steps in plans.values() for step in steps), plans
    for text, steps in plans.items():
        assert not [step for step in steps if step.startswith("SCAN") and "INDEX" not in step], (text, steps)
