"""The journal's part of storage commitment as SCP: what peers asked for, what was found out, and whom it has yet to be told.

A transaction is CHECKING until each of its references has an outcome, then TELLING until its peer has heard of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway_client.commitment.transaction import MOST_REFERENCES, CommitmentRequest, CommitmentResult, Reason, Reference
from gateway_client.errors import TooManyCommitments
from gateway_client.journal import Journal

#: Transactions that may be open at a time; what peers ask for beyond is refused.
MOST_OPEN = 5_000
#: Outcome of a reference that is committed; others are failure reasons.
COMMITTED = 0
_ROLE = "SCP"
_COLUMNS = "id, peer, transaction_uid, ours, state, asked_at, tries, next_try, reason, received"


class Progress(StrEnum):
    """How far a transaction is. GIVEN_UP: its peer could not be told in time; it is told when it asks again."""

    CHECKING = "CHECKING"
    TELLING = "TELLING"
    TOLD = "TOLD"
    GIVEN_UP = "GIVEN UP"


@dataclass(frozen=True, slots=True)
class Commitment:
    """One row of `commitment`; `peer` and `ours` are the AE titles that asked and were asked.

    What had been `received` by then is to be in the journal before it is checked (`Arrivals`); empty where it is.
    """

    id: int
    peer: str
    transaction: str
    ours: str
    state: Progress
    asked_at: float
    tries: int
    next_try: float
    reason: str
    received: str


class Commitments:
    """Reads and writes transactions, from any thread. Raises JournalError."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def take(
        self, peer: str, ours: str, request: CommitmentRequest, now: float, received: str = "", first_look: float = 0.0
    ) -> int:
        """Write down what a peer asks for, durable; give the transaction's number. Raises TooManyCommitments.

        Nothing is done about it before the `first_look`.

        The same request again, as its answer or its result may have been lost, is the same transaction, told again if it was
        told. Another one under the UID of an earlier one fails as a whole, which is its result.
        """
        with self._journal.transaction() as connection:
            known = connection.execute(
                f"SELECT {_COLUMNS} FROM commitment WHERE role=? AND transaction_uid=? AND peer=? ORDER BY id LIMIT 1",
                (_ROLE, request.transaction, peer),
            ).fetchone()
            if known is not None and self._references(known["id"]) == request.references:
                connection.execute(
                    "UPDATE commitment SET state=?, tries=0, next_try=?, changed_at=? WHERE id=? AND state IN (?,?)",
                    (Progress.TELLING, first_look, now, known["id"], Progress.TOLD, Progress.GIVEN_UP),
                )
                return int(known["id"])
            (waiting,) = connection.execute(
                "SELECT count(*) FROM commitment WHERE role=? AND state IN (?,?)", (_ROLE, Progress.CHECKING, Progress.TELLING)
            ).fetchone()
            if waiting >= MOST_OPEN:
                raise TooManyCommitments
            state, outcome = (Progress.CHECKING, None) if known is None else (Progress.TELLING, Reason.DUPLICATE_TRANSACTION)
            number = connection.execute(
                "INSERT INTO commitment (role, peer, transaction_uid, ours, state, asked_at, changed_at, received, next_try)"
                " VALUES (?,?,?,?,?,?,?,?,?)",
                (_ROLE, peer, request.transaction, ours, state, now, now, received, first_look),
            ).lastrowid
            connection.executemany(
                "INSERT INTO commitment_reference (commitment, place, sop_class_uid, sop_instance_uid, reason)"
                " VALUES (?,?,?,?,?)",
                [(number, place, *reference, outcome) for place, reference in enumerate(request.references)],
            )
        assert number is not None
        return number

    def to_check(self, now: float) -> Commitment | None:
        """Give the next transaction of which references are to be checked."""
        return next(iter(self._select("state=? AND next_try<=? ORDER BY next_try, id LIMIT 1", (Progress.CHECKING, now))), None)

    def unchecked(self, number: int, after: int, most: int) -> list[tuple[int, Reference]]:
        """Give references without an outcome and their places, those that come after a place."""
        with self._journal.transaction() as connection:
            rows = connection.execute(
                "SELECT place, sop_class_uid, sop_instance_uid FROM commitment_reference"
                " WHERE commitment=? AND reason IS NULL AND place>? ORDER BY place LIMIT ?",
                (number, after, most),
            ).fetchall()
        return [(place, Reference(sop_class, sop_instance)) for place, sop_class, sop_instance in rows]

    def checked(self, number: int, outcomes: Sequence[tuple[int, int]], again_at: float, now: float) -> bool:
        """Write down outcomes by place; tell whether all are there, and the peer is to be told. Else it goes on at a time."""
        with self._journal.transaction() as connection:
            connection.executemany(
                "UPDATE commitment_reference SET reason=? WHERE commitment=? AND place=?",
                [(outcome, number, place) for place, outcome in outcomes],
            )
            done = not self.unchecked(number, -1, 1)
            state, next_try = (Progress.TELLING, 0.0) if done else (Progress.CHECKING, again_at)
            connection.execute(
                "UPDATE commitment SET state=?, next_try=?, received='', changed_at=? WHERE id=?", (state, next_try, now, number)
            )
        return done

    def peers(self) -> list[str]:
        """Give the AE titles that have yet to be told of something."""
        with self._journal.transaction() as connection:
            rows = connection.execute(
                "SELECT DISTINCT peer FROM commitment WHERE role=? AND state=?", (_ROLE, Progress.TELLING)
            ).fetchall()
        return [peer for (peer,) in rows]

    def to_tell(self, peer: str, now: float, most: int) -> list[Commitment]:
        """Give transactions of which a peer is to be told now."""
        return self._select(
            "state=? AND peer=? AND next_try<=? ORDER BY next_try, id LIMIT ?", (Progress.TELLING, peer, now, most)
        )

    def result(self, commitment: Commitment) -> CommitmentResult:
        """Give what came of a transaction."""
        with self._journal.transaction() as connection:
            rows = connection.execute(
                "SELECT sop_class_uid, sop_instance_uid, reason FROM commitment_reference WHERE commitment=? ORDER BY place",
                (commitment.id,),
            ).fetchall()
        found = [(Reference(sop_class, sop_instance), reason) for sop_class, sop_instance, reason in rows]
        return CommitmentResult(
            commitment.transaction,
            tuple(reference for reference, reason in found if reason == COMMITTED),
            tuple((reference, reason) for reference, reason in found if reason != COMMITTED),
        )

    def told(self, number: int, now: float) -> None:
        """Write down that the peer has heard of a transaction."""
        self._set(number, Progress.TOLD, 0.0, "", now)

    def not_told(self, number: int, why: str, next_try: float, now: float) -> None:
        """Write down that it has not, and when it is tried again."""
        self._set(number, Progress.TELLING, next_try, why, now)

    def counts(self) -> dict[str, int]:
        """Count the transactions by state."""
        with self._journal.transaction() as connection:
            rows = connection.execute("SELECT state, count(*) FROM commitment WHERE role=? GROUP BY state", (_ROLE,)).fetchall()
        return dict(rows)

    def purge(self, asked_before: float, over_before: float, now: float) -> None:
        """Give up telling what was asked for before a moment, and forget what was over before another."""
        with self._journal.transaction() as connection:
            connection.execute(
                "UPDATE commitment SET state=?, changed_at=? WHERE role=? AND state=? AND asked_at<?",
                (Progress.GIVEN_UP, now, _ROLE, Progress.TELLING, asked_before),
            )
            over = connection.execute(
                "SELECT id FROM commitment WHERE role=? AND state IN (?,?) AND changed_at<?",
                (_ROLE, Progress.TOLD, Progress.GIVEN_UP, over_before),
            ).fetchall()
            connection.executemany("DELETE FROM commitment_reference WHERE commitment=?", [tuple(row) for row in over])
            connection.executemany("DELETE FROM commitment WHERE id=?", [tuple(row) for row in over])

    def _references(self, number: int) -> tuple[Reference, ...]:
        with self._journal.transaction() as connection:
            rows = connection.execute(
                "SELECT sop_class_uid, sop_instance_uid FROM commitment_reference WHERE commitment=? ORDER BY place LIMIT ?",
                (number, MOST_REFERENCES),
            ).fetchall()
        return tuple(Reference(*row) for row in rows)

    def _select(self, condition: str, values: tuple[object, ...]) -> list[Commitment]:
        with self._journal.transaction() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM commitment WHERE role=? AND {condition}", (_ROLE, *values)
            ).fetchall()
        return [_commitment(row) for row in rows]

    def _set(self, number: int, state: Progress, next_try: float, reason: str, now: float) -> None:
        with self._journal.transaction() as connection:
            connection.execute(
                "UPDATE commitment SET state=?, next_try=?, reason=?, tries=tries+1, changed_at=? WHERE id=?",
                (state, next_try, reason, now, number),
            )


def _commitment(row: sqlite3.Row) -> Commitment:
    number, peer, transaction, ours, state, *rest = row
    return Commitment(number, peer, transaction, ours, Progress(state), *rest)
