"""Folders: objects that belong together by what they say and when they came.

Objects of one study, and of one performed procedure step where that is asked for, are one folder when they come over one
association, or over another one within the merge time-out; what comes later begins a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway_client.journal import Journal
from gateway_client.objects.header import InstanceHeader

#: Folders of a study that are looked at, the latest ones: so many associations may send it at a time.
LOOKED_AT = 32
#: Performed Procedure Step ID.
_PROCEDURE_STEP = "0040,0253"


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder: the association that the last of its objects came over, and when that came, in seconds since the epoch."""

    number: int
    association: str
    last_at: float


@dataclass(frozen=True, slots=True)
class Grouping:
    """Whether procedure steps part a study, and for how many seconds another association may add to a folder."""

    by_procedure_step: bool = False
    merge_seconds: float = 0.0

    def key(self, header: InstanceHeader) -> tuple[str, str]:
        """Give what the objects of a folder have in common."""
        step = next((item.value for item in header.items if item.path == _PROCEDURE_STEP), "") if self.by_procedure_step else ""
        return header.study_uid, step

    def choose(self, folders: Sequence[Folder], association: str, at: float) -> Folder | None:
        """Give the folder that an object belongs to, of those with its key, the latest first; None begins a new one.

        An object whose association is not known, as after a kill, is of another association than all others.
        """
        for folder in folders:
            if association and folder.association == association:
                return folder
        latest = max(folders, key=lambda folder: folder.last_at, default=None)
        return latest if latest is not None and abs(at - latest.last_at) < self.merge_seconds else None


class Folders:
    """The folders in the journal. Raises JournalError."""

    def __init__(self, journal: Journal, grouping: Grouping) -> None:
        self._journal = journal
        self._grouping = grouping

    def assign(self, name: str, header: InstanceHeader, association: str, at: float) -> int:
        """Put an object that the journal has into its folder; give the folder's number."""
        key = self._grouping.key(header)
        with self._journal.transaction() as connection:
            (number,) = connection.execute("SELECT folder FROM instance WHERE name=?", (name,)).fetchone()
            if number is not None:
                return int(number)
            rows = connection.execute(
                "SELECT number, association, last_at FROM folder WHERE study=? AND step=? ORDER BY number DESC LIMIT ?",
                (*key, LOOKED_AT),
            ).fetchall()
            chosen = self._grouping.choose([Folder(*row) for row in rows], association, at)
            if chosen is None:
                statement = "INSERT INTO folder (study, step, association, last_at) VALUES (?,?,?,?) RETURNING number"
                (number,) = connection.execute(statement, (*key, association, at)).fetchone()
            else:
                number, last_at = chosen.number, max(at, chosen.last_at)
                connection.execute("UPDATE folder SET association=?, last_at=? WHERE number=?", (association, last_at, number))
            connection.execute("UPDATE instance SET folder=? WHERE name=?", (number, name))
        return int(number)
