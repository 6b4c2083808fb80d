"""Studies that wait: for their exam to be unlocked, or until no more of their objects come; other studies go on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway_client.journal import Journal, State

#: Seconds after which an object is not held any longer for others of its study that may come.
LONGEST = 3600.0

_HOLD = "INSERT OR REPLACE INTO study_wait (study, since, until, locked) VALUES (?,?,?,?)"
_FORGET = "DELETE FROM study_wait WHERE study=?"
#: The state stands here as it does in the condition of the index, without which it would not be used.
_GO_ON = f"UPDATE instance SET state=? WHERE state='{State.WAITING}' AND study_instance_uid=?"


@dataclass(frozen=True, slots=True)
class Wait:
    """Since when and until when a study waits, in seconds since the epoch, and whether because its exam is locked."""

    since: float
    until: float
    locked: bool


class StudyWaits:
    """Says which objects wait for their study; what waits is WAITING in the journal until the study goes on.

    `quiet_seconds` is how long a study must have been silent before it is stored; 0 has nothing wait for that.
    """

    def __init__(self, journal: Journal, quiet_seconds: float) -> None:
        self._journal = journal
        self._quiet_seconds = quiet_seconds
        with journal.transaction() as connection:
            rows = connection.execute("SELECT study, since, until, locked FROM study_wait").fetchall()
        self._waits = {study: Wait(since, until, bool(locked)) for study, since, until, locked in rows}

    def __len__(self) -> int:
        """Count the studies that wait."""
        return len(self._waits)

    def go_on(self, now: float) -> None:
        """Have the objects of the studies go on whose wait is over."""
        over = [study for study, wait in self._waits.items() if wait.until <= now]
        if not over:
            return
        with self._journal.transaction() as connection:
            for study in over:
                connection.execute(_GO_ON, (State.RECEIVED, study))
                connection.execute(_FORGET, (study,))
        for study in over:
            del self._waits[study]

    def came(self, objects: Iterable[tuple[str, float]], now: float) -> None:
        """Hear of the objects that are to be stored next, by study and time of arrival: theirs may not be quiet yet."""
        if not self._quiet_seconds:
            return
        newest: dict[str, float] = {}
        for study, received_at in objects:
            newest[study] = max(newest.get(study, 0.0), received_at)
        for study, received_at in newest.items():
            known = self._waits.get(study, Wait(now, 0.0, False))
            until = min(received_at + self._quiet_seconds, known.since + LONGEST)
            if study and until > max(now, known.until):
                self._hold(study, Wait(known.since, until, known.locked))

    def must_wait(self, study: str, received_at: float, now: float) -> bool:
        """Tell whether an object waits."""
        wait = self._waits.get(study)
        return wait is not None and wait.until > now and (wait.locked or received_at + LONGEST > now)

    def locked(self, study: str, now: float, until: float) -> None:
        """Have a study wait whose exam is locked."""
        self._hold(study, Wait(now, until, True))

    def _hold(self, study: str, wait: Wait) -> None:
        with self._journal.transaction() as connection:
            connection.execute(_HOLD, (study, wait.since, wait.until, wait.locked))
        self._waits[study] = wait
