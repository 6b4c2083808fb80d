"""What the broker is asked for the keys of an identifier, and what is told of a match."""

from __future__ import annotations

from typing import Any

import pytest

from dul import RequestRefused
from dul.status import IDENTIFIER_DOES_NOT_MATCH, OUT_OF_RESOURCES
from gateway_client.archive.entities import ApplicationEntity, EntityRole
from gateway_client.archive.levels import model_of
from gateway_client.archive.questions import MEDCOM_HEADER, MOST_KEYS, Question, read_question

PATIENT, STUDY = (model_of(f"1.2.840.10008.5.1.4.1.2.{number}.1") for number in (1, 2))
LEVEL, RETRIEVE, AVAILABILITY, FILE_SET = "00080052", "00080054", "00080056", "00880130"
SEQUENCE, PROCEDURE = "00400275", "00401001"
NESTED = f"{SEQUENCE}>{PROCEDURE}"


def entity(role: EntityRole = EntityRole.SHORT_TERM, **changes: Any) -> ApplicationEntity:
    return ApplicationEntity(role, "ROOTDQRY", **changes)


def asked(keys: dict[str, list[Any]], at: ApplicationEntity | None = None, level: str = "STUDY") -> Question:
    return read_question({LEVEL: [level], **keys}, PATIENT if level == "PATIENT" else STUDY, at or entity())


def match(state: str = "INSTORE", **tags: list[str]) -> dict[str, Any]:
    return {"tags": tags, "state": state, "locations": ["RAID1", "RAID2"], "seconds": 90, "bytes": 3 << 20}


def test_the_broker_is_asked_for_the_keys_as_they_are() -> None:
    keys = {"00100010": ["DOE^J*"], "0020000D": ["1.2", "1.3"], "00080061": []}
    question = asked({**keys, "00080005": ["ISO_IR 192"], "00080201": ["+0100"]}, entity(fold_names=True))
    assert question.request == {"level": "STUDY", "root": "STUDY", "relational": True, "fold_names": True, "keys": keys}
    assert not question.incomplete


def test_each_answer_has_the_level_who_can_be_asked_and_where_the_images_are() -> None:
    answer = asked({"00100010": []}).answer(match("NEAR-LINE", **{"00100010": ["DOE"]}))
    assert answer == {LEVEL: ("STUDY",), "00100010": ["DOE"], RETRIEVE: ["ROOTDQRY"], FILE_SET: ["NEAR-LINE"]}


@pytest.mark.parametrize(
    ("state", "availability", "seconds"),
    [("INSTORE", "ONLINE", "90"), ("NEAR-LINE", "NEARLINE", "90"), ("OFFLINE", "OFFLINE", "-1")],
)
def test_availability_and_the_private_elements_are_told_when_they_are_asked_for(
    state: str, availability: str, seconds: str
) -> None:
    keys: dict[str, list[Any]] = {"00290012": [MEDCOM_HEADER], "00291253": [], "00291254": [], "00291255": [], AVAILABILITY: []}
    question = asked(keys)
    answer = question.answer(match(state))
    assert answer[AVAILABILITY] == [availability]
    assert answer["00290012"] == (MEDCOM_HEADER,)
    assert [answer[tag] for tag in ("00291253", "00291254", "00291255")] == [[availability], [seconds], ["3.000"]]
    assert answer[FILE_SET] == [state]
    assert question.vrs == {"00291253": "CS", "00291254": "DS", "00291255": "DS"}
    assert question.request["keys"] == {}
    assert not question.incomplete


def test_at_patient_level_there_is_no_file_set() -> None:
    question = asked({"00100020": [], AVAILABILITY: []}, level="PATIENT")
    assert question.answer(match(**{"00100020": ["P1"]})) == {
        LEVEL: ("PATIENT",),
        "00100020": ["P1"],
        RETRIEVE: ["ROOTDQRY"],
        AVAILABILITY: ["ONLINE"],
    }
    assert asked({FILE_SET: []}, level="PATIENT").request["keys"] == {FILE_SET: []}  # the broker says that it is not supported


def test_a_long_term_entity_tells_the_short_term_ones_too_that_hold_images() -> None:
    titles = {"RAID2": "B_DQRY", "RAID1": "A_DQRY", "RAID3": "C_DQRY"}
    at = entity(EntityRole.LONG_TERM, short_term_titles=titles)
    assert asked({}, at).answer(match())[RETRIEVE] == ["ROOTDQRY", "A_DQRY", "B_DQRY"]
    assert asked({}, entity(EntityRole.LONG_TERM)).answer(match())[RETRIEVE] == ["ROOTDQRY"]
    assert asked({}, entity(short_term_titles=titles)).answer(match())[RETRIEVE] == ["ROOTDQRY"]


@pytest.mark.parametrize(
    ("keys", "incomplete"),
    [
        ({RETRIEVE: []}, False),
        ({RETRIEVE: ["*"]}, False),
        ({RETRIEVE: ["OTHER"]}, True),
        ({FILE_SET: ["INSTORE"]}, True),
        ({AVAILABILITY: ["ONLINE"]}, True),
        ({"00290010": [MEDCOM_HEADER], "00291053": ["ONLINE"]}, True),
        ({"00290010": [MEDCOM_HEADER], "00291050": []}, True),
        ({"00290010": ["SIEMENS CSA HEADER"], "00291053": []}, True),
        ({"00291053": []}, True),
        ({"00310010": [MEDCOM_HEADER], "00311053": []}, True),
        ({"00290010": [MEDCOM_HEADER], "00291053": [{"00401001": ["RP1"]}]}, True),
        ({"00290010": ["SIEMENS CSA HEADER"]}, False),
        ({"77771234": [{"00100010": ["DOE"]}]}, True),
    ],
)
def test_keys_that_are_not_supported_here_are_known(keys: dict[str, list[Any]], incomplete: bool) -> None:
    question = asked(keys)
    assert question.incomplete is incomplete
    assert question.request["keys"] == {}


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({PROCEDURE: ["RP1"]}, ["RP1"]),
        ({PROCEDURE: []}, []),
        ({SEQUENCE: []}, []),
        ({SEQUENCE: [{}]}, []),
        ({SEQUENCE: [{PROCEDURE: ["RP1"]}]}, ["RP1"]),
        ({SEQUENCE: [{PROCEDURE: ["RP1"]}], PROCEDURE: []}, ["RP1"]),
        ({SEQUENCE: [], PROCEDURE: ["RP1"]}, ["RP1"]),
    ],
)
@pytest.mark.parametrize("wrap", [True, False])
def test_a_requested_procedure_id_is_asked_for_in_its_sequence_and_told_there(
    keys: dict[str, list[Any]], wanted: list[str], wrap: bool
) -> None:
    question = asked(keys, entity(wrap_request_attributes=wrap), level="SERIES")
    assert question.request["keys"] == {NESTED: wanted}
    answer = question.answer(match(**{NESTED: ["RP1", "RP2"]}))
    if wrap or SEQUENCE in keys:
        assert answer[SEQUENCE] == [{PROCEDURE: ["RP1"]}, {PROCEDURE: ["RP2"]}]
        assert PROCEDURE not in answer
    else:
        assert answer[PROCEDURE] == ["RP1", "RP2"]
        assert SEQUENCE not in answer


def test_a_sequence_of_which_nothing_is_known_is_told_without_items() -> None:
    answer = asked({SEQUENCE: [{PROCEDURE: []}]}, level="SERIES").answer(match(**{NESTED: []}))
    assert answer[SEQUENCE] == []


def test_other_attributes_of_sequences_are_asked_for_by_their_paths() -> None:
    keys = {"00081110": [], "00400275": [{"00400008": [{"00080100": ["C"]}], "00400009": []}]}
    question = asked(keys, level="SERIES")
    assert question.request["keys"] == {"00081110": [], "00400275>00400008>00080100": ["C"], "00400275>00400009": []}
    answer = question.answer(match(**{"00400275>00400009": ["S1", "S2"], "00400275>00400008>00080100": ["C"]}))
    assert answer[SEQUENCE] == [{"00400009": ["S1"], "00400008": [{"00080100": ["C"]}]}, {"00400009": ["S2"]}]


def test_a_sequence_with_two_items_is_refused() -> None:
    with pytest.raises(RequestRefused) as refused:
        asked({SEQUENCE: [{PROCEDURE: ["A"]}, {PROCEDURE: ["B"]}]}, level="SERIES")
    assert refused.value.status == IDENTIFIER_DOES_NOT_MATCH


def test_more_keys_than_a_question_has_are_refused() -> None:
    keys: dict[str, list[Any]] = {f"0018{number:04X}": [] for number in range(0x1000, 0x1000 + MOST_KEYS)}
    assert len(asked(keys).request["keys"]) == MOST_KEYS
    with pytest.raises(RequestRefused) as refused:
        asked({**keys, "00100010": []})
    assert refused.value.status == OUT_OF_RESOURCES


def test_an_entity_that_is_not_relational_wants_the_keys_of_the_levels_above() -> None:
    at = entity(relational=False)
    assert asked({"0020000D": ["1.2"]}, at, "SERIES").request["relational"] is False
    with pytest.raises(RequestRefused) as refused:
        asked({}, at, "SERIES")
    assert refused.value.status == IDENTIFIER_DOES_NOT_MATCH
    assert asked({}, entity(), "SERIES").request["relational"] is True


def test_an_entity_that_answers_patients_and_studies_only_refuses_the_levels_below() -> None:
    at = entity(EntityRole.LONG_TERM, study_level_only=True)
    assert asked({}, at).level == "STUDY"
    with pytest.raises(RequestRefused):
        asked({"0020000D": ["1.2"]}, at, "SERIES")
