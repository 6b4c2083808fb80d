"""Rule evaluations per second: one image against a rule set of two conditions per rule."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

from bench.figures import Figure
from rules import ImageFacts, MemoryDesk, Moment, compile_rules, parse_rules

SECONDS = 2.0
SIZES = (10, 100, 1000)
FACTS = ImageFacts(1, "1.2.3", {"MODALITY": ("CT",), "SOURCE": ("660",), "IMAGING_SERVICE": ("RADIOLOGY",)}, urgency="ROUTINE")


def measure_rules() -> Iterator[Figure]:
    """Measure compiled rule sets of several sizes under both semantics."""
    destinations = MemoryDesk(services={f"PLACE {n}": 1 for n in range(max(SIZES))})
    now = Moment(datetime.fromisoformat("2026-11-21T10:00"))
    for semantics in ("documented", "vista"):
        for size in SIZES:
            rules = parse_rules("\n".join(f'dicom("PLACE {n}") when MODALITY=M{n} SOURCE="66*"' for n in range(size)))
            compiled = compile_rules(rules, semantics)
            count, began = 0, time.perf_counter()
            while (elapsed := time.perf_counter() - began) < SECONDS:
                compiled.evaluate(FACTS, now, destinations, None, lambda _day: False)
                count += 1
            yield Figure(f"images judged by {size} rules", count / elapsed, semantics)
