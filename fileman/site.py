"""The site in the database: filled from a site file, read back, put back to its beginning. `site_dump` writes it out."""

from __future__ import annotations

import json
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import count

from sqlalchemy import Connection, delete, func, insert, select, union, update

from fileman.dates import to_fileman
from fileman.errors import SiteFileError, listed
from fileman.files import (
    AcquisitionCount,
    AcquisitionDevice,
    AcquisitionSite,
    AeSecurity,
    AnsweredRequest,
    BackgroundQueue,
    ConsultGroup,
    ConsultService,
    CurrentImage,
    DailyStatistic,
    DerivedFile,
    DicomExport,
    DicomExportImage,
    DicomFailedImage,
    DicomWorkstation,
    ErrorLog,
    EvaluatorFlag,
    EvaluatorLog,
    Exam,
    FailedAccess,
    File,
    GatewayInformation,
    GatewayMachine,
    GatewayParameter,
    Hl7Message,
    Holiday,
    HospitalLocation,
    Image,
    ImageAudit,
    ImageEvent,
    ImageHeader,
    ImageIndex,
    ImagingLocation,
    ImagingSite,
    ImportableObject,
    Institution,
    LabGroup,
    LockedAddress,
    LostMember,
    NetworkLocation,
    NewPerson,
    Option,
    OptionItem,
    OptionRpc,
    OptionSchedule,
    Patient,
    ProcedureModifier,
    QueryResult,
    QueryResultLine,
    QueuePointer,
    RadiologyCode,
    RadiologyOrder,
    RadiologyProcedure,
    Report,
    ReportImage,
    RoutedCopy,
    RoutingTransaction,
    RuleDecision,
    SendQueue,
    SiteSetting,
    StatisticsCursor,
    StudyDecision,
    TeleReader,
    TextMessageCount,
    TiuImage,
    TiuNote,
    TransmitDestination,
    TransmitService,
    UnreadConsult,
    UserDivision,
    UserKey,
    UserOption,
)
from fileman.numbers import reset_numbers
from fileman.secrets import BadSiteKey, SiteKey, hash_verify_code
from fileman.site_file import TOMORROW, AeSecurityRow, InstitutionRow, SiteFile, SiteSettings, UserRow, dangling
from fileman.store import bump_site_version

#: What a site file fills, children before parents: the order in which a new site replaces the old one.
_SITE_FILES: tuple[type[File], ...] = (
    OptionItem,
    OptionRpc,
    Option,
    UserDivision,
    UserKey,
    UserOption,
    NewPerson,
    OptionSchedule,
    SiteSetting,
)
#: The part of it that is about patients and places, and no person's.
_FACT_FILES: tuple[type[File], ...] = (
    Exam,
    TiuNote,
    RadiologyOrder,
    Patient,
    RadiologyProcedure,
    ProcedureModifier,
    RadiologyCode,
    ImagingLocation,
    HospitalLocation,
    Holiday,
    TransmitService,
    TransmitDestination,
    AeSecurity,
    NetworkLocation,
    ImagingSite,
    Institution,
    TeleReader,
    ConsultService,
    AcquisitionSite,
    ImageIndex,
)
#: What imaging fills: images, groups, reports, queues, logs, counters.
_IMAGING_FILES: tuple[type[File], ...] = (
    AcquisitionCount,
    AcquisitionDevice,
    AnsweredRequest,
    BackgroundQueue,
    ConsultGroup,
    CurrentImage,
    DailyStatistic,
    DerivedFile,
    DicomExportImage,
    DicomExport,
    DicomFailedImage,
    DicomWorkstation,
    EvaluatorFlag,
    EvaluatorLog,
    ErrorLog,
    FailedAccess,
    GatewayInformation,
    GatewayMachine,
    GatewayParameter,
    Hl7Message,
    Image,
    ImageAudit,
    ImageEvent,
    ImageHeader,
    ImportableObject,
    LabGroup,
    LockedAddress,
    LostMember,
    QueuePointer,
    QueryResultLine,
    QueryResult,
    Report,
    ReportImage,
    RoutedCopy,
    RoutingTransaction,
    RuleDecision,
    SendQueue,
    StatisticsCursor,
    StudyDecision,
    TextMessageCount,
    UnreadConsult,
    TiuImage,
)
_IMAGING_NUMBERS = (
    "acquisition_device",
    "background_queue",
    "consult_group",
    "current_image",
    "dicom_export",
    "dicom_failed_image",
    "dicom_workstation",
    "error_log",
    "gateway_information",
    "gateway_machine",
    "hl7_message",
    "image",
    "importable_object",
    "lab_group",
    "queue_pointer",
    "query_result",
    "report",
    "send_queue",
    "unread_consult",
    "tiu_image",
)
#: INSTITUTION (#4) as the freely given VistA has it under the site number that it comes with.
DISTRIBUTED = InstitutionRow(ien=500, name="SEVEN PINES CEMETERY", station="878")

#: Tables of the site file that share RADIOLOGY CODES, with the numbers of their files.
RADIOLOGY_CODES = {"diagnostic_code": "78.3", "film_size": "78.4", "camera": "78.6", "cpt_modifier": "81.3"}

_EXAMS = select(Exam.ien, Exam.service, Exam.accession, Exam.patient, Exam.report)
_EXAMS_WITH_REPORTS = select(Report.exam).distinct()
_LOCATION_COLUMNS = (
    Image.location,
    Image.abstract_location,
    Image.jukebox_location,
    Image.big_location,
    Image.big_jukebox_location,
)
_LOCATIONS_OF_IMAGES = union(*(select(column) for column in _LOCATION_COLUMNS))
_SIGNED_ON = select(NewPerson.duz, NewPerson.last_sign_on)
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

    What it schedules is for TaskMan to put in (`taskman.schedule.put_schedules`, in the same transaction): nothing is
    scheduled until then. Exams with images keep their numbers and their reports. Gives warnings: procedures that no registry
    has, and pointers to nothing, are kept. Raises SiteFileError when the file lacks an exam or a network location that images
    belong to, and BadSiteKey when its hashes or enciphered codes were made with another site's key.
    """
    if site.site.key_fingerprint not in ("", key.fingerprint()):
        raise BadSiteKey(
            "This site file was dumped under another site's key, so nobody could sign on with its hashes:"
            " bring that site's key file along, or give access and verify codes in clear and leave out key_fingerprint."
        )
    exams = _numbered_exams(connection, site)
    _check_locations(connection, site)
    signed_on = {row.duz: row.last_sign_on for row in connection.execute(_SIGNED_ON)}
    _replace_facts(connection, site, key, exams)
    for file in _SITE_FILES:
        connection.execute(delete(file))
    settings = {**site.site.model_dump(mode="json"), "key_fingerprint": key.fingerprint()}
    _insert(connection, SiteSetting, [{"name": name, "value": json.dumps(value)} for name, value in settings.items()])
    _users(connection, site, key, now, signed_on)
    _contexts(connection, site)
    bump_site_version(connection)
    if known_rpcs is None:
        return dangling(site)
    unknown = sorted({rpc for context in site.context for rpc in context.rpcs} - {*known_rpcs, "*"})
    return [*dangling(site), *([f"procedures that are not known stay in their contexts: {listed(unknown)}"] if unknown else [])]


def restore_facts(connection: Connection, site: SiteFile, key: SiteKey) -> None:
    """Put patients, exams and notes, institutions and places back to a site file; people, options and settings stay.

    Raises what `apply_site` raises.
    """
    exams = _numbered_exams(connection, site)
    _check_locations(connection, site)
    _replace_facts(connection, site, key, exams)
    bump_site_version(connection)


def _replace_facts(connection: Connection, site: SiteFile, key: SiteKey, exams: list[dict[str, object]]) -> None:
    for file in _FACT_FILES:
        connection.execute(delete(file))
    _insert(connection, Institution, [row.model_dump() for row in (*site.institution, *_distributed(site))])
    _insert(connection, ImagingSite, imaging_sites(site, key))
    _insert(connection, Patient, [row.model_dump() for row in site.patient])
    _insert(connection, TiuNote, [row.model_dump() for row in site.tiu_note])
    _insert(connection, Exam, exams)
    _insert(connection, NetworkLocation, network_locations(site, key))
    _insert(connection, TransmitDestination, [row.model_dump(exclude={"services"}) for row in site.transmit_destination])
    _insert(connection, TransmitService, _services(site))
    _insert(connection, AeSecurity, [_ae_security(row) for row in site.ae_security])
    _radiology(connection, site)
    _insert(connection, Holiday, [row.model_dump() for row in site.holiday])
    _insert(connection, ImageIndex, [row.model_dump() for row in site.image_index])
    _insert(connection, AcquisitionSite, [row.model_dump() for row in site.acquisition_site])
    _insert(connection, ConsultService, [row.model_dump() for row in site.consult_service])
    readers = [{**row.model_dump(), "position": position} for position, row in enumerate(site.tele_reader)]
    _insert(connection, TeleReader, readers)


def _radiology(connection: Connection, site: SiteFile) -> None:
    """Fill the radiology files beside the exams; lists stand in their columns apart by commas."""
    for file, rows in (
        (RadiologyProcedure, site.procedure),
        (ProcedureModifier, site.procedure_modifier),
        (HospitalLocation, site.hospital_location),
        (ImagingLocation, site.imaging_location),
        (RadiologyOrder, site.order),
    ):
        _insert(connection, file, [_joined(row.model_dump()) for row in rows])
    for table, number in RADIOLOGY_CODES.items():
        _insert(connection, RadiologyCode, [{**row.model_dump(), "file": number} for row in getattr(site, table)])


def _joined(row: dict[str, object]) -> dict[str, object]:
    return {name: ",".join(map(str, value)) if isinstance(value, tuple) else value for name, value in row.items()}


def _services(site: SiteFile) -> list[dict[str, object]]:
    named = [(row.ien, service.split()) for row in site.transmit_destination for service in row.services]
    return [
        {"destination": ien, "service": words[0], "user": "SCU" in words[1:], "provider": "SCP" in words[1:]}
        for ien, words in named
    ]


def _ae_security(row: AeSecurityRow) -> dict[str, object]:
    columns = row.model_dump()
    columns["flags"] = json.dumps(row.flags)
    columns["services"] = json.dumps(["^".join(service.rsplit(" ", 1)) for service in row.services])
    return columns


def _numbered_exams(connection: Connection, site: SiteFile) -> list[dict[str, object]]:
    """Number the file's exams: as they were where images were filed, in the order of the file otherwise."""
    filed = set(connection.execute(_EXAMS_WITH_REPORTS).scalars())
    before = {(row.service, row.accession): row for row in connection.execute(_EXAMS)} if filed else {}
    patients = {(row.service, row.accession): row.patient for row in site.exam}
    for place, row in before.items():
        if row.ien in filed and patients.get(place) != row.patient:
            raise SiteFileError(
                f"images are filed under exam {row.accession} of patient {row.patient}:"
                " keep it in the site file as it is, or reset imaging first"
            )
    fresh = count(max((row.ien for row in before.values()), default=0) + 1)
    exams = []
    for new in site.exam:
        old = before.get((new.service, new.accession))
        exams.append(
            {
                **new.model_dump(exclude={"case", "ien", "datetime"}),
                "ien": next(fresh) if old is None else old.ien,
                "report": None if old is None else old.report,
                "case_number": str(new.case),
                "service_ien": new.ien,
                "exam_date": new.datetime,
            }
        )
    return exams


def _check_locations(connection: Connection, site: SiteFile) -> None:
    there = {row.ien for row in site.network_location}
    used = {ien for ien in connection.execute(_LOCATIONS_OF_IMAGES).scalars() if ien is not None}
    for ien in sorted(used - there):
        raise SiteFileError(f"images lie in network location {ien}: keep it in the site file, or reset imaging first")


def _insert(connection: Connection, file: type[File], rows: list[dict[str, object]]) -> None:
    if rows:
        connection.execute(insert(file), rows)


def _distributed(site: SiteFile) -> list[InstitutionRow]:
    """Give the institution that VistA's distribution brings, where it is the site's number and the file has no other."""
    there = any(row.ien == DISTRIBUTED.ien for row in site.institution)
    return [DISTRIBUTED] if site.site.site_number == DISTRIBUTED.ien and not there else []


def imaging_sites(site: SiteFile, key: SiteKey) -> list[dict[str, object]]:
    """Give the rows of IMAGING SITE PARAMETERS that a site file describes."""
    return [_imaging_site(row.model_dump(), key) for row in site.imaging_site]


def network_locations(site: SiteFile, key: SiteKey) -> list[dict[str, object]]:
    """Give the rows of NETWORK LOCATION that a site file describes."""
    return [_location(row.model_dump(), key) for row in site.network_location]


def _imaging_site(row: dict[str, object], key: SiteKey) -> dict[str, object]:
    for name in ("gateway_access", "gateway_verify"):
        _encipher(row, name, key)
    return row


def _encipher(row: dict[str, object], name: str, key: SiteKey) -> None:
    """Put a secret into its column: the clear one enciphered, or the enciphered one when this key opens it."""
    enciphered = str(row.pop(f"{name}_enciphered"))
    clear = str(row[name])
    key.decipher(enciphered)
    row[name] = key.encipher(clear) if clear else enciphered


def _location(row: dict[str, object], key: SiteKey) -> dict[str, object]:
    _encipher(row, "password", key)
    row["path"] = row["path"] or f"var/{row['name']}"
    row["send"] = ",".join(row["send"] if isinstance(row["send"], tuple) else ())
    return row


def _users(connection: Connection, site: SiteFile, key: SiteKey, now: datetime, signed_on: dict[int, str]) -> None:
    with ThreadPoolExecutor(thread_name_prefix="hash") as pool:  # argon2 lets other threads run
        hashes = pool.map(hash_verify_code, [row.verify for row in site.user])
        people = [
            {**_person(row, hashed, key, now), "last_sign_on": signed_on.get(row.duz, "")}
            for row, hashed in zip(site.user, hashes, strict=True)
        ]
    _insert(connection, NewPerson, people)
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


def _person(row: UserRow, hashed: str, key: SiteKey, now: datetime) -> dict[str, object]:
    columns = row.model_dump(exclude={"access", "verify", "divisions", "contexts", "keys", "verify_age_days"})
    columns["verify_history"] = "\n".join(row.verify_history)
    columns["access_hash"] = key.access_hash(row.access) if row.access else row.access_hash
    columns["verify_hash"] = hashed or row.verify_hash
    changed = now - timedelta(days=row.verify_age_days or 0)
    columns["verify_changed"] = row.verify_changed or to_fileman(changed)
    if row.locked_until == TOMORROW:
        columns["locked_until"] = to_fileman(now + timedelta(days=1))
    return columns


def _contexts(connection: Connection, site: SiteFile) -> None:
    multiples = {"rpcs", "rpc_keys", "items"}
    numbered = list(enumerate(site.context, start=1))
    _insert(connection, Option, [{"ien": ien, **row.model_dump(exclude=multiples)} for ien, row in numbered])
    _insert(
        connection,
        OptionRpc,
        [
            {"option": ien, "position": position, "rpc": rpc, "key": row.rpc_keys.get(rpc, "")}
            for ien, row in numbered
            for position, rpc in enumerate(row.rpcs)
        ],
    )
    _insert(
        connection,
        OptionItem,
        [{"option": ien, "position": position, "item": item} for ien, row in numbered for position, item in enumerate(row.items)],
    )


def reset_imaging(connection: Connection) -> None:
    """Put imaging back to the site file: no images, groups, reports, queues, logs; numbers from the start."""
    for file in _IMAGING_FILES:
        connection.execute(delete(file))
    connection.execute(update(Exam).values(report=None))
    connection.execute(update(ImagingSite).values(last_routing="", last_routing_warning=""))
    connection.execute(delete(NetworkLocation).where(NetworkLocation.name == ""))  # made when their state was told
    connection.execute(update(NetworkLocation).values(offline_since=None, last_purge=None))
    reset_numbers(connection, _IMAGING_NUMBERS)
    bump_site_version(connection)
