"""The page on the MagicStore statement speaks of every section and table of it, and names tests that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "magicstore-statement.md").read_text(encoding="utf-8")
#: What the beginnings of names stand for, as the page says.
BEGINNINGS = {
    "archive/": "tests/integration/gateway/archive/",
    "gateway/": "tests/integration/gateway/",
    "system/": "tests/integration/system/",
    "rpcs/": "tests/integration/rpcs/",
    "unit/": "tests/unit/gateway_client/",
    "tests/": "tests/",
}
ROW = re.compile(r"^\| (\d[\d., ]*) \| (.+?) \| (.+?) \|$", re.MULTILINE)
TEST = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")
#: The numbered sections of the statement, from its contents.
# fmt: off
SECTIONS = (
    "0.1", "0.2", "0.3", "1", "1.1", "1.1.1", "1.1.2", "1.2", "1.3", "2", "2.1.1", "2.1.2", "2.1.3", "2.1.4", "2.2", "2.2.1",
    "2.2.1.1", "2.2.1.1.1", "2.2.2", "2.2.2.1", "2.2.2.2", "2.2.2.3", "2.3", "2.3.1", "2.3.1.1", "2.3.1.2", "2.3.1.3", "2.3.2",
    "2.3.2.1", "2.3.2.2", "2.3.2.3", "2.3.3", "2.3.3.1", "2.3.3.2", "2.3.3.3", "2.3.3.3.1", "2.3.3.3.2", "2.3.3.3.3",
    "2.3.3.3.4", "2.3.4", "2.3.4.1", "2.3.4.2", "2.3.4.3", "2.3.5", "2.3.5.1", "2.3.5.2", "2.3.5.3", "2.3.5.3.1", "2.3.5.3.2",
    "2.3.6", "2.3.7", "3", "3.1", "3.1.1", "3.1.2", "3.1.2.1", "3.1.3", "4", "4.1", "4.1.1", "4.1.1.1", "4.1.1.2", "4.1.1.3",
    "4.1.1.4", "4.1.1.4.1", "4.1.1.5", "4.1.1.6", "4.1.1.7", "4.2", "5", "5.1", "5.2", "6",
)
# fmt: on
#: Words with which a row says why there is no test.
REASONS = ("differs", "nothing is promised", "neither is here", "left to the operating system", "there are no")


def named() -> Iterator[tuple[str, str]]:
    """Give the files and functions that the page names."""
    for name, function in TEST.findall(PAGE):
        beginning = next(it for it in BEGINNINGS if name.startswith(it))
        yield BEGINNINGS[beginning] + name.removeprefix(beginning), function


@pytest.mark.parametrize(("file", "function"), sorted(set(named())), ids=lambda it: it.removeprefix("tests/"))
def test_a_test_that_the_page_names_exists(file: str, function: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert re.search(rf"^(async )?def {function or 'test_'}", text, re.MULTILINE)
    assert not function or re.search(rf"^(async )?def {function}\(", text, re.MULTILINE)


def test_every_section_of_the_statement_has_a_row() -> None:
    found = {section for row in ROW.findall(PAGE) for section in row[0].split(", ")}
    assert found == set(SECTIONS)


def test_every_table_of_the_statement_is_named() -> None:
    said = " ".join(row[1] for row in ROW.findall(PAGE))
    found = {
        int(number) for numbers in re.findall(r"tables? ((?:\d+(?:, | and )?)+)", said) for number in re.findall(r"\d+", numbers)
    }
    assert found == set(range(1, 24))


def test_every_row_names_a_test_or_says_why_there_is_none() -> None:
    rows = ROW.findall(PAGE)
    assert len(rows) == len([line for line in PAGE.splitlines() if re.match(r"\| \d", line)])
    for section, statement, shown in rows:
        assert TEST.search(shown) or any(reason in shown for reason in REASONS), (section, statement)
