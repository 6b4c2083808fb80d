"""The answers of IMAGE PROCESSING, as VistA was recorded to give them, become outcomes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tests.oracle
from gateway_client.acquisition.answers import (
    AlreadyThere,
    Failed,
    Locked,
    Mismatch,
    Processed,
    Stored,
    read_processed_answers,
    read_store_answers,
)
from gateway_client.errors import AnswerMismatch

ORACLE = Path(tests.oracle.__file__).parent
OUTCOMES = {"0": Stored, "-1": AlreadyThere, "-2": Mismatch, "-399": Locked}


def recorded() -> list[Any]:
    """Give the records of one STORE each whose answer is kept."""
    rows = []
    for theme in ("b1_store", "b2_duplicates", "b3_association_errors", "b4_names", "b6_store_failures", "b7_multiframe"):
        for text in (ORACLE / f"{theme}.jsonl").read_text().splitlines():
            record = json.loads(text)
            if record.get("rpc") != "MAG DICOM IMAGE PROCESSING" or not record.get("result"):
                continue
            sent = [value for _, value in record["params"][0]["value"]]
            lines = record["result"]["lines"]
            if len(lines) > 1 and lines[0].isdigit() and sum(line.startswith("STORE2") for line in sent) == 1:
                rows.append(pytest.param(lines, id=record["id"]))
    return rows


@pytest.mark.parametrize("lines", recorded())
def test_every_recorded_answer_to_a_store_is_one_outcome(lines: list[str]) -> None:
    (outcome,) = read_store_answers(lines, 1)
    last = [line for line in lines if line.startswith("STORE|")][-1]
    code = last.split("|")[1].partition(" ")[0].partition("^")[0]
    assert type(outcome) is OUTCOMES.get(code, Failed)
    if isinstance(outcome, Stored):
        assert f"0|{outcome.ien}^{outcome.directory}^{outcome.file}^{int(outcome.hierarchical)}" in last
        assert bool(outcome.warning) is (lines[1].startswith("STORE|1 "))


def test_recorded_answers_are_many() -> None:
    assert len(recorded()) > 40


STORED = "STORE|0|7^\\\\S\\I$\\SL0\\00\\^SL7.DCM^1|DEMO,ONE|666^666|2500115^JAN 15,1950|76|M^MALE|1V1"
DUPLICATE = ["STORE|-1 Image already in database||MAGDIR81|", "MSG||is already", "MSG|END|UID = 1.2"]
PARTIAL = ["STORE|1 Image partially in the database||MAGDIR81|", "MSG||Reprocessing", "MSG|END|which is (#2)"]
CANCELLED = ["STORE|-2 Image Association Problem||MAGDIR81|", "MSG|END|-3,CANCELLED"]
LOCKED = ["STORE|-399^radiology exam locked||MAGDIR81|", "MSG|END|problem"]
CRITICAL = ["STORE|-304|DICOM IMAGE PROCESSING ERROR - X|MAGDIR81|1", "MSG||Who", "MSG||", "MSG|END|"]

TABLE = [
    ([STORED], [Stored(7, "\\\\S\\I$\\SL0\\00\\", "SL7.DCM", True, "DEMO,ONE")]),
    (["STORE|0|7^\\\\S\\^SL7.TGA^0^SL7.BIG|N"], [Stored(7, "\\\\S\\", "SL7.TGA", False, "N")]),
    ([*PARTIAL, STORED], [Stored(7, "\\\\S\\I$\\SL0\\00\\", "SL7.DCM", True, "DEMO,ONE", "Reprocessing which is (#2)")]),
    (DUPLICATE, [AlreadyThere(("is already", "UID = 1.2"))]),
    (CANCELLED, [Mismatch("-3,CANCELLED")]),
    (LOCKED, [Locked("radiology exam locked")]),
    (CRITICAL, [Failed("-304", "DICOM IMAGE PROCESSING ERROR - X", True, ("Who", "", ""))]),
    (['STORE|-101 Expecting STORE2, got "X"'], [Failed('-101 Expecting STORE2, got "X"', "", False, ())]),
    (
        [*CANCELLED, *PARTIAL, STORED, *DUPLICATE],
        [
            Mismatch("-3,CANCELLED"),
            Stored(7, "\\\\S\\I$\\SL0\\00\\", "SL7.DCM", True, "DEMO,ONE", "Reprocessing which is (#2)"),
            AlreadyThere(("is already", "UID = 1.2")),
        ],
    ),
    ([], []),
]


@pytest.mark.parametrize(("lines", "outcomes"), TABLE)
def test_answers_to_several_stores_keep_their_order(lines: list[str], outcomes: list[object]) -> None:
    answer = [str(len(lines) + 1), *lines] if lines else []
    assert read_store_answers(answer, len(outcomes)) == outcomes


@pytest.mark.parametrize(("lines", "expected"), [([], 1), (["2", STORED], 2), (["3", STORED, STORED], 1), (["2", "STORE|0|"], 1)])
def test_answers_that_do_not_fit_are_no_answers(lines: list[str], expected: int) -> None:
    with pytest.raises(AnswerMismatch):
        read_store_answers(lines, expected)


ECHO = "PROCESSED||660|CT1|{}|1|1|GW"
IDLE = ["PROCESSED|-405|DICOM IMAGE PROCESSING ERROR|MAGDIR82|0", "MSG||More than a week", "MSG|END|"]
UNKNOWN = ["PROCESSED|-403|DICOM IMAGE PROCESSING ERROR|MAGDIR82|0", "MSG|END|Image pointer: 9"]


def test_processed_answers_and_warnings_are_told_apart() -> None:
    assert read_processed_answers(["2", ECHO.format(3)], 1) == [Processed("3")]
    assert read_processed_answers(["4", ECHO.format(3), *IDLE], 1) == [Processed("3")]
    (instead,) = read_processed_answers(["4", *IDLE], 1)
    assert isinstance(instead, Failed)
    assert instead.warning
    first, second = read_processed_answers(["4", *UNKNOWN, ECHO.format(4)], 2)
    assert isinstance(first, Failed)
    assert not first.warning
    assert first.reason == "-403 Image pointer: 9"
    assert second == Processed("4")
    with pytest.raises(AnswerMismatch):
        read_processed_answers(["2", ECHO.format(3)], 2)
