"""Snapshots: the state of a database in a file, put back into a database, of either engine, while brokers run on it.

What is put back is what a site file and clients bring about: site, people, imaging, queues, counters, tokens, faults. What
belongs to running processes goes on as it is: sessions and their LOCKs, tasks, the sign-on log, the audit.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Table, create_engine, delete, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from fileman.errors import FileManError, MigrationFailed, StoreFailed
from fileman.files import (
    NUMBERED_FILES,
    Alert,
    AlertMute,
    AlertNotice,
    AtnaPosition,
    AuditChange,
    AuditRecord,
    Fault,
    File,
    FileHeader,
    GatewayStatus,
    Lease,
    NewPerson,
    RunningTask,
    SecurityEvent,
    SessionEnd,
    SignOnLog,
    SignOnToken,
    SiteVersion,
    Task,
    TaskError,
    TaskManager,
    TaskStep,
    TaskSyncFlag,
)
from fileman.migrate import current_revision, fold_log, migrate, up_to_date
from fileman.numbers import last_numbers, set_last_numbers
from fileman.secrets import BadSiteKey, SiteKey
from fileman.site import SiteFile, apply_site, is_empty, reset_imaging, site_settings
from fileman.store import Store, bump_site_version
from fileman.tables import UnreadableTable, count_on, one_moment, parts

#: What belongs to running processes and is never put back.
_RUNNING: tuple[type[File], ...] = (
    Alert,
    AlertMute,
    AlertNotice,
    AtnaPosition,
    AuditChange,
    AuditRecord,
    GatewayStatus,
    Lease,
    RunningTask,
    SecurityEvent,
    SessionEnd,
    SignOnLog,
    SiteVersion,
    Task,
    TaskError,
    TaskManager,
    TaskStep,
    TaskSyncFlag,
)
_LEFT_ALONE = {FileHeader.__tablename__, *(file.__tablename__ for file in _RUNNING)}
#: What is put back, parents before children.
_TABLES = [table for table in File.metadata.sorted_tables if table.name not in _LEFT_ALONE]
_NUMBERS = [file for file in NUMBERED_FILES if file not in _LEFT_ALONE]

#: What tells a snapshot from any other SQLite file, a broker's own database among them: `PRAGMA application_id`, and its
#: place in the file's first 100 bytes.
_APPLICATION_ID = int.from_bytes(b"MAGS", "big")
_SQLITE, _ID_AT = b"SQLite format 3\0", slice(68, 72)


class BadSnapshot(FileManError):
    """The file is no snapshot."""


def take_snapshot(store: Store, file: Path) -> None:
    """Write the state of one moment to a file, whole or not at all; whoever writes to the database is not held up.

    A snapshot that is there is replaced. Raises BadSnapshot for a file of another kind, which is left alone.
    """
    temporary = file.parent / f".{file.name}.{os.getpid()}"
    try:
        if file.exists() and not _is_snapshot(file):
            raise BadSnapshot(f"{file} is there already and is no snapshot of magbroker's: it is left alone.")
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        migrate(f"sqlite:///{temporary}")
        temporary.chmod(0o600)  # it holds the hashes of codes
        with _opened(temporary) as target:
            store.read(lambda source: _copy_out(source, target))
            target.exec_driver_sql(f"PRAGMA application_id={_APPLICATION_ID}")
        fold_log(temporary)
        temporary.replace(file)
    except OSError as error:
        raise BadSnapshot(f"The snapshot {file} cannot be written: {error.strerror}.") from error
    except MigrationFailed as error:
        why = getattr(error.__cause__, "orig", error)
        raise BadSnapshot(f"The snapshot {file} cannot be written: {why}.") from error
    finally:
        with contextlib.suppress(OSError):  # it has its place, or there is no such folder
            temporary.unlink()


def restore_snapshot(store: Store, file: Path, key: SiteKey) -> None:
    """Put a database back to a snapshot, in one transaction; sessions go on.

    Raises BadSnapshot for what is no snapshot or is damaged, BadSiteKey for one of a site with another key; nothing is
    changed then.
    """
    _check_revision(file)
    with up_to_date(file) as newest, _opened(newest) as source:
        if (found := source.exec_driver_sql("PRAGMA quick_check(1)").scalar()) != "ok":
            raise BadSnapshot(f"The snapshot {file} is damaged: {str(found).splitlines()[-1]}. Nothing was changed.")
        if is_empty(source):
            raise BadSnapshot(f"{file} is no snapshot: it holds no site.")
        if site_settings(source).key_fingerprint != key.fingerprint():
            raise BadSiteKey(f"The snapshot {file} was taken under another site's key: nobody could sign on with its hashes.")
        try:
            store.transact(lambda target: _copy_in(source, target))
        except UnreadableTable as damage:
            raise BadSnapshot(f"The snapshot {file} is damaged: {damage} Nothing was changed.") from damage


def _is_snapshot(file: Path) -> bool:
    if not file.is_file():  # a folder, a pipe
        return False
    with file.open("rb") as opened:
        header = opened.read(100)
    return header.startswith(_SQLITE) and int.from_bytes(header[_ID_AT], "big") == _APPLICATION_ID


def reset_to_site(
    connection: Connection, site: SiteFile, key: SiteKey, now: datetime, known_rpcs: Collection[str] | None = None
) -> list[str]:
    """Put a database back to a site file: no images, no queues, nobody locked out, no faults; gives `apply_site`'s warnings."""
    _hold_writers_up(connection)
    reset_imaging(connection)
    for file in (SignOnToken, Fault):
        connection.execute(delete(file))
    connection.execute(update(NewPerson).values(last_sign_on=""))
    return apply_site(connection, site, key, now, known_rpcs)


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[Connection]:
    engine = create_engine(f"sqlite:///{file}", poolclass=NullPool, connect_args={"check_same_thread": False})
    try:
        with engine.connect() as connection:
            yield connection
            connection.commit()
    except (SQLAlchemyError, ValueError) as error:  # the file's damage may show in a value, too
        raise BadSnapshot(f"The snapshot {file} cannot be used: {getattr(error, 'orig', error)}.") from error
    finally:
        engine.dispose()


def _check_revision(file: Path) -> None:
    if not file.is_file():
        raise BadSnapshot(f"There is no snapshot {file}.")
    try:
        revision = current_revision(f"sqlite:///{file}")
    except StoreFailed as error:
        raise BadSnapshot(f"{file} is no snapshot: {error}") from error
    if revision is None:
        raise BadSnapshot(f"{file} is no snapshot.")


def _copy_out(source: Connection, target: Connection) -> None:
    with one_moment(source):
        for table in _TABLES:
            _copy(source, target, table)
        set_last_numbers(target, _NUMBERS, last_numbers(source, _NUMBERS))


def _copy_in(source: Connection, target: Connection) -> None:
    _hold_writers_up(target)
    for table in reversed(_TABLES):
        target.execute(delete(table))
    for table in _TABLES:
        _copy(source, target, table)
        count_on(target, table)
    set_last_numbers(target, _NUMBERS, last_numbers(source, _NUMBERS))
    bump_site_version(target)


def _copy(source: Connection, target: Connection, table: Table) -> None:
    for part in parts(source, table, select(table)):
        target.execute(insert(table), [row._asdict() for row in part])


def _hold_writers_up(connection: Connection) -> None:
    """Let nobody write until the transaction ends. On SQLite nobody does; readers go on."""
    if connection.dialect.name != "sqlite":
        names = ", ".join(f'"{name}"' for name in sorted(table.name for table in _TABLES))
        connection.execute(text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))
