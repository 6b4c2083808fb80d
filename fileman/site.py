"""The site in the database: filled from a site file, read back, written out again, put back to its beginning."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import Connection, Table, delete, func, insert, select, update

from fileman.dates import is_fileman, to_fileman
from fileman.errors import SiteFileError
from fileman.files import (
    AcquisitionCount,
    AcquisitionDevice,
    AnsweredRequest,
    BackgroundQueue,
    CurrentImage,
    DicomExport,
    DicomExportImage,
    DicomFailedImage,
    EvaluatorFlag,
    EvaluatorLog,
    Exam,
    FailedAccess,
    File,
    GatewayMachine,
    Holiday,
    Image,
    ImageEvent,
    ImageHeader,
    ImagingSite,
    Institution,
    NetworkLocation,
    NewPerson,
    Option,
    OptionRpc,
    Patient,
    Report,
    RuleDecision,
    SendQueue,
    SiteSetting,
    StudyDecision,
    TransmitDestination,
    UserDivision,
    UserKey,
    UserOption,
)
from fileman.numbers import reset_numbers
from fileman.secrets import SiteKey, hash_verify_code
from fileman.site_file import SiteFile, SiteSettings, UserRow, as_toml
from fileman.store import bump_site_version

#: What a site file fills, children before parents: the order in which a new site replaces the old one.
_SITE_FILES: tuple[type[File], ...] = (
    OptionRpc,
    Option,
    UserDivision,
    UserKey,
    UserOption,
    NewPerson,
    Exam,
    Patient,
    Holiday,
    TransmitDestination,
    NetworkLocation,
    ImagingSite,
    Institution,
    SiteSetting,
)
#: What imaging fills: images, groups, reports, queues, logs, counters.
_IMAGING_FILES: tuple[type[File], ...] = (
    AcquisitionCount,
    AcquisitionDevice,
    AnsweredRequest,
    BackgroundQueue,
    CurrentImage,
    DicomExportImage,
    DicomExport,
    DicomFailedImage,
    EvaluatorFlag,
    EvaluatorLog,
    FailedAccess,
    GatewayMachine,
    Image,
    ImageEvent,
    ImageHeader,
    Report,
    RuleDecision,
    SendQueue,
    StudyDecision,
)
_IMAGING_NUMBERS = (
    "acquisition_device",
    "background_queue",
    "current_image",
    "dicom_export",
    "dicom_failed_image",
    "gateway_machine",
    "image",
    "report",
    "send_queue",
)
_SETTINGS = select(SiteSetting.name, SiteSetting.value)


def is_empty(connection: Connection) -> bool:
    """Tell whether no site file was ever loaded."""
    return connection.execute(select(func.count()).select_from(SiteSetting)).scalar_one() == 0


def site_settings(connection: Connection) -> SiteSettings:
    """Read the [site] table."""
    return SiteSettings.model_validate({name: json.loads(value) for name, value in connection.execute(_SETTINGS)})


def apply_site(
    connection: Connection, site: SiteFile, key: SiteKey, now: datetime, known_rpcs: Collection[str] | None = None
) -> list[str]:
    """Fill the database from a site file, in place of the site that was there; images and queues stay.

    Gives warnings: names of procedures that no registry has are kept. Raises SiteFileError when exams have reports and their
    site is to be replaced, because images would lose their exam.
    """
    if connection.execute(select(func.count()).select_from(Report)).scalar_one():
        raise SiteFileError("images are filed here; reset imaging first, or use an empty data directory")
    for file in _SITE_FILES:
        connection.execute(delete(file))
    _insert(
        connection,
        SiteSetting,
        [{"name": name, "value": json.dumps(value)} for name, value in site.site.model_dump(mode="json").items()],
    )
    _insert(connection, Institution, [row.model_dump() for row in site.institution])
    _insert(connection, ImagingSite, [_imaging_site(row.model_dump(), key) for row in site.imaging_site])
    _users(connection, site, key, now)
    _contexts(connection, site)
    _insert(connection, Patient, [row.model_dump() for row in site.patient])
    _insert(
        connection,
        Exam,
        [
            {
                **row.model_dump(exclude={"case", "ien", "datetime"}),
                "ien": number,
                "case_number": str(row.case),
                "service_ien": row.ien,
                "exam_date": row.datetime,
            }
            for number, row in enumerate(site.exam, start=1)
        ],
    )
    _insert(connection, NetworkLocation, [_location(row.model_dump(), key) for row in site.network_location])
    _insert(connection, TransmitDestination, [row.model_dump() for row in site.transmit_destination])
    _insert(connection, Holiday, [row.model_dump() for row in site.holiday])
    bump_site_version(connection)
    if known_rpcs is None:
        return []
    unknown = {rpc for context in site.context for rpc in context.rpcs} - {*known_rpcs, "*"}
    return [f"procedure {rpc} is not known; kept in its context" for rpc in sorted(unknown)]


def _insert(connection: Connection, file: type[File], rows: list[dict[str, object]]) -> None:
    if rows:
        connection.execute(insert(file), rows)


def _imaging_site(row: dict[str, object], key: SiteKey) -> dict[str, object]:
    for name in ("gateway_access", "gateway_verify"):
        enciphered = row.pop(f"{name}_enciphered")
        row[name] = enciphered or key.encipher(str(row[name]))
    return row


def _location(row: dict[str, object], key: SiteKey) -> dict[str, object]:
    enciphered = row.pop("password_enciphered")
    row["password"] = enciphered or key.encipher(str(row["password"]))
    row["path"] = row["path"] or f"var/{row['name']}"
    row["send"] = ",".join(row["send"] if isinstance(row["send"], tuple) else ())
    return row


def _users(connection: Connection, site: SiteFile, key: SiteKey, now: datetime) -> None:
    _insert(connection, NewPerson, [_person(row, key, now) for row in site.user])
    multiples: tuple[tuple[type[File], str, str], ...] = (
        (UserDivision, "institution", "divisions"),
        (UserKey, "key", "keys"),
        (UserOption, "option", "contexts"),
    )
    for file, column, field in multiples:
        _insert(
            connection,
            file,
            [
                {"duz": row.duz, column: value, "position": position}
                for row in site.user
                for position, value in enumerate(getattr(row, field))
            ],
        )


def _person(row: UserRow, key: SiteKey, now: datetime) -> dict[str, object]:
    columns = row.model_dump(exclude={"access", "verify", "divisions", "contexts", "keys", "verify_age_days"})
    columns["access_hash"] = row.access_hash or (key.access_hash(row.access) if row.access else "")
    columns["verify_hash"] = row.verify_hash or hash_verify_code(row.verify)
    changed = now - timedelta(days=row.verify_age_days or 0)
    columns["verify_changed"] = row.verify_changed or to_fileman(changed)
    if row.locked_until == "tomorrow":
        columns["locked_until"] = to_fileman(now + timedelta(days=1))
    elif row.locked_until and not is_fileman(row.locked_until):
        raise SiteFileError(f'user {row.duz}: locked_until "{row.locked_until}" is neither a date nor "tomorrow"')
    return columns


def _contexts(connection: Connection, site: SiteFile) -> None:
    _insert(
        connection, Option, [{"ien": ien, **row.model_dump(exclude={"rpcs"})} for ien, row in enumerate(site.context, start=1)]
    )
    _insert(
        connection,
        OptionRpc,
        [
            {"option": ien, "position": position, "rpc": rpc}
            for ien, row in enumerate(site.context, start=1)
            for position, rpc in enumerate(row.rpcs)
        ],
    )


def dump_site(connection: Connection) -> str:
    """Write the site as a site file: absolute dates, hashes and enciphered codes instead of clear ones."""
    children: dict[str, dict[object, list[object]]] = {}
    for file, owner, column, name in (
        (UserDivision, UserDivision.duz, UserDivision.institution, "divisions"),
        (UserKey, UserKey.duz, UserKey.key, "keys"),
        (UserOption, UserOption.duz, UserOption.option, "contexts"),
        (OptionRpc, OptionRpc.option, OptionRpc.rpc, "rpcs"),
    ):
        lists = children.setdefault(name, {})
        for parent, value in connection.execute(select(owner, column).order_by(owner, file.__table__.c.position)):
            lists.setdefault(parent, []).append(value)
    users = [
        {**row, **{name: children[name].get(row["duz"], []) for name in ("divisions", "contexts", "keys")}}
        for row in _rows(connection, NewPerson, "duz", leave={"last_sign_on", "failed_attempts"})
    ]
    contexts = [
        {**{name: value for name, value in row.items() if name != "ien"}, "rpcs": children["rpcs"].get(row["ien"], [])}
        for row in _rows(connection, Option, "ien")
    ]
    exams = [
        {
            **{
                name: value
                for name, value in row.items()
                if name not in ("ien", "case_number", "service_ien", "exam_date", "report")
            },
            "case": row["case_number"],
            "ien": row["service_ien"],
            "datetime": row["exam_date"],
        }
        for row in _rows(connection, Exam, "ien")
    ]
    return as_toml(
        {
            "site": site_settings(connection).model_dump(),
            "institution": _rows(connection, Institution, "ien"),
            "imaging_site": [
                _renamed(row, "gateway_access", "gateway_verify")
                for row in _rows(connection, ImagingSite, "ien", leave={"last_routing", "last_routing_warning"})
            ],
            "user": users,
            "context": contexts,
            "patient": _rows(connection, Patient, "dfn"),
            "exam": exams,
            "network_location": [
                {**_renamed(row, "password"), "send": [kind for kind in str(row["send"]).split(",") if kind]}
                for row in _rows(connection, NetworkLocation, "ien")
            ],
            "transmit_destination": _rows(connection, TransmitDestination, "ien"),
            "holiday": _rows(connection, Holiday, "date"),
        }
    )


def _rows(connection: Connection, file: type[File], order: str, leave: Collection[str] = ()) -> list[dict[str, object]]:
    table = file.__table__
    if not isinstance(table, Table):
        raise TypeError(f"{file.__name__} is no table")
    columns = [column for column in table.c if column.name not in leave]
    return [dict(row) for row in connection.execute(select(*columns).order_by(table.c[order])).mappings()]


def _renamed(row: dict[str, object], *names: str) -> dict[str, object]:
    return {f"{name}_enciphered" if name in names else name: value for name, value in row.items()}


def reset_imaging(connection: Connection) -> None:
    """Put imaging back to the site file: no images, groups, reports, queues, logs; numbers from the start."""
    for file in _IMAGING_FILES:
        connection.execute(delete(file))
    connection.execute(update(Exam).values(report=None))
    connection.execute(update(ImagingSite).values(last_routing="", last_routing_warning=""))
    reset_numbers(connection, _IMAGING_NUMBERS)
    bump_site_version(connection)
