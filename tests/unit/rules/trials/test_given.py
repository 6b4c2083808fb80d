"""Facts as JSON are read as they are meant, and what cannot be meant is told with what to write instead."""

from __future__ import annotations

from typing import Any

import pytest

from rules.trials import TrialError
from rules.trials.given import LOCATION, NOTHING, TASK, lay_over, read_facts, read_moment


def test_keywords_and_elements_are_known_by_any_of_their_names() -> None:
    told = {
        "modality": "CT",
        "BodyPartExamined": "HEAD",
        "SLICE_THICKNESS": 2.5,
        "(0010,0010)": "A^B",
        "PACKAGE": None,
        "TYPE": "",
    }
    values = lay_over(NOTHING, told).facts.values
    assert values == {
        "MODALITY": ("CT",),
        "BODY_PART_EXAMINED": ("HEAD",),
        "SLICE_THICKNESS": ("2.5",),
        "PATIENT_S_NAME": ("A^B",),
    }


def test_a_list_is_a_field_with_several_values() -> None:
    assert lay_over(NOTHING, {"MODALITY": ["CT", "PT", None]}).facts.values == {"MODALITY": ("CT", "PT")}


def test_what_is_not_said_is_taken_from_the_facts() -> None:
    given = lay_over(NOTHING, {"PACS_UID": "1.2.3.4", "RADIOLOGY_REPORT": "061024-101", "urgency": "stat"})
    assert (given.facts.study_uid, given.known.accession, given.facts.urgency) == ("1.2.3.4", "061024-101", "STAT")
    assert (given.location, given.task, given.facts.image) == (LOCATION, TASK, 1)
    assert lay_over(given, {"StudyInstanceUID": "1.2"}).facts.study_uid == "1.2.3.4"  # what is known stays


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({"RADIOLOGY_REPORT": "061224-103"}, True),
        ({"RADIOLOGY_REPORT": "660-061024-101"}, False),
        ({"accession": "660-061024-101", "urgency_found": True}, True),
        ({}, True),
    ],
)
def test_an_urgency_is_not_found_by_an_accession_number_of_the_site(facts: dict[str, Any], found: bool) -> None:
    assert lay_over(NOTHING, facts | {"URGENCY": "STAT"}).facts.urgency_found is found


def test_an_image_without_a_study_can_be_said() -> None:
    assert lay_over(NOTHING, {"study_uid": ""}).facts.study_uid == ""


def test_facts_laid_over_others_replace_and_take_away() -> None:
    base = lay_over(NOTHING, {"MODALITY": "CT", "PACKAGE": "RAD", "image": 7, "group": 6})
    given = lay_over(base, {"MODALITY": "MR", "PACKAGE": None})
    assert given.facts.values == {"MODALITY": ("MR",)}
    assert (given.facts.image, given.facts.group, given.known.group) == (7, 6, 6)


def test_destinations_holidays_and_priors_are_read() -> None:
    prior = {"group": 8, "study_uid": "9.4", "accession": "010123-90", "images": [9, 10]}
    told = {"destinations": {"A": {"number": 14, "files": ["FULL"]}, "B": {}}, "holidays": ["2026-11-26"], "priors": [prior]}
    given = lay_over(NOTHING, told)
    assert [(it.name, it.number, len(it.files)) for it in given.destinations or ()] == [("A", 14, 1), ("B", 2, 5)]
    assert given.holidays == {"3261126"}
    assert given.priors[0].images == (9, 10)


@pytest.mark.parametrize(
    ("text", "fileman"),
    [
        ("SAT 3261121.030449", "SAT 3261121.030449"),
        ("sat 3261121.0304", "SAT 3261121.0304"),
        ("3261121", "SAT 3261121"),
        ("2026-11-21T03:04:49", "SAT 3261121.030449"),
        ("2026-11-21 03:04", "SAT 3261121.0304"),
    ],
)
def test_a_moment_is_read_however_it_is_written(text: str, fileman: str) -> None:
    assert read_moment(text).vista == fileman


@pytest.mark.parametrize("text", ["", "yesterday", "MON 3261121", "3261321", "MON"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(TrialError):
        read_moment(text)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"MODALITY": True}, "a text or a list of texts"),
        ({"MODALITY": {"a": 1}}, "a text or a list of texts"),
        ({"image": "two"}, "a whole number"),
        ({"image": -1}, "a whole number"),
        ({"urgency": "SOON"}, "ROUTINE, URGENT, STAT"),
        ({"urgency_found": 1}, "true or false"),
        ({"holidays": "2026-11-26"}, "a list of days"),
        ({"holidays": ["x"]}, "no moment"),
        ({"destinations": "A"}, "names of destinations"),
        ({"destinations": {"A": {"files": ["MOVIE"]}}}, "file types are"),
        ({"priors": [{"group": 1}]}, "give a list such as"),
    ],
)
def test_a_fact_that_cannot_be_used_is_named_with_what_to_write(facts: dict[str, Any], told: str) -> None:
    with pytest.raises(TrialError, match=told):
        lay_over(NOTHING, facts)


@pytest.mark.parametrize("text", ["", "[1]", "{", "x"])
def test_facts_are_a_json_object(text: str) -> None:
    with pytest.raises(TrialError, match="JSON"):
        read_facts(text)
