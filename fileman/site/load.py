"""A site file put into the database, in place of the site that was there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection

from fileman.errors import listed
from fileman.files import File, ImagingSite, NetworkLocation, OptionSchedule
from fileman.secrets import BadSiteKey, SiteKey
from fileman.site.checks import dangling
from fileman.site.destinations import DESTINATION_FILES, fill_destinations
from fileman.site.patients import EXAMS, PATIENT_FILES, PATIENTS, TIU_NOTES, numbered_exams
from fileman.site.people import fill_people
from fileman.site.places import (
    HOLIDAYS,
    PLACE_FILES,
    check_locations,
    fill_institutions,
    imaging_sites,
    network_locations,
)
from fileman.site.radiology import RADIOLOGY, RADIOLOGY_CODES, RADIOLOGY_FILES, fill_codes
from fileman.site.rows import Row
from fileman.site.sections import Section, empty, fill, joined
from fileman.site.settings import fill_settings
from fileman.site.site_file import SiteFile
from fileman.site.tele_reader import ACQUISITION, TELE_READER_FILES, fill_readers
from fileman.site.worklist import fill_worklist
from fileman.store import bump_site_version

#: What is about patients and places, and no person's: children before parents.
_FACT_FILES: tuple[type[File], ...] = (
    *RADIOLOGY_FILES,
    *PATIENT_FILES,
    *DESTINATION_FILES,
    *PLACE_FILES,
    *TELE_READER_FILES,
)


def apply_site(
    connection: Connection, site: SiteFile, key: SiteKey, now: datetime, known_rpcs: Collection[str] | None = None
) -> list[str]:
    """Fill the database from a site file, in place of the site that was there; images, queues and fed worklist entries stay.

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
    _replace_facts(connection, site, key)
    empty(connection, [OptionSchedule])
    fill_settings(connection, site.site, key)
    fill_people(connection, site.user, site.context, key, now)
    bump_site_version(connection)
    if known_rpcs is None:
        return dangling(site)
    unknown = sorted({rpc for context in site.context for rpc in context.rpcs} - {*known_rpcs, "*"})
    return [*dangling(site), *([f"procedures that are not known stay in their contexts: {listed(unknown)}"] if unknown else [])]


def restore_facts(connection: Connection, site: SiteFile, key: SiteKey) -> None:
    """Put patients, exams and notes, institutions and places back to a site file; people, options and settings stay.

    Raises what `apply_site` raises.
    """
    _replace_facts(connection, site, key)
    bump_site_version(connection)


def _replace_facts(connection: Connection, site: SiteFile, key: SiteKey) -> None:
    exams = numbered_exams(connection, site.exam)
    check_locations(connection, site.network_location)
    empty(connection, _FACT_FILES)
    fill_institutions(connection, site.institution, site.site.site_number)
    fill(connection, ImagingSite, imaging_sites(site.imaging_site, key))
    for section in (PATIENTS, TIU_NOTES):
        _fill_plain(connection, section, site)
    fill(connection, EXAMS.file, exams)
    fill(connection, NetworkLocation, network_locations(site.network_location, key))
    fill_destinations(connection, site.transmit_destination, site.ae_security)
    for section in (*RADIOLOGY, HOLIDAYS, *ACQUISITION):
        _fill_plain(connection, section, site)
    fill_codes(connection, {number: getattr(site, table) for table, number in RADIOLOGY_CODES.items()})
    fill_readers(connection, site.tele_reader)
    fill_worklist(connection, site.scheduled_step)


def _fill_plain(connection: Connection, section: Section, site: SiteFile) -> None:
    """Fill a file whose columns are the keys of the table; lists stand in their columns apart by commas."""
    rows: Sequence[Row] = getattr(site, section.name)
    fill(connection, section.file, [joined(row.model_dump()) for row in rows])
