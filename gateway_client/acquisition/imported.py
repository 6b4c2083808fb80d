"""What the gateway takes over from media: lots become objects of the spool, once, and the journal knows where they came from."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway_client.acquisition.lots import Lot, LotEntry, read_lot, ready_lots, remove_lot
from gateway_client.acquisition.store_request import Imported
from gateway_client.errors import LotError, NotPart10, SpoolError
from gateway_client.journal import DIGESTS, Journal, State
from gateway_client.objects.part10 import read_meta
from gateway_client.reception.spool import Origin, Spool, SpooledFile
from runtime import Clock

log = logging.getLogger(__name__)

#: Seconds after which a lot is tried again that could not be taken over; meanwhile it holds up no other.
LOT_PAUSE = 60.0
_ADD = "INSERT INTO imported (name, old_path, origin) VALUES (?,?,?) ON CONFLICT (name) DO NOTHING"
_OF = "SELECT name, old_path, origin FROM imported WHERE name IN (SELECT value FROM json_each(?))"
#: An object that was refused may be imported again: somebody may have seen to what was wrong.
_KNOWN = (
    "SELECT DISTINCT state FROM instance"
    f" WHERE sop_instance_uid=? AND ? IN {DIGESTS.format('instance')} AND state<>'{State.REFUSED}'"
)
#: What is in place, or was there already, may have been deleted since.
_IN_PLACE = {State.PLACED, State.FILED, State.DUPLICATE}


@dataclass(frozen=True, slots=True)
class Taken:
    """A lot that was taken over: what lies in the spool now, what was left as it is known already.

    What is `spoilt` lies in the spool and cannot be read, for the reason beside it.
    """

    lot: Lot
    files: tuple[SpooledFile, ...]
    known: tuple[LotEntry, ...]
    spoilt: tuple[tuple[LotEntry, str], ...]


class ImportedObjects:
    """The objects of the import folder and what is known of them; it belongs to the storing worker's thread."""

    def __init__(self, directory: Path, spool: Spool, journal: Journal, clock: Clock) -> None:
        self._directory = directory
        self._spool = spool
        self._journal = journal
        self._clock = clock
        #: When lots are tried again that could not be taken over.
        self._later: dict[str, float] = {}

    def take(self, is_there: Callable[[str], bool]) -> Taken | None:
        """Move the objects of the oldest lot into the spool; None when there is no lot that can be taken over now.

        `is_there` tells of a SOP Instance UID that was filed whether it is on file still: what was deleted is taken anew.
        The journal knows of them next, then the lot goes (`forget`): a lot that is there after a kill is taken again, and
        what of it the journal knows by then is left. Raises JournalError.
        """
        now = self._clock.seconds()
        self._later = {name: at for name, at in self._later.items() if at > now}
        try:
            names = ready_lots(self._directory)
        except OSError as error:
            log.error("%s cannot be read: %s", self._directory, error)
            return None
        for name in names:
            if name not in self._later:
                try:
                    return self._take(read_lot(self._directory, name), is_there)
                except (LotError, SpoolError, OSError) as error:
                    self._put_off(name, error)
        return None

    def forget(self, lot: Lot) -> None:
        """Remove a lot whose objects the journal has."""
        try:
            remove_lot(lot)
        except OSError as error:
            self._put_off(lot.directory.name, error)

    def _put_off(self, name: str, error: Exception) -> None:
        log.error("the lot %s from a medium is not taken over now: %s", name, error)
        self._later[name] = self._clock.seconds() + LOT_PAUSE

    def _take(self, lot: Lot, is_there: Callable[[str], bool]) -> Taken:
        wanted, known = self._sorted([entry for entry in lot.entries if (lot.directory / entry.name).is_file()], is_there)
        with self._journal.transaction() as connection:
            connection.executemany(_ADD, [(entry.name, entry.old_path, entry.origin) for entry in wanted])
        self._spool.take_over([lot.directory / entry.name for entry in wanted])
        states = self._journal.states_of([entry.name for entry in lot.entries])
        moved = [entry for entry in lot.entries if entry.name not in states and self._spool.path(entry.name).is_file()]
        files: list[SpooledFile] = []
        spoilt: list[tuple[LotEntry, str]] = []
        for entry in moved:
            try:
                files.append(self._described(entry))
            except (NotPart10, OSError) as error:
                spoilt.append((entry, str(error)))
        return Taken(lot, tuple(files), tuple(known), tuple(spoilt))

    def of(self, names: Sequence[str]) -> dict[str, Imported]:
        """Give where objects of the spool were imported from; others are missing."""
        with self._journal.transaction() as connection:
            rows = connection.execute(_OF, (json.dumps(names),)).fetchall()
        return {row["name"]: Imported(row["old_path"], row["origin"]) for row in rows}

    def _sorted(self, entries: Sequence[LotEntry], is_there: Callable[[str], bool]) -> tuple[list[LotEntry], list[LotEntry]]:
        """Part what is to be taken from what is known, the very same data set, from before or from this lot."""
        wanted: list[LotEntry] = []
        known: list[LotEntry] = []
        seen: set[tuple[str, str]] = set()
        for entry in entries:
            same = entry.sop_instance_uid, entry.digest
            with self._journal.transaction() as connection:
                states = {State(state) for (state,) in connection.execute(_KNOWN, same)}
            on_the_way = same in seen or bool(states - _IN_PLACE)
            is_known = on_the_way or (bool(states) and is_there(entry.sop_instance_uid))
            (known if is_known else wanted).append(entry)
            seen.add(same)
        return wanted, known

    def _described(self, entry: LotEntry) -> SpooledFile:
        path = self._spool.path(entry.name)
        meta = read_meta(path)
        return SpooledFile(entry.name, meta, path.stat().st_size - meta.offset, entry.digest, self._clock.seconds(), Origin())
