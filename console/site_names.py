"""The names of a site that rules may use, read from its database or from a site file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import Connection, select

from fileman import read_site_file, site_settings
from fileman.files import Holiday, Institution, NetworkLocation, TransmitDestination
from rules.lint import SiteNames


def names_in_database(connection: Connection) -> SiteNames:
    """Read the names of the site that a database holds."""
    columns = (NetworkLocation.name, NetworkLocation.router, NetworkLocation.online, NetworkLocation.send)
    locations = [
        (name, router, online, bool(send))
        for name, router, online, send in connection.execute(select(*columns).order_by(NetworkLocation.ien))
    ]
    return _names(
        locations,
        services=connection.execute(select(TransmitDestination.name)).scalars(),
        institutions=connection.execute(select(Institution.name)).scalars(),
        holidays=connection.execute(select(Holiday.date)).scalars(),
        semantics=site_settings(connection).rule_semantics,
    )


def names_in_file(path: Path) -> SiteNames:
    """Read the names in a site file. Raises SiteFileError."""
    site = read_site_file(path)
    return _names(
        [(row.name, row.router, row.online, bool(row.send)) for row in site.network_location],
        services=(row.name for row in site.transmit_destination),
        institutions=(row.name for row in site.institution),
        holidays=(row.date for row in site.holiday),
        semantics=site.site.rule_semantics,
    )


def _names(
    locations: Iterable[tuple[str, bool, bool, bool]],
    *,
    services: Iterable[str],
    institutions: Iterable[str],
    holidays: Iterable[str],
    semantics: str,
) -> SiteNames:
    """Sort network locations, given with whether they are routers, on line, and take any files; the first of a name counts."""
    first = {name: rest for name, *rest in reversed(list(locations)) if name}
    routers = {name: online for name, (router, online, _takes) in first.items() if router}
    return SiteNames(
        routers,
        frozenset(services),
        frozenset(first) - routers.keys(),
        frozenset(name for name, (router, _online, takes) in first.items() if router and not takes),
        frozenset(institutions),
        frozenset(holidays),
        semantics,
    )
