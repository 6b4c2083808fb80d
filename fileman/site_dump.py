"""The site written out as a site file: absolute dates, hashes and enciphered codes instead of clear ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime

from pydantic import BaseModel
from sqlalchemy import Connection, Table, select

from fileman.dates import from_fileman, to_fileman
from fileman.files import (
    AcquisitionSite,
    AeSecurity,
    ConsultService,
    Exam,
    File,
    Holiday,
    HospitalLocation,
    ImageIndex,
    ImagingLocation,
    ImagingSite,
    Institution,
    NetworkLocation,
    NewPerson,
    Option,
    OptionItem,
    OptionRpc,
    OptionSchedule,
    Patient,
    ProcedureModifier,
    RadiologyCode,
    RadiologyOrder,
    RadiologyProcedure,
    TeleReader,
    TiuNote,
    TransmitDestination,
    TransmitService,
    UserDivision,
    UserKey,
    UserOption,
)
from fileman.site import RADIOLOGY_CODES, site_settings
from fileman.site_file import (
    AcquisitionSiteRow,
    AeSecurityRow,
    CodeRow,
    ConsultServiceRow,
    ContextRow,
    ExamRow,
    HolidayRow,
    HospitalLocationRow,
    ImageIndexRow,
    ImagingLocationRow,
    ImagingSiteRow,
    InstitutionRow,
    NetworkLocationRow,
    OptionScheduleRow,
    OrderRow,
    PatientRow,
    ProcedureModifierRow,
    ProcedureRow,
    SiteSettings,
    TeleReaderRow,
    TiuNoteRow,
    TransmitDestinationRow,
    UserRow,
)

Row = dict[str, object]

#: Keys whose FileMan text is written as a TOML date.
_DATES = {
    "active_from",
    "birth_date",
    "date",
    "datetime",
    "entered",
    "inactive",
    "locked_until",
    "next",
    "purged",
    "reactivated",
    "terminated",
    "updated",
    "verify_changed",
}
#: Where a column has another name than the key of the file.
_KEYS: dict[type[File], dict[str, str]] = {
    ImagingSite: {"gateway_access": "gateway_access_enciphered", "gateway_verify": "gateway_verify_enciphered"},
    Exam: {"case_number": "case", "service_ien": "ien", "exam_date": "datetime"},
    NetworkLocation: {"password": "password_enciphered"},
}
#: Columns that are no part of a site file: what happened since, and numbers that come from the order.
_LEFT_OUT: dict[type[File], set[str]] = {
    ImagingSite: {"last_routing", "last_routing_warning"},
    NetworkLocation: {"offline_since", "last_purge"},
    NewPerson: {"last_sign_on", "failed_attempts"},
    Option: {"ien"},
    Exam: {"ien", "report"},
    TeleReader: {"position"},
    OptionSchedule: {"ien", "next_at", "wall", "task", "last_at", "skipped"},
}
#: Rows that are no part of a site file: what was to be run once, and was; what VistA made of a number that it does not know.
_OVER: dict[type[File], Callable[[Row], bool]] = {
    NetworkLocation: lambda row: not row["name"],
    OptionSchedule: lambda row: not (row["frequency"] or row["special"] or row["wall"]),
}

_SERVICES = select(TransmitService.destination, TransmitService.service, TransmitService.user, TransmitService.provider).order_by(
    TransmitService.destination, TransmitService.service
)
_RPC_KEYS = select(OptionRpc.option, OptionRpc.rpc, OptionRpc.key).where(OptionRpc.key != "").order_by(OptionRpc.position)


def dump_site(connection: Connection) -> str:
    """Write the site as the text of a site file. Loading it with the same site key and dumping again gives the same text."""
    divisions, keys, contexts = (_multiple(connection, file) for file in (UserDivision, UserKey, UserOption))
    rpcs, items = _multiple(connection, OptionRpc), _multiple(connection, OptionItem)
    rpc_keys: dict[object, dict[str, str]] = {}
    for ien, rpc, key in connection.execute(_RPC_KEYS):
        rpc_keys.setdefault(ien, {})[rpc] = key

    def user(row: Row) -> Row:
        owner = row["duz"]
        return {
            "divisions": divisions.get(owner, []),
            "contexts": contexts.get(owner, []),
            "keys": keys.get(owner, []),
            "verify_history": str(row["verify_history"]).split(),
        }

    def option(row: Row) -> Row:
        ien = row["ien"]
        return {"rpcs": rpcs.get(ien, []), "items": items.get(ien, []), "rpc_keys": rpc_keys.get(ien, {})}

    def schedule(row: Row) -> Row:
        wall = str(row["wall"])
        return {"next": to_fileman(datetime.fromisoformat(wall)) if wall else "", "variables": json.loads(str(row["variables"]))}

    services: dict[object, list[str]] = {}
    for ien, service, scu, scp in connection.execute(_SERVICES):
        services.setdefault(ien, []).append(" ".join([service, *["SCU"] * scu, *["SCP"] * scp]))

    def destination(row: Row) -> Row:
        return {"services": services.get(row["ien"], [])}

    def nothing(_row: Row) -> Row:
        return {}

    sections: tuple[tuple[str, type[File], type[BaseModel], str, Callable[[Row], Row]], ...] = (
        ("institution", Institution, InstitutionRow, "ien", nothing),
        ("imaging_site", ImagingSite, ImagingSiteRow, "ien", nothing),
        ("user", NewPerson, UserRow, "duz", user),
        ("context", Option, ContextRow, "ien", option),
        ("patient", Patient, PatientRow, "dfn", nothing),
        ("exam", Exam, ExamRow, "ien", nothing),
        ("tiu_note", TiuNote, TiuNoteRow, "ien", nothing),
        ("network_location", NetworkLocation, NetworkLocationRow, "ien", _file_types),
        ("transmit_destination", TransmitDestination, TransmitDestinationRow, "ien", destination),
        ("ae_security", AeSecurity, AeSecurityRow, "ien", _permitted),
        ("procedure", RadiologyProcedure, ProcedureRow, "ien", _split("modalities")),
        ("procedure_modifier", ProcedureModifier, ProcedureModifierRow, "ien", _numbers("imaging_types")),
        ("hospital_location", HospitalLocation, HospitalLocationRow, "ien", nothing),
        ("imaging_location", ImagingLocation, ImagingLocationRow, "ien", nothing),
        ("order", RadiologyOrder, OrderRow, "ien", _numbers("modifiers")),
        ("holiday", Holiday, HolidayRow, "date", nothing),
        ("option_schedule", OptionSchedule, OptionScheduleRow, "ien", schedule),
        ("image_index", ImageIndex, ImageIndexRow, "file", nothing),
        ("acquisition_site", AcquisitionSite, AcquisitionSiteRow, "institution", nothing),
        ("consult_service", ConsultService, ConsultServiceRow, "service", nothing),
        ("tele_reader", TeleReader, TeleReaderRow, "position", nothing),
    )
    parts = [_table("[site]", site_settings(connection).model_dump(), SiteSettings)]
    for name, file, model, order, more in sections:
        left_out, renamed = _LEFT_OUT.get(file, set()), _KEYS.get(file, {})
        for row in _rows(connection, file, order):
            if file in _OVER and _OVER[file](row):
                continue
            content = {renamed.get(key, key): value for key, value in row.items() if key not in left_out}
            parts.append(_table(f"[[{name}]]", {**content, **more(row)}, model))
    codes = list(_rows(connection, RadiologyCode, "ien"))
    for name, number in RADIOLOGY_CODES.items():
        parts += [_table(f"[[{name}]]", {**row, "file": None}, CodeRow) for row in codes if row["file"] == number]
    return "\n\n".join(parts) + "\n"


def _permitted(row: Row) -> Row:
    services = [service.replace("^", " ") for service in json.loads(str(row["services"]))]
    return {"services": services, "flags": json.loads(str(row["flags"]))}


def _split(name: str) -> Callable[[Row], Row]:
    return lambda row: {name: [item for item in str(row[name]).split(",") if item]}


def _numbers(name: str) -> Callable[[Row], Row]:
    return lambda row: {name: [int(item) for item in str(row[name]).split(",") if item]}


def _file_types(row: Row) -> Row:
    return {"send": [kind for kind in str(row["send"]).split(",") if kind]}


def _multiple(connection: Connection, file: type[File]) -> dict[object, list[object]]:
    """Read a multiple: its owner comes first; its value is the column that is neither that nor `position` nor a `key` of it."""
    columns = {column.name: column for column in file.__table__.columns}
    position = columns.pop("position")
    owner = columns.pop("duz" if "duz" in columns else "option")
    value = next(iter(columns.values()))
    found: dict[object, list[object]] = {}
    for parent, item in connection.execute(select(owner, value).order_by(owner, position)):
        found.setdefault(parent, []).append(item)
    return found


def _rows(connection: Connection, file: type[File], order: str) -> Iterable[Row]:
    table = file.__table__
    if not isinstance(table, Table):
        raise TypeError(f"{file.__name__} is no table")
    return [
        dict(row) for row in connection.execute(select(table).order_by(table.c[order], *table.primary_key.columns)).mappings()
    ]


def _table(heading: str, content: Mapping[str, object], model: type[BaseModel]) -> str:
    """Write one table; what is empty is left out unless the reader would put something else in its place."""
    lines = [heading]
    for key, value in content.items():
        empty = value in ("", (), [], {})
        if value is None or (empty and model.model_fields[key].get_default(call_default_factory=True) in ("", (), {}, None)):
            continue
        lines.append(f"{key} = {toml_value(toml_date(str(value)) if key in _DATES else value)}")
    return "\n".join(lines)


def toml_date(text: str) -> date | datetime | str:
    """Turn FileMan text into a TOML date; what no calendar has (2700229) stays text."""
    try:
        moment = from_fileman(text)
    except ValueError:
        return text
    value = moment if "." in text else moment.date()
    return value if to_fileman(value) == text else text


def toml_value(value: object) -> str:
    """Write a value as TOML. Raises TypeError for what a site file cannot hold."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return repr(value)
        case dict():
            return "{" + ", ".join(f"{toml_value(name)} = {toml_value(item)}" for name, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(toml_value(item) for item in value) + "]"
        case date():
            return value.isoformat()
        case str():
            text = value.replace("\\", "\\\\").replace('"', '\\"')
            return '"' + "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in text) + '"'
    raise TypeError(f"a site file holds no {type(value).__name__}")
