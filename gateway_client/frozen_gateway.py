"""A gateway's spool and journal as a kill at one moment would leave them, while it goes on receiving and filing.

Whatever a gateway does to what it promised stands in its journal first. So while nobody can write there, spool and journal fit
each other, but for what had been written and was not carried out yet, as after a kill; `recover` sees to that. For that long,
milliseconds, the journal is locked, the files of the spool get second names, and a reader of the journal holds on to its state;
the copying comes afterwards. The database whose moment is chosen within that time knows of nothing that this journal does not
say: each request that it has carried out is answered there, or open there under its REQUEST uuid.

The transmitter's notes are left out: they are not to be believed after a power cut, nor elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway_client.errors import GatewayError

#: Seconds for which the journal's lock is waited for; a gateway holds it for the time of an fsync.
PATIENCE = 30.0
#: What is looked at in this order: a file is only ever moved, or linked, to a folder that stands later.
_FOLDERS = ("import/ready", "import/held", "spool/in", "spool/held", "spool/kept", "spool/original")
_FILES = ("pseudonyms.key",)
_JOURNAL = "journal.db"
_PREFIX = ".frozen-"
_NO_LINK = {errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP, errno.EACCES, errno.ENOSYS}


class NotFrozen(GatewayError):
    """The gateway's spool and journal cannot be held on to."""


@dataclass(frozen=True, slots=True)
class FrozenGateway:
    """Spool and journal as they were at one moment. Until `go_on` the gateway waits with its next step."""

    directory: Path
    _links: Path
    _lock: sqlite3.Connection | None
    _reader: sqlite3.Connection | None

    def go_on(self) -> None:
        """Let the gateway write its journal again."""
        if self._lock is not None:
            self._lock.close()

    @property
    def has_journal(self) -> bool:
        """Tell whether there is a journal: where there is none, no gateway has been."""
        return self._reader is not None

    def files(self) -> Iterator[tuple[str, Path]]:
        """Give each file but the journal: its path in a gateway's directory, and where its bytes are."""
        for folder, _, names in os.walk(self._links):
            for name in sorted(names):
                path = Path(folder, name)
                yield path.relative_to(self._links).as_posix(), path

    def copy_journal(self, file: Path) -> None:
        """Write the journal to a new file, durable but for its name. Raises NotFrozen."""
        if self._reader is None:
            return
        try:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                with contextlib.closing(sqlite3.connect(file)) as copy:
                    self._reader.backup(copy)
                    copy.execute("PRAGMA journal_mode=DELETE")  # one file alone is to hold it
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except (sqlite3.Error, OSError) as error:
            raise NotFrozen(f"The journal of {self.directory} cannot be copied to {file}: {error}.") from error


@contextlib.contextmanager
def freeze_gateway(directory: Path, patience: float = PATIENCE) -> Iterator[FrozenGateway]:
    """Hold on to this moment's state of a gateway's directory, until the end; the gateway waits until `go_on`.

    Raises NotFrozen. What a killed predecessor left of its second names is removed.
    """
    links = directory / f"{_PREFIX}{os.getpid()}"
    with contextlib.ExitStack() as undo:
        try:
            _forget_abandoned(directory)
            links.mkdir(mode=0o700)
            undo.callback(shutil.rmtree, links, ignore_errors=True)
            lock = reader = None
            if (directory / _JOURNAL).is_file():
                lock = undo.enter_context(contextlib.closing(_connection(directory, patience)))
                lock.execute("BEGIN IMMEDIATE")
                reader = undo.enter_context(contextlib.closing(_connection(directory, patience)))
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM sqlite_master").fetchone()  # with the first look the moment begins
            for folder in _FOLDERS:
                _link_all(directory / folder, links / folder)
            for name in _FILES:
                with contextlib.suppress(FileNotFoundError):
                    _link(directory / name, links / name)
        except (sqlite3.Error, OSError) as error:
            raise NotFrozen(f"Spool and journal of {directory} cannot be held on to: {error}.") from error
        yield FrozenGateway(directory, links, lock, reader)


def _connection(directory: Path, patience: float) -> sqlite3.Connection:
    return sqlite3.connect(directory / _JOURNAL, isolation_level=None, timeout=patience)


def _link_all(folder: Path, links: Path) -> None:
    """Give all files of a folder, and of those in it, a second name; what is gone meanwhile is gone from the spool."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    links.mkdir(mode=0o700, parents=True)
    for entry in entries:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if entry.is_dir(follow_symlinks=False):
                _link_all(Path(entry.path), links / entry.name)
            elif stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
                _link(Path(entry.path), links / entry.name)


def _link(source: Path, target: Path) -> None:
    """Give a file a second name; where the file system knows none it is copied."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copy2(source, target, follow_symlinks=False)


def _forget_abandoned(directory: Path) -> None:
    for left in directory.glob(f"{_PREFIX}*"):
        number = left.name.removeprefix(_PREFIX)
        if not number.isdigit() or not Path("/proc", number).exists() or int(number) == os.getpid():
            shutil.rmtree(left, ignore_errors=True)
