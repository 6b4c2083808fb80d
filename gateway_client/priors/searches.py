"""The journal's part of priors: for which studies they are looked for, and which ones are to be moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway_client.journal import Journal
from gateway_client.priors.choosing import NewStudy
from gateway_client.story import Event

#: Pairs of destination and export that are known to be noted.
_REMEMBERED = 1000
_SEARCH = (
    "id, destination, export, image, sop_instance_uid,"
    " study, patient_id, birth_date, study_date, study_time, modality, body_part, tries"
)
_MOVE = "destination, study, search, told, tries"


class Stage(StrEnum):
    """How far a search is, or a move. NEW: it is not known whether a rule asks for priors."""

    NEW = "NEW"
    WAITING = "WAITING"
    OVER = "OVER"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Search:
    """The priors of a study that goes to a destination; `image` and `sop_instance_uid` are of the object that told of it."""

    id: int
    destination: str
    export: int
    image: int
    sop_instance_uid: str
    study: NewStudy
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    """A prior study that an archive is to send to a destination; `told` describes it."""

    destination: str
    study: str
    search: int
    told: str
    tries: int = 0


class PriorSearches:
    """Reads and writes searches and moves, from any thread. Raises JournalError."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._noted: dict[tuple[str, int], None] = {}

    def noted(self, destination: str, export: int) -> bool:
        """Tell whether the study of an export was noted lately."""
        return (destination, export) in self._noted

    def note(self, archive: str, search: Search, now: float) -> None:
        """Write down a study that goes to a destination, unless it is known."""
        study = search.study
        with self._journal.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO prior_search (archive, destination, export, image, sop_instance_uid, study, patient_id,"
                " birth_date, study_date, study_time, modality, body_part, state, changed_at)"
                " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (
                    *(archive, search.destination, search.export, search.image, search.sop_instance_uid),
                    *(study.uid, study.patient_id, study.birth_date),
                    *(study.study_date, study.study_time, study.modality, study.body_part, Stage.NEW, now),
                ),
            )
        self._noted[search.destination, search.export] = None
        while len(self._noted) > _REMEMBERED:
            del self._noted[next(iter(self._noted))]

    def searches(self, stage: Stage, archive: str, now: float, most: int) -> list[Search]:
        """Give the oldest searches in an archive that are due."""
        with self._journal.transaction() as connection:
            rows = connection.execute(
                f"SELECT {_SEARCH} FROM prior_search WHERE archive=? AND state=? AND next_try<=? ORDER BY id LIMIT ?",
                (archive, stage, now, most),
            ).fetchall()
        return [_search(*row) for row in map(tuple, rows)]

    def moves(self, archive: str, now: float, most: int) -> list[Move]:
        """Give moves from an archive that are due."""
        with self._journal.transaction() as connection:
            rows = connection.execute(
                f"SELECT {_MOVE} FROM prior_move WHERE archive=? AND state=? AND next_try<=?"
                " ORDER BY next_try, search, place LIMIT ?",
                (archive, Stage.WAITING, now, most),
            ).fetchall()
        return [Move(*row) for row in map(tuple, rows)]

    def search_ended(
        self, search: Search, archive: str, stage: Stage, moves: Sequence[Move], event: Event | None, now: float
    ) -> None:
        """Write down what came of a search; what was moved to its destination before, or is to be, is not moved again."""
        with self._journal.transaction() as connection:
            connection.execute("UPDATE prior_search SET state=?, next_try=0, changed_at=? WHERE id=?", (stage, now, search.id))
            connection.executemany(
                "INSERT OR IGNORE INTO prior_move (archive, destination, study, search, place, told, state, changed_at)"
                " VALUES (?,?,?,?,?,?,?,?)",
                [(archive, it.destination, it.study, it.search, at, it.told, Stage.WAITING, now) for at, it in enumerate(moves)],
            )
            if event is not None:
                self._journal.add_events([event.line])

    def forget(self, search: Search) -> None:
        """Forget a study with which no priors are to go."""
        with self._journal.transaction() as connection:
            connection.execute("DELETE FROM prior_search WHERE id=?", (search.id,))

    def search_again(self, search: Search, next_try: float, now: float) -> None:
        """Write down that a search came to nothing, and when it is tried again."""
        with self._journal.transaction() as connection:
            connection.execute(
                "UPDATE prior_search SET tries=tries+1, next_try=?, changed_at=? WHERE id=?", (next_try, now, search.id)
            )

    def move_ended(self, move: Move, stage: Stage, archive: str, outcome: str, reason: str, now: float) -> None:
        """Write down what came of a move, in the story of the object for whose study it was, too."""
        with self._journal.transaction() as connection:
            connection.execute(
                "UPDATE prior_move SET state=?, reason=?, changed_at=? WHERE destination=? AND study=?",
                (stage, reason, now, move.destination, move.study),
            )
            row = connection.execute("SELECT image, sop_instance_uid FROM prior_search WHERE id=?", (move.search,)).fetchone()
            if row is not None:
                detail = f"{move.destination}: {move.told}{f'; {reason}' if reason else ''}"
                event = Event(row["sop_instance_uid"], "PRIOR", now, outcome, row["image"] or None, archive, detail)
                self._journal.add_events([event.line])

    def move_again(self, move: Move, reason: str, next_try: float, now: float) -> None:
        """Write down that a move came to nothing, and when it is tried again."""
        with self._journal.transaction() as connection:
            connection.execute(
                "UPDATE prior_move SET tries=tries+1, reason=?, next_try=?, changed_at=? WHERE destination=? AND study=?",
                (reason, next_try, now, move.destination, move.study),
            )

    def counts(self) -> dict[str, int]:
        """Count the prior studies by state."""
        with self._journal.transaction() as connection:
            rows = connection.execute("SELECT state, count(*) AS n FROM prior_move GROUP BY state").fetchall()
        return {row["state"]: row["n"] for row in rows}

    def purge(self, before: float) -> None:
        """Forget what has not changed since a moment: it is over, or its archive is asked for nothing any more."""
        with self._journal.transaction() as connection:
            for table in ("prior_search", "prior_move"):
                connection.execute(f"DELETE FROM {table} WHERE changed_at<?", (before,))


def _search(number: int, destination: str, export: int, image: int, uid: str, *rest: Any) -> Search:
    *study, tries = rest
    return Search(number, destination, export, image, uid, NewStudy(*study), tries)
