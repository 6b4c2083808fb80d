"""The gateway's memory: what lies in the spool and how far it is on its road, and which requests are in doubt.

One SQLite file in WAL mode with `synchronous=FULL`. Whatever a step promises stands here, durable, before the next step
hears of it, so that the gateway may be killed between any two instructions.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from gateway_client.errors import JournalError
from gateway_client.journal_schema import NEWER, SCHEMA, SCHEMA_VERSION
from gateway_client.reception.spool import SpooledFile


class State(StrEnum):
    """How far an object is."""

    RECEIVED = "RECEIVED"
    WAITING = "WAITING"
    STORING = "STORING"
    STORED = "STORED"
    PLACED = "PLACED"
    TAKING_BACK = "TAKING_BACK"
    FILED = "FILED"
    CORRECT = "CORRECT"
    DUPLICATE = "DUPLICATE"
    IGNORED = "IGNORED"
    REFUSED = "REFUSED"


#: States in which an object is on its way: no second object of its UID may be sent.
UNDER_WAY = (State.STORING, State.STORED, State.PLACED, State.TAKING_BACK)
#: States in which an object is not filed yet, and nobody but the gateway is waited for.
ON_THEIR_WAY = (State.RECEIVED, State.WAITING, *UNDER_WAY)
#: States in which the spool's file is superfluous.
DONE = (State.FILED, State.DUPLICATE, State.IGNORED)


#: The columns of `Instance`, in its order.
_COLUMNS = (
    "id, name, sop_instance_uid, digest, received_at, ien, directory, file, placed, reason, tries, instrument,"
    " study_instance_uid, taken_back, size, state, alone"
)
_BATCH = f"""
SELECT {_COLUMNS} FROM instance AS one WHERE state=? AND next_try<=? AND NOT EXISTS (
  SELECT 1 FROM instance AS other WHERE other.sop_instance_uid=one.sop_instance_uid
  AND other.state IN ({",".join("?" * len(UNDER_WAY))})
) ORDER BY id LIMIT ?
"""
_IN_STATE = f"SELECT {_COLUMNS} FROM instance WHERE state=? AND next_try<=? ORDER BY id LIMIT ?"
_OLDEST = "SELECT received_at FROM instance WHERE state=? ORDER BY id LIMIT 1"
_BY_NUMBER = f"SELECT {_COLUMNS} FROM instance WHERE id IN (SELECT value FROM json_each(?))"
_RECEIVED_AS = "(SELECT received_digest FROM normalised WHERE name={0}.name)"
_CORRECTED_FROM = "(SELECT original_digest FROM correction WHERE name={0}.name)"
#: The digests of all that a row of `instance` ever was: as it is, before it was corrected, and as it was received.
DIGESTS = f"({{0}}.digest, {_CORRECTED_FROM}, {_RECEIVED_AS})"
_COPIES = f"""
SELECT one.id FROM json_each(?) AS asked JOIN instance AS one ON one.id=asked.value WHERE EXISTS (
  SELECT 1 FROM instance AS other WHERE other.sop_instance_uid=one.sop_instance_uid
  AND other.id<>one.id AND other.state IN (?,?) AND (
    one.digest IN {DIGESTS.format("other")}
    OR coalesce({_RECEIVED_AS.format("one")}, {_CORRECTED_FROM.format("one")}) IN {DIGESTS.format("other")}
  )
)
"""
_CHANGE = (
    "UPDATE instance SET state=?, ien=coalesce(?,ien), directory=coalesce(?,directory), file=coalesce(?,file),"
    " placed=coalesce(?,placed), reason=coalesce(?,reason), tries=coalesce(?,tries), next_try=coalesce(?,next_try),"
    " alone=coalesce(?,alone), study_instance_uid=coalesce(?,study_instance_uid), taken_back=coalesce(?,taken_back),"
    " changed_at=? WHERE id=?"
)


class RequestKind(StrEnum):
    """What a request in doubt was for."""

    STORE = "STORE"
    PROCESSED = "PROCESSED"
    ROLLBACK = "ROLLBACK"


class Instance(NamedTuple):  # read several times for each image: a frozen dataclass takes twice as long to make
    """One row of `instance`."""

    id: int
    name: str
    sop_instance_uid: str
    digest: str
    received_at: float
    ien: int | None
    directory: str
    file: str
    placed: str
    reason: str
    tries: int
    instrument: str
    study: str
    taken_back: int
    size: int
    state: State
    alone: bool


@dataclass(frozen=True, slots=True)
class Request:
    """A call whose answer is not known: its UUID, its exact lines, and the objects that it is about, in order."""

    uuid: str
    kind: RequestKind
    lines: tuple[str, ...]
    instances: tuple[int, ...]


class Change(NamedTuple):  # several for each image, as Instance; in the order of the statement
    """What becomes of an object; what is None stays as it was."""

    id: int
    state: State
    ien: int | None = None
    directory: str | None = None
    file: str | None = None
    placed: str | None = None
    reason: str | None = None
    tries: int | None = None
    next_try: float | None = None
    alone: bool | None = None
    study: str | None = None
    taken_back: int | None = None


class Journal:
    """The journal's file, for all threads; receiving processes write down there what they are asked to commit to.

    Raises JournalError when it cannot be opened, read or written.
    """

    def __init__(self, path: Path, *, synchronous: str = "FULL") -> None:
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute(f"PRAGMA synchronous={synchronous}")
            self._make_schema(path)
        except sqlite3.Error as error:
            raise JournalError(f"The journal {path} cannot be opened: {error}.") from error

    def _make_schema(self, path: Path) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
            return
        if version not in (*NEWER, SCHEMA_VERSION):
            raise JournalError(f"The journal {path} is of version {version}; this program knows version {SCHEMA_VERSION}.")
        for older in range(version, SCHEMA_VERSION):
            self._connection.executescript(f"BEGIN; {NEWER[older]} PRAGMA user_version={older + 1}; COMMIT;")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Do several changes at once, durable at the end; an exception undoes them all. May be nested."""
        with self._lock:
            outermost = not self._connection.in_transaction
            try:
                if outermost:
                    self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                if outermost:
                    self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._undo(outermost)
                raise JournalError(f"The journal does not work: {error}.") from error
            except BaseException:
                self._undo(outermost)
                raise

    def _undo(self, outermost: bool) -> None:
        if outermost and self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def add(self, files: Sequence[SpooledFile]) -> list[int]:
        """Take objects that lie in the spool; one that is known already is not taken twice. Gives the rows' numbers."""
        added = []
        with self.transaction() as connection:
            for file in files:
                meta, origin = file.meta, file.origin
                row = connection.execute(
                    "INSERT INTO instance (name, sop_instance_uid, sop_class_uid, transfer_syntax, size, digest, received_at,"
                    " calling, called, peer, instrument, state, changed_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
                    " ON CONFLICT (name) DO NOTHING RETURNING id",
                    (
                        *(file.name, meta.sop_instance_uid, meta.sop_class_uid, meta.transfer_syntax, file.size, file.digest),
                        *(file.received_at, origin.calling, origin.called, origin.peer, origin.instrument),
                        *(State.RECEIVED, file.received_at),
                    ),
                ).fetchone()
                if row is not None:
                    added.append(int(row["id"]))
        return added

    def states_of(self, names: Sequence[str]) -> dict[str, State]:
        """Give the states of files of the spool; one without a row is missing."""
        with self.transaction() as connection:
            rows = (connection.execute("SELECT name, state FROM instance WHERE name=?", (name,)).fetchone() for name in names)
            return {row["name"]: State(row["state"]) for row in rows if row is not None}

    def instances(self, ids: Sequence[int]) -> list[Instance]:
        """Give rows by number, in the order asked for."""
        with self.transaction() as connection:
            rows = connection.execute(_BY_NUMBER, (json.dumps(ids),)).fetchall()
        found = {row["id"]: _instance(row) for row in rows}
        return [found[number] for number in ids if number in found]

    def in_state(self, state: State, now: float, limit: int) -> list[Instance]:
        """Give the oldest objects in a state whose next try is due."""
        with self.transaction() as connection:
            rows = connection.execute(_IN_STATE, (state, now, limit)).fetchall()
        return [_instance(row) for row in rows]

    def batch(self, now: float, limit: int) -> list[Instance]:
        """Give the objects to store next: never two of one UID, none whose UID is under way, one that must go alone alone."""
        chosen: list[Instance] = []
        uids: set[str] = set()
        with self.transaction() as connection:
            for instance in map(_instance, connection.execute(_BATCH, (State.RECEIVED, now, *UNDER_WAY, limit * 4))):
                if instance.sop_instance_uid in uids or (instance.alone and chosen):
                    continue
                chosen.append(instance)
                uids.add(instance.sop_instance_uid)
                if instance.alone or len(chosen) == limit:
                    break
        return chosen

    def with_uid(self, uid: str, states: Sequence[State]) -> list[Instance]:
        """Give the objects of a SOP Instance UID in some states, oldest first."""
        marks = ",".join("?" * len(states))
        with self.transaction() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM instance WHERE sop_instance_uid=? AND state IN ({marks}) ORDER BY id", (uid, *states)
            ).fetchall()
        return [_instance(row) for row in rows]

    def copies(self, ids: Sequence[int]) -> set[int]:
        """Find out which of some objects the journal knows, the very same data set, as filed, or placed at the least.

        What an object was when it was received, before its patient's name was normalised or it was corrected, counts too.
        """
        with self.transaction() as connection:
            rows = connection.execute(_COPIES, (json.dumps(ids), State.PLACED, State.FILED)).fetchall()
        return {number for (number,) in rows}

    def change(self, changes: Sequence[Change], now: float) -> None:
        """Record what becomes of objects."""
        with self.transaction() as connection:
            connection.executemany(_CHANGE, [(*change[1:], now, change.id) for change in changes])

    def open_request(self, request: Request) -> None:
        """Write down a request before it is sent."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO request (uuid, kind, lines, instances, state) VALUES (?,?,?,?,'OPEN')",
                (request.uuid, request.kind, json.dumps(request.lines), json.dumps(request.instances)),
            )

    def close_request(self, uuid: str, answer: Sequence[str]) -> None:
        """Write down that a request was answered, and how; its lines are not needed any more."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE request SET state='ANSWERED', lines='[]', answer=? WHERE uuid=?", (json.dumps(list(answer)), uuid)
            )

    def open_requests(self, kind: RequestKind) -> list[Request]:
        """Give the requests of a kind whose answer is not known, oldest first."""
        with self.transaction() as connection:
            rows = connection.execute(
                "SELECT uuid, lines, instances FROM request WHERE state='OPEN' AND kind=? ORDER BY id", (kind,)
            ).fetchall()
        return [Request(uuid, kind, tuple(json.loads(lines)), tuple(json.loads(instances))) for uuid, lines, instances in rows]

    def add_events(self, lines: Sequence[str]) -> None:
        """Keep steps of stories until the broker has taken them."""
        with self.transaction() as connection:
            connection.executemany("INSERT INTO event (line) VALUES (?)", [(line,) for line in lines])

    def events(self, limit: int) -> tuple[list[str], list[int]]:
        """Give the oldest events, and their numbers, up to which `forget_events` may forget."""
        with self.transaction() as connection:
            rows = connection.execute("SELECT id, line FROM event ORDER BY id LIMIT ?", (limit,)).fetchall()
        return [row["line"] for row in rows], [row["id"] for row in rows]

    def last_event(self) -> int:
        """Give the number of the youngest event; 0 where there is none."""
        with self.transaction() as connection:
            return int(connection.execute("SELECT coalesce(max(id), 0) FROM event").fetchone()[0])

    def forget_events(self, last: int) -> None:
        """Forget events up to a number."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM event WHERE id<=?", (last,))

    def counts(self) -> dict[str, int]:
        """Count the objects by state."""
        with self.transaction() as connection:
            rows = connection.execute("SELECT state, count(*) AS n FROM instance GROUP BY state").fetchall()
        return {row["state"]: row["n"] for row in rows}

    def oldest(self) -> float | None:
        """Tell when the first came of the objects that are on their way, in seconds since the epoch; None without any."""
        with self.transaction() as connection:
            found = [connection.execute(_OLDEST, (state,)).fetchone() for state in ON_THEIR_WAY]
        return min((row["received_at"] for row in found if row is not None), default=None)

    def purge(self, before: float) -> int:
        """Forget objects that were done, and requests that were answered, before a moment; gives how many objects."""
        marks = ",".join("?" * len(DONE))
        with self.transaction() as connection:
            connection.execute("DELETE FROM request WHERE state='ANSWERED' AND id < (SELECT max(id) FROM request) - 1000")
            connection.execute("DELETE FROM folder WHERE last_at<?", (before,))
            done = connection.execute(f"DELETE FROM instance WHERE state IN ({marks}) AND changed_at<?", (*DONE, before))
            return done.rowcount

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


def instances_of(connection: sqlite3.Connection, which: str, given: Sequence[object]) -> list[Instance]:
    """Give the rows that a condition picks, oldest first."""
    return [_instance(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM instance WHERE {which} ORDER BY id", given)]


def _instance(row: sqlite3.Row) -> Instance:
    *known, state, alone = row
    return Instance._make((*known, State(state), bool(alone)))
