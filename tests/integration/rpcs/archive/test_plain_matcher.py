"""MAGB QUERY finds what a plain matcher finds over the same objects, whatever is asked, on either engine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpcs.archive import ATTRIBUTES, Attribute, Level, Matching
from tests.integration.rpcs.archive.asking import Archive
from tests.support.archived_objects import Object, archive_objects, invent_objects
from tests.support.query_matcher import COUNTS, SETS, UNIQUE, key_matches, matches

OBJECTS = invent_objects(Random(9), 24)
#: Roots with their levels.
LEVELS = [("PATIENT", it) for it in Level] + [("STUDY", it) for it in Level if it] + [("PATIENT/STUDY", Level.STUDY)]


def known_values(tag: str) -> list[str]:
    """Give the values that the objects have for an attribute."""
    source = SETS.get(tag, tag.rpartition(">")[2])
    return sorted({value for it in OBJECTS for value in it.get(source, ())} | {"NOBODY"})


def patterns(value: str) -> st.SearchStrategy[str]:
    """Make wild cards of parts of a value."""
    letters = st.lists(
        st.sampled_from(["same", "same", "same", "?", "*", "other case"]), min_size=len(value), max_size=len(value)
    )

    def made(kinds: Sequence[str]) -> str:
        changed = {"same": lambda it: it, "?": lambda _: "?", "*": lambda _: "*", "other case": str.swapcase}
        return "".join(changed[kind](letter) for kind, letter in zip(kinds, value, strict=True))

    ends = st.sampled_from([f"{value[:2]}*", f"*{value[-2:]}", f"*{value[1:3]}*", f"{value}*", value.lower(), value + "^", "?*"])
    return st.one_of(letters.map(made), ends)


def ranges(values: Sequence[str]) -> st.SearchStrategy[str]:
    """Make single values and ranges with one end or both."""
    some = st.sampled_from(values)
    return st.one_of(
        some,
        st.tuples(some, some).map(lambda it: f"{min(it)}-{max(it)}"),
        some.map(lambda it: f"{it}-"),
        some.map(lambda it: f"-{it}"),
    )


def key_values(attribute: Attribute) -> st.SearchStrategy[str]:
    known = known_values(attribute.tag)
    match attribute.matching:
        case Matching.DATE | Matching.TIME:
            return ranges([value for value in known if value != "NOBODY"])
        case Matching.NUMBER | Matching.COUNT:
            numbers = st.integers(-4, 1030)
            return st.one_of(numbers.map(str), st.tuples(numbers, numbers).map(lambda it: f"{min(it)}-{max(it)}"))
        case Matching.UID | Matching.CLASSES:
            return st.sampled_from(known)
        case Matching.NAME:
            groups = st.sampled_from(known).flatmap(lambda it: patterns(it.split("=")[-1]))
            whole = st.sampled_from(known).flatmap(patterns)
            return st.one_of(st.sampled_from(known), groups, whole)
    return st.one_of(st.sampled_from(known), st.sampled_from(known).flatmap(patterns))


@st.composite
def queries(draw: st.DrawFn) -> dict[str, object]:
    """Draw a query: some keys with values, others to be returned."""
    root, level = draw(st.sampled_from(LEVELS))
    allowed = sorted(tag for tag, it in ATTRIBUTES.items() if it.level <= level)
    asked = draw(st.lists(st.sampled_from(allowed), min_size=1, max_size=3, unique=True))
    keys = {tag: draw(st.lists(key_values(ATTRIBUTES[tag]), min_size=1, max_size=3)) for tag in asked}
    for tag in draw(st.lists(st.sampled_from(allowed), max_size=6)):
        keys.setdefault(tag, draw(st.sampled_from([[], [""], ["*"], ["**"]])))
    return {"root": root, "level": level.name, "keys": keys, "fold_names": draw(st.booleans()), "relational": True}


@pytest.fixture
def filled(archive: Archive) -> Archive:
    archive.gateway.store.transact(lambda connection: archive_objects(connection, OBJECTS))
    return archive


def test_any_query_finds_what_the_plain_matcher_finds(filled: Archive) -> None:
    found = []

    @settings(max_examples=250)
    @given(queries())
    def compare(asked: dict[str, object]) -> None:
        head, *answer = filled.ask("MAGB QUERY", asked)
        assert head == {"more": None, "unsupported": []}, asked
        level, keys = str(asked["level"]), asked["keys"]
        assert isinstance(keys, dict)
        expected = matches(OBJECTS, level, keys, fold_names=asked["fold_names"] is True)
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
