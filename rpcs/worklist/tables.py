"""Worklists as tables (CSV): each line a scheduled step, the first one names the columns. No database."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO

from fileman.worklist import CSV, ORDER_LIMIT, PLAIN, WorklistError, complete
from fileman.worklist_attributes import BY_COLUMN, checked

#: Columns that a table may have: every attribute, and what an entry has besides.
COLUMNS = (*BY_COLUMN, *PLAIN)
#: And those that it has to have; without `step_id` and `procedure_id` both are the accession number.
NEEDED = ("accession", "patient_id", "patient_name", "modality", "start_date")
#: Lines of one table.
MOST_LINES = 100_000
#: What may stand between fields; the one of the first line counts.
_DELIMITERS = (",", ";", "\t")
_SERVICES = ("RAD", "CON", "LAB")
_DASHES = {"start_date": "-", "birth_date": "-", "start_time": ":"}
_BOM = "\ufeff"


class TableError(Exception):
    """A table cannot be read. The text names line and column as far as there is one."""

    def __init__(self, problem: str, line: int, column: str = "") -> None:
        self.problem, self.line, self.column = problem, line, column
        super().__init__(f"line {line}{f', column {column}' if column else ''}: {problem}")


@dataclass(frozen=True, slots=True)
class TableRow:
    """One line of a table: its number, and its values by column."""

    line: int
    values: dict[str, str]


def read_table(text: str) -> list[TableRow]:
    """Read a table. Raises TableError, for the first thing that is wrong."""
    lines = _lines(text.removeprefix(_BOM))
    number, head = next(lines, (1, []))
    columns = [name.strip().lower() for name in head]
    _check_columns(columns, number)
    rows: list[TableRow] = []
    seen: dict[tuple[str, str], int] = {}
    for line, fields in lines:
        if len(fields) > len(columns):
            raise TableError(f"has {len(fields)} fields, the first line {len(columns)}", line)
        row = checked_row(line, dict(zip(columns, fields, strict=False)))
        key = (row.values["accession"], row.values["step_id"])
        if key in seen:
            raise TableError(f"is the same step as line {seen[key]}: accession {key[0]}, step_id {key[1]}", line)
        seen[key] = line
        rows.append(row)
        if len(rows) > MOST_LINES:
            raise TableError(f"a table has at most {MOST_LINES} steps", line)
    return rows


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Give the lines that are not empty, each with the number of the last line of the file that it takes."""
    first = text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise TableError(f"this is not CSV: {error}", max(reader.line_num, 1)) from error
        if fields is None:
            return
        if any(field.strip() for field in fields):
            yield reader.line_num, fields


def _check_columns(columns: list[str], line: int) -> None:
    for name in columns:
        if name not in COLUMNS:
            raise TableError(f"there is no column {name[:40]!r}; there are {', '.join(COLUMNS)}", line, name[:40])
        if columns.count(name) > 1:
            raise TableError("is there twice", line, name)
    if missing := next((name for name in NEEDED if name not in columns), None):
        raise TableError("is missing", line, missing)


def checked_row(line: int, given: Mapping[str, str]) -> TableRow:
    """Check the values of one line and put in what they leave out. Raises TableError."""
    values = {}
    for column, text in given.items():
        try:
            values[column] = _checked(column, text.strip())
        except ValueError as error:
            raise TableError(str(error), line, column) from error
    values = {column: value for column, value in values.items() if value or column in BY_COLUMN}
    for column in ("step_id", "procedure_id"):
        values[column] = values.get(column) or values.get("accession", "")
    try:
        complete({"source": CSV, **values})
    except WorklistError as error:
        raise TableError(str(error), line, error.column) from error
    return TableRow(line, values)


def _checked(column: str, text: str) -> str:
    """Give a value as it is kept; days may be written 2026-11-24 and times 10:30. Raises ValueError."""
    if column in BY_COLUMN:
        dash = _DASHES.get(column)
        return checked(column, text.replace(dash, "") if dash else text)
    if column not in PLAIN:
        raise ValueError("is no column")
    if column == "location" and text and not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ValueError(f'"{text[:20]}" is no number of an institution')
    if column == "service" and text not in ("", *_SERVICES):
        raise ValueError(f'"{text[:20]}" is no service; write {", ".join(_SERVICES)}')
    if len(text) > ORDER_LIMIT or not text.isprintable():
        raise ValueError(f"is longer than {ORDER_LIMIT} characters, or holds a control character")
    return text
