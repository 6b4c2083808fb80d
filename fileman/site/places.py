"""Institutions and imaging places, where files lie, and holidays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator
from sqlalchemy import Connection, select, union

from fileman.errors import SiteFileError
from fileman.files import File, Holiday, Image, ImagingSite, Institution, NetworkLocation
from fileman.secrets import SiteKey
from fileman.site.rows import FileManDate, FileType, Ien, Row
from fileman.site.sections import Columns, Section, encipher, fill, split
from fileman.watermarks import BadWatermark, Watermarks


class InstitutionRow(Row):
    """[[institution]]: INSTITUTION (#4)."""

    ien: Ien
    name: str
    station: str = ""


class ImagingSiteRow(Row):
    """[[imaging_site]]: IMAGING SITE PARAMETERS (#2006.1)."""

    ien: Ien
    institution: int
    namespace: str = Field(default="", max_length=10)
    site_code: str = Field(default="", max_length=10)
    write_location: int | None = None
    pacs_write_location: int | None = None
    jukebox_location: int | None = None
    gateway_access: str = ""
    gateway_verify: str = ""
    gateway_access_enciphered: str = ""
    gateway_verify_enciphered: str = ""
    pacs: bool = True
    pacs_retention_days: int = Field(default=45, ge=0)
    pacs_minimum_space: int = Field(default=10, ge=0, le=100)


class NetworkLocationRow(Row):
    """[[network_location]]: NETWORK LOCATION (#2005.2)."""

    ien: Ien
    name: str
    physical: str
    path: str = ""
    kind: Literal["MAG", "JUKEBOX", "ROUTER"] = "MAG"
    online: bool = True
    router: bool = False
    site: int = 1
    hash: bool = False
    send: tuple[FileType, ...] = Field(default=(), strict=False)
    retention_days: int | None = None
    retry_connect: int | None = None
    retry_transmit: int | None = None
    user: str = ""
    password: str = ""
    password_enciphered: str = ""
    subdirectory: str = ""
    compression: str = ""
    label: str = Field(default="", max_length=64)
    high_watermark: str = ""
    low_watermark: str = ""
    retrieve_seconds: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _released_by(self) -> NetworkLocationRow:
        """Check the watermarks, which only short-term storage has."""
        try:
            marks = Watermarks.parse(self.high_watermark, self.low_watermark)
        except BadWatermark as error:
            raise ValueError(str(error)) from error
        if marks is not None and self.kind != "MAG":
            raise ValueError("watermarks are for locations of kind MAG, from which images are released")
        return self


class HolidayRow(Row):
    """[[holiday]]: HOLIDAY (#40.5)."""

    date: FileManDate
    name: str = ""


#: Children before parents.
PLACE_FILES: tuple[type[File], ...] = (Holiday, NetworkLocation, ImagingSite, Institution)
#: INSTITUTION (#4) as the freely given VistA has it under the site number that it comes with.
DISTRIBUTED = InstitutionRow(ien=500, name="SEVEN PINES CEMETERY", station="878")

_LOCATION_COLUMNS = (
    Image.location,
    Image.abstract_location,
    Image.jukebox_location,
    Image.big_location,
    Image.big_jukebox_location,
)
_LOCATIONS_OF_IMAGES = union(*(select(column) for column in _LOCATION_COLUMNS))


def fill_institutions(connection: Connection, rows: Sequence[InstitutionRow], site_number: int) -> None:
    """Fill INSTITUTION; what VistA's distribution brings is there where it is the site's number and the file has no other."""
    there = any(row.ien == DISTRIBUTED.ien for row in rows)
    distributed = [DISTRIBUTED] if site_number == DISTRIBUTED.ien and not there else []
    fill(connection, Institution, [row.model_dump() for row in (*rows, *distributed)])


def imaging_sites(rows: Sequence[ImagingSiteRow], key: SiteKey) -> list[Columns]:
    """Give the rows of IMAGING SITE PARAMETERS that a site file describes."""
    return [_imaging_site(row.model_dump(), key) for row in rows]


def network_locations(rows: Sequence[NetworkLocationRow], key: SiteKey) -> list[Columns]:
    """Give the rows of NETWORK LOCATION that a site file describes."""
    return [_location(row.model_dump(), key) for row in rows]


def _imaging_site(row: Columns, key: SiteKey) -> Columns:
    for name in ("gateway_access", "gateway_verify"):
        encipher(row, name, key)
    return row


def _location(row: Columns, key: SiteKey) -> Columns:
    encipher(row, "password", key)
    row["path"] = row["path"] or f"var/{row['name']}"
    row["send"] = ",".join(row["send"] if isinstance(row["send"], tuple) else ())
    return row


def check_locations(connection: Connection, rows: Sequence[NetworkLocationRow]) -> None:
    """Raise SiteFileError when a network location that images lie in is not among those of a site file."""
    there = {row.ien for row in rows}
    used = {ien for ien in connection.execute(_LOCATIONS_OF_IMAGES).scalars() if ien is not None}
    for ien in sorted(used - there):
        raise SiteFileError(f"images lie in network location {ien}: keep it in the site file, or reset imaging first")


INSTITUTIONS = Section("institution", Institution, InstitutionRow)
IMAGING_SITES = Section(
    "imaging_site",
    ImagingSite,
    ImagingSiteRow,
    renamed={"gateway_access": "gateway_access_enciphered", "gateway_verify": "gateway_verify_enciphered"},
    left_out=frozenset({"last_routing", "last_routing_warning"}),
)
NETWORK_LOCATIONS = Section(
    "network_location",
    NetworkLocation,
    NetworkLocationRow,
    more=split("send"),
    renamed={"password": "password_enciphered"},
    left_out=frozenset({"offline_since", "last_purge"}),
    wanted=lambda row: bool(row["name"]),  # VistA makes one without a name of a number that it does not know
)
HOLIDAYS = Section("holiday", Holiday, HolidayRow, "date")
