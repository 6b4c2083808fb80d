"""Site data as one value: read once, shared by every call until the site changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Select, select

from fileman import Faults, SiteSettings, Store, read_faults, site_settings
from fileman.files import (
    AeSecurity,
    File,
    ImagingSite,
    Institution,
    NetworkLocation,
    NewPerson,
    Option,
    OptionItem,
    OptionRpc,
    TransmitDestination,
    UserKey,
    UserOption,
)
from rpcs.options import COMMON_MENU, OptionData, reach, with_broker_items

_INSTITUTIONS = select(Institution.ien, Institution.name, Institution.station).order_by(Institution.ien)
_OPTIONS = select(
    Option.ien, Option.name, Option.type, Option.lock, Option.reverse_lock, Option.out_of_order, Option.prohibited_times
)
_OPTION_RPCS = select(OptionRpc.option, OptionRpc.rpc, OptionRpc.key).order_by(OptionRpc.position)
_OPTION_ITEMS = select(OptionItem.option, OptionItem.item).order_by(OptionItem.position)
_USER_OPTIONS = select(UserOption.duz, UserOption.option)
_USER_KEYS = select(UserKey.duz, UserKey.key)
_PRIMARY_MENUS = select(NewPerson.duz, NewPerson.primary_menu).where(NewPerson.primary_menu != "")


_NO_KEYS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class InstitutionData:
    """An entry of INSTITUTION (#4)."""

    ien: int
    name: str
    station: str


@dataclass(frozen=True, slots=True)
class PlaceData:
    """An entry of IMAGING SITE PARAMETERS (#2006.1): a place. `last_routing` is the day on which it last used routing."""

    ien: int
    institution: int
    namespace: str
    site_code: str
    write_location: int | None
    pacs_write_location: int | None
    jukebox_location: int | None
    last_routing: str
    pacs: bool
    pacs_retention_days: int
    pacs_minimum_space: int

    @property
    def code(self) -> str:
        """The site code, or the namespace of a place that has none."""
        return self.site_code or self.namespace


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
    user: str
    password: str  # enciphered with the site's key
    label: str = ""
    retrieve_seconds: int | None = None


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
class ApplicationData:
    """An entry of DICOM AE SECURITY MATRIX (#2006.9192); `services` are `SERVICE^ROLE`, the delay is in minutes."""

    ien: int
    name: str
    local_title: str
    location: int
    host: str
    port: int | None
    ae_title: str
    force_reconciliation: str
    origin: str
    flags: Mapping[str, str]
    services: tuple[str, ...]
    response_delay: int | None
    response_retries: int | None


@dataclass(frozen=True, slots=True)
class SiteData:
    """The site as it stands in the database under one site version."""

    version: int
    settings: SiteSettings
    institutions: Mapping[int, InstitutionData]
    options: Mapping[str, OptionData]
    user_options: Mapping[int, frozenset[str]]
    user_keys: Mapping[int, frozenset[str]]
    common_options: frozenset[str]
    places: tuple[PlaceData, ...]
    locations: Mapping[int, LocationData]
    destinations: tuple[DestinationData, ...]
    applications: tuple[ApplicationData, ...]
    faults: Faults

    def keys_of(self, duz: int) -> frozenset[str]:
        """Give the security keys that a user holds now (^XUSEC)."""
        return self.user_keys.get(duz, _NO_KEYS)

    def station_number(self) -> str:
        """Give the three digits of the site's own station number ($$STATNUMB^MAGDFCNV)."""
        own = self.institutions.get(self.settings.default_institution)
        return own.station[:3] if own is not None else ""

    def place_of(self, institution: str | int) -> PlaceData | None:
        """Find the imaging site parameters of an institution."""
        return next((place for place in self.places if str(place.institution) == str(institution)), None)


def _columns(file: type[File], shape: type) -> Select[tuple[Any, ...]]:
    """Select the columns that a value class names, in its order."""
    return select(*(getattr(file, field.name) for field in fields(shape))).order_by(file.__table__.c.ien)


_PLACES = _columns(ImagingSite, PlaceData)
#: Those that a site has: VistA makes nameless ones of numbers that it is told the state of.
_LOCATIONS = _columns(NetworkLocation, LocationData).where(NetworkLocation.name != "")
_DESTINATIONS = _columns(TransmitDestination, DestinationData)


_APPLICATIONS = _columns(AeSecurity, ApplicationData)


def _application(row: Any) -> ApplicationData:
    columns = {**row._mapping, "flags": json.loads(row.flags), "services": tuple(json.loads(row.services))}
    return ApplicationData(**columns)


def _options(connection: Connection) -> dict[str, OptionData]:
    rpcs: dict[int, dict[str, str]] = {}
    for option, rpc, key in connection.execute(_OPTION_RPCS):
        rpcs.setdefault(option, {})[rpc] = key
    items: dict[int, list[str]] = {}
    for option, item in connection.execute(_OPTION_ITEMS):
        items.setdefault(option, []).append(item)
    return with_broker_items(
        OptionData(
            name=row.name,
            type=row.type,
            lock=row.lock,
            reverse_lock=row.reverse_lock,
            out_of_order=row.out_of_order,
            prohibited_times=row.prohibited_times,
            rpcs=rpcs.get(row.ien, {}),
            items=tuple(items.get(row.ien, ())),
        )
        for row in connection.execute(_OPTIONS)
    )


def read_locations(connection: Connection) -> dict[int, LocationData]:
    """Read the network locations."""
    return {row.ien: LocationData(*row) for row in connection.execute(_LOCATIONS)}


def read_site(connection: Connection, version: int) -> SiteData:
    """Read the whole site."""
    options = _options(connection)
    faults = Faults.of(read_faults(connection))
    settings = site_settings(connection)
    if faults.logons_inhibited:
        settings = settings.model_copy(update={"logons_inhibited": True})
    menus: dict[int, set[str]] = {}
    for duz, name in (*connection.execute(_USER_OPTIONS), *connection.execute(_PRIMARY_MENUS)):
        menus.setdefault(duz, set()).add(name)
    keys: dict[int, set[str]] = {}
    for duz, key in connection.execute(_USER_KEYS):
        keys.setdefault(duz, set()).add(key)
    return SiteData(
        version=version,
        settings=settings,
        institutions={row.ien: InstitutionData(*row) for row in connection.execute(_INSTITUTIONS)},
        options=options,
        user_options={duz: reach(options, names) for duz, names in menus.items()},
        user_keys={duz: frozenset(held) for duz, held in keys.items()},
        common_options=reach(options, {COMMON_MENU}) - {COMMON_MENU},
        places=tuple(PlaceData(*row) for row in connection.execute(_PLACES)),
        locations=read_locations(connection),
        destinations=tuple(DestinationData(*row) for row in connection.execute(_DESTINATIONS)),
        applications=tuple(map(_application, connection.execute(_APPLICATIONS))),
        faults=faults,
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
