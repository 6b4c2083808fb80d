"""Entries of a queue in the order of an index, a page at a time, whatever of its leading columns is asked for.

An index finds entries in order only where its leading columns are known. What is not asked for is found out, value by value
(a look into the index each), and the entries of all these ranges are merged: nothing is read but what is given, and one more
of each range.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

Column = InstrumentedAttribute[Any]
Entry = Row[*tuple[Any, ...]]
#: What is wanted, by the names of columns: any of some values.
Wanted = Mapping[str, Sequence[Any]]
Key = tuple[Any, ...]

#: Ranges of an index that are merged at most.
MOST_RANGES = 400
#: Rows that are read of a range at first, and behind them.
_FIRST, _MORE = 8, 500
#: Before every number that a key has.
_BEFORE = -1


class TooManyRanges(Exception):
    """An order has so many ranges that they are not merged: more is to be asked for."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """The leading columns of an index: which values they have together is found without reading the entries between them.

    `known` are the values that a column may have, where nobody needs to look.
    """

    columns: tuple[Column, ...]
    known: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(column.key for column in self.columns)

    def found(self, connection: Connection, wanted: Wanted) -> Iterator[tuple[Any, ...]]:
        """Give the values that entries have, in order; of a column that is asked for those asked for, as they are."""
        yield from self._below(connection, wanted, ())

    def _below(self, connection: Connection, wanted: Wanted, fixed: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        if len(fixed) == len(self.columns):
            yield fixed
            return
        for value in self._values(connection, wanted, fixed):
            yield from self._below(connection, wanted, (*fixed, value))

    def _values(self, connection: Connection, wanted: Wanted, fixed: tuple[Any, ...]) -> Iterator[Any]:
        column = self.columns[len(fixed)]
        if (values := wanted.get(column.key, self.known.get(column.key))) is not None:
            yield from values
            return
        first = select(func.min(column)).where(*(it == value for it, value in zip(self.columns, fixed, strict=False)))
        last = connection.execute(first).scalar()
        while last is not None:
            yield last
            last = connection.execute(first.where(column > last)).scalar()


@dataclass(frozen=True, slots=True)
class Order:
    """An order of entries: that of an index which begins with `ranges`.

    `key` are the columns that entries are in order by, the last of them their number; `falling` is one before these whose
    highest value comes first. `entries` selects the entries, with all these columns. An order that `needs` a column, of whose
    values each has few entries, is for who asks for it; `also` are columns that may be asked for besides then.
    """

    name: str
    entries: Select[*tuple[Any, ...]]
    ranges: Ranges
    key: tuple[Column, ...]
    falling: Column | None = None
    needs: Column | None = None
    also: tuple[Column, ...] = ()

    def takes(self, wanted: Wanted) -> bool:
        """Tell whether an index finds what is wanted in this order."""
        known = {*self.ranges.names, *(column.key for column in self.also)}
        return set(wanted) <= known and (self.needs is None or self.needs.key in wanted)

    @property
    def places(self) -> tuple[str, ...]:
        """The columns whose values say where a page ended."""
        return tuple(column.key for column in (*(() if self.falling is None else (self.falling,)), *self.key))

    def place_of(self, entry: Entry) -> Key:
        """Say where an entry stands."""
        return tuple(getattr(entry, name) for name in self.places)

    def walk(self, connection: Connection, wanted: Wanted, after: Key = (), without: Any = None) -> Iterator[Entry]:
        """Give entries, behind a place; those that have the falling column's value `without` are passed over.

        Raises TooManyRanges.
        """
        found = list(islice(self.ranges.found(connection, wanted), MOST_RANGES + 1))
        if len(found) > MOST_RANGES:
            raise TooManyRanges
        walks = [self._walk(connection, values, wanted, after, without) for values in found]
        yield from walks[0] if len(walks) == 1 else merge(*walks, key=self._rank)

    def _rank(self, entry: Entry) -> Key:
        place = self.place_of(entry)
        return place if self.falling is None else (-place[0], *place[1:])

    def _walk(self, connection: Connection, values: tuple[Any, ...], wanted: Wanted, after: Key, without: Any) -> Iterator[Entry]:
        conditions = [column == value for column, value in zip(self.ranges.columns, values, strict=True)]
        conditions += [column.in_(wanted[column.key]) for column in self.also if column.key in wanted]
        statement = self.entries.where(*conditions)
        if self.falling is None:
            yield from self._rising(connection, statement, after)
            return
        level = select(func.max(self.falling)).where(*conditions)
        highest = after[0] if after else connection.execute(level).scalar()
        begin = after[1:]
        while highest is not None:
            if highest != without:
                yield from self._rising(connection, statement.where(self.falling == highest), begin)
            begin = ()
            highest = connection.execute(level.where(self.falling < highest)).scalar()

    def _rising(self, connection: Connection, statement: Select[*tuple[Any, ...]], after: Key) -> Iterator[Entry]:
        ordered = statement.where(tuple_(*self.key) > tuple_(*(bindparam(f"after_{column.key}") for column in self.key)))
        ordered = ordered.order_by(*self.key).limit(bindparam("most"))
        place, most = after or (_BEFORE,) * len(self.key), _FIRST
        while True:
            key = {f"after_{column.key}": value for column, value in zip(self.key, place, strict=True)}
            rows = connection.execute(ordered, {**key, "most": most}).all()
            yield from rows
            if len(rows) < most:
                return
            place, most = tuple(getattr(rows[-1], column.key) for column in self.key), _MORE
