"""What tests of judging share: rules from text, images from values, a moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from rules import (
    CompiledRules,
    Evaluation,
    ImageFacts,
    MemoryDesk,
    Moment,
    StudyMemory,
    compile_rules,
    from_elements,
    parse_rule_file,
    resolve,
)

SATURDAY = Moment(datetime.fromisoformat("2026-11-21T08:30"))
ROUTERS = {"A": 14, "B": 15, "C": 16}
SERVICES = {"P": 1, "Q": 2}


def at(text: str) -> Moment:
    """Give a moment of its ISO text."""
    return Moment(datetime.fromisoformat(text))


def desk(**more: Any) -> MemoryDesk:
    """Make a desk with routers A, B, C and services P, Q."""
    return MemoryDesk(ROUTERS, SERVICES, **more)


def facts(image: int = 2, study: str = "1.2", group: int = 1, urgency: str = "", **values: str | tuple[str, ...]) -> ImageFacts:
    """Make an image's facts of values."""
    given = {keyword: (value,) if isinstance(value, str) else value for keyword, value in values.items()}
    return ImageFacts(image, study, given, urgency, urgency_found=bool(urgency), group=group)


def compiled(text: str, semantics: str = "documented") -> CompiledRules:
    """Compile the text of a rule file."""
    return compile_rules(resolve(parse_rule_file(text)), semantics)


def compiled_elements(*elements: str, semantics: str = "vista") -> CompiledRules:
    """Compile caret elements."""
    return compile_rules(from_elements([(str(place), text) for place, text in enumerate(elements)]).rules, semantics)


def judge(
    rules: CompiledRules,
    image: ImageFacts,
    now: Moment = SATURDAY,
    on: MemoryDesk | None = None,
    remembered: StudyMemory | None = None,
    holiday: Callable[[str], bool] = lambda _day: False,
) -> Evaluation:
    """Judge an image on a Saturday that is no holiday."""
    return rules.evaluate(image, now, on or desk(), remembered, holiday)
