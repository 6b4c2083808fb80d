"""The site file: TOML read into values, every error with its line."""

from __future__ import annotations

import re
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from fileman.dates import to_fileman
from fileman.errors import SiteFileError

_HEADER = re.compile(r"\s*\[{1,2}\s*([a-z_]+)\s*\]{1,2}")
_KEY = re.compile(r"\s*([A-Za-z_]+)\s*=")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_TOML_LINE = re.compile(r"at line (\d+)")


def _fileman_date(value: object) -> object:
    """Take a TOML date, an ISO day as text, or FileMan text as it is."""
    if isinstance(value, date):
        return to_fileman(value)
    if isinstance(value, str) and _DAY.fullmatch(value):
        return to_fileman(date.fromisoformat(value))
    return value


FileManDate = Annotated[str, BeforeValidator(_fileman_date)]
FileType = Literal["ABSTRACT", "FULL", "BIG", "TEXT", "DICOM"]


class Row(BaseModel):
    """One table of the file; a key that is not named here is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


class SiteSettings(Row):
    """[site]: KERNEL SYSTEM PARAMETERS and what holds for all of imaging. The defaults are VistA's."""

    domain: str = "DEMO.MAGBROKER.EXAMPLE"
    volume: str = "ROU"
    uci: str = "VAH"
    server: str = "VISTA"
    device: str = "/dev/null"
    production: bool = False
    signon_attempts: int = Field(default=5, ge=1)
    lockout_seconds: int = Field(default=900, ge=0)
    broker_timeout: int = Field(default=180, ge=1)
    verify_lifetime_days: int = Field(default=90, ge=1)
    default_institution: int = 0
    intro: tuple[str, ...] = Field(default=(), strict=False)
    rule_semantics: Literal["documented", "vista"] = "documented"
    timing: Literal["prompt", "vista"] = "prompt"
    m2m_context_check: bool = True
    consolidated: bool = True
    patches: tuple[str, ...] = Field(default=(), strict=False)
    logons_inhibited: bool = False


class InstitutionRow(Row):
    """[[institution]]: INSTITUTION (#4)."""

    ien: int
    name: str
    station: str = ""


class ImagingSiteRow(Row):
    """[[imaging_site]]: IMAGING SITE PARAMETERS (#2006.1)."""

    ien: int
    institution: int
    namespace: str = Field(default="", max_length=10)
    write_location: int | None = None
    pacs_write_location: int | None = None
    jukebox_location: int | None = None
    gateway_access: str = ""
    gateway_verify: str = ""
    gateway_access_enciphered: str = ""
    gateway_verify_enciphered: str = ""


class UserRow(Row):
    """[[user]]: NEW PERSON (#200). Codes stand in clear, or as the hashes that `site dump` writes."""

    duz: int
    name: str
    access: str = ""
    verify: str = ""
    access_hash: str = ""
    verify_hash: str = ""
    divisions: tuple[int, ...] = Field(default=(), strict=False)
    contexts: tuple[str, ...] = Field(default=(), strict=False)
    keys: tuple[str, ...] = Field(default=(), strict=False)
    default_division: int | None = None
    nickname: str = ""
    verify_changed: FileManDate = ""
    verify_age_days: int | None = None
    verify_never_expires: bool = False
    terminated: FileManDate = ""
    disuser: bool = False
    locked_until: FileManDate = ""
    primary_menu: str = ""
    title: str = ""
    service: str = ""
    timeout: int | None = None


class ContextRow(Row):
    """[[context]]: OPTION (#19) with its procedures."""

    name: str
    rpcs: tuple[str, ...] = Field(default=(), strict=False)
    type: str = "B"
    lock: str = ""
    out_of_order: str = ""


class PatientRow(Row):
    """[[patient]]: PATIENT (#2)."""

    dfn: int
    name: str
    ssn: str = ""
    birth_date: FileManDate = ""
    sex: str = ""
    icn: str = ""


class ExamRow(Row):
    """[[exam]]: a radiology exam, consult or lab case."""

    service: Literal["RAD", "CON", "LAB"] = "RAD"
    accession: str
    site_accession: str = ""
    case: int | str = ""
    ien: int | None = None
    patient: int
    datetime: FileManDate
    procedure: str = ""
    procedure_ien: int | None = None
    cpt: str = ""
    status: str = ""
    urgency: Literal["", "ROUTINE", "URGENT", "STAT"] = ""
    request_type: str = ""
    location: int | None = None


class NetworkLocationRow(Row):
    """[[network_location]]: NETWORK LOCATION (#2005.2)."""

    ien: int
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


class TransmitDestinationRow(Row):
    """[[transmit_destination]]: DICOM TRANSMIT DESTINATION (#2006.587)."""

    ien: int
    name: str
    ae_title: str = Field(max_length=16)
    host: str
    port: int = Field(ge=1, le=65535)
    gateway: str = ""
    location: int


class HolidayRow(Row):
    """[[holiday]]: HOLIDAY (#40.5)."""

    date: FileManDate
    name: str = ""


class SiteFile(Row):
    """A whole site file."""

    site: SiteSettings = SiteSettings()
    institution: tuple[InstitutionRow, ...] = Field(default=(), strict=False)
    imaging_site: tuple[ImagingSiteRow, ...] = Field(default=(), strict=False)
    user: tuple[UserRow, ...] = Field(default=(), strict=False)
    context: tuple[ContextRow, ...] = Field(default=(), strict=False)
    patient: tuple[PatientRow, ...] = Field(default=(), strict=False)
    exam: tuple[ExamRow, ...] = Field(default=(), strict=False)
    network_location: tuple[NetworkLocationRow, ...] = Field(default=(), strict=False)
    transmit_destination: tuple[TransmitDestinationRow, ...] = Field(default=(), strict=False)
    holiday: tuple[HolidayRow, ...] = Field(default=(), strict=False)


def read_site_file(path: Path) -> SiteFile:
    """Read and check a site file. Raises SiteFileError with the line of the first error."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SiteFileError(f"cannot be read: {error.strerror}", source=str(path)) from error
    return parse_site(text, str(path))


def parse_site(text: str, source: str = "site file") -> SiteFile:
    """Check the text of a site file; see `read_site_file`."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = _TOML_LINE.search(str(error))
        raise SiteFileError(f"this is not TOML: {error}", int(line[1]) if line else None, source) from error
    try:
        return SiteFile.model_validate(tables)
    except ValidationError as error:
        first = error.errors()[0]
        raise SiteFileError(_problem(first["loc"], first["type"], first["msg"]), _line(text, first["loc"]), source) from error


def _problem(location: tuple[int | str, ...], kind: str, message: str) -> str:
    name = ".".join(str(part) for part in location if isinstance(part, str))
    if kind == "extra_forbidden":
        return f"{name} is not known here"
    if kind == "missing":
        return f"{name} is missing"
    return f"{name}: {message}"


def _line(text: str, location: tuple[int | str, ...]) -> int | None:
    """Find the line of a key: the n-th table of its name, then the key in it; a missing key gives its table's line."""
    table = str(location[0])
    wanted = next((part for part in location[1:] if isinstance(part, int)), 0)
    keys = [part for part in location[1:] if isinstance(part, str)]
    inside, seen, header = False, -1, None
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _HEADER.match(line):
            if match[1] == table:
                seen += 1
            inside = match[1] == table and seen == wanted
            header = number if inside else header
        elif inside and keys and (match := _KEY.match(line)) and match[1] == keys[0]:
            return number
    return header


def as_toml(tables: dict[str, Any]) -> str:
    """Write tables as TOML: mappings as [name], lists of mappings as [[name]]; empty values are left out."""
    parts = []
    for name, content in tables.items():
        rows = content if isinstance(content, list) else [content]
        heading = f"[[{name}]]" if isinstance(content, list) else f"[{name}]"
        for row in rows:
            lines = [f"{key} = {_toml_value(value)}" for key, value in row.items() if value not in (None, "", (), [])]
            parts.append("\n".join([heading, *lines]))
    return "\n\n".join(parts) + "\n"


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, datetime | date):
        return value.isoformat()
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text) + '"'
