"""MAGB WORKLIST: the worklist as gateways ask for it, a page at a time (PS3.4 annex K)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, and_, false, func, literal_column, or_, select

from fileman.files import ScheduledStep
from fileman.worklist_attributes import ATTRIBUTES, BY_PATH, SEQUENCES, SPECIFIC_CHARACTER_SET, STEP, Attribute
from rpcs.call import Call
from rpcs.numbers import subscript
from rpcs.registry import Access, listed, literal, procedure
from rpcs.worklist.matching import Condition, Unmatchable, combined, condition_of, is_range, is_universal
from rpcs.worklist.requests import IDENTIFIER_DOES_NOT_MATCH, BadRequest, Query, View, read_object
from xwb import ResultType

#: Matches of one page.
MOST_MATCHES = 1000
_DATE, _TIME, _STATUS = f"{STEP}>00400002", f"{STEP}>00400003", f"{STEP}>00400020"
_ACCESSION = "00080050"
#: Hidden, where keys have indexes, from the engine: it would rather walk over everything than sort what these find.
_NUMBER = ScheduledStep.ien + literal_column("0")
#: Keys with an index of their own, and what is open where one of them finds the entries: hidden from the engine, which takes
#: that for rare. A day is looked for among what is open.
_INDEXES = ScheduledStep.metadata.tables[ScheduledStep.__tablename__].indexes
_INDEXED = {"accession", *(index.columns[0].name for index in _INDEXES)} - {"open"}
_FOUND = frozenset(it.path for it in ATTRIBUTES if it.apart or it.column in _INDEXED)
_OPEN = func.coalesce(ScheduledStep.open, literal_column("NULL")).is_(True)
#: What each sequence holds, in the order of the tags.
_HELD = {sequence: tuple(sorted(it.path for it in ATTRIBUTES if it.path.startswith(f"{sequence}>"))) for sequence in SEQUENCES}


@procedure(
    "MAGB WORKLIST",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="worklist",
    parameters=(listed("REQUEST", required=True), literal("AFTER", 20), literal("COUNT", 4)),
)
def worklist(call: Call) -> list[str]:
    """Answer the entries of the worklist that match, COUNT (at most 1,000) after the cursor AFTER, in the order of their numbers.

    REQUEST is JSON, `{"keys": {"00400100>00400001": ["CT1"], ...}, "fold_names": false, "view": {"institution": "660", "types":
    [["RAD", "CT", ""]], "accession": "SHORT"}}`; several values of a key are alternatives, none match everything, and so does an
    empty sequence, which is told whole. The first line is `{"more": cursor or null, "unsupported": [tags]}`, each further one
    `{"tags": {...}}`, sequences as lists of objects. A request that cannot be carried out is answered by the one line
    `{"error": why, "status": "A900"}`. What is done or cancelled is told only where (0040,0020) asks for it.
    """
    try:
        query = Query.read(read_object(call, 0))
        return _answer(call, query)
    except BadRequest as error:
        return [json.dumps({"error": str(error), "status": error.status})]


def _answer(call: Call, query: Query) -> list[str]:
    after, most = subscript(call.text(1)), min(subscript(call.text(2)) or MOST_MATCHES, MOST_MATCHES)
    told, unsupported = _told(query.keys)
    wanted = {path: values for path, values in query.keys.items() if path in BY_PATH and not is_universal(values)}
    number = _NUMBER if (_FOUND | {_DATE}).intersection(wanted) else ScheduledStep.ien
    try:
        conditions = list(_conditions(call.connection.dialect.name, query, wanted))
    except Unmatchable as error:
        raise BadRequest(str(error), IDENTIFIER_DOES_NOT_MATCH) from error
    conditions += _seen(call, query.view)
    columns = {attribute.column: getattr(ScheduledStep, attribute.column) for _, attribute in told if attribute is not None}
    statement: Select[*tuple[Any, ...]] = (
        select(ScheduledStep.ien, *columns.values()).where(number > after, *conditions).order_by(number).limit(most + 1)
    )
    rows = call.connection.execute(statement).mappings().all()
    more = str(rows[most - 1]["ien"]) if len(rows) > most else None
    layout = _layout(told)
    matches = [json.dumps({"tags": layout(row)}) for row in rows[:most]]
    return [json.dumps({"more": more, "unsupported": unsupported}), *matches]


def _conditions(engine: str, query: Query, keys: Mapping[str, Sequence[str]]) -> Iterator[Condition]:
    """Give what entries have to meet, but for what the instrument may see; `keys` are not universal. Raises Unmatchable."""
    wanted = dict(keys)
    if _STATUS not in wanted:
        yield ScheduledStep.open.is_(True) if _DATE in wanted or not _FOUND.intersection(wanted) else _OPEN
    days, times = wanted.get(_DATE, ()), wanted.get(_TIME, ())
    if len(days) == len(times) == 1 and is_range(days[0]) and is_range(times[0]):
        yield combined(days[0], times[0])
        del wanted[_DATE], wanted[_TIME]
    for path, values in wanted.items():
        condition = condition_of(engine, BY_PATH[path], values, fold_names=query.fold_names)
        if path == _ACCESSION and query.view.short:
            condition = or_(condition, condition_of(engine, BY_PATH[path], [f"*-{value}" for value in values]))
        yield condition


def _seen(call: Call, view: View) -> Iterator[Condition]:
    """Give what an instrument's entries have to meet. Raises BadRequest."""
    if view.institution:
        place = _institution(call, view.institution)
        yield or_(ScheduledStep.location.is_(None), ScheduledStep.location == place)
    if view.types:
        yield or_(false(), *(_of_type(*kind) for kind in view.types))


def _of_type(service: str, name: str, imaging_procedure: str) -> Condition:
    """Match an imaging type: of a specialty all of its procedures with `*`, or none in particular."""
    kind = and_(ScheduledStep.service == service, ScheduledStep.imaging_type == name)
    return kind if imaging_procedure in ("", "*") else and_(kind, ScheduledStep.imaging_procedure == imaging_procedure)


def _institution(call: Call, named: str) -> int:
    """Find an institution by IEN, station number, or its name up to the first comma, whatever the case of its letters."""
    name = named.partition(",")[0].strip().casefold()
    for place in call.site.institutions.values():
        if named in (str(place.ien), place.station) or place.name.partition(",")[0].strip().casefold() == name:
            return place.ien
    raise BadRequest(f"there is no institution {named[:40]!r}")


Told = Sequence[tuple[str, Attribute | None]]


def _told(keys: Mapping[str, Sequence[str]]) -> tuple[Told, list[str]]:
    """Give the paths to be told with their attributes, None for a sequence that is always empty; and what is not known."""
    told: dict[str, Attribute | None] = {}
    unsupported = []
    for path in keys:
        sequence = next((it for it in SEQUENCES if path == it or (path.startswith(f"{it}>") and not _HELD[it])), None)
        if path in BY_PATH:
            told[path] = BY_PATH[path]
        elif sequence is not None:
            told |= {held: BY_PATH.get(held) for held in _HELD[sequence] or (sequence,)}
        elif path != SPECIFIC_CHARACTER_SET:
            unsupported.append(path)
    return sorted(told.items()), unsupported


def _layout(told: Told) -> Callable[[Mapping[Any, Any]], dict[str, Any]]:
    """Make what lays an entry's values out as nested objects."""
    places = [(path.split(">"), attribute) for path, attribute in told]

    def lay_out(row: Mapping[Any, Any]) -> dict[str, Any]:
        whole: dict[str, Any] = {}
        for (*sequences, tag), attribute in places:
            values = attribute.values(row[attribute.column]) if attribute is not None else []
            item = whole
            for depth, sequence in enumerate(sequences, start=1):
                items = item.setdefault(sequence, [])
                if not items and (values or sequences[:depth] == [STEP]):
                    items.append({})
                if not items:
                    break
                item = items[0]
            else:
                item[tag] = values
        return whole

    return lay_out
