"""The journal's part of storage commitment as SCU: what destinations took, and whether they answer for it.

What a destination takes is gathered in one transaction until that is asked for; then it is waited for, until each of its
references has an outcome or the time is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from pydicom.uid import generate_uid

from gateway_client.commitment.commitments import COMMITTED
from gateway_client.commitment.transaction import (
    MOST_REFERENCES,
    CommitmentRequest,
    CommitmentResult,
    Reason,
    Reference,
    reason_text,
)
from gateway_client.journal import Journal
from gateway_client.story import Event

_ROLE = "SCU"
_COLUMNS = "id, peer, transaction_uid, state, asked_at, tries, reason"

_OVER = """
SELECT id FROM commitment WHERE role=? AND state IN (?,?) AND changed_at<? AND NOT EXISTS (
  SELECT 1 FROM commitment_reference AS one JOIN kept ON kept.image=one.image WHERE one.commitment=commitment.id
)
"""


class Stage(StrEnum):
    """How far a transaction is. FAILED: something in it is not committed."""

    GATHERING = "GATHERING"
    WAITING = "WAITING"
    COMMITTED = "COMMITTED"
    FAILED = "FAILED"


#: What has no result for all of its references.
_UNANSWERED = (Stage.GATHERING, Stage.WAITING)


class Taken(NamedTuple):
    """An instance that a destination answered with success, and its IMAGE (#2005)."""

    reference: Reference
    image: int


@dataclass(frozen=True, slots=True)
class Asking:
    """One row of `commitment`: `tries` is how often it was asked for, `asked_at` when first."""

    id: int
    destination: str
    transaction: str
    state: Stage
    asked_at: float
    tries: int
    reason: str


class CommitmentRequests:
    """Reads and writes transactions, from any thread. Raises JournalError.

    Each try has a Transaction UID of its own, the transaction's with the number of the try: a peer may refuse one that it has
    seen, and a late result of an earlier try counts as well.
    """

    def __init__(self, journal: Journal, committed: Callable[[Iterable[int]], None]) -> None:
        """`committed` hears of images, in the transaction that writes it down."""
        self._journal = journal
        self._committed = committed

    def gather(self, destination: str, taken: Sequence[Taken], due_at: float, now: float) -> None:
        """Add what a destination took to its transaction; a new one is to be asked for at `due_at`."""
        with self._journal.transaction() as connection:
            row = connection.execute(
                "SELECT id, (SELECT coalesce(max(place)+1, 0) FROM commitment_reference WHERE commitment=id)"
                " FROM commitment WHERE peer=? AND state='GATHERING'",
                (destination,),
            ).fetchone()
            number, place = row if row is not None else (None, 0)
            if number is not None and place + len(taken) > MOST_REFERENCES:
                connection.execute("UPDATE commitment SET state=?, next_try=0 WHERE id=?", (Stage.WAITING, number))
                number, place = None, 0
            if number is None:
                number = connection.execute(
                    "INSERT INTO commitment (role, peer, transaction_uid, ours, state, asked_at, next_try, changed_at)"
                    " VALUES (?,?,?,'',?,?,?,?)",
                    (_ROLE, destination, str(generate_uid(prefix=None)), Stage.GATHERING, now, due_at, now),
                ).lastrowid
            connection.executemany(
                "INSERT INTO commitment_reference (commitment, place, sop_class_uid, sop_instance_uid, image) VALUES (?,?,?,?,?)",
                [(number, at, *one.reference, one.image) for at, one in enumerate(taken, place)],
            )

    def destinations(self) -> list[str]:
        """Give the destinations that have yet to answer for something."""
        with self._journal.transaction() as connection:
            rows = connection.execute(
                "SELECT DISTINCT peer FROM commitment WHERE role=? AND state IN (?,?)", (_ROLE, *_UNANSWERED)
            ).fetchall()
        return [name for (name,) in rows]

    def due(self, destination: str, now: float, most: int) -> list[Asking]:
        """Give transactions that a destination is to be asked for now, or that are over."""
        with self._journal.transaction() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM commitment WHERE role=? AND state IN (?,?) AND peer=? AND next_try<=?"
                " ORDER BY next_try, id LIMIT ?",
                (_ROLE, *_UNANSWERED, destination, now, most),
            ).fetchall()
        return [Asking(number, peer, uid, Stage(state), *rest) for number, peer, uid, state, *rest in rows]

    def ask(self, asking: Asking, next_try: float, now: float) -> CommitmentRequest | None:
        """Write down that a transaction is asked for, once more, and when it is again; give the request, to be sent after that.

        What has an outcome is not asked for again; None where a result has come for all of it.
        """
        tries = asking.tries + 1
        with self._journal.transaction() as connection:
            changed = connection.execute(
                "UPDATE commitment SET state=?, tries=?, asked_at=?, next_try=?, changed_at=? WHERE id=? AND state IN (?,?)",
                (Stage.WAITING, tries, asking.asked_at if asking.tries else now, next_try, now, asking.id, *_UNANSWERED),
            )
            if not changed.rowcount:
                return None
            rows = connection.execute(
                "SELECT sop_class_uid, sop_instance_uid FROM commitment_reference WHERE commitment=? AND reason IS NULL"
                " ORDER BY place",
                (asking.id,),
            ).fetchall()
        references = dict.fromkeys(Reference(*row) for row in rows)  # what was sent twice is asked for once
        return CommitmentRequest(f"{asking.transaction}.{tries}", tuple(references))

    def not_asked(self, number: int, why: str, next_try: float, now: float) -> None:
        """Write down why a transaction could not be asked for, and when it is tried again, unless a result has come."""
        with self._journal.transaction() as connection:
            connection.execute(
                "UPDATE commitment SET reason=?, next_try=?, changed_at=? WHERE id=? AND state=?",
                (why, next_try, now, number, Stage.WAITING),
            )

    def heard(self, result: CommitmentResult, now: float) -> bool:
        """Write down a result, and the stories of its instances; False where nothing of the kind was asked for.

        What it does not speak of is not committed. What failed for want of resources (0213H) is asked for again. A result that
        comes when none was waited for any longer counts nevertheless.
        """
        transaction = result.transaction.rpartition(".")[0]
        failed = {reference.sop_instance: reason for reference, reason in result.failed}
        committed = {reference.sop_instance for reference in result.committed}
        with self._journal.transaction() as connection:
            known = connection.execute(
                f"SELECT {_COLUMNS} FROM commitment WHERE role=? AND transaction_uid=? AND tries>0", (_ROLE, transaction)
            ).fetchone()
            if known is None:
                return False
            number, destination = known["id"], known["peer"]
            outcomes, events, safe = [], [], set[int]()
            for place, uid, image in self._open(number):
                reason = failed.get(uid, COMMITTED if uid in committed else Reason.PROCESSING_FAILURE)
                if reason == Reason.RESOURCE_LIMITATION:
                    continue
                outcomes.append((reason, number, place))
                if reason == COMMITTED:
                    safe.add(image)
                why = "" if reason == COMMITTED else f", {reason_text(reason)}"
                events.append(_event(destination, uid, image, reason == COMMITTED, f"transaction {transaction}{why}", now))
            connection.executemany("UPDATE commitment_reference SET reason=? WHERE commitment=? AND place=?", outcomes)
            self._committed(safe)
            self._journal.add_events(events)
            if not self._open(number, 1):
                (lost,) = connection.execute(
                    "SELECT count(*) FROM commitment_reference WHERE commitment=? AND reason<>?", (number, COMMITTED)
                ).fetchone()
                self._end(number, Stage.FAILED if lost else Stage.COMMITTED, f"{lost} not committed" if lost else "", now)
        return True

    def give_up(self, asking: Asking, why: str, now: float) -> None:
        """Write down that a transaction is not waited for any longer, and the stories of what has no outcome.

        Unless a result has come for all of it.
        """
        detail = f"transaction {asking.transaction}, {why}"
        with self._journal.transaction() as connection:
            row = connection.execute("SELECT state FROM commitment WHERE id=?", (asking.id,)).fetchone()
            if row is None or row["state"] not in _UNANSWERED:
                return
            events = [_event(asking.destination, uid, image, False, detail, now) for _, uid, image in self._open(asking.id)]
            self._journal.add_events(events)
            self._end(asking.id, Stage.FAILED, why, now)

    def counts(self) -> dict[str, int]:
        """Count the transactions by state."""
        with self._journal.transaction() as connection:
            rows = connection.execute("SELECT state, count(*) FROM commitment WHERE role=? GROUP BY state", (_ROLE,)).fetchall()
        return dict(rows)

    def purge(self, before: float) -> None:
        """Forget what was over before a moment, unless something is kept until others have committed to it as well."""
        with self._journal.transaction() as connection:
            over = connection.execute(_OVER, (_ROLE, Stage.COMMITTED, Stage.FAILED, before)).fetchall()
            connection.executemany("DELETE FROM commitment_reference WHERE commitment=?", [tuple(row) for row in over])
            connection.executemany("DELETE FROM commitment WHERE id=?", [tuple(row) for row in over])

    def _open(self, number: int, most: int = -1) -> list[tuple[int, str, int]]:
        """Give place, UID and image of what has no outcome."""
        with self._journal.transaction() as connection:
            rows = connection.execute(
                "SELECT place, sop_instance_uid, image FROM commitment_reference WHERE commitment=? AND reason IS NULL"
                " ORDER BY place LIMIT ?",
                (number, most),
            ).fetchall()
        return [(place, uid, image) for place, uid, image in rows]

    def _end(self, number: int, state: Stage, reason: str, now: float) -> None:
        with self._journal.transaction() as connection:
            connection.execute("UPDATE commitment SET state=?, reason=?, changed_at=? WHERE id=?", (state, reason, now, number))


def _event(destination: str, uid: str, image: int, committed: bool, detail: str, now: float) -> str:
    return Event(uid, "COMMIT", now, "committed" if committed else "not committed", image, destination, detail).line
