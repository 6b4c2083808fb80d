"""The correcting task's part of the journal: what became of objects that somebody corrected, until the broker knows it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from gateway_client.journal import DONE, Change, Instance, Journal, State, instances_of
from gateway_client.objects.rewriting import Rewritten

#: States of an object that was corrected and stored, or will not be; in all others that is still to be seen.
SETTLED = (State.STORED, State.PLACED, State.REFUSED, *DONE)


_MARKS = ",".join("?" * len(SETTLED))
_PENDING = (
    "SELECT EXISTS (SELECT 1 FROM instance WHERE state=?) OR EXISTS (SELECT 1 FROM correction WHERE open),"
    " EXISTS (SELECT 1 FROM correction LEFT JOIN instance USING (name)"
    f" WHERE open AND coalesce(state IN ({_MARKS}), 1))"
)


@dataclass(frozen=True, slots=True)
class Values:
    """The new name, as DICOM writes it, patient ID and accession number; what is empty stays as it is."""

    name: str = ""
    patient_id: str = ""
    accession: str = ""


@dataclass(frozen=True, slots=True)
class Correction:
    """What was tried with an object, and when: new values, or DELETE."""

    values: Values
    tried_at: float
    deleting: bool


class Corrections:
    """Reads and writes corrections. Raises JournalError."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def pending(self) -> tuple[bool, bool]:
        """Tell whether anything waits to be corrected, and whether there is anything that the broker has yet to hear of."""
        with self._journal.transaction() as connection:
            waits, settled = connection.execute(_PENDING, (State.CORRECT, *SETTLED)).fetchone()
        return bool(waits), bool(settled)

    def known(self, names: Sequence[str]) -> dict[str, tuple[Instance, Correction | None]]:
        """Give objects by the names of their files, and what was tried with each."""
        asked = json.dumps(names)
        with self._journal.transaction() as connection:
            rows = connection.execute(
                "SELECT name, new_values, tried_at, deleting FROM correction WHERE name IN (SELECT value FROM json_each(?))",
                (asked,),
            ).fetchall()
            found = instances_of(connection, "name IN (SELECT value FROM json_each(?))", (asked,))
        tried = {row["name"]: _correction(row) for row in rows}
        return {instance.name: (instance, tried.get(instance.name)) for instance in found}

    def try_values(self, instance: Instance, values: Values, now: float, reason: str = "") -> None:
        """Note that values are tried; with a reason, that they could not be written."""
        with self._journal.transaction() as connection:
            connection.execute(
                "INSERT INTO correction (name, new_values, tried_at, original_digest) VALUES (?,?,?,?)"
                " ON CONFLICT (name) DO UPDATE SET new_values=excluded.new_values, tried_at=excluded.tried_at, open=1",
                (instance.name, _written(values), now, instance.digest),
            )
            if reason:
                self._journal.change([Change(instance.id, State.CORRECT, reason=reason)], now)

    def store_again(self, instance: Instance, changed: Rewritten | None, kept: bool, now: float) -> None:
        """Have a corrected object stored, as one that was received with its new bytes; `kept` says that its original is."""
        with self._journal.transaction() as connection:
            if changed is None:
                digest = "(SELECT original_digest FROM correction WHERE correction.name=instance.name)"
                connection.execute(f"UPDATE instance SET digest={digest} WHERE id=?", (instance.id,))
            else:
                connection.execute("UPDATE instance SET size=?, digest=? WHERE id=?", (changed.size, changed.digest, instance.id))
            connection.execute("UPDATE correction SET kept=? WHERE name=?", (kept, instance.name))
            self._journal.change([Change(instance.id, State.RECEIVED, reason="", tries=1, next_try=0.0)], now)

    def begin_deletion(self, instances: Sequence[Instance], now: float) -> None:
        """Note, before anything is removed, that objects are to be."""
        rows = [(instance.name, _written(Values()), now, instance.digest) for instance in instances]
        with self._journal.transaction() as connection:
            connection.executemany(
                "INSERT INTO correction (name, new_values, tried_at, original_digest, deleting) VALUES (?,?,?,?,1)"
                " ON CONFLICT (name) DO UPDATE SET tried_at=excluded.tried_at, open=1, deleting=1",
                rows,
            )

    def deletions(self) -> list[Instance]:
        """Give objects whose deletion was begun and is not finished."""
        with self._journal.transaction() as connection:
            return instances_of(connection, "name IN (SELECT name FROM correction WHERE open AND deleting)", ())

    def forget(self, instance: Instance) -> None:
        """Forget an object that was removed."""
        with self._journal.transaction() as connection:
            connection.execute("DELETE FROM instance WHERE id=?", (instance.id,))

    def answered(self, names: Sequence[str] | None = None) -> None:
        """Note that the broker knows what became of objects; without names, of all that are settled."""
        settled = f"NOT EXISTS (SELECT 1 FROM instance WHERE instance.name=correction.name AND state NOT IN ({_MARKS}))"
        which = "1" if names is None else "name IN (SELECT value FROM json_each(?))"
        given = () if names is None else (json.dumps(names),)
        with self._journal.transaction() as connection:
            connection.execute(f"UPDATE correction SET open=0 WHERE open AND {settled} AND {which}", (*SETTLED, *given))
            connection.execute("DELETE FROM correction WHERE deleting AND NOT open")

    def expired_originals(self, before: float, limit: int) -> list[str]:
        """Name the originals of objects that were done before a moment, or are forgotten."""
        marks = ",".join("?" * len(DONE))
        with self._journal.transaction() as connection:
            rows = connection.execute(
                "SELECT correction.name FROM correction LEFT JOIN instance USING (name) WHERE kept AND NOT open"
                f" AND (state IS NULL OR (state IN ({marks}) AND changed_at<?)) LIMIT ?",
                (*DONE, before, limit),
            ).fetchall()
        return [row["name"] for row in rows]

    def forget_originals(self, names: Sequence[str]) -> None:
        """Note that originals are not kept any more; of objects that the journal has forgotten nothing is remembered then."""
        with self._journal.transaction() as connection:
            connection.executemany("UPDATE correction SET kept=0 WHERE name=?", [(name,) for name in names])
            connection.execute("DELETE FROM correction WHERE NOT kept AND NOT open AND name NOT IN (SELECT name FROM instance)")

    def originals(self) -> int:
        """Count the originals that are kept."""
        with self._journal.transaction() as connection:
            (count,) = connection.execute("SELECT count(*) FROM correction WHERE kept").fetchone()
        return int(count)


def _written(values: Values) -> str:
    return json.dumps([values.name, values.patient_id, values.accession])


def _correction(row: sqlite3.Row) -> Correction:
    return Correction(Values(*json.loads(row["new_values"])), row["tried_at"], bool(row["deleting"]))
