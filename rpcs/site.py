"""Site data as one value: read once, shared by every call until the site changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Select, select

from fileman import SiteSettings, Store, site_settings
from fileman.files import (
    File,
    ImagingSite,
    Institution,
    NetworkLocation,
    NewPerson,
    Option,
    OptionRpc,
    TransmitDestination,
    UserOption,
)

_INSTITUTIONS = select(Institution.ien, Institution.name, Institution.station).order_by(Institution.ien)
_OPTIONS = select(Option.ien, Option.name, Option.lock, Option.out_of_order)
_OPTION_RPCS = select(OptionRpc.option, OptionRpc.rpc)
_USER_OPTIONS = select(UserOption.duz, UserOption.option)
_PRIMARY_MENUS = select(NewPerson.duz, NewPerson.primary_menu).where(NewPerson.primary_menu != "")


@dataclass(frozen=True, slots=True)
class InstitutionData:
    """An entry of INSTITUTION (#4)."""

    ien: int
    name: str
    station: str


@dataclass(frozen=True, slots=True)
class OptionData:
    """An entry of OPTION (#19) with the procedures registered to it; `*` among them stands for all."""

    name: str
    lock: str
    out_of_order: str
    rpcs: frozenset[str]

    def holds(self, rpc: str) -> bool:
        """Tell whether a procedure is registered to this option."""
        return rpc in self.rpcs or "*" in self.rpcs


@dataclass(frozen=True, slots=True)
class PlaceData:
    """An entry of IMAGING SITE PARAMETERS (#2006.1): a place."""

    ien: int
    institution: int
    namespace: str
    write_location: int | None
    pacs_write_location: int | None
    jukebox_location: int | None


@dataclass(frozen=True, slots=True)
class LocationData:
    """An entry of NETWORK LOCATION (#2005.2)."""

    ien: int
    name: str
    physical: str
    path: str
    kind: str
    online: bool
    router: bool
    site: int
    hash: bool


@dataclass(frozen=True, slots=True)
class DestinationData:
    """An entry of DICOM TRANSMIT DESTINATION (#2006.587)."""

    ien: int
    name: str
    ae_title: str
    host: str
    port: int
    gateway: str
    location: int


@dataclass(frozen=True, slots=True)
class SiteData:
    """The site as it stands in the database under one site version."""

    version: int
    settings: SiteSettings
    institutions: Mapping[int, InstitutionData]
    options: Mapping[str, OptionData]
    user_options: Mapping[int, frozenset[str]]
    places: tuple[PlaceData, ...]
    locations: Mapping[int, LocationData]
    destinations: tuple[DestinationData, ...]

    def place_of(self, institution: str | int) -> PlaceData | None:
        """Find the imaging site parameters of an institution."""
        return next((place for place in self.places if str(place.institution) == str(institution)), None)


def _columns(file: type[File], shape: type) -> Select[tuple[Any, ...]]:
    """Select the columns that a value class names, in its order."""
    return select(*(getattr(file, field.name) for field in fields(shape))).order_by(file.__table__.c.ien)


_PLACES = _columns(ImagingSite, PlaceData)
_LOCATIONS = _columns(NetworkLocation, LocationData)
_DESTINATIONS = _columns(TransmitDestination, DestinationData)


def read_site(connection: Connection, version: int) -> SiteData:
    """Read the whole site."""
    rpcs: dict[int, set[str]] = {}
    for option, rpc in connection.execute(_OPTION_RPCS):
        rpcs.setdefault(option, set()).add(rpc)
    user_options: dict[int, set[str]] = {}
    for duz, name in (*connection.execute(_USER_OPTIONS), *connection.execute(_PRIMARY_MENUS)):
        user_options.setdefault(duz, set()).add(name)
    return SiteData(
        version=version,
        settings=site_settings(connection),
        institutions={row.ien: InstitutionData(*row) for row in connection.execute(_INSTITUTIONS)},
        options={
            name: OptionData(name, lock, out_of_order, frozenset(rpcs.get(ien, ())))
            for ien, name, lock, out_of_order in connection.execute(_OPTIONS)
        },
        user_options={duz: frozenset(names) for duz, names in user_options.items()},
        places=tuple(PlaceData(*row) for row in connection.execute(_PLACES)),
        locations={row.ien: LocationData(*row) for row in connection.execute(_LOCATIONS)},
        destinations=tuple(DestinationData(*row) for row in connection.execute(_DESTINATIONS)),
    )


class SiteCache:
    """Gives the site data of now; reads it again only when the site version has changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self._site: SiteData | None = None

    def __call__(self) -> SiteData:
        """Give the current site data."""
        version = self._store.site_version()
        site = self._site
        if site is None or site.version != version:
            with self._lock:
                site = self._store.read(lambda connection: read_site(connection, version))
                self._site = site
        return site

    def latest(self) -> SiteData:
        """Give the site data read last, without asking whether it has changed."""
        return self._site or self()
