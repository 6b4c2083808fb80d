"""The site file: TOML read into values, every error with its line. `site_dump` writes one."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from datetime import date, datetime
from math import isfinite
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from fileman.dates import to_fileman
from fileman.errors import SiteFileError

_HEADER = re.compile(r"""\s*\[{1,2}\s*["']?([A-Za-z0-9_-]+)["']?\s*\]{1,2}""")
_KEY = re.compile(r"""\s*["']?([A-Za-z0-9_-]+)["']?\s*=""")
_FILEMAN = re.compile(r"\d{7}(\.\d{1,6})?")
_TOML_LINE = re.compile(r"at line (\d+)")


def _fileman_date(value: object) -> object:
    """Take a TOML date, an ISO date as text, or FileMan text as it is, impossible days included."""
    if isinstance(value, str) and value and not _FILEMAN.fullmatch(value):
        try:
            value = datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
        except ValueError:
            raise ValueError(f'"{value}" is no date: write 2024-01-31, 2024-01-31T10:30:00 or "3240131.103"') from None
    if isinstance(value, datetime) and value.tzinfo is not None:
        raise ValueError("dates carry no zone: write the site's own wall time")
    return to_fileman(value) if isinstance(value, date) else value


def _lock_date(value: object) -> object:
    return value if value == TOMORROW else _fileman_date(value)


#: What a user's `locked_until` may say instead of a date.
TOMORROW = "tomorrow"
FileManDate = Annotated[str, BeforeValidator(_fileman_date)]
LockDate = Annotated[str, BeforeValidator(_lock_date)]
FileType = Literal["ABSTRACT", "FULL", "BIG", "TEXT", "DICOM"]

#: Texts that no procedure answers as a piece.
_CARET_TAKEN = {"intro", "patches", "password", "path", "post_sign_on"}

_DAY = "(?:MO|TU|WE|TH|FR|SA|SU)"
_TIMES = re.compile(rf"(?:{_DAY}(?:-{_DAY})?@)?([01]\d|2[0-3])[0-5]\d-(?:([01]\d|2[0-3])[0-5]\d|2400)")


def _times(value: object) -> object:
    """Check the form of prohibited times: ranges of the clock, each with its days before it where it has some."""
    if isinstance(value, str) and value and not all(_TIMES.fullmatch(part) for part in value.split(",")):
        raise ValueError(f'"{value}" is no list of times: write 0800-1630 or MO-FR@0800-1630, several apart by commas')
    return value


ProhibitedTimes = Annotated[str, BeforeValidator(_times)]


#: What a destination may be asked for, and who begins it: `C-STORE SCP`, `C-ECHO SCU SCP`.
TransmitServiceName = Annotated[str, Field(pattern=r"^[^ ]+( SCU)?( SCP)?$")]
#: A service and the role in which it is permitted: `C-STORE SCU`.
ServiceInRole = Annotated[str, Field(pattern="^.+ SC[UP]$")]


def _measure(value: object) -> object:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


#: A person's height or weight: whole or with decimals.
Measure = Annotated[float, BeforeValidator(_measure), Field(gt=0)]

#: The largest number of a database's column.
_LARGEST = 2**31 - 1
Ien = Annotated[int, Field(ge=1)]


def _parts(value: object) -> tuple[object, ...]:
    """Give what a value consists of: the items of an array, names and values of an inline table."""
    if isinstance(value, dict):
        return (*value.keys(), *value.values())
    return value if isinstance(value, tuple) else (value,)


class Row(BaseModel):
    """One table of the file; a key that is not named here is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @field_validator("*")
    @classmethod
    def _storable(cls, value: object, info: ValidationInfo) -> object:
        """Refuse control characters, carets where FileMan would take them for a field's end, numbers that no database holds."""
        for one in _parts(value):
            if isinstance(one, str) and any(ord(character) < 32 or ord(character) == 127 for character in one):
                raise ValueError("holds a control character")
            if isinstance(one, str) and "^" in one and info.field_name not in _CARET_TAKEN:
                raise ValueError("holds a caret, which separates fields in VistA")
            if isinstance(one, int) and abs(one) > _LARGEST:
                raise ValueError(f"is no number up to {_LARGEST}")
            if isinstance(one, float) and not isfinite(one):
                raise ValueError("is no number")
        return value


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
    verify_lifetime_days: int = Field(default=90, ge=1, le=36500)
    default_institution: int = 0
    site_number: int = 500
    """FileMan's site number; 500 is what VistA comes with."""

    intro: tuple[str, ...] = Field(default=(), strict=False)
    rule_semantics: Literal["documented", "vista"] = "documented"
    timing: Literal["prompt", "vista"] = "prompt"
    m2m_context_check: bool = True
    consolidated: bool = True
    patches: tuple[str, ...] = Field(default=(), strict=False)
    uid_root: str = Field(default="1.2.840.113754", pattern=r"^\d+(\.\d+)*$")
    """DICOM UID ROOT (#2006.15): what the UIDs made here begin with."""

    agency: str = "V"
    """AGENCY CODE: V is Veterans Affairs, I the Indian Health Service."""

    post_sign_on: tuple[str, ...] = Field(default=(), strict=False)
    count_post_sign_on: bool = False
    lock_addresses: bool = False
    lock_users: bool = False
    multiple_sign_on: bool = True
    max_signed_on: int = Field(default=0, ge=0)
    logons_inhibited: bool = False
    key_fingerprint: str = ""
    """Which site key the hashes and enciphered codes of a dump need; the database's own key is written here."""

    def device_of(self, transport: str) -> str:
        """Give $I as a session of a transport sees it: M-to-M sessions run on principal device 0."""
        return "0" if transport == "M2M" else self.device


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


class UserRow(Row):
    """[[user]]: NEW PERSON (#200). Codes stand in clear, or as the hashes that `site dump` writes; a clear one goes first."""

    duz: Ien
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
    locked_until: LockDate = ""
    primary_menu: str = ""
    title: str = ""
    service: str = ""
    timeout: int | None = None
    verify_history: tuple[str, ...] = Field(default=(), strict=False)
    multiple_sign_on: Literal["", "ALLOWED", "NOT ALLOWED", "ONE ADDRESS"] = ""
    prohibited_times: ProhibitedTimes = ""
    radiology_classes: str = Field(default="", pattern="^[CRST]*$")


class ContextRow(Row):
    """[[context]]: OPTION (#19) with its procedures, their keys (`rpc_keys`), and the options below it (`items`)."""

    name: str
    rpcs: tuple[str, ...] = Field(default=(), strict=False)
    type: str = "B"
    lock: str = ""
    out_of_order: str = ""
    reverse_lock: str = ""
    prohibited_times: ProhibitedTimes = ""
    items: tuple[str, ...] = Field(default=(), strict=False)
    rpc_keys: dict[str, str] = Field(default_factory=dict)


class PatientRow(Row):
    """[[patient]]: PATIENT (#2)."""

    dfn: Ien
    name: str
    ssn: str = ""
    birth_date: FileManDate = ""
    sex: str = ""
    icn: str = ""
    height_cm: Measure | None = None
    weight_kg: Measure | None = None
    employee: bool = False
    sensitive: bool = False


class ExamRow(Row):
    """[[exam]]: a radiology exam, consult or lab case."""

    service: Literal["RAD", "CON", "LAB"] = "RAD"
    accession: str
    site_accession: str = ""
    case: int | str = ""
    ien: Ien | None = None
    patient: int
    datetime: FileManDate
    procedure: str = ""
    procedure_ien: int | None = None
    cpt: str = ""
    status: str = ""
    urgency: Literal["", "ROUTINE", "URGENT", "STAT"] = ""
    request_type: str = ""
    location: int | None = None
    purged: FileManDate = ""
    registered: bool = True
    tiu_note: int | None = None
    pregnant: Literal["", "y", "n", "u"] = ""
    requester: str = ""


class TiuNoteRow(Row):
    """[[tiu_note]]: TIU DOCUMENT (#8925), the note of a consult or lab case that its images belong to."""

    ien: Ien
    patient: int


class ProcedureRow(Row):
    """[[procedure]]: RAD/NUC MED PROCEDURES (#71)."""

    ien: Ien
    name: str
    kind: Literal["D", "S", "B", "P"] = "D"
    cpt: str = ""
    cpt_name: str = ""
    imaging_type: int = Field(default=1, ge=1)
    inactive: FileManDate = ""
    modalities: tuple[str, ...] = Field(default=(), strict=False)


class ProcedureModifierRow(Row):
    """[[procedure_modifier]]: PROCEDURE MODIFIERS (#71.2)."""

    ien: Ien
    name: str
    imaging_types: tuple[int, ...] = Field(default=(), strict=False)


class HospitalLocationRow(Row):
    """[[hospital_location]]: HOSPITAL LOCATION (#44)."""

    ien: Ien
    name: str
    kind: Literal["C", "M", "W", "Z", "N", "F", "I", "OR"] = "C"
    inactive: FileManDate = ""
    reactivated: FileManDate = ""


class ImagingLocationRow(Row):
    """[[imaging_location]]: IMAGING LOCATIONS (#79.1)."""

    ien: Ien
    hospital_location: int
    institution: int
    imaging_type: int = Field(default=1, ge=1)
    outside: bool = False
    outside_room: bool = False


class CodeRow(Row):
    """[[camera]], [[film_size]], [[diagnostic_code]], [[cpt_modifier]]: files #78.6, #78.4, #78.3 and #81.3."""

    ien: Ien
    name: str
    code: str = ""
    description: str = ""
    active_from: FileManDate = ""
    inactive: FileManDate = ""


class OrderRow(Row):
    """[[order]]: RAD/NUC MED ORDERS (#75.1)."""

    ien: Ien
    patient: int
    procedure: int
    modifiers: tuple[int, ...] = Field(default=(), strict=False)
    status: str = "PENDING"
    entered: FileManDate = ""
    reason: str = ""
    accession: str = ""
    imaging_location: int | None = None


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


class TransmitDestinationRow(Row):
    """[[transmit_destination]]: DICOM TRANSMIT DESTINATION (#2006.587)."""

    ien: Ien
    name: str
    ae_title: str = Field(max_length=16)
    host: str
    port: int = Field(ge=1, le=65535)
    gateway: str = ""
    location: int
    gateway_ae_title: str = Field(default="", max_length=16)
    updated: FileManDate = ""
    services: tuple[TransmitServiceName, ...] = Field(default=(), strict=False)


class AeSecurityRow(Row):
    """[[ae_security]]: DICOM AE SECURITY MATRIX (#2006.9192)."""

    ien: Ien
    name: str
    ae_title: str = Field(max_length=16)
    local_title: str = Field(default="", max_length=16)
    location: int
    host: str = ""
    port: int | None = Field(default=None, ge=1, le=65535)
    services: tuple[ServiceInRole, ...] = Field(default=(), strict=False)
    flags: dict[str, str] = Field(default_factory=dict)
    force_reconciliation: str = ""
    origin: str = ""
    response_delay: int | None = Field(default=None, ge=0)
    response_retries: int | None = Field(default=None, ge=0)


class HolidayRow(Row):
    """[[holiday]]: HOLIDAY (#40.5)."""

    date: FileManDate
    name: str = ""


class ImageIndexRow(Row):
    """[[image_index]]: IMAGE INDEX FOR SPECIALTY/SUBSPECIALTY (#2005.84) or FOR PROCEDURE/EVENT (#2005.85)."""

    file: Literal["2005.84", "2005.85"]
    ien: Ien
    name: str
    abbreviation: str = ""


class AcquisitionSiteRow(Row):
    """[[acquisition_site]]: TELEREADER ACQUISITION SITE (#2006.5842), numbered as its institution."""

    institution: Ien
    primary_site: int
    active: bool = True
    lock_minutes: int = Field(default=0, ge=0)


class ConsultServiceRow(Row):
    """[[consult_service]]: CLINICAL SPECIALTY DICOM & HL7 (#2006.5831): consults that TeleReader reads, by their procedure."""

    service: str
    specialty: int
    procedure: int
    site: int


class TeleReaderRow(Row):
    """[[tele_reader]]: TELEREADER READER (#2006.5843), one procedure of a specialty at a site that a user reads."""

    duz: Ien
    site: int
    specialty: int
    procedure: int
    site_active: bool = True
    specialty_active: bool = True
    procedure_active: bool = True
    selected: bool = True


class OptionScheduleRow(Row):
    """[[option_schedule]]: OPTION SCHEDULING (#19.2). Without `next` the first run is the first after loading.

    An entry with `special` and without `next` runs at TaskMan's start only.
    """

    option: str = Field(min_length=1)
    frequency: str = ""
    next: FileManDate = ""
    special: Literal["", "S", "SP", "P"] = ""
    device: str = ""
    volume: str = ""
    variables: dict[str, bool | int | float | str] = Field(default_factory=dict)
    parameter: str = ""
    duz: int = 0
    paused: bool = False
    catch_up: bool = False


class SiteFile(Row):
    """A whole site file."""

    site: SiteSettings = SiteSettings()
    institution: tuple[InstitutionRow, ...] = Field(default=(), strict=False)
    imaging_site: tuple[ImagingSiteRow, ...] = Field(default=(), strict=False)
    user: tuple[UserRow, ...] = Field(default=(), strict=False)
    context: tuple[ContextRow, ...] = Field(default=(), strict=False)
    patient: tuple[PatientRow, ...] = Field(default=(), strict=False)
    exam: tuple[ExamRow, ...] = Field(default=(), strict=False)
    tiu_note: tuple[TiuNoteRow, ...] = Field(default=(), strict=False)
    procedure: tuple[ProcedureRow, ...] = Field(default=(), strict=False)
    procedure_modifier: tuple[ProcedureModifierRow, ...] = Field(default=(), strict=False)
    hospital_location: tuple[HospitalLocationRow, ...] = Field(default=(), strict=False)
    imaging_location: tuple[ImagingLocationRow, ...] = Field(default=(), strict=False)
    camera: tuple[CodeRow, ...] = Field(default=(), strict=False)
    film_size: tuple[CodeRow, ...] = Field(default=(), strict=False)
    diagnostic_code: tuple[CodeRow, ...] = Field(default=(), strict=False)
    cpt_modifier: tuple[CodeRow, ...] = Field(default=(), strict=False)
    order: tuple[OrderRow, ...] = Field(default=(), strict=False)
    network_location: tuple[NetworkLocationRow, ...] = Field(default=(), strict=False)
    transmit_destination: tuple[TransmitDestinationRow, ...] = Field(default=(), strict=False)
    ae_security: tuple[AeSecurityRow, ...] = Field(default=(), strict=False)
    holiday: tuple[HolidayRow, ...] = Field(default=(), strict=False)
    option_schedule: tuple[OptionScheduleRow, ...] = Field(default=(), strict=False)
    image_index: tuple[ImageIndexRow, ...] = Field(default=(), strict=False)
    acquisition_site: tuple[AcquisitionSiteRow, ...] = Field(default=(), strict=False)
    consult_service: tuple[ConsultServiceRow, ...] = Field(default=(), strict=False)
    tele_reader: tuple[TeleReaderRow, ...] = Field(default=(), strict=False)


#: Finds what is wrong with a site that reads well: where it is, and what.
Check = Callable[[SiteFile], Iterator[tuple[tuple[int | str, ...], str]]]


def read_site_file(path: Path, *checks: Check) -> SiteFile:
    """Read and check a site file, also by what those who call know more of. Raises SiteFileError with the first error's line."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SiteFileError(f"cannot be read: {error.strerror}", source=str(path)) from error
    except UnicodeDecodeError as error:
        raise SiteFileError(f"is not UTF-8 text: {error.reason} at byte {error.start}", source=str(path)) from error
    return parse_site(text, str(path), *checks)


def parse_site(text: str, source: str = "site file", *checks: Check) -> SiteFile:
    """Check the text of a site file; see `read_site_file`."""
    try:
        tables = tomllib.loads(text)
    except ValueError as error:  # a number with more digits than Python reads is one, too
        line = _TOML_LINE.search(str(error))
        raise SiteFileError(f"this is not TOML: {error}", int(line[1]) if line else None, source) from error
    except RecursionError as error:
        raise SiteFileError("its arrays or tables stand too deep in one another", None, source) from error
    try:
        site = SiteFile.model_validate(tables)
    except ValidationError as error:
        first = error.errors()[0]
        raise SiteFileError(_problem(first["loc"], first["type"], first["msg"]), _line(text, first["loc"]), source) from error
    for check in (contradictions, *checks):
        for location, problem in check(site):
            raise SiteFileError(problem, _line(text, location), source)
    return site


#: What no two entries of a table may share.
_UNIQUE = (
    ("institution", ("ien",)),
    ("imaging_site", ("ien",)),
    ("user", ("duz",)),
    ("user", ("access",)),
    ("user", ("access_hash",)),
    ("context", ("name",)),
    ("patient", ("dfn",)),
    ("exam", ("service", "accession")),
    ("tiu_note", ("ien",)),
    ("network_location", ("ien",)),
    ("transmit_destination", ("ien",)),
    ("ae_security", ("ien",)),
    ("holiday", ("date",)),
    ("image_index", ("file", "ien")),
    ("acquisition_site", ("institution",)),
    ("consult_service", ("service",)),
    ("tele_reader", ("duz", "site", "specialty", "procedure")),
    ("procedure", ("ien",)),
    ("procedure_modifier", ("ien",)),
    ("hospital_location", ("ien",)),
    ("imaging_location", ("ien",)),
    ("camera", ("ien",)),
    ("film_size", ("ien",)),
    ("diagnostic_code", ("ien",)),
    ("cpt_modifier", ("ien",)),
    ("order", ("ien",)),
)
_MULTIPLES = ("divisions", "contexts", "keys")


def contradictions(site: SiteFile) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Find what contradicts itself: entries that are there twice, exams of nobody. Gives the place and the problem."""
    for table, keys in _UNIQUE:
        seen: set[tuple[str, ...]] = set()
        for number, row in enumerate(getattr(site, table)):
            values = tuple(str(getattr(row, key)) for key in keys)
            if all(values) and tuple(value.upper() for value in values) in seen:
                shown = "" if keys == ("access",) else " " + " ".join(values)  # an access code goes into no log
                yield (table, number, keys[-1]), f"{table}: there are two with {keys[-1]}{shown}"
            seen.add(tuple(value.upper() for value in values))
    for number, user in enumerate(site.user):
        for name in _MULTIPLES:
            values = getattr(user, name)
            if len(set(values)) < len(values):
                yield ("user", number, name), f"user.{name} names something twice"
    for number, context in enumerate(site.context):
        if unregistered := sorted(set(context.rpc_keys) - set(context.rpcs)):
            yield ("context", number, "rpc_keys"), f"context.rpc_keys: {unregistered[0]} is not among its rpcs"
    patients = {patient.dfn for patient in site.patient}
    for number, exam in enumerate(site.exam):
        if exam.patient not in patients:
            yield ("exam", number, "patient"), f"exam.patient: there is no patient {exam.patient}"
    for number, order in enumerate(site.order):
        if order.patient not in patients:
            yield ("order", number, "patient"), f"order.patient: there is no patient {order.patient}"
    for number, destination in enumerate(site.transmit_destination):
        services = [service.split()[0] for service in destination.services]
        if len(set(services)) < len(services):
            yield ("transmit_destination", number, "services"), "transmit_destination.services names one twice"


#: Pointers that VistA lets dangle: table, field, the table pointed to, its key.
_POINTERS = (
    ("imaging_site", "institution", "institution", "ien"),
    ("imaging_site", "write_location", "network_location", "ien"),
    ("imaging_site", "pacs_write_location", "network_location", "ien"),
    ("imaging_site", "jukebox_location", "network_location", "ien"),
    ("user", "divisions", "institution", "ien"),
    ("user", "default_division", "institution", "ien"),
    ("user", "contexts", "context", "name"),
    ("user", "primary_menu", "context", "name"),
    ("context", "items", "context", "name"),
    ("exam", "location", "institution", "ien"),
    ("exam", "tiu_note", "tiu_note", "ien"),
    ("tiu_note", "patient", "patient", "dfn"),
    ("network_location", "site", "imaging_site", "ien"),
    ("transmit_destination", "location", "institution", "ien"),
    ("acquisition_site", "institution", "institution", "ien"),
    ("acquisition_site", "primary_site", "institution", "ien"),
    ("consult_service", "specialty", "image_index", "ien"),
    ("consult_service", "procedure", "image_index", "ien"),
    ("consult_service", "site", "acquisition_site", "institution"),
    ("tele_reader", "duz", "user", "duz"),
    ("tele_reader", "site", "acquisition_site", "institution"),
    ("tele_reader", "specialty", "image_index", "ien"),
    ("tele_reader", "procedure", "image_index", "ien"),
    ("ae_security", "location", "institution", "ien"),
    ("imaging_location", "institution", "institution", "ien"),
    ("imaging_location", "hospital_location", "hospital_location", "ien"),
    ("order", "procedure", "procedure", "ien"),
    ("order", "modifiers", "procedure_modifier", "ien"),
    ("order", "imaging_location", "imaging_location", "ien"),
)


def dangling(site: SiteFile) -> list[str]:
    """Find pointers to nothing, as warnings: VistA has them too, but who writes a site file seldom means them."""
    found = []
    for table, field, target, key in _POINTERS:
        there = {getattr(row, key) for row in getattr(site, target)}
        named: set[object] = set()
        for row in getattr(site, table):
            value = getattr(row, field)
            named.update(value if isinstance(value, tuple) else () if value in (None, "") else (value,))
        found += [f"{table}.{field} names {target} {value}, which is not there" for value in sorted(named - there, key=str)]
    return found


def _problem(location: tuple[int | str, ...], kind: str, message: str) -> str:
    name = ".".join(str(part) for part in location if isinstance(part, str))
    if kind == "extra_forbidden":
        return f"{name} is not known here"
    if kind == "missing":
        return f"{name} is missing"
    return f"{name}: {message.removeprefix('Value error, ')}"


def _line(text: str, location: tuple[int | str, ...]) -> int | None:
    """Find the line of a key: the n-th table of its name, then the key in it; a missing key gives its table's line."""
    table = str(location[0])
    wanted = next((part for part in location[1:] if isinstance(part, int)), 0)
    keys = [part for part in location[1:] if isinstance(part, str)]
    inside, seen, header, top = False, -1, None, True
    for number, line in enumerate(text.splitlines(), start=1):
        if top and (match := _KEY.match(line)) and match[1] == table:
            return number
        if match := _HEADER.match(line):
            top = False
            if match[1] == table:
                seen += 1
            inside = match[1] == table and seen == wanted
            header = number if inside else header
        elif inside and keys and (match := _KEY.match(line)) and match[1] == keys[0]:
            return number
    return header
