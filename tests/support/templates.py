"""Databases that are made once in a session and copied for each test that wants one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import make_url

from fileman import Store
from tests.support.postgres import PostgresCluster

#: What fills a template.
Fill = Callable[[Store], None]


@dataclass
class Templates:
    """Templates by name and engine: a copy costs a tenth of migrating and filling a database anew."""

    directory: Path
    cluster: Callable[[], PostgresCluster]
    _made: dict[tuple[str, str], str] = field(default_factory=dict)

    def open(self, url: str, name: str, fill: Fill) -> Store:
        """Put a copy of a template where a URL says and no database is yet, and open it."""
        where = make_url(url)
        if where.get_backend_name() == "sqlite":
            shutil.copyfile(self._sqlite(name, fill), str(where.database))
        else:
            self.cluster().copy_database(self._postgresql(name, fill), str(where.database))
        return Store(url)

    def _sqlite(self, name: str, fill: Fill) -> str:
        made = self._made.get((name, "sqlite"))
        if made is None:
            made = self._made[name, "sqlite"] = str(self.directory / f"{name}.db")
            _make(f"sqlite:///{made}", fill)
        return made

    def _postgresql(self, name: str, fill: Fill) -> str:
        made = self._made.get((name, "postgresql"))
        if made is None:
            made, url = self.cluster().create_database()
            self._made[name, "postgresql"] = made
            _make(url, fill)
        return made


def _make(url: str, fill: Fill) -> None:
    store = Store(url)
    fill(store)
    store.close()
