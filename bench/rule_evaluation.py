"""Routing rules: parsing them, and finding those that an image meets, beside a plain loop over all rules."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable, Iterator
from datetime import datetime

from bench.figures import Figure
from rules import CompiledRules, ImageFacts, MemoryDesk, Moment, compile_rules, parse_rules
from rules.judging.reading import Reading
from rules.language.ast import leaves

FACTS = ImageFacts(
    1,
    "1.2.3",
    {"MODALITY": ("CT",), "SOURCE": ("SALT LAKE CITY",), "PACKAGE": ("RAD",), "PATIENT": ("DEMO,PATIENT ONE",)},
    urgency="ROUTINE",
    group=7,
)
NOW = Moment(datetime.fromisoformat("2026-11-21T10:00"))
SEMANTICS = ("documented", "vista")
#: Microseconds of matching per image and milliseconds of parsing that are wanted at most.
WANTED_100, WANTED_10_000, WANTED_PARSING = 20, 60, 50
REPEATS = 15


def _no_holiday(_day: str) -> bool:
    return False


def _a_hundred() -> str:
    """Write 100 rules as sites have them: by modality, source, patient and time of the week; an image meets two."""
    parts = [f'send(A{n % 5}) when MODALITY=M{n % 20} SOURCE="S{n}*" NOW={{MON 08:00 to 17:00}}' for n in range(60)]
    parts += [f"dicom(P{n % 5}) when SOURCE=PLACE{n} URGENCY=STAT" for n in range(30)]
    parts += [f'send(B{n}) when PATIENT="NOBODY {n}*"' for n in range(8)]
    return "\n".join([*parts, "send(A1) when MODALITY=CT", 'dicom(P1) when SOURCE="SALT*" NOW={SAT 08:00 to 17:00}'])


def _ten_thousand() -> str:
    """Write 10,000 rules, each for one modality and source, of which an image's modality and source leave 20."""
    others = [f'send(A{n % 50}) when MODALITY=M{n % 40} SOURCE="SALT*" PACKAGE=P{n}' for n in range(9980)]
    return "\n".join([*others, *(f'send(B{n}) when MODALITY=CT SOURCE="S{n}*"' for n in range(19)), "send(A1) when MODALITY=CT"])


def _three_hundred() -> str:
    return "\n".join(
        f'send("PLACE {n}") when MODALITY=CT SOURCE="WICHITA {n}" PATIENT="A*"\n'
        f"    NOW={{MON 08:00 to 17:00; TUE 08:00 to 17:00; HOL 00:00 to 23:59}} priority HIGH priorstudy YES"
        for n in range(300)
    )


def plain_loop(rules: CompiledRules) -> Callable[[], list[int]]:
    """Give the reference: ask one rule after the other, until a condition keeps it from firing. Rules are flat here."""
    tests = [[rules.semantics.test(leaf) for part in rule.conditions for leaf in leaves(part)] for rule in rules.rules]
    blocking = rules.semantics.blocking

    def loop() -> list[int]:
        reading = Reading(FACTS, NOW, _no_holiday, rules.semantics.special)
        return [place for place, rule in enumerate(tests) if all(test(reading) not in blocking for test in rule)]

    return loop


def microseconds(work: Callable[[], object], number: int) -> float:
    """Give the processor time of one run, the best of some tries."""
    return min(timeit.repeat(work, number=number, repeat=REPEATS, timer=time.process_time)) / number * 1e6


def _measure(semantics: str, text: str, wanted: int, number: int) -> Iterator[Figure]:
    rules = compile_rules(parse_rules(text), semantics)
    size, desk = f"{len(rules.rules):,} rules", MemoryDesk()
    assert rules.match(FACTS, NOW, _no_holiday) == plain_loop(rules)()
    index = microseconds(lambda: rules.match(FACTS, NOW, _no_holiday), number)
    loop = microseconds(plain_loop(rules), max(1, number // 50))
    whole = microseconds(lambda: rules.evaluate(FACTS, NOW, desk, None, _no_holiday), number)
    memory = rules.evaluate(FACTS, NOW, desk, None, _no_holiday).memory
    late = microseconds(lambda: rules.evaluate(FACTS, NOW, desk, memory, _no_holiday), number)
    yield Figure(f"matching an image, {size}", index, f"{semantics}; wanted: under {wanted}", "µs", 1)
    yield Figure(f"  by a plain loop, {size}", loop, f"{semantics}; the reference", "µs", 1)
    yield Figure(f"  with actions and log, {size}", whole, semantics, "µs", 1)
    yield Figure(f"  of a study that is decided, {size}", late, f"{semantics}; with actions and log", "µs", 1)


def measure_rules() -> Iterator[Figure]:
    """Measure parsing, and matching under both semantics with the facts loaded."""
    text = _three_hundred()
    parse_rules(text)
    parsing = microseconds(lambda: parse_rules(text), 1) / 1000
    yield Figure("parsing 300 rules", parsing, f"{len(text):,} characters; wanted: under {WANTED_PARSING}", "ms", 1)
    for semantics in SEMANTICS:
        yield from _measure(semantics, _a_hundred(), WANTED_100, 1000)
        yield from _measure(semantics, _ten_thousand(), WANTED_10_000, 500)
