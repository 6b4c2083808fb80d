"""The site that rules are tried against: the database of a data directory, or a site file on its own. Only read."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, func, select

from console.errors import WrongUsage
from fileman import SiteKey, Store, apply_site, read_site_file, site_settings
from fileman.errors import FileManError
from fileman.files import ImagingSite
from rules.evaluator.image_facts import Names, elements_of, know_image, read_rows
from rules.evaluator.priors import prior_studies
from rules.evaluator.site_view import SiteView, read_site_view
from rules.language.ast import Rule
from rules.trials.given import NOTHING, Given
from rules.trials.places import Places
from rules.trials.queues import memory_database
from runtime import SystemClock

Read = Callable[[Callable[[Connection], Any]], Any]

_FIRST_SITE = select(func.min(ImagingSite.institution))


@dataclass(frozen=True, slots=True)
class TrialSite:
    """A site, as the evaluator of one location sees it."""

    read: Read
    view: SiteView
    location: int
    semantics: str

    @property
    def places(self) -> Places:
        """The destinations and holidays that hold."""
        return Places(self.view.routers, self.view.services, self.view.file_types, self.view.holidays)

    @property
    def names(self) -> Names:
        """What pointers point to."""
        return self.view.names

    @property
    def nothing(self) -> Given:
        """An image of this location of which nothing is known."""
        return replace(NOTHING, location=self.location)

    def image(self, ien: int, rules: Sequence[Rule]) -> Given | None:
        """Read the facts of an image that rules ask for, as the evaluator does; None where there is no such image."""
        rows = self.read(lambda connection: read_rows(connection, [ien])).get(ien)
        if rows is None:
            return None
        known = know_image(rows, self.names, self.location, elements_of(rules))
        priors = self.read(lambda connection: prior_studies(connection, ien))
        return replace(self.nothing, known=known, priors=priors, missing=known.missing)


def site_of_store(store: Store, location: int | None) -> TrialSite:
    """Look at the site of a database."""
    return _site(store.read, location)


@contextmanager
def site_of_file(file: Path, location: int | None) -> Iterator[TrialSite]:
    """Look at the site of a site file, which is loaded into a database in memory. Raises WrongUsage for a file that is none."""
    try:
        site = read_site_file(file)
    except FileNotFoundError:
        raise WrongUsage(f"{file} does not exist: name a site file (TOML).") from None
    except FileManError as error:
        raise WrongUsage(f"{file} is no site file: {error}") from error
    with TemporaryDirectory() as directory, memory_database() as connection:
        key = SiteKey.load_or_create(Path(directory) / f"{secrets.token_hex(4)}.key")
        apply_site(connection, site, key, SystemClock().now())
        yield _site(lambda work: work(connection), location)


def _site(read: Read, location: int | None) -> TrialSite:
    where = location or read(lambda connection: connection.execute(_FIRST_SITE).scalar()) or NOTHING.location
    view = read(lambda connection: read_site_view(connection, 0, where))
    return TrialSite(read, view, where, read(site_settings).rule_semantics)
