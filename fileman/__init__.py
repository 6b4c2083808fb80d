"""The database: files as SQLAlchemy models, FileMan dates and numbers, locks, the store, the site file."""

from fileman.dates import (
    age_in_years,
    external_date,
    from_fileman,
    from_horolog,
    is_fileman,
    mixed_case_date_time,
    to_fileman,
    to_horolog,
)
from fileman.engines import sqlite_file
from fileman.errors import FileManError, MigrationFailed, SiteFileError, StoreClosed, StoreFailed
from fileman.faults import BadFault, Fault, Faults, clear_faults, read_faults, set_fault, spend_fault
from fileman.image_events import Event, record_events
from fileman.image_files import Folder, UnsafePath, file_name, hashed_directories, read_folders
from fileman.locks import (
    LOCK_SECONDS,
    export_lock,
    forget_leases,
    group_lock,
    lease_holder,
    lock_for_transaction,
    object_lock,
    release_lease,
    release_leases,
    renew_leases,
    seconds_ahead,
    send_queue_lock,
    take_lease,
    transmit_lock,
    try_lock,
)
from fileman.notices import Notices, Probe, give_notice
from fileman.numbers import next_ien, next_iens, reset_numbers
from fileman.queue_pointers import count_queued, note_processed
from fileman.secrets import BadSiteKey, SiteKey, check_verify_code, hash_verify_code
from fileman.site import apply_site, is_empty, reset_imaging, restore_facts, site_settings
from fileman.site_dump import dump_site
from fileman.site_file import OptionScheduleRow, SiteFile, SiteSettings, parse_site, read_site_file
from fileman.snapshot import BadSnapshot, reset_to_site, restore_snapshot, take_snapshot
from fileman.sqlite_site import BadSource
from fileman.store import Store, bump_site_version
from fileman.transfer import ComparedSequence, ComparedTable, Moved, NotMoved, Outcome, Step, Transfer, UnfitSource, shown_target
from fileman.unread_list import consult_image_came
from fileman.upserts import insert_into, upserts

__all__ = [
    "LOCK_SECONDS",
    "BadFault",
    "BadSiteKey",
    "BadSnapshot",
    "BadSource",
    "ComparedSequence",
    "ComparedTable",
    "Event",
    "Fault",
    "Faults",
    "FileManError",
    "Folder",
    "MigrationFailed",
    "Moved",
    "NotMoved",
    "Notices",
    "OptionScheduleRow",
    "Outcome",
    "Probe",
    "SiteFile",
    "SiteFileError",
    "SiteKey",
    "SiteSettings",
    "Step",
    "Store",
    "StoreClosed",
    "StoreFailed",
    "Transfer",
    "UnfitSource",
    "UnsafePath",
    "age_in_years",
    "apply_site",
    "bump_site_version",
    "check_verify_code",
    "clear_faults",
    "consult_image_came",
    "count_queued",
    "dump_site",
    "export_lock",
    "external_date",
    "file_name",
    "forget_leases",
    "from_fileman",
    "from_horolog",
    "give_notice",
    "group_lock",
    "hash_verify_code",
    "hashed_directories",
    "insert_into",
    "is_empty",
    "is_fileman",
    "lease_holder",
    "lock_for_transaction",
    "mixed_case_date_time",
    "next_ien",
    "next_iens",
    "note_processed",
    "object_lock",
    "parse_site",
    "read_faults",
    "read_folders",
    "read_site_file",
    "record_events",
    "release_lease",
    "release_leases",
    "renew_leases",
    "reset_imaging",
    "reset_numbers",
    "reset_to_site",
    "restore_facts",
    "restore_snapshot",
    "seconds_ahead",
    "send_queue_lock",
    "set_fault",
    "shown_target",
    "site_settings",
    "spend_fault",
    "sqlite_file",
    "take_lease",
    "take_snapshot",
    "to_fileman",
    "to_horolog",
    "transmit_lock",
    "try_lock",
    "upserts",
]
