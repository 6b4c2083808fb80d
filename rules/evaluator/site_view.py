"""What an evaluator needs of the site: destinations, holidays, names, its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select

from fileman.files import Holiday, ImagingSite, NetworkLocation, TransmitDestination
from rules.evaluator.image_facts import Names, read_names

_PLACE = select(ImagingSite.ien).where(ImagingSite.institution == bindparam("institution")).limit(1)
_FIRST_PLACE = select(func.min(ImagingSite.ien))
_ROUTERS = (
    select(NetworkLocation.ien, NetworkLocation.name, NetworkLocation.send)
    .where(NetworkLocation.router)
    .order_by(NetworkLocation.ien)
)
_SERVICES = select(TransmitDestination.ien, TransmitDestination.name).order_by(TransmitDestination.ien)


@dataclass(frozen=True, slots=True)
class SiteView:
    """The site as a location's evaluator sees it, under one site version.

    `routers` and `services` are entry numbers by name, of several with one name the first; `file_types` what a router takes.
    """

    version: int
    names: Names
    routers: Mapping[str, int]
    services: Mapping[str, int]
    file_types: Mapping[int, tuple[str, ...]]
    holidays: frozenset[str]
    place: int


def read_site_view(connection: Connection, version: int, location: int) -> SiteView:
    """Read destinations, holidays, names and the location's place."""
    routers: dict[str, int] = {}
    file_types: dict[int, tuple[str, ...]] = {}
    for row in connection.execute(_ROUTERS):
        routers.setdefault(row.name, row.ien)
        file_types[row.ien] = tuple(kind for kind in row.send.split(",") if kind)
    services: dict[str, int] = {}
    for ien, name in connection.execute(_SERVICES):
        services.setdefault(name, ien)
    place = connection.execute(_PLACE, {"institution": location}).scalar() or connection.execute(_FIRST_PLACE).scalar()
    holidays = frozenset(connection.execute(select(Holiday.date)).scalars())
    return SiteView(version, read_names(connection), routers, services, file_types, holidays, place or 1)
