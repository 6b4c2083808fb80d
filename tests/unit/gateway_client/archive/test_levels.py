"""Levels of the information models, and the unique keys above them."""

from __future__ import annotations

from typing import Any

import pytest

from dul import RequestRefused
from dul.status import IDENTIFIER_DOES_NOT_MATCH
from gateway_client.archive.entities import LEVELS
from gateway_client.archive.levels import MODELS, UNIQUE_KEYS, check_hierarchy, level_of, model_of

PATIENT, STUDY, PATIENT_STUDY = (f"1.2.840.10008.5.1.4.1.2.{number}.1" for number in (1, 2, 3))
ID, UID, SERIES_UID = UNIQUE_KEYS["PATIENT"], UNIQUE_KEYS["STUDY"], UNIQUE_KEYS["SERIES"]


@pytest.mark.parametrize(
    ("sop_class", "levels"),
    [(PATIENT, LEVELS), (STUDY, LEVELS[1:]), (PATIENT_STUDY, LEVELS[:2])],
)
@pytest.mark.parametrize("level", [*LEVELS, "FRAME", "study", ""])
def test_a_level_is_one_of_its_model(sop_class: str, levels: tuple[str, ...], level: str) -> None:
    identifier = {"00080052": [level] if level else []}
    if level in levels:
        assert level_of(identifier, model_of(sop_class), LEVELS) == level
    else:
        with pytest.raises(RequestRefused) as refused:
            level_of(identifier, model_of(sop_class), LEVELS)
        assert refused.value.status == IDENTIFIER_DOES_NOT_MATCH
        assert 0 < len(refused.value.comment) <= 64


def test_a_level_that_an_entity_does_not_answer_is_refused() -> None:
    for sop_class, level in ((PATIENT, "SERIES"), (STUDY, "IMAGE")):
        with pytest.raises(RequestRefused, match="STUDY"):
            level_of({"00080052": [level]}, model_of(sop_class), LEVELS[:2])


@pytest.mark.parametrize("identifier", [{}, {"00080052": ["STUDY", "SERIES"]}])
def test_there_is_one_level(identifier: dict[str, Any]) -> None:
    with pytest.raises(RequestRefused, match="Query/Retrieve Level"):
        level_of(identifier, MODELS["1.2.840.10008.5.1.4.1.2.1."], LEVELS)


@pytest.mark.parametrize(
    ("sop_class", "level", "keys", "fits"),
    [
        (PATIENT, "PATIENT", {}, True),
        (PATIENT, "STUDY", {ID: ["P1"]}, True),
        (PATIENT, "STUDY", {}, False),
        (PATIENT, "STUDY", {ID: []}, False),
        (PATIENT, "STUDY", {ID: ["*"]}, False),
        (PATIENT, "STUDY", {ID: ["P*"]}, False),
        (PATIENT, "STUDY", {ID: ["P?"]}, False),
        (PATIENT, "STUDY", {ID: ["P1", "P2"]}, False),
        (PATIENT, "SERIES", {ID: ["P1"], UID: ["1.2"]}, True),
        (PATIENT, "SERIES", {UID: ["1.2"]}, False),
        (PATIENT, "SERIES", {ID: ["P1"], UID: ["1.2", "1.3"]}, False),
        (PATIENT, "IMAGE", {ID: ["P1"], UID: ["1.2"], SERIES_UID: ["1.2.1"]}, True),
        (PATIENT, "IMAGE", {ID: ["P1"], UID: ["1.2"]}, False),
        (STUDY, "STUDY", {}, True),
        (STUDY, "SERIES", {UID: ["1.2"]}, True),
        (STUDY, "SERIES", {}, False),
        (STUDY, "IMAGE", {SERIES_UID: ["1.2.1"]}, False),
        (PATIENT_STUDY, "STUDY", {ID: ["P1"]}, True),
        (PATIENT_STUDY, "STUDY", {UID: ["1.2"]}, False),
    ],
)
def test_the_levels_above_have_their_unique_keys(sop_class: str, level: str, keys: dict[str, list[str]], fits: bool) -> None:
    if fits:
        check_hierarchy(keys, model_of(sop_class), level)
    else:
        with pytest.raises(RequestRefused) as refused:
            check_hierarchy(keys, model_of(sop_class), level)
        assert refused.value.status == IDENTIFIER_DOES_NOT_MATCH


def test_other_sop_classes_have_no_model() -> None:
    with pytest.raises(RequestRefused):
        model_of("1.2.840.10008.5.1.4.31")
