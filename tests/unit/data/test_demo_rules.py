"""The demo's rules choose for each sample the destinations that the sample list promises.

The few forms that the demo's rules use are read here by hand, so that this does not lean on the rule engine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

import pytest

from console.demo_samples import SampleRecipe, read_recipes, write_samples
from tests.unit.data.resources import demo_site, resource

TEXT = resource("demo.rule")
SITE = demo_site()

_RULE = re.compile(r"(?i)\b(send|dicom)\(\"([^\"]+)\"\)\s+when\s+(.*?)(?=\b(?:send|dicom)\(|\Z)", re.DOTALL)
_CONDITION = re.compile(r"(?i)\b([A-Z_]+)\s*(!?=)\s*(?:\"([^\"]*)\"|([A-Z*?]+))")
_DESTINATIONS = {"dicom": "transmit_destination", "send": "network_location"}


@dataclass(frozen=True)
class PlainRule:
    """A rule of the demo: verb, destination, and conditions as (keyword, operator, pattern)."""

    verb: str
    destination: str
    conditions: tuple[tuple[str, str, str], ...]

    def wants(self, facts: dict[str, str]) -> bool:
        return all(fnmatchcase(facts[word], value) == (operator == "=") for word, operator, value in self.conditions)


def read(text: str) -> list[PlainRule]:
    return [
        PlainRule(
            verb.lower(),
            destination,
            tuple((word, operator, quoted or bare) for word, operator, quoted, bare in _CONDITION.findall(conditions)),
        )
        for verb, destination, conditions in _RULE.findall(text)
    ]


def without_comments(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


RULES = read(without_comments(TEXT))


def facts_of(recipe: SampleRecipe, modality: str) -> dict[str, str]:
    (exam,) = (exam for exam in SITE["exam"] if recipe.accession in (exam["accession"], exam.get("site_accession", "none")))
    return {"MODALITY": modality, "URGENCY": exam["urgency"]}


@pytest.fixture(scope="module")
def modalities(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {sample.file_name: sample.modality for sample in write_samples(tmp_path_factory.mktemp("samples"))}


def test_every_rule_of_the_file_is_read_here() -> None:
    assert len(RULES) == len(re.findall(r"(?im)^(?:send|dicom|balance)\(", TEXT)) == 10
    assert all(rule.conditions for rule in RULES)


def test_the_file_ends_with_a_line_feed() -> None:
    """Without it the import of a VA gateway does not see the last line."""
    assert TEXT.endswith("\n")


@pytest.mark.parametrize("commented", [False, True], ids=["rules", "rules and the ones to try"])
def test_rules_name_only_destinations_of_the_site(commented: bool) -> None:
    text = re.sub(r"(?m)^# ?(?=send|dicom|  )", "", TEXT) if commented else without_comments(TEXT)
    rules = [rule for rule in read(text) if rule.destination != "DESTINATION"]
    assert len(rules) == (12 if commented else 10)
    for rule in rules:
        named = [row for row in SITE[_DESTINATIONS[rule.verb]] if row["name"] == rule.destination]
        assert len(named) == 1, rule
        assert rule.verb != "send" or named[0]["router"]


@pytest.mark.parametrize("recipe", read_recipes(), ids=lambda recipe: recipe.file_name)
def test_each_sample_is_wanted_by_the_rules_that_lead_to_its_destinations(
    recipe: SampleRecipe, modalities: dict[str, str]
) -> None:
    if recipe.outcome == "correct":
        assert recipe.destinations == ()  # what is not filed is not judged
        return
    facts = facts_of(recipe, modalities[recipe.file_name])
    assert tuple(rule.destination for rule in RULES if rule.wants(facts)) == recipe.destinations


def test_no_rule_wants_the_electrocardiogram_and_only_that(modalities: dict[str, str]) -> None:
    unwanted = [
        modalities[recipe.file_name] for recipe in read_recipes() if recipe.outcome == "filed" and not recipe.destinations
    ]
    assert unwanted == ["ECG"]


def test_the_rules_show_every_priority() -> None:
    assert set(re.findall(r"priority (\w+)", without_comments(TEXT))) == {"HIGH", "LOW"}
    assert "NORMAL" in TEXT  # said of the rules that name none
