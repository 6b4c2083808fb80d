"""What the gateway takes over from media: lots become objects of the spool, once, and the journal knows where they came from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway_client.acquisition.lots import Lot, LotEntry, oldest_lot
from gateway_client.acquisition.store_request import Imported
from gateway_client.journal import Journal
from gateway_client.objects.part10 import read_meta
from gateway_client.reception.spool import Origin, Spool, SpooledFile
from runtime import Clock

_ADD = "INSERT INTO imported (name, old_path, origin) VALUES (?,?,?) ON CONFLICT (name) DO NOTHING"
_OF = "SELECT name, old_path, origin FROM imported WHERE name IN (SELECT value FROM json_each(?))"
#: An object that was refused may be imported again: somebody may have seen to what was wrong.
_KNOWN = "SELECT 1 FROM instance WHERE sop_instance_uid=? AND digest=? AND state<>'REFUSED' LIMIT 1"


@dataclass(frozen=True, slots=True)
class Taken:
    """A lot that was taken over: what lies in the spool now, and what was left as it is known already."""

    lot: Lot
    files: tuple[SpooledFile, ...]
    known: tuple[LotEntry, ...]


class ImportedObjects:
    """The objects of the import folder and what is known of them; it belongs to the storing worker's thread."""

    def __init__(self, directory: Path, spool: Spool, journal: Journal, clock: Clock) -> None:
        self._directory = directory
        self._spool = spool
        self._journal = journal
        self._clock = clock

    def take(self) -> Taken | None:
        """Move the objects of the oldest lot into the spool; None when there is no lot.

        The journal knows of them next, then the lot goes (`remove_lot`): a lot that is there after a kill is taken again, and
        what of it the journal knows by then is left. Raises LotError, SpoolError, JournalError.
        """
        lot = oldest_lot(self._directory)
        if lot is None:
            return None
        wanted, known = self._sorted([entry for entry in lot.entries if (lot.directory / entry.name).is_file()])
        with self._journal.transaction() as connection:
            connection.executemany(_ADD, [(entry.name, entry.old_path, entry.origin) for entry in wanted])
        self._spool.take_over([lot.directory / entry.name for entry in wanted])
        states = self._journal.states_of([entry.name for entry in lot.entries])
        moved = [entry for entry in lot.entries if entry.name not in states and self._spool.path(entry.name).is_file()]
        return Taken(lot, tuple(self._described(entry) for entry in moved), tuple(known))

    def of(self, names: Sequence[str]) -> dict[str, Imported]:
        """Give where objects of the spool were imported from; others are missing."""
        with self._journal.transaction() as connection:
            rows = connection.execute(_OF, (json.dumps(names),)).fetchall()
        return {row["name"]: Imported(row["old_path"], row["origin"]) for row in rows}

    def _sorted(self, entries: Sequence[LotEntry]) -> tuple[list[LotEntry], list[LotEntry]]:
        """Part what is to be taken from what is known, the very same data set, from before or from this lot."""
        wanted: list[LotEntry] = []
        known: list[LotEntry] = []
        seen: set[tuple[str, str]] = set()
        with self._journal.transaction() as connection:
            for entry in entries:
                same = entry.sop_instance_uid, entry.digest
                is_known = same in seen or connection.execute(_KNOWN, same).fetchone() is not None
                (known if is_known else wanted).append(entry)
                seen.add(same)
        return wanted, known

    def _described(self, entry: LotEntry) -> SpooledFile:
        path = self._spool.path(entry.name)
        meta = read_meta(path)
        return SpooledFile(entry.name, meta, path.stat().st_size - meta.offset, entry.digest, self._clock.seconds(), Origin())
