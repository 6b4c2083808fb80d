"""The site of a database as commands change it: filled from a site file, kept in snapshots, put back while a broker runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

import console.routines  # noqa: F401  registers the options that a site file may schedule
from console.errors import ConsoleError
from fileman import (
    SiteFile,
    SiteKey,
    Store,
    apply_site,
    dump_site,
    is_empty,
    lock_for_transaction,
    read_site_file,
    reset_to_site,
    restore_snapshot,
    take_snapshot,
)
from runtime import Clock, Settings
from taskman.schedule import put_schedules, schedule_problems, unknown_options

#: Puts a site into a database, as `apply_site` and `reset_to_site` do.
Apply = Callable[[Connection, SiteFile, SiteKey, datetime, Collection[str]], list[str]]

SUFFIX = ".snapshot"
#: What is locked while a site file fills the database.
SITE_FILE = "site file"
#: Characters of a plain name.
MOST_LETTERS = 100
_NAME = re.compile(rf"[\w-]{{1,{MOST_LETTERS}}}")


@dataclass(frozen=True, slots=True)
class SiteState:
    """What commands do to the site of one open database. Every change is one short transaction, so a broker may be running."""

    settings: Settings
    store: Store
    key: SiteKey
    clock: Clock
    known_rpcs: Collection[str]

    def load(self, file: Path) -> tuple[SiteFile, list[str]]:
        """Fill the database from a site file; give the site and warnings. Images and queues stay."""
        site = read_site_file(file, schedule_problems)
        warnings = self.store.transact(lambda it: self._apply(it, site, apply_site))
        self._remember()
        return site, warnings

    def fill(self, file: Path) -> list[str] | None:
        """Fill a database that has no site; give warnings. None when it has one: of many that start at once one does it."""
        site = read_site_file(file, schedule_problems)

        def work(connection: Connection) -> list[str] | None:
            lock_for_transaction(connection, SITE_FILE)
            return self._apply(connection, site, apply_site) if is_empty(connection) else None

        warnings = self.store.transact(work)
        if warnings is not None:
            self._remember()
        return warnings

    def _apply(self, connection: Connection, site: SiteFile, apply: Apply) -> list[str]:
        """Put a site in with what it schedules; give warnings."""
        lock_for_transaction(connection, SITE_FILE)
        warnings = apply(connection, site, self.key, self.clock.now(), self.known_rpcs)
        put_schedules(connection, site.option_schedule, self.clock.seconds())
        unknown = ", ".join(unknown_options(site))
        return [*warnings, *([f"options that run nothing here stay scheduled: {unknown}"] if unknown else [])]

    def snapshot(self, target: str) -> Path:
        """Keep the state under a name, or in a file; give the file. A snapshot that is there is replaced.

        Raises ConsoleError for a name that a reset would take for something else, BadSnapshot for a file of another kind.
        """
        file = self.file_of(target)
        if _is_site_file(file):
            raise ConsoleError(f"{target} would be read as a site file by a reset: a snapshot's name ends otherwise.")
        take_snapshot(self.store, file)
        return file

    def reset(self, source: str | None) -> Path:
        """Put the state back to a snapshot, to a site file (`.toml`), or to the site file last loaded; give the file.

        Raises ConsoleError when there is none.
        """
        file = self._loaded if source is None else self.file_of(source)
        if source is None and not file.exists():
            raise ConsoleError(f"It is not known from which site file {self.settings.data} was filled: name one to go back to.")
        if source is not None and not file.exists():
            raise ConsoleError(f"There is no {file}; {self._those_there_are()}.")
        if _is_site_file(file):
            site = read_site_file(file, schedule_problems)
            self.store.transact(lambda it: self._apply(it, site, reset_to_site))
            if source is not None:
                self._remember()
        else:
            restore_snapshot(self.store, file, self.key)
        return file

    def file_of(self, target: str) -> Path:
        """Give the file of a snapshot: a plain name's lies in the data directory, anything with a slash or a dot is a path.

        Raises ConsoleError for what is neither.
        """
        if _NAME.fullmatch(target):
            return self._folder / f"{target}{SUFFIX}"
        if "/" not in target and "." not in target:
            name = f"a name (up to {MOST_LETTERS} letters, digits, - and _)"
            raise ConsoleError(f"{target!r} is neither {name} nor a path (with a slash or a dot).")
        return Path(target)

    @property
    def _folder(self) -> Path:
        return self.settings.data / "snapshots"

    @property
    def _loaded(self) -> Path:
        return self.settings.data / "site-file.toml"

    def _remember(self) -> None:
        """Keep what the site file said, with hashes for codes, so that a reset knows where to go back to."""
        written = self._loaded.with_suffix(".new")
        written.touch(mode=0o600)
        written.write_text(self.store.read(dump_site), encoding="utf-8")
        written.replace(self._loaded)

    def _those_there_are(self) -> str:
        names = sorted(file.stem for file in self._folder.glob(f"*{SUFFIX}"))
        return f"there are the snapshots {', '.join(names)}" if names else f"there are no snapshots in {self._folder}"


def _is_site_file(file: Path) -> bool:
    return file.suffix.lower() == ".toml"
