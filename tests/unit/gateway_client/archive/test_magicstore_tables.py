"""The corrected tables are what the standard says: names and UIDs against pydicom's dictionaries."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.datadict import keyword_for_tag
from pydicom.uid import UID

from tests.support import magicstore_tables as tables

CONTEXTS = {row.uid: row for number in (1, 2, 4, 5, 12, 13) for row in getattr(tables, f"TABLE_{number}")}
ATTRIBUTES = {(row.keyword, row.tag) for number in (6, 7, 8, 9, 10, 11, 22) for row in getattr(tables, f"TABLE_{number}")}


@pytest.mark.parametrize("row", CONTEXTS.values(), ids=lambda row: row.name)
def test_a_sop_class_has_the_uid_that_the_standard_gives_its_name(row: tables.ContextRow) -> None:
    known = UID(row.uid)
    if row.uid == tables.CSA_NON_IMAGE:
        assert known.is_private
    else:
        name = row.name.removesuffix(" (Retired)")
        assert known.name.replace(" (Retired)", "").replace(" SOP Class", "") == name


@pytest.mark.parametrize("syntax", tables.EVERY, ids=str)
def test_a_transfer_syntax_is_one_of_the_standards(syntax: str) -> None:
    assert UID(syntax).is_transfer_syntax


@pytest.mark.parametrize(("keyword", "tag"), sorted(ATTRIBUTES))
def test_an_attribute_has_the_tag_that_the_standard_gives_it(keyword: str, tag: int) -> None:
    assert keyword_for_tag(tag) == keyword


def test_what_is_printed_wrong_is_another_uid() -> None:
    wrong = [row for table in (tables.TABLE_2, tables.TABLE_4, tables.TABLE_13) for row in table if row.printed]
    assert len(wrong) == 4
    assert all(row.printed != row.uid for row in wrong)


def test_the_tables_have_so_many_rows() -> None:
    assert {number: len(getattr(tables, f"TABLE_{number}")) for number in (2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 22, 23)} == {
        2: 36, 4: 36, 5: 4, 6: 5, 7: 10, 8: 10, 9: 15, 10: 15, 11: 37, 12: 3, 22: 16, 23: 33,
    }  # fmt: skip


def test_the_page_of_errors_names_whatever_is_printed_otherwise() -> None:
    page = (Path(__file__).parents[4] / "docs" / "seed-errata.md").read_text(encoding="utf-8")
    every = [row for name in dir(tables) if name.startswith("TABLE_") for row in getattr(tables, name)]
    printed = {row.printed for row in every if getattr(row, "printed", "")}
    assert len(printed) > 10
    assert [text for text in printed if text not in page.replace("range matching", "range")] == []
