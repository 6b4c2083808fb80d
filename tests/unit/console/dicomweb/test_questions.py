"""Queries of DICOMweb read into what the archive is asked, and matches told as DICOM JSON."""

from __future__ import annotations

from typing import Any

import pytest

from console.web.dicomweb.archive import Wanted
from console.web.dicomweb.dicom_json import attributes_json, encode_json
from console.web.dicomweb.errors import BadAsked
from console.web.dicomweb.questions import MOST_MATCHES, path_of, read_question
from console.web.dicomweb.searches import PAGES, QUERIES, Beginnings
from rpcs.archive import ATTRIBUTES, Level

STUDY, SERIES, IMAGE = Level.STUDY, Level.SERIES, Level.IMAGE
ALL = Wanted()


def asked(level: Level, *pairs: tuple[str, str], wanted: Wanted = ALL) -> dict[str, Any]:
    return dict(read_question(level, wanted, pairs).conditions["keys"])


@pytest.mark.parametrize(
    ("level", "pair", "keys"),
    [
        (STUDY, ("PatientName", "DOE*"), {"00100010": ["DOE*"]}),
        (STUDY, ("00100010", "DOE*"), {"00100010": ["DOE*"]}),
        (STUDY, ("0020000d", "1.2,3.4\\5.6"), {"0020000D": ["1.2", "3.4", "5.6"]}),
        (STUDY, ("PatientName", "DOE,JOHN"), {"00100010": ["DOE,JOHN"]}),  # a comma parts UIDs alone
        (STUDY, ("StudyDate", "20200101-"), {"00080020": ["20200101-"]}),
        (STUDY, ("ModalitiesInStudy", "CT"), {"00080061": ["CT"]}),
        (SERIES, ("RequestAttributesSequence.RequestedProcedureID", "A"), {"00400275>00401001": ["A"]}),
        (IMAGE, ("00400275.00401001", "A"), {"00400275>00401001": ["A"]}),
        (IMAGE, ("PatientID", "1"), {"00100020": ["1"]}),
        (STUDY, ("PatientName", ""), {}),
        (STUDY, ("PatientName", "*"), {}),
        (STUDY, ("Modality", "CT"), {}),  # of the level below
        (STUDY, ("PatientComments", "x"), {}),
    ],
)
def test_conditions_are_read_by_keyword_or_tag(level: Level, pair: tuple[str, str], keys: dict[str, Any]) -> None:
    assert asked(level, pair) == keys


def test_what_is_not_matched_is_told_of() -> None:
    question = read_question(STUDY, ALL, [("Modality", "CT"), ("PatientComments", "x"), ("fuzzymatching", "true")])
    fuzzy, unmatched = question.warnings
    assert fuzzy.startswith('299 magbroker "The fuzzymatching parameter is not supported.')
    assert unmatched == '299 magbroker "Not matched at this level: Modality, PatientComments."'
    assert read_question(STUDY, ALL, [("Modality", ""), ("fuzzymatching", "false")]).warnings == ()


def test_paths_are_conditions_too() -> None:
    assert asked(IMAGE, wanted=Wanted("1.2", "3.4")) == {"0020000D": ["1.2"], "0020000E": ["3.4"]}
    assert asked(SERIES, ("StudyInstanceUID", "1.2"), wanted=Wanted("1.2")) == {"0020000D": ["1.2"]}
    with pytest.raises(BadAsked, match="another StudyInstanceUID"):
        read_question(SERIES, Wanted("1.2"), [("StudyInstanceUID", "1.3")])


def given(level: Level, *pairs: tuple[str, str], wanted: Wanted = ALL) -> set[str]:
    return set(read_question(level, wanted, pairs).request["keys"])


def test_what_is_given_goes_by_the_level_and_by_what_is_included() -> None:
    assert {"00100010", "00080020", "0020000D", "00201208"} <= given(STUDY)
    assert "00100010" in given(SERIES)
    below = given(SERIES, wanted=Wanted("1.2"))
    assert {"0020000D", "0020000E", "00080060"} <= below
    assert "00100010" not in below
    assert "00080060" in given(IMAGE, wanted=Wanted("1.2"))
    assert "00080060" not in given(IMAGE, wanted=Wanted("1.2", "3.4"))
    assert "00101000" in given(STUDY, ("includefield", "StudyID,OtherPatientIDs"))
    assert "00080021" not in given(STUDY, ("includefield", "SeriesDate"))
    assert "00400275>00401001" in given(IMAGE, ("includefield", "RequestAttributesSequence"), wanted=Wanted("1.2", "3.4"))
    assert given(IMAGE, ("includefield", "all")) == {tag for tag, it in ATTRIBUTES.items() if it.level <= IMAGE}
    assert "00100030" in given(STUDY, ("PatientBirthDate", "20200101"))


def test_limit_and_offset_have_bounds() -> None:
    question = read_question(STUDY, ALL, [("limit", "7"), ("offset", "9")])
    assert (question.limit, question.offset, question.unlimited) == (7, 9, False)
    for pairs in ([], [("limit", "5000")]):
        question = read_question(STUDY, ALL, pairs)
        assert (question.limit, question.unlimited) == (MOST_MATCHES, True)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("Nonsense", "x", "'Nonsense' is no attribute"),
        ("0010001", "x", "no attribute"),
        ("PatientName.PatientID", "x", "no sequence"),
        ("limit", "-1", "whole number"),
        ("limit", "ten", "whole number"),
        ("offset", "9999999999", "whole number"),
        ("fuzzymatching", "perhaps", "true or false"),
        ("includefield", "Nonsense", "no attribute"),
    ],
)
def test_what_cannot_be_understood_is_refused(name: str, value: str, said: str) -> None:
    with pytest.raises(BadAsked, match=said):
        read_question(STUDY, ALL, [(name, value)])


def test_attributes_within_sequences_are_named_with_dots() -> None:
    assert path_of("00400275.RequestedProcedureID") == "00400275>00401001"
    assert path_of("00091001") == "00091001"


def test_matches_are_told_as_dicom_json() -> None:
    told = attributes_json(
        {
            "00100010": ["DOE^JOHN^=山田^太郎=やまだ"],
            "00080020": ["20200102"],
            "00080061": ["CT", "", "MR"],
            "00200013": ["7"],
            "00281050": ["1.5", "x"],
            "00080050": [],
            "00400275": [{"00401001": ["A"]}],
            "00081190": ["http://x/y"],
        }
    )
    assert told["00100010"] == {
        "vr": "PN",
        "Value": [{"Alphabetic": "DOE^JOHN", "Ideographic": "山田^太郎", "Phonetic": "やまだ"}],
    }
    assert told["00080061"] == {"vr": "CS", "Value": ["CT", None, "MR"]}
    assert told["00200013"] == {"vr": "IS", "Value": [7]}
    assert told["00281050"] == {"vr": "DS", "Value": [1.5, "x"]}
    assert told["00080050"] == {"vr": "SH"}
    assert told["00400275"] == {"vr": "SQ", "Value": [{"00401001": {"vr": "SH", "Value": ["A"]}}]}
    assert list(told) == sorted(told)
    assert "山田" in encode_json(told).decode()


def test_where_pages_begin_is_known_for_a_while() -> None:
    known = Beginnings()
    assert known.before("q", 500) == (0, "")
    known.learn("q", 100, "a")
    known.learn("q", 300, "b")
    assert [known.before("q", offset) for offset in (99, 100, 299, 5000)] == [(0, ""), (100, "a"), (100, "a"), (300, "b")]
    for number in range(PAGES):
        known.learn("q", 1000 + number, "c")
    assert known.before("q", 300) == (0, ""), "the oldest are forgotten"
    for number in range(QUERIES):
        known.learn(f"other {number}", 1, "d")
    assert known.before("q", 5000) == (0, "")
