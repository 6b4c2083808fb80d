"""Made-up queries of an archive of invented objects, for hypothesis: what our procedures and entities are asked, at any level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from hypothesis import strategies as st

from rpcs.archive import ATTRIBUTES, Attribute, Level, Matching
from tests.support.archived_objects import invent_objects
from tests.support.query_matcher import SETS

OBJECTS = invent_objects(Random(9), 24)
#: Roots with their levels.
LEVELS = [("PATIENT", it) for it in Level] + [("STUDY", it) for it in Level if it] + [("PATIENT/STUDY", Level.STUDY)]
#: What asks for a value without narrowing anything.
_UNIVERSAL = ([], [""], ["*"], ["**"])


@dataclass(frozen=True, slots=True)
class MadeQuery:
    """A query: its information model by the root's name, and values of keys by their tags."""

    root: str
    level: str
    keys: dict[str, list[str]]
    fold_names: bool


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
    """Make values of a key by what may be asked of its attribute."""
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
def made_queries(draw: st.DrawFn) -> MadeQuery:
    """Draw a query: some keys with values, others to be returned."""
    root, level = draw(st.sampled_from(LEVELS))
    allowed = sorted(tag for tag, it in ATTRIBUTES.items() if it.level <= level)
    asked = draw(st.lists(st.sampled_from(allowed), min_size=1, max_size=3, unique=True))
    keys = {tag: draw(st.lists(key_values(ATTRIBUTES[tag]), min_size=1, max_size=3)) for tag in asked}
    for tag in draw(st.lists(st.sampled_from(allowed), max_size=6)):
        keys.setdefault(tag, draw(st.sampled_from(_UNIVERSAL)))
    return MadeQuery(root, level.name, keys, draw(st.booleans()))
