"""What is no database is refused in words that a person can act on."""

from __future__ import annotations

from pathlib import Path

import pytest

from fileman import StoreFailed
from fileman.engines import is_sqlite
from fileman.migrate import current_revision
from fileman.store import Store


@pytest.mark.parametrize(
    ("url", "sqlite"),
    [("sqlite:////tmp/a.db", True), ("postgresql+psycopg://user:pw@host/db", False)],
)
def test_the_engine_is_told_by_the_url(url: str, sqlite: bool) -> None:
    assert is_sqlite(url) is sqlite


@pytest.mark.parametrize("url", ["", "magbroker.db", "oracle9://x:secret@y/z", "sqlite+nothing:///x.db", "://secret"])
def test_what_is_no_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(StoreFailed, match="neither sqlite") as raised:
        is_sqlite(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(StoreFailed, match="has to be a file"):
        Store(url)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "magbroker.db"
    path.write_text("these are my notes, not a database\n" * 100)
    before = path.read_bytes()
    with pytest.raises(StoreFailed, match="cannot be opened"):
        Store(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_server_that_is_down_is_named_without_the_password() -> None:
    with pytest.raises(StoreFailed, match="cannot be opened") as raised:
        current_revision("postgresql+psycopg://user:secret@127.0.0.1:1/db")
    assert "secret" not in str(raised.value)
