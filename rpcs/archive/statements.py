"""The statement of a query: made once for every shape of a query and engine, with the values as its parameters.

Patterns are searched in the range of what begins as they do, which an index of the column finds. Person names and values of
several are looked for in ARCHIVE VALUE, and where their patterns begin with a wild card in ARCHIVE TAIL first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeAlias, cast

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.orm import aliased

from fileman import behind
from fileman.files import ArchiveHolding, ArchiveInstance, ArchivePatient, ArchiveSeries, ArchiveStudy, ArchiveTail, ArchiveValue
from rpcs.archive.attributes import ATTRIBUTES, Level, Matching
from rpcs.archive.matching import Alternative, Compare, Compared, Key

#: The number of an entry of each level.
NUMBERS: dict[Level, Any] = {
    Level.PATIENT: ArchivePatient.ien,
    Level.STUDY: ArchiveStudy.ien,
    Level.SERIES: ArchiveSeries.ien,
    Level.IMAGE: ArchiveInstance.image,
}
_FILES: dict[Level, Any] = {
    Level.PATIENT: ArchivePatient,
    Level.STUDY: ArchiveStudy,
    Level.SERIES: ArchiveSeries,
    Level.IMAGE: ArchiveInstance,
}
#: What ties an entry to the one above it.
_TIES: dict[Level, Any] = {
    Level.STUDY: ArchiveStudy.patient == ArchivePatient.ien,
    Level.SERIES: ArchiveSeries.study == ArchiveStudy.ien,
    Level.IMAGE: ArchiveInstance.series == ArchiveSeries.ien,
}

#: How the alternatives of a key are compared, without their values; one for `equal` stands before them where there is any.
_Alternative: TypeAlias = tuple[tuple[int, Compare], ...]
_Shape: TypeAlias = tuple[str, bool, bool, tuple[_Alternative, ...]]

Parameters: TypeAlias = dict[str, object]


def statement_of(
    level: Level, returned: Sequence[str], keys: Sequence[Key], dialect: str, *, newest: bool = False
) -> tuple[Select[*tuple[Any, ...]], Parameters]:
    """Give a query's statement and the parameters of its keys; `after` and `most` are yet to be told. `newest` come first, then.

    A row has the number of its entry, of those above it down from the highest that is needed, then what is returned.
    """
    shapes = tuple((key.attribute.tag, bool(key.equal), key.fold, tuple(map(_shape, key.others))) for key in keys)
    parameters: Parameters = {}
    for place, key in enumerate(keys):
        if key.equal:
            parameters[f"k{place}"] = list(key.equal)
        for number, alternative in enumerate(key.others):
            for part, compared in alternative.groups:
                parameters |= _values(f"k{place}_{number}_{part}", compared, dialect)
    return _statement(level, tuple(returned), shapes, dialect, newest), parameters


def _shape(alternative: Alternative) -> _Alternative:
    return tuple((part, compare) for part, (compare, _values) in alternative.groups)


def _values(name: str, compared: Compared, dialect: str) -> Parameters:
    compare, values = compared
    match compare, values:
        case Compare.EQUAL, (value,):
            return {name: value}
        case Compare.RANGE, (first, last):
            return {f"{name}_from": first, f"{name}_to": last}
        case Compare.BEGINS, (str(text),):
            return {f"{name}_from": text, f"{name}_to": behind(text)}
        case Compare.ANYWHERE, (str(text),):
            return {name: _PATTERNS[dialect](text)}
        case Compare.WITHIN, (str(text), str(run)):
            return {name: _PATTERNS[dialect](text), f"{name}_from": run, f"{name}_to": behind(run)}
        case Compare.PATTERN, (str(text),):
            head = _head(text)
            return {f"{name}_from": head, f"{name}_to": behind(head), f"{name}_like": _PATTERNS[dialect](text)}
    raise TypeError(f"{compared!r} is no comparison")


def _head(pattern: str) -> str:
    """Give what a pattern begins with, up to its first wild card."""
    return pattern[: min(place for wild in "*?" if (place := pattern.find(wild)) >= 0)]


def _glob(pattern: str) -> str:
    return pattern.replace("[", "[[]")


_LIKE = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_", "*": "%", "?": "_"})


def _like(pattern: str) -> str:
    return pattern.translate(_LIKE)


#: How each engine writes a pattern: GLOB of SQLite and LIKE of PostgreSQL tell upper from lower case.
_PATTERNS: dict[str, Callable[[str], str]] = {"sqlite": _glob, "postgresql": _like}
_OPERATORS = {"sqlite": "GLOB", "postgresql": "LIKE"}


@lru_cache(maxsize=512)
def _statement(
    level: Level, returned: tuple[str, ...], shapes: tuple[_Shape, ...], dialect: str, newest: bool
) -> Select[*tuple[Any, ...]]:
    """Find the entries first, then read them: what is sorted and left out then is their numbers only."""
    attributes = [ATTRIBUTES[tag] for tag in (*returned, *(shape[0] for shape in shapes))]
    highest = min((attribute.level for attribute in attributes), default=level)
    columns = [NUMBERS[level], *(NUMBERS[it] for it in Level if highest <= it < level)]
    read = [ATTRIBUTES[tag].column.label(tag) for tag in returned if not ATTRIBUTES[tag].is_computed]
    if level is Level.IMAGE:
        read += [getattr(ArchiveInstance, name).label(name) for name in ("short_term", "long_term", "size")]
    number = NUMBERS[level]
    found = select(*columns, *read).select_from(_joined(level, highest)).order_by(number.desc() if newest else number)
    if not shapes:
        return found.where(_behind(number, newest)).limit(bindparam("most"))
    return found.where(number.in_(_entries(level, shapes, dialect, newest)))


def _behind(number: Any, newest: bool) -> ColumnElement[bool]:
    """Say that an entry comes behind the last of the page before."""
    after = bindparam("after", type_=Integer)
    return cast(ColumnElement[bool], number < after if newest else number > after)


def _joined(level: Level, highest: Level) -> FromClause:
    source: FromClause = _FILES[level].__table__
    for it in sorted((it for it in Level if highest <= it < level), reverse=True):
        source = source.join(_FILES[it].__table__, _TIES[Level(it + 1)])
    return source


def _entries(level: Level, shapes: tuple[_Shape, ...], dialect: str, newest: bool) -> Select[tuple[int]]:
    """Select the numbers of the entries of a page.

    Where a key has an index the numbers are hidden from the engine: it would rather walk over everything in their order, as if a
    page were soon full, than sort what the index finds.
    """
    source = _joined(level, min(ATTRIBUTES[shape[0]].level for shape in shapes))
    number = NUMBERS[level] + literal_column("0") if any(map(_is_indexed, shapes)) else NUMBERS[level]
    conditions = [_condition(place, shape, dialect) for place, shape in enumerate(shapes)]
    found = select(NUMBERS[level]).select_from(source).where(_behind(number, newest), *conditions)
    return found.order_by(number.desc() if newest else number).limit(bindparam("most"))


#: The columns that an index begins with; of those in the second one it holds only rows that have a value.
_INDEXES = [index for file in _FILES.values() for index in file.__table__.indexes]
_PARTIAL = frozenset(index.columns[0] for index in _INDEXES if index.dialect_options["sqlite"]["where"] is not None)
_UNIQUE = (ArchiveStudy.__table__.c.study_uid, ArchiveSeries.__table__.c.series_uid)
_INDEXED = frozenset((*(index.columns[0] for index in _INDEXES), *_UNIQUE))


def _is_indexed(shape: _Shape) -> bool:
    """Tell whether an index finds what matches a key: none does for patterns that begin with a wild card."""
    tag, _equal, _fold, others = shape
    attribute = ATTRIBUTES[tag]
    if attribute.has_tails:
        return True
    if attribute.is_computed or any(compare is Compare.ANYWHERE for groups in others for _part, compare in groups):
        return False
    return attribute.compared.property.columns[0] in _INDEXED


def _condition(place: int, shape: _Shape, dialect: str) -> ColumnElement[bool]:
    """Say that one of a key's alternatives matches."""
    tag, equal, fold, others = shape
    attribute = ATTRIBUTES[tag]
    matched = list(_alternatives(place, equal, others))
    if attribute.has_tails:
        number = NUMBERS[attribute.level]
        entries: ColumnElement[bool] = number.in_(_valued(tag.rpartition(">")[2], fold, place, equal, others, dialect))
        return entries
    column = _compared_column(tag)
    matching = or_(*(_compare(column, name, compare, dialect) for name, compare in matched))
    if attribute.matching is Matching.MODALITIES:
        return exists().where(_other.study == ArchiveStudy.ien, matching)
    if attribute.matching is Matching.CLASSES:
        return exists().where(_other.study == ArchiveStudy.ien, ArchiveHolding.series == _other.ien, matching)
    if not attribute.is_computed and column.property.columns[0] in _PARTIAL:
        matching &= column != literal_column("''")
    return matching


def _alternatives(place: int, equal: bool, others: tuple[_Alternative, ...]) -> Iterator[tuple[str, Compare | None]]:
    """Give the parameter and the comparison of each alternative of what is no name; None for the list of equal ones."""
    if equal:
        yield f"k{place}", None
    for number, groups in enumerate(others):
        for part, compare in groups:
            yield f"k{place}_{number}_{part}", compare


#: The series of a study, wherever else a query looks for series.
_other = aliased(ArchiveSeries, name="of_study")


def _compared_column(tag: str) -> Any:
    attribute = ATTRIBUTES[tag]
    match attribute.matching:
        case Matching.MODALITIES:
            return _other.modality
        case Matching.CLASSES:
            return ArchiveHolding.sop_class
        case Matching.COUNT:
            return counted(attribute.level, attribute.counted or attribute.level)
    return attribute.compared


def _compare(column: Any, name: str, compare: Compare | None, dialect: str) -> ColumnElement[bool]:
    def named(end: str = "") -> BindParameter[Any]:
        return bindparam(f"{name}{end}", type_=column.type)

    condition: ColumnElement[bool]
    match compare:
        case None:
            condition = column.in_(bindparam(name, expanding=True, type_=column.type))
        case Compare.EQUAL:
            condition = column == named()
        case Compare.ANYWHERE | Compare.WITHIN:
            condition = column.op(_OPERATORS[dialect], is_comparison=True)(named())
        case Compare.RANGE:
            condition = and_(column >= named("_from"), column <= named("_to"))
        case _:
            condition = and_(column >= named("_from"), column < named("_to"))
            if compare is Compare.PATTERN:
                condition &= column.op(_OPERATORS[dialect], is_comparison=True)(named("_like"))
    return condition


def _valued(tag: str, fold: bool, place: int, equal: bool, others: tuple[_Alternative, ...], dialect: str) -> Any:
    """Select the entries whose values, or groups of names, match a key."""
    selects = []
    if equal:
        selects.append(_of_value(tag, fold, ((0, f"k{place}", None),), dialect))
    for number, groups in enumerate(others):
        parts = tuple((part, f"k{place}_{number}_{part}", compare) for part, compare in groups)
        selects.append(_of_value(tag, fold, parts, dialect))
    return selects[0] if len(selects) == 1 else selects[0].union_all(*selects[1:])


def _of_value(tag: str, fold: bool, parts: Sequence[tuple[int, str, Compare | None]], dialect: str) -> Select[tuple[int]]:
    """Select the entries with a value whose named groups match, each its own comparison; group 0 is any."""
    files: list[Any] = [aliased(ArchiveValue, name=f"value_{part}") for part, _name, _compare in parts]
    first, tail = files[0], cast(Any, ArchiveTail)
    conditions = [first.attribute == tag]
    for file, (part, name, compare) in zip(files, parts, strict=True):
        conditions.append(_compare(file.folded if fold else file.value, name, compare, dialect))
        if part:
            conditions.append(file.part == part)
        if file is not first:
            conditions += [file.attribute == tag, file.entry == first.entry, file.number == first.number]
    within = next((name for _part, name, compare in parts if compare is Compare.WITHIN), None)
    if within is None:
        return select(first.entry).where(*conditions)
    begins = _compare(tail.folded if fold else tail.value, within, Compare.BEGINS, dialect)
    return select(tail.entry).where(tail.attribute == tag, begins, exists().where(first.entry == tail.entry, *conditions))


def counted(level: Level, of: Level) -> Any:
    """Count, for an entry of a level in the statement around it, what is below it."""
    study, series = aliased(ArchiveStudy, name="counted_study"), aliased(ArchiveSeries, name="counted_series")
    what: Any = {Level.STUDY: study.ien, Level.SERIES: series.ien}.get(of)
    count = select(func.coalesce(func.sum(ArchiveHolding.instances), 0) if what is None else func.count(what))
    if of is Level.IMAGE:
        count = count.where(ArchiveHolding.series == series.ien)
    if of is not Level.STUDY and level is Level.PATIENT:
        count = count.where(series.study == study.ien)
    tie = {Level.PATIENT: study.patient == ArchivePatient.ien, Level.STUDY: series.study == ArchiveStudy.ien}
    return count.where(tie.get(level, series.ien == ArchiveSeries.ien)).scalar_subquery()
