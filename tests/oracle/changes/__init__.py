"""Recorded changes of state, by theme: what the M text did to VistA, done to the broker's database."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, update

from fileman import SiteFile, SiteKey, bump_site_version, read_site_file
from fileman.files import File
from runtime import Clock, SystemClock

#: By which changes of state are made; a test puts the recorded day in its place.
CLOCK: Clock = SystemClock()

Change = Callable[[Connection, SiteKey], None]


@functools.cache
def site() -> SiteFile:
    """Give the state at the start of every theme."""
    return read_site_file(Path(__file__).parents[1] / "site.toml")


def setting_columns(file: type[File], which: object, **values: object) -> Change:
    """Set columns of an entry."""

    def change(connection: Connection, _key: SiteKey) -> None:
        connection.execute(update(file).where(which).values(**values))
        bump_site_version(connection)

    return change


def all_of(*parts: Change) -> Change:
    """Make several changes, in order."""

    def change(connection: Connection, key: SiteKey) -> None:
        for part in parts:
            part(connection, key)

    return change


def nothing(_connection: Connection, _key: SiteKey) -> None:
    """Change nothing: what VistA finds by the cross-reference is found here without one."""
