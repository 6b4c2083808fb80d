"""The same rule, judged as the manuals promise and as VistA does."""

from __future__ import annotations

from datetime import datetime

import pytest

from rules import ImageFacts, MemoryDesk, Moment, compile_rules, parse_rules


def judge(text: str, semantics: str = "documented", urgency: str = "", **values: str) -> bool:
    facts = ImageFacts(1, "1.2", {name: (value,) for name, value in values.items()}, urgency)
    compiled = compile_rules(parse_rules(f"send(A) when {text}"), semantics)
    now = Moment(datetime.fromisoformat("2026-11-21T08:30"))
    anywhere = MemoryDesk({"A": 14})
    return compiled.evaluate(facts, now, anywhere, None, lambda day: day == "3261121").fired == (1,)


@pytest.mark.parametrize(
    ("text", "documented", "vista"),
    [
        ("MODALITY=CT", True, True),
        ('MODALITY="CT*"', True, False),  # a trailing star of VistA wants a character
        ('MODALITY="*"', True, True),
        ("MODALITY!=MR", True, True),
        ("SLICE_THICKNESS<3", True, True),
        ("SLICE_THICKNESS>3", False, True),  # VistA knows neither DICOM elements nor > and <
        ("BODY_PART=HEAD", False, True),  # undefined: never fires, and always passes in VistA
        ("BODY_PART!=HEAD", False, True),
        ("NOW={SAT 08:00 to 09:00}", True, False),  # VistA drops the zero of 08:30 and compares 083
        ("NOW={SAT 09:00 to 10:00}", False, False),
        ("NOW={SAT 00:00 to 09:00}", True, True),
        ("NOW={HOL 00:00 to 23:59}", True, True),
        ("NOW!={SAT 08:00 to 09:00}", False, True),  # VistA compares dates with = only
        ("URGENCY=STAT", True, True),
        ("EXAM_TIME={3240101 to 3241231}", True, False),  # VistA compares the wrong places
    ],
)
def test_the_two_semantics_differ_where_they_should(text: str, documented: bool, vista: bool) -> None:
    values = {"MODALITY": "CT", "SLICE_THICKNESS": "2.5", "EXAM_TIME": "3240610.093"}
    assert judge(text, "documented", "STAT", **values) is documented
    assert judge(text, "vista", "STAT", **values) is vista
