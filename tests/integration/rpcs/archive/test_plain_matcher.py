"""MAGB QUERY finds what a plain matcher finds over the same objects, whatever is asked, on either engine."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given, settings

from rpcs.archive import ATTRIBUTES, Level
from tests.integration.rpcs.archive.asking import Archive
from tests.support.archived_objects import Object, archive_objects
from tests.support.made_queries import OBJECTS, MadeQuery, made_queries
from tests.support.query_matcher import COUNTS, SETS, UNIQUE, key_matches, matches


@pytest.fixture
def filled(archive: Archive) -> Archive:
    archive.gateway.store.transact(lambda connection: archive_objects(connection, OBJECTS))
    return archive


def test_any_query_finds_what_the_plain_matcher_finds(filled: Archive) -> None:
    found = []

    @settings(max_examples=250)
    @given(made_queries())
    def compare(asked: MadeQuery) -> None:
        head, *answer = filled.ask("MAGB QUERY", {**asdict(asked), "relational": True})
        assert head == {"more": None, "unsupported": []}, asked
        expected = matches(OBJECTS, asked.level, asked.keys, fold_names=asked.fold_names)
        assert _ordered(it["tags"] for it in answer) == _ordered(expected)
        found.append(len(expected))

    compare()
    assert sum(count > 0 for count in found) > 25, "most queries that find nothing compare nothing"


def _ordered(rows: object) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)  # type: ignore[attr-defined]  # any iterable


def test_every_attribute_is_returned_as_the_objects_have_it(filled: Archive) -> None:
    for level in Level:
        keys: Object = {tag: [] for tag, it in ATTRIBUTES.items() if it.level <= level}
        answer = filled.query(level.name, keys)[1:]
        assert _ordered(it["tags"] for it in answer) == _ordered(matches(OBJECTS, level.name, keys))


@pytest.mark.parametrize("level", list(Level))
def test_what_is_retrieved_is_what_the_unique_keys_match(filled: Archive, level: Level) -> None:
    uids = sorted({it[UNIQUE[level.name]][0] for it in OBJECTS})[::2]
    expected = {it["00080018"][0] for it in OBJECTS if it[UNIQUE[level.name]][0] in uids}
    head, *answer = filled.retrieve(level.name, {UNIQUE[level.name]: uids})
    assert head == {"more": None}
    assert len(answer) == len(expected)
    assert {row[1] for row in answer} == expected


TABLE = [
    ("00100010", "DOE*", "DOE^JOHN", True),
    ("00100010", "doe*", "DOE^JOHN", False),
    ("00100010", "山*", "YAMADA^TAROU=山田^太郎", True),
    ("00100010", "=山*", "YAMADA^TAROU=山田^太郎", True),
    ("00100010", "山*=", "YAMADA^TAROU=山田^太郎", False),
    ("00100010", "DOE^JOHN^^", "DOE^JOHN", True),
    ("00100010", "DOE", "DOE^JOHN", False),
    ("00080020", "20200101-20201231", "20200229", True),
    ("00080020", "-20200101", "20200229", False),
    ("00080020", "20200229-", "20200229", True),
    ("00080030", "0930", "093059.9", True),
    ("00080030", "0930", "093100", False),
    ("00080030", "0900-0930", "093030", True),
    ("00080030", "-09", "095959", True),
    ("00200011", "1", "01", True),
    ("00200011", "-5--2", "-3", True),
    ("00081030", "[a]*", "[a]b", True),
    ("00081030", "[a]*", "ab", False),
    ("00081030", "5?%", "50%", True),
    ("0020000D", "1.2*", "1.2.3", False),
]


@pytest.mark.parametrize(("tag", "key", "value", "expected"), TABLE)
def test_the_plain_matcher_matches_as_the_standard_says(tag: str, key: str, value: str, expected: bool) -> None:
    assert key_matches(tag, [key], [value]) is expected
    assert not key_matches(tag, [key], []), "what has no value matches no value"


def test_the_plain_matcher_knows_every_attribute_that_is_worked_out() -> None:
    assert {tag for tag, it in ATTRIBUTES.items() if it.is_computed} == {*COUNTS, *SETS}
