"""docs/rule-semantics.md says in what the two semantics differ; each of its examples is run both ways."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rules import CompiledRules, Evaluation, ImageFacts, MemoryDesk, PriorStudy, RuleError, StudyMemory
from rules.judging.semantics import SEMANTICS
from tests.unit.rules.judging.testing import SATURDAY, at, compiled, compiled_elements, desk, judge

PAGE = (Path(__file__).parents[4] / "docs" / "rule-semantics.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Example:
    heading: str
    says: dict[str, Any]

    @property
    def is_difference(self) -> bool:
        return self.heading.startswith("### ")

    def __str__(self) -> str:
        return self.heading.lstrip("# ")


def examples() -> Iterator[Example]:
    heading = ""
    for match in re.finditer(r"^(#+ [^\n]*)$|^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        if match[1]:
            heading = match[1]
        else:
            yield Example(heading, tomllib.loads(match[2]))


EXAMPLES = list(examples())


def rules_of(says: dict[str, Any], semantics: str, text: str = "rules") -> CompiledRules:
    if "elements" in says:
        return compiled_elements(*says["elements"], semantics=semantics)
    return compiled(says[text], semantics)


def image_of(number: int, says: dict[str, Any]) -> ImageFacts:
    values = {name: (value,) if isinstance(value, str) else tuple(value) for name, value in says.items() if name.isupper()}
    return ImageFacts(
        number,
        says.get("study", "1.2"),
        values,
        says.get("urgency", ""),
        says.get("urgency_found", True),
        says.get("group", 1),
    )


def run(says: dict[str, Any], semantics: str) -> list[Evaluation]:
    on = desk(prior_studies=(PriorStudy(7, "1.7", "1", tuple(says["priors"])),)) if "priors" in says else desk()
    studies: dict[str, StudyMemory] = {}
    found = []
    for number, image in enumerate(says["images"], start=1):
        rules = rules_of(says, semantics, "changed" if number > 1 and "changed" in says else "rules")
        found.append(_judge(rules, image_of(number, image), on, studies, image))
    return found


def _judge(
    rules: CompiledRules, facts: ImageFacts, on: MemoryDesk, studies: dict[str, StudyMemory], says: dict[str, Any]
) -> Evaluation:
    now = at(says["now"]) if "now" in says else SATURDAY
    evaluation = judge(rules, facts, now, on, studies.get(facts.study_uid))
    if facts.study_uid:
        studies[facts.study_uid] = evaluation.memory
    return evaluation


def queued(evaluations: list[Evaluation]) -> list[str]:
    return ["+".join(action.name for action in it.actions) for it in evaluations]


CASES = [(example, semantics) for example in EXAMPLES for semantics in SEMANTICS]


@pytest.mark.parametrize(("example", "semantics"), CASES, ids=lambda it: str(it).replace(" ", "_"))
def test_an_example_comes_out_as_the_page_says(example: Example, semantics: str) -> None:
    says = example.says
    if semantics not in says:
        with pytest.raises(RuleError):
            rules_of(says, semantics)
        return
    evaluations = run(says, semantics)
    assert queued(evaluations) == says[semantics]
    if "priorities" in says:
        assert [action.priority for it in evaluations for action in it.actions] == says["priorities"][semantics]
    for reading, line in says.get("log", {}).items():
        assert (line in evaluations[-1].log) is (reading == semantics)


@pytest.mark.parametrize("example", [it for it in EXAMPLES if it.is_difference], ids=lambda it: str(it).replace(" ", "_"))
def test_what_stands_as_a_difference_is_one(example: Example) -> None:
    documented, vista = (run(example.says, semantics) for semantics in ("documented", "vista"))
    assert [(it.actions, it.log) for it in documented] != [(it.actions, it.log) for it in vista]


def test_each_difference_has_an_example() -> None:
    headings = {line for line in PAGE.splitlines() if line.startswith("### ")}
    assert headings == {example.heading for example in EXAMPLES if example.is_difference}
    assert len(headings) > 20
