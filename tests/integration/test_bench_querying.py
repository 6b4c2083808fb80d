"""The benchmark of queries asks archives of ours and Orthanc that hold the same, filled as filing fills them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from bench.archived import Size, an_object, fill_index
from bench.querying import OURS, QUERIES, Sizes, WrongAnswer, asked, measure_querying
from fileman import Store
from fileman.files import File
from tests.support.archived_objects import INDEX, archive_objects
from tests.support.query_provider import AE_TITLE, QueryProvider, Table
from tests.support.services import DEMO_SITE

#: Few studies, but as many as the queries match.
STUDIES = 500
SMALL = Sizes(Size(STUDIES, 1), Size(STUDIES + 20, 1), rounds=1, warm_up=0)


def test_an_archive_filled_in_few_statements_is_what_filing_each_instance_makes(tmp_path: Path) -> None:
    size = Size(12, 4)
    objects = [an_object(study, number) for number in range(1, size.per_study + 1) for study in range(size.studies)]
    filled = _index(tmp_path / "filled.db", lambda connection: fill_index(connection, size))
    filed = _index(tmp_path / "filed.db", lambda connection: archive_objects(connection, objects, 1))
    assert len(filed["archive_instance"]) == size.instances
    assert filled == filed


def test_archives_are_asked_in_turn_and_compared(tmp_path: Path) -> None:
    figures = {figure.subject: figure for figure in measure_querying(tmp_path / "querying", DEMO_SITE, SMALL)}
    for query in QUERIES:
        name = f"C-FIND, {query.name}"
        ours, theirs = (figures[f"{name}: {whom}"].value for whom in (OURS, "Orthanc"))
        assert figures[f"{name}: faster than Orthanc"].value == theirs / ours > 0
    assert figures["C-FIND, exact Study UID: faster than Orthanc"].note == "wanted 1"


def test_an_answer_that_is_not_what_is_archived_ends_the_measurement() -> None:
    with QueryProvider(Table([])) as provider, pytest.raises(WrongAnswer, match="exact Patient ID: 0 matches came in place of 1"):
        asked({OURS: (provider.port, AE_TITLE)}, SMALL)


def _index(database: Path, fill: Callable[[Connection], object]) -> dict[str, list[tuple[object, ...]]]:
    """Fill an empty database; give the rows of the archive's index."""
    with closing(Store(f"sqlite:///{database}")) as store:
        store.transact(fill)
        return store.read(
            lambda connection: {str(file.__tablename__): sorted(_rows(connection, file), key=repr) for file in INDEX}
        )


def _rows(connection: Connection, file: type[File]) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(select(*file.__table__.c))]
