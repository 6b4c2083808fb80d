"""The transmitter's part of the journal: what is being sent, and what the broker has yet to hear of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from enum import StrEnum

from gateway_client.journal import Journal


class Sending(StrEnum):
    """How far a transmission is.

    SENDING was written before the first byte went out: for one that is found at a start the notes tell whether it may have
    arrived. SENT, WAITING and FAILED are still to be reported. QUEUED was put back, and the broker knows it.
    """

    SENDING = "SENDING"
    SENT = "SENT"
    WAITING = "WAITING"
    FAILED = "FAILED"
    QUEUED = "QUEUED"


@dataclass(frozen=True, slots=True)
class Transmission:
    """One entry of the export queue in this gateway's hands.

    `doubts` counts how often it was sent without its answer being seen: one that arrived nevertheless is then a repeat.
    `tries` counts how often it was not taken; `repeated` is one that was sent before, with its folder. One that waits is tried
    again at `next_try`, in seconds since the epoch; 0 leaves that to the broker.
    """

    entry: int
    sequence: int
    image: int
    destination: str
    study: str
    path: str
    sop_instance_uid: str = ""
    state: Sending = Sending.QUEUED
    tries: int = 0
    doubts: int = 0
    reason: str = ""
    next_try: float = 0.0
    sop_class_uid: str = ""
    repeated: bool = False

    @property
    def key(self) -> str:
        """Name the entry as the broker does."""
        return f"{self.entry}^{self.sequence}"

    def same_work(self, other: Transmission) -> bool:
        """Tell an entry that came back from another one that got its number, as in a new database."""
        return (self.image, self.destination) == (other.image, other.destination)


class Transmissions:
    """Reads and writes transmissions. Raises JournalError."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def together(self) -> AbstractContextManager[sqlite3.Connection]:
        """Make what is written within `with` durable at once, in other tables of the journal too."""
        return self._journal.transaction()

    def save(self, items: Iterable[Transmission], now: float) -> None:
        """Write transmissions down, durable."""
        with self._journal.transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO transmission (entry, sequence, image, destination, study, path, sop_instance_uid,"
                " state, tries, doubts, reason, next_try, sop_class_uid, repeated, changed_at)"
                " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                [
                    (
                        *(item.entry, item.sequence, item.image, item.destination, item.study, item.path),
                        *(item.sop_instance_uid, item.state, item.tries, item.doubts, item.reason, item.next_try),
                        *(item.sop_class_uid, item.repeated, now),
                    )
                    for item in items
                ],
            )

    def known(self, items: Iterable[Transmission]) -> list[Transmission]:
        """Give what is known of entries that came back, or else the entries as they are."""
        found = []
        with self._journal.transaction() as connection:
            for item in items:
                key = (item.entry, item.sequence)
                row = connection.execute("SELECT * FROM transmission WHERE entry=? AND sequence=?", key).fetchone()
                before = _transmission(row) if row is not None else None
                same = before is not None and before.same_work(item)
                found.append(replace(before, path=item.path, study=item.study) if before is not None and same else item)
        return found

    def in_state(self, *states: Sending) -> list[Transmission]:
        """List the transmissions in some states."""
        marks = ",".join("?" * len(states))
        with self._journal.transaction() as connection:
            rows = connection.execute(
                f"SELECT * FROM transmission WHERE state IN ({marks}) ORDER BY entry, sequence", states
            ).fetchall()
        return [_transmission(row) for row in rows]

    def begun_before(self, moment: float) -> set[str]:
        """Name the transmissions that are SENDING since before a moment."""
        with self._journal.transaction() as connection:
            rows = connection.execute(
                "SELECT entry, sequence FROM transmission WHERE state=? AND changed_at<?", (Sending.SENDING, moment)
            ).fetchall()
        return {f"{row['entry']}^{row['sequence']}" for row in rows}

    def reported(self, items: Sequence[Transmission], now: float) -> None:
        """Note that the broker knows the outcome: what is over is forgotten, what waits again is remembered as put back."""
        if not items:
            return
        with self._journal.transaction() as connection:
            self.save([replace(item, state=Sending.QUEUED) for item in items if item.state is Sending.WAITING], now)
            connection.executemany(
                "DELETE FROM transmission WHERE entry=? AND sequence=?",
                [(item.entry, item.sequence) for item in items if item.state is not Sending.WAITING],
            )

    def counts(self) -> dict[str, int]:
        """Count the transmissions by state."""
        with self._journal.transaction() as connection:
            rows = connection.execute("SELECT state, count(*) AS n FROM transmission GROUP BY state").fetchall()
        return {row["state"]: row["n"] for row in rows}

    def purge(self, before: float) -> None:
        """Forget what was put back and did not come again since a moment."""
        with self._journal.transaction() as connection:
            connection.execute("DELETE FROM transmission WHERE state='QUEUED' AND changed_at<?", (before,))


def _transmission(row: sqlite3.Row) -> Transmission:
    return Transmission(
        entry=row["entry"],
        sequence=row["sequence"],
        image=row["image"],
        destination=row["destination"],
        study=row["study"],
        path=row["path"],
        sop_instance_uid=row["sop_instance_uid"],
        state=Sending(row["state"]),
        tries=row["tries"],
        doubts=row["doubts"],
        reason=row["reason"],
        next_try=row["next_try"],
        sop_class_uid=row["sop_class_uid"],
        repeated=bool(row["repeated"]),
    )
