"""Keys of queries: what people write, the identifier that it makes, and what is said of an answer."""

from __future__ import annotations

import pytest
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset

from gateway_client import BadQuery
from gateway_client.query_retrieve.keys import SYNTAXES, decode, encode, identifier_of, parse_key, to_json
from gateway_client.query_retrieve.query import question, wanted_objects
from gateway_client.query_retrieve.retrieval import TRANSFER_SYNTAXES, storage_contexts

_STEP = {"00400100": {"vr": "SQ", "Value": [{"00080060": {"vr": "CS", "Value": ["CT"]}}]}}
CASES = [
    ("PatientName=DOE*", {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "DOE*"}]}}),
    ("0010,0010=DOE*", {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "DOE*"}]}}),
    ("(0010,0010)=A=B", {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "A", "Ideographic": "B"}]}}),
    ("PatientID", {"00100020": {"vr": "LO"}}),
    ("StudyDate=20260101-20260131", {"00080020": {"vr": "DA", "Value": ["20260101-20260131"]}}),
    ("StudyInstanceUID=1.2\\1.3", {"0020000D": {"vr": "UI", "Value": ["1.2", "1.3"]}}),
    ("Rows=512", {"00280010": {"vr": "US", "Value": [512]}}),
    ("0009,1001:LO=x", {"00091001": {"vr": "LO", "Value": ["x"]}}),
    ("RequestAttributesSequence", {"00400275": {"vr": "SQ", "Value": []}}),
    ("ScheduledProcedureStepSequence[0].Modality=CT", _STEP),
    ("0040,0100[0].0008,0060=CT", _STEP),
]  # fmt: skip


@pytest.mark.parametrize(("text", "written"), CASES, ids=[text for text, _written in CASES])
def test_a_key_stands_in_the_identifier_as_it_was_written(text: str, written: dict[str, object]) -> None:
    assert identifier_of([parse_key(text)]).to_json_dict() == written


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("text", [text for text, _written in CASES if text != "0009,1001:LO=x"])
def test_an_identifier_is_read_as_it_was_written(text: str, syntax: str) -> None:
    identifier = identifier_of([parse_key(text)], "STUDY")
    assert decode(encode(identifier, syntax), syntax) == identifier


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("PatientsName=x", "is it PatientName?"),
        ("patientname=x", "is it PatientName?"),
        ("=x", "is no key"),
        ("Patient Name=x", "is no key"),
        ("0009,1001=x", "write its VR"),
        ("PatientName.PatientID=x", "before a dot is an item"),
        ("ScheduledProcedureStepSequence.Modality=CT", "before a dot is an item"),
        ("PatientName[0]=x", "only sequences"),
        ("ScheduledProcedureStepSequence=x", "by the attributes of its items"),
        ("Rows=many", "no value of Rows"),
        ("ScheduledProcedureStepSequence[3].Modality=CT", "Item 3"),
    ],
)
def test_what_is_no_key_is_said_with_what_it_may_mean(text: str, said: str) -> None:
    with pytest.raises(BadQuery) as refused:
        identifier_of([parse_key(text)])
    assert said in str(refused.value)


def test_keys_of_one_sequence_stand_in_one_item() -> None:
    words = ["ScheduledProcedureStepSequence[0].Modality=CT", "ScheduledProcedureStepSequence[0].ScheduledStationAETitle=ROOM1"]
    (item,) = identifier_of([parse_key(word) for word in words]).ScheduledProcedureStepSequence
    assert (item.Modality, item.ScheduledStationAETitle) == ("CT", "ROOM1")


def test_names_that_are_not_ascii_go_as_utf_8_and_come_back() -> None:
    sent = encode(identifier_of([parse_key("PatientName=Müller^Ägid")]), SYNTAXES[0])
    assert "Müller^Ägid".encode() in sent
    answer = decode(sent, SYNTAXES[0])
    assert (answer.SpecificCharacterSet, parse_key("PatientName").text(answer)) == ("ISO_IR 192", "Müller^Ägid")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ModalitiesInStudy", "CT\\MR"),
        ("PatientID", ""),
        ("RequestAttributesSequence", "1 items"),
        ("RequestAttributesSequence[0].ScheduledProcedureStepID", "7"),
        ("RequestAttributesSequence[1].ScheduledProcedureStepID", ""),
        ("StudyDate", "20260101"),
        ("SeriesNumber", ""),
    ],
)
def test_an_answer_is_told_as_text(text: str, said: str) -> None:
    item, answer = Dataset(), Dataset()
    item.ScheduledProcedureStepID = "7"
    answer.ModalitiesInStudy, answer.StudyDate, answer.SeriesNumber = ["CT", "MR"], "20260101", None
    answer.RequestAttributesSequence = [item]
    assert parse_key(text).text(answer) == said


def test_a_value_that_cannot_be_read_is_told_as_such() -> None:
    answer = decode(b"\x28\0\x10\0US\3\0abc", SYNTAXES[0])
    assert parse_key("Rows").text(answer).startswith("? ")
    assert to_json(answer) == {"00280010": {"vr": "UN", "InlineBinary": "YWJj"}}


def test_json_has_values_that_break_their_rules() -> None:
    value = b"A VALUE LONGER THAN SH ALLOWS"
    answer = decode(b"\x08\0\x50\0SH" + len(value + b" ").to_bytes(2, "little") + value + b" ", SYNTAXES[0])
    with disable_value_validation():  # as commands do
        told = to_json(answer)
    assert told == {"00080050": {"vr": "SH", "Value": [value.decode()]}}


@pytest.mark.parametrize(
    ("words", "level"),
    [
        (["PatientID=1"], "patient"),
        (["StudyInstanceUID=1.2"], "study"),
        (["StudyInstanceUID=1.2", "SeriesInstanceUID=1.3"], "series"),
        (["StudyInstanceUID=1.2", "SeriesInstanceUID=1.3", "SOPInstanceUID=1.4\\1.5"], "image"),
    ],
)
def test_the_lowest_unique_key_is_the_level_of_a_retrieval(words: list[str], level: str) -> None:
    told, query = wanted_objects(".2", None, words)
    assert (told, query.identifier.QueryRetrieveLevel) == (level, level.upper())


def test_a_retrieval_without_a_unique_key_is_refused() -> None:
    with pytest.raises(BadQuery, match="Say what is wanted"):
        wanted_objects(".2", None, ["PatientName=DOE*"])


def test_keys_without_a_value_take_the_place_of_what_a_level_tells_by_itself() -> None:
    usual = [column.heading for column in question("study", None, ["PatientID=1"]).columns]
    chosen = [column.heading for column in question("study", None, ["PatientID=1", "StudyInstanceUID"]).columns]
    assert (usual[0], len(usual), chosen) == ("PatientID", 9, ["PatientID", "StudyInstanceUID"])


def test_the_study_root_has_no_patients() -> None:
    with pytest.raises(BadQuery, match="has no patients"):
        question("patient", "study", [])


@pytest.mark.parametrize(("classes", "contexts"), [(1, 16), (7, 112), (8, 120), (100, 100), (200, 127)])
def test_each_sop_class_is_proposed_with_every_transfer_syntax_and_none_beyond_what_an_association_has(
    classes: int, contexts: int
) -> None:
    proposed = storage_contexts([f"1.2.{number}" for number in range(classes)])
    assert len(proposed) == contexts
    assert {syntax for sop_class, syntaxes in proposed for syntax in syntaxes if sop_class == "1.2.0"} == set(TRANSFER_SYNTAXES)
