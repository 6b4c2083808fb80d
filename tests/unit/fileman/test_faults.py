"""Faults as a person writes them."""

from __future__ import annotations

import pytest

from fileman import BadFault, Fault, Faults

WRITTEN = [
    ("locked-exam", {"accession": "061024-101"}, Fault("locked-exam", "061024-101")),
    ("slow-answer", {"rpc": "XWB IM HERE", "seconds": "0.5"}, Fault("slow-answer", "XWB IM HERE", 0.5)),
    ("dropped-answer", {"rpc": "XWB IM HERE", "times": "2"}, Fault("dropped-answer", "XWB IM HERE", times=2)),
    ("inhibited-logons", {}, Fault("inhibited-logons")),
]


@pytest.mark.parametrize(("kind", "facts", "fault"), WRITTEN)
def test_facts_are_read_and_written_back(kind: str, facts: dict[str, str], fault: Fault) -> None:
    assert Fault.parse(kind, facts) == fault
    assert fault.facts == facts


@pytest.mark.parametrize(
    ("kind", "facts", "said"),
    [
        ("no-such", {}, "there are: locked-exam, slow-answer"),
        ("locked-exam", {}, r"locked-exam accession=... \[times=N\]"),
        ("locked-exam", {"accession": ""}, "Expected"),
        ("locked-exam", {"accession": "1", "rpc": "X"}, "Expected"),
        ("slow-answer", {"rpc": "X"}, "seconds=..."),
        ("slow-answer", {"rpc": "X", "seconds": "soon"}, "seconds=soon"),
        ("slow-answer", {"rpc": "X", "seconds": "-1"}, "expected a number from 0 to 3600."),
        ("slow-answer", {"rpc": "X", "seconds": "nan"}, "from 0 to 3600"),
        ("slow-answer", {"rpc": "X", "seconds": "3601"}, "from 0 to 3600"),
        ("dropped-answer", {"rpc": "X", "times": "0"}, "times=0: expected a whole number from 1 to 1000000."),
        ("dropped-answer", {"rpc": "X", "times": "9" * 400}, "whole number from 1 to 1000000"),
        ("dropped-answer", {"rpc": "X", "times": "1.5"}, "whole number"),
        ("inhibited-logons", {"times": "1"}, "Expected: inhibited-logons."),
    ],
)
def test_other_facts_are_refused_with_what_is_expected(kind: str, facts: dict[str, str], said: str) -> None:
    with pytest.raises(BadFault, match=said):
        Fault.parse(kind, facts)


def test_faults_are_found_by_what_they_strike() -> None:
    slow, dropped = Fault("slow-answer", "A", 1.0), Fault("dropped-answer", "A")
    faults = Faults.of([slow, dropped, Fault("locked-exam", "1-2")])
    assert faults.answers == {"A": (slow, dropped)}
    assert faults.locked_exams == {"1-2": Fault("locked-exam", "1-2")}
    assert not faults.logons_inhibited
    assert Faults.of([Fault("inhibited-logons")]).logons_inhibited
