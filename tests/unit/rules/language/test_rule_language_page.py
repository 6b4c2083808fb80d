"""The page on the rule language says what is so: its examples are read, its errors are those that are told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rules.language import RuleFileErrors, decompile, for_elements, parse_rule_file, resolve
from rules.language.builder import DEEPEST
from rules.language.keywords import BASE_PRIORITY
from rules.language.normal_form import MOST_RULES
from rules.language.parse import LONGEST

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "rule-language.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```rule\n(.*?)```", PAGE, re.DOTALL)
ERRORS = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
#: What stands in the first column of the page's tables.
SHOWN = re.findall(r"^\| `(.+?)`", PAGE, re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_example_of_the_page_is_read_and_laid_out(block: str) -> None:
    file = parse_rule_file(block)
    assert file.rules
    assert parse_rule_file(decompile(file)) == file
    assert for_elements(resolve(file))


@pytest.mark.parametrize("text", SHOWN)
def test_every_form_that_a_table_shows_is_read(text: str) -> None:
    ways = [
        f"{text} when X=1",
        f"send(A) when {text}",
        f"send(A) when NOW={{{text}}}",
        f"send(A) when X=1 {text}",
        f"send(A) when {text.replace('A', 'X=1').replace('B', 'Y=1')}",
    ]
    assert any(_is_read(way) for way in ways)


def _is_read(text: str) -> bool:
    try:
        return bool(parse_rule_file(text).rules)
    except RuleFileErrors:
        return False


def test_the_error_of_the_page_is_told_so() -> None:
    (shown,) = ERRORS
    line = shown.split("\n")[1].strip()
    with pytest.raises(RuleFileErrors) as raised:
        parse_rule_file(f"# a comment\n{line}\n")
    assert f"{raised.value}\n" == shown


def test_the_page_names_bounds_and_priorities_as_they_are() -> None:
    for text in (f"{LONGEST:,} characters", f"at most {DEEPEST} deep", f"more than {MOST_RULES}", *BASE_PRIORITY):
        assert text in " ".join(PAGE.split())
