"""Snapshots: the state of a database in a file, put back into a database, of either engine, while brokers run on it.

What is put back is what a site file and clients bring about: site, people, imaging, queues, counters, tokens, faults. What
belongs to running processes goes on as it is: sessions and their LOCKs, tasks, the sign-on log.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, create_engine, delete, func, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from fileman.errors import FileManError, MigrationFailed, StoreFailed
from fileman.files import (
    NUMBERED_FILES,
    Fault,
    File,
    FileHeader,
    GatewayStatus,
    Lease,
    NewPerson,
    RunningTask,
    SignOnLog,
    SignOnToken,
    SiteVersion,
    Task,
    TaskError,
    TaskManager,
    TaskStep,
    TaskSyncFlag,
)
from fileman.migrate import current_revision, fold_log, migrate, newest_revision
from fileman.numbers import last_numbers, set_last_numbers
from fileman.secrets import BadSiteKey, SiteKey
from fileman.site import apply_site, is_empty, reset_imaging, site_settings
from fileman.site_file import SiteFile
from fileman.store import Store, bump_site_version

#: What belongs to running processes and is never put back.
_RUNNING: tuple[type[File], ...] = (
    GatewayStatus,
    Lease,
    RunningTask,
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
#: Rows that are copied at a time.
_ROWS = 1000

#: What tells a snapshot from any other SQLite file, a broker's own database among them: `PRAGMA application_id`, and its
#: place in the file's first 100 bytes.
_APPLICATION_ID = int.from_bytes(b"MAGS", "big")
_SQLITE, _ID_AT = b"SQLite format 3\0", slice(68, 72)

_ONE_MOMENT = {"sqlite": "BEGIN", "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}
_SERIAL = text("SELECT pg_get_serial_sequence(:table, :column)")


class BadSnapshot(FileManError):
    """The file is no snapshot."""


class UnreadableTable(FileManError):
    """Rows of a table cannot be read."""


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
    with _up_to_date(file) as newest, _opened(newest) as source:
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


@contextlib.contextmanager
def _up_to_date(file: Path) -> Iterator[Path]:
    """Give the file, or where an older version took it a copy with this version's schema."""
    if not file.is_file():
        raise BadSnapshot(f"There is no snapshot {file}.")
    try:
        revision = current_revision(f"sqlite:///{file}")
    except StoreFailed as error:
        raise BadSnapshot(f"{file} is no snapshot: {error}") from error
    if revision is None:
        raise BadSnapshot(f"{file} is no snapshot.")
    if revision == newest_revision():
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="magbroker-snapshot-") as folder:
        copy = Path(shutil.copy(file, folder))
        migrate(f"sqlite:///{copy}")
        yield copy


def _copy_out(source: Connection, target: Connection) -> None:
    source.exec_driver_sql(_ONE_MOMENT[source.dialect.name])
    try:
        for table in _TABLES:
            _copy(source, target, table)
        set_last_numbers(target, _NUMBERS, last_numbers(source, _NUMBERS))
    finally:
        source.exec_driver_sql("ROLLBACK")


def _copy_in(source: Connection, target: Connection) -> None:
    _hold_writers_up(target)
    for table in reversed(_TABLES):
        target.execute(delete(table))
    for table in _TABLES:
        _copy(source, target, table)
        _count_on(target, table)
    set_last_numbers(target, _NUMBERS, last_numbers(source, _NUMBERS))
    bump_site_version(target)


def _copy(source: Connection, target: Connection, table: Table) -> None:
    for part in _parts(source, table):
        target.execute(insert(table), part)


def _parts(source: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    """Give a table's rows, some at a time. Raises UnreadableTable."""
    try:
        for part in source.execute(select(table).execution_options(yield_per=_ROWS)).mappings().partitions():
            yield [dict(row) for row in part]
    except (SQLAlchemyError, ValueError) as error:
        raise UnreadableTable(f"Rows of {table.name} cannot be read ({type(error).__name__}).") from error


def _count_on(connection: Connection, table: Table) -> None:
    """Let PostgreSQL number new rows after those that were copied."""
    column = table.autoincrement_column
    if column is None or connection.dialect.name == "sqlite":
        return
    sequence = connection.execute(_SERIAL, {"table": table.name, "column": column.name}).scalar()
    if sequence is not None:
        last = connection.execute(select(func.max(column))).scalar() or 0
        connection.execute(text(f"ALTER SEQUENCE {sequence} RESTART WITH {int(last) + 1}"))


def _hold_writers_up(connection: Connection) -> None:
    """Let nobody write until the transaction ends. On SQLite nobody does; readers go on."""
    if connection.dialect.name != "sqlite":
        names = ", ".join(f'"{name}"' for name in sorted(table.name for table in _TABLES))
        connection.execute(text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))
