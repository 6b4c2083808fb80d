"""Internal entry numbers: counted up per file, never given twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, Sequence, text

from fileman.files.base import NUMBERED_FILES, File

#: Where a file's numbers begin; 1 unless named here. TaskMan's begin at 1000.
FIRST_NUMBER = {"task": 1000}

for _file in NUMBERED_FILES:
    Sequence(f"ien_{_file}", start=FIRST_NUMBER.get(_file, 1), metadata=File.metadata)

_COUNT_UP = text(
    "INSERT INTO file_header (file, last_ien) VALUES (:file, :first)"
    " ON CONFLICT (file) DO UPDATE SET last_ien = last_ien + :count RETURNING last_ien"
)
_GIVE_BACK = text("UPDATE file_header SET last_ien = last_ien - :count WHERE file = :file")
_NEXT_VALUE = {file: text(f"SELECT nextval('ien_{file}')") for file in NUMBERED_FILES}


def next_ien(connection: Connection, file: str) -> int:
    """Take the next internal entry number of a file, within the caller's transaction.

    On SQLite a rolled back transaction gives its number back; on PostgreSQL it leaves a gap, as a FileMan site has them.
    """
    if connection.dialect.name == "sqlite":
        row = connection.execute(_COUNT_UP, {"file": file, "first": FIRST_NUMBER.get(file, 1), "count": 1})
        return int(row.scalar_one())
    return int(connection.execute(_NEXT_VALUE[file]).scalar_one())


def next_iens(connection: Connection, file: str, count: int) -> list[int]:
    """Take several numbers at once, in order; on PostgreSQL other writers' numbers may lie between them."""
    if connection.dialect.name == "sqlite":
        first = FIRST_NUMBER.get(file, 1) + count - 1
        last = int(connection.execute(_COUNT_UP, {"file": file, "first": first, "count": count}).scalar_one())
        return list(range(last - count + 1, last + 1))
    rows = connection.execute(text(f"SELECT nextval('ien_{file}') FROM generate_series(1, :count)"), {"count": count})
    return [int(number) for (number,) in rows]


@dataclass(slots=True)
class NumbersAhead:
    """Entry numbers of a file for a transaction that takes them one by one and knows how many it may want: few statements."""

    connection: Connection
    file: str
    wanted: int = 1
    _taken: list[int] = field(default_factory=list)

    def take(self) -> int:
        """Take the next number."""
        if not self._taken:
            self._taken = next_iens(self.connection, self.file, max(self.wanted, 1))[::-1]
        self.wanted -= 1
        return self._taken.pop()

    def give_back(self) -> None:
        """Let the numbers that were not wanted be the next ones again: on SQLite; PostgreSQL's stay, which leaves a gap."""
        if self._taken and self.connection.dialect.name == "sqlite":
            self.connection.execute(_GIVE_BACK, {"file": self.file, "count": len(self._taken)})
            self._taken.clear()


def last_numbers(connection: Connection, files: Iterable[str]) -> dict[str, int]:
    """Give the last number that each file has given; a file that has given none is left out."""
    if connection.dialect.name == "sqlite":
        rows = connection.execute(text("SELECT file, last_ien FROM file_header")).all()
        wanted = set(files)
        return {row.file: int(row.last_ien) for row in rows if row.file in wanted}
    found = {file: last_of_sequence(connection, f"ien_{file}") for file in files}
    return {file: number for file, number in found.items() if number >= FIRST_NUMBER.get(file, 1)}


def last_of_sequence(connection: Connection, name: str) -> int:
    """Give the number before the one that a sequence of PostgreSQL gives next: one that was set anew has not given it."""
    return int(connection.execute(text(f"SELECT last_value - (NOT is_called)::int FROM {name}")).scalar_one())


def set_last_numbers(connection: Connection, files: Iterable[str], last: Mapping[str, int]) -> None:
    """Let numbers go on after the given ones, and those of the other files begin again."""
    reset_numbers(connection, files)
    for file, number in last.items():
        if connection.dialect.name == "sqlite":
            connection.execute(
                text("INSERT INTO file_header (file, last_ien) VALUES (:file, :last)"), {"file": file, "last": number}
            )
        else:
            connection.execute(text(f"ALTER SEQUENCE ien_{file} RESTART WITH {int(number) + 1}"))


def reset_numbers(connection: Connection, files: Iterable[str]) -> None:
    """Let the numbers of some files begin again, for a site that is put back to its site file."""
    for file in files:
        if connection.dialect.name == "sqlite":
            connection.execute(text("DELETE FROM file_header WHERE file = :file"), {"file": file})
        else:
            connection.execute(text(f"ALTER SEQUENCE ien_{file} RESTART"))
