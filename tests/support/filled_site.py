"""A site of any size with rows in every table, so that what moves or copies a site forgets none."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy import insert

from fileman import Store
from fileman.files import NUMBERED_FILES
from fileman.numbers import FIRST_NUMBER, set_last_numbers
from fileman.sqlite_site import SITE_TABLES
from tests.support.rows import Row, invented_rows

#: Rows per image, for tables that grow with images; every other table has FEW rows.
PER_IMAGE = {
    "answered_request": 1,
    "background_queue": 1,
    "dicom_export": 1,
    "dicom_export_image": 1,
    "image": 1,
    "image_event": 5,
    "image_header": 1,
    "rule_decision": 1,
    "send_queue": 1,
}
FEW = 25

_HEADER = {f"0008,{number:04X}": ["LO", [f"VALUE OF {number}"]] for number in range(40)}
_FACTS = {f"FIELD_{number}": f"VALUE {number}" for number in range(20)}
#: Texts that are as long as real ones, by table and column.
_LONG = {
    ("image_header", "elements"): _HEADER,
    ("rule_decision", "facts"): _FACTS,
    ("answered_request", "answer"): _FACTS,
}


def _rows_of(name: str, images: int) -> int:
    return PER_IMAGE.get(name, 0) * images or FEW


def fill_site(url: str, images: int) -> None:
    """Fill a new database: rows in every table, and numbers that go on after rows which are gone."""
    store = Store(url)
    try:
        for table in reversed(SITE_TABLES):
            store.transact(lambda it, table=table: it.execute(table.delete()))
        for table in SITE_TABLES:
            rows = invented_rows(table, _rows_of(table.name, images))
            for (of, column), value in _LONG.items():
                if of == table.name:
                    _lengthen(rows, column, json.dumps(value))
            store.transact(lambda it, table=table, rows=rows: it.execute(insert(table), rows))
        store.transact(lambda it: set_last_numbers(it, NUMBERED_FILES, last_numbers_of(images)))
    finally:
        store.close()


def _lengthen(rows: list[Row], column: str, text: str) -> None:
    for number, row in enumerate(rows):
        row[column] = f"{number} {text}"


def last_numbers_of(images: int) -> dict[str, int]:
    """Give the last number of each numbered file, another one for each; one file has given none."""
    first = {file: FIRST_NUMBER.get(file, 1) for file in NUMBERED_FILES[1:]}
    return {file: number + _rows_of(file, images) + place for place, (file, number) in enumerate(first.items())}


def site_file(folder: Path, images: int) -> Path:
    """Make a SQLite site in a folder; give its file."""
    file = folder / "magbroker.db"
    fill_site(f"sqlite:///{file}", images)
    return file
