"""MAGB QUERY: what the archive has that matches the keys of a C-FIND (PS3.4 C.4.1), a page at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rpcs.archive.attributes import ATTRIBUTES, ROOTS, Attribute, Level, Matching
from rpcs.archive.errors import BadQuestion
from rpcs.archive.holdings import Held, classes_in, counts_below, held_at, held_by, modalities_in
from rpcs.archive.matching import Key, read_key
from rpcs.archive.question import answered, flag, page_size, paged, read_keys, read_level, read_request
from rpcs.archive.statements import statement_of
from rpcs.call import Call
from rpcs.registry import Access, listed, literal, procedure
from xwb import ResultType


@dataclass(frozen=True, slots=True)
class Question:
    """A query: its level, the attributes whose values are wanted, what has to match, and the tags that mean nothing here."""

    level: Level
    returned: tuple[Attribute, ...]
    keys: tuple[Key, ...]
    unsupported: tuple[str, ...]
    newest: bool

    @classmethod
    def read(cls, call: Call) -> Question:
        """Read the question of a call. Raises BadQuestion, and TooMuch."""
        request = read_request(call.list(0))
        level, root = read_level(request), str(request.get("root", "PATIENT"))
        if level not in ROOTS.get(root, ()):
            raise BadQuestion(f"Queries of root {root[:20]!r} have no level {level.name}.")
        flag(request, "relational")
        fold, given = flag(request, "fold_names"), read_keys(request)
        known = {tag: found for tag in given if (found := ATTRIBUTES.get(tag)) is not None and found.level <= level}
        keys = (read_key(attribute, given[tag], fold_names=fold) for tag, attribute in known.items())
        unsupported = tuple(tag for tag in given if tag not in known)
        return cls(level, tuple(known.values()), tuple(filter(None, keys)), unsupported, flag(request, "newest"))

    @property
    def highest(self) -> Level:
        """The highest level whose entries are looked at."""
        return min((it.level for it in (*self.returned, *(key.attribute for key in self.keys))), default=self.level)


@procedure(
    "MAGB QUERY",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="query",
    parameters=(listed("REQUEST", 16000, required=True), literal("AFTER", 20), literal("COUNT", 4)),
)
def query(call: Call) -> list[str]:
    """Answer what is archived and matches the keys of a DICOM query, in the order of entry numbers, with newest the other way.

    REQUEST is one JSON object, in as many elements as it takes: level (PATIENT, STUDY, SERIES or IMAGE), root (PATIENT, STUDY or
    PATIENT/STUDY), relational, newest, fold_names (upper and lower case of names are the same), and keys: lists of values by
    tag, as `00100010` or `00400275>00401001`. Any of several values may match; none, an empty one or `*` matches all. The first
    line is `{"more", "unsupported"}`: where the next page begins, to be given as AFTER, or null; and the tags that mean nothing
    at this level. Then one object for each match, COUNT at most, or 1,000: tags, lists of values of all supported keys; state
    (INSTORE, NEAR-LINE or OFFLINE, the worst of its instances); locations, the names of the short-term ones that have
    instances of it; seconds that a retrieval may take; bytes. A question that cannot be answered gets `{"error", "status"}`
    with a status code of C-FIND: A900, or A700 for one that asks too much.
    """
    return answered(_query, call)


def _query(call: Call) -> list[str]:
    question = Question.read(call)
    read = [it.tag for it in question.returned if not it.is_computed]
    wanted = [it.tag for it in question.returned]
    statement, parameters = statement_of(
        question.level, wanted, question.keys, call.connection.dialect.name, newest=question.newest
    )
    rows = call.connection.execute(statement, parameters | paged(call, newest=question.newest)).all()
    size = page_size(call)
    more = str(rows[size - 1][0]) if len(rows) > size else None
    page = _Page(call, question, rows[:size], read)
    head = json.dumps({"more": more, "unsupported": list(question.unsupported)})
    return [head, *map(json.dumps, page.matches())]


@dataclass(slots=True)
class _Page:
    """The matches of one page, with what has to be worked out of them: by few statements, however many they are."""

    call: Call
    question: Question
    rows: Sequence[Any]
    read: Sequence[str]
    _held: dict[Level, dict[int, Held]] = field(default_factory=dict)

    def matches(self) -> Iterable[dict[str, object]]:
        """Give the matches."""
        question = self.question
        level, above = question.level, [it for it in Level if question.highest <= it < question.level]
        numbers = {level: 0, **{it: place for place, it in enumerate(above, 1)}}
        first = 1 + len(above)
        worked_out = [(it, numbers[it.level]) for it in question.returned if it.is_computed]
        computed = {it.tag: (place, self._values(it, place)) for it, place in worked_out}
        held = self._instances() if level is Level.IMAGE else self._held_of(level, 0)
        fields = [(tag, first + place, ATTRIBUTES[tag].is_multiple) for place, tag in enumerate(self.read)]
        for row in self.rows:
            tags = {tag: _listed(row[place], several) for tag, place, several in fields}
            for tag, (place, values) in computed.items():
                tags[tag] = values.get(row[place], [])
            it = held.get(row[0], _NOTHING)
            yield {
                "tags": tags,
                "state": it.state,
                "locations": sorted(it.locations),
                "seconds": it.seconds,
                "bytes": it.bytes,
            }

    def _values(self, attribute: Attribute, place: int) -> dict[int, list[str]]:
        """Work out the values of an attribute, by the numbers of entries of its level."""
        entries = self._entries(place)
        match attribute.matching, attribute.counted:
            case Matching.MODALITIES, _:
                return modalities_in(self.call.connection, entries)
            case Matching.CLASSES, _:
                return classes_in(self.call.connection, entries)
            case _, Level.IMAGE:
                return {entry: [str(it.instances)] for entry, it in self._held_of(attribute.level, place).items()}
            case _, Level() as of:
                counts = counts_below(self.call.connection, attribute.level, of, entries)
                return {entry: [str(count)] for entry, count in counts.items()}
        raise TypeError(f"{attribute.tag} is read, not worked out")

    def _entries(self, place: int) -> list[int]:
        return list(dict.fromkeys(row[place] for row in self.rows))

    def _held_of(self, level: Level, place: int) -> dict[int, Held]:
        if level not in self._held:
            self._held[level] = held_by(self.call.connection, self.call.site.locations, level, self._entries(place))
        return self._held[level]

    def _instances(self) -> dict[int, Held]:
        rows = ((row[0], row.short_term, row.long_term, 1, row.size) for row in self.rows)
        return held_at(self.call.site.locations, rows)


_NOTHING = Held()


def _listed(value: object, several: bool) -> list[str]:
    """Give the values that a column holds."""
    if value is None or value == "":
        return []
    return str(value).split("\\") if several else [str(value)]
