"""The task of the gateway that answers for what it stored: checks what peers ask to be committed, and has them told."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from gateway_client.backoff import Randomness, pause_after
from gateway_client.broker import Broker
from gateway_client.commitment.checking import Finding
from gateway_client.commitment.commitments import COMMITTED, Commitment, Commitments
from gateway_client.commitment.scp import CommitmentSCP
from gateway_client.commitment.transaction import Reason, Reference, reason_text
from gateway_client.configuration import Configuration
from gateway_client.journal import Journal
from gateway_client.reception.application import Application, verdict
from gateway_client.reception.spool import Origin
from gateway_client.story import Event
from runtime import Clock

log = logging.getLogger(__name__)

#: References that are looked up in one call, and results that are told over one association.
CHECKED_AT_ONCE, TOLD_AT_ONCE = 200, 20
#: Seconds between looks at what is on its way: a quarter of what was waited already, within these.
FIRST_LOOK, LAST_LOOK = 0.25, 30.0
#: Seconds after which a peer that could not be told is tried again: the first and the last pause.
FIRST_PAUSE, LAST_PAUSE = 5.0, 600.0
#: Seconds for which it is tried to tell a peer, and for which transactions that are over are remembered.
TELLING_FOR, REMEMBERED_FOR = 7 * 86400.0, 30 * 86400.0
_PURGE_EVERY = 3600.0


class Checks(Protocol):
    """What finds out which instances are safe; `gateway_client.commitment.checking` does."""

    def connected(self, broker: Broker) -> None:
        """Begin on a new session."""

    def learn(self, broker: Broker) -> None:
        """Ask anew what the site says of where files lie."""

    def findings(self, broker: Broker, references: Sequence[Reference]) -> Iterator[Finding]:
        """Check references in their order, as many as may be at once, the first one at least."""


class Committing:
    """Brings transactions of storage commitment from CHECKING to TOLD, on a worker's thread.

    An `application` is asked for what is not on file.
    """

    def __init__(
        self,
        configuration: Configuration,
        journal: Journal,
        scp: CommitmentSCP,
        checking: Checks,
        clock: Clock,
        random: Randomness,
        application: Application | None = None,
    ) -> None:
        self._patience = configuration.commitment_wait
        self._application = application
        self._journal = journal
        self._commitments = Commitments(journal)
        self._checking = checking
        self._scp = scp
        self._clock = clock
        self._random = random
        #: The transaction that is being checked, and the place up to which it was.
        self._at = (0, -1)
        self._under_way: dict[str, dict[int, Commitment]] = {}
        self._purged_at = 0.0

    def connected(self, broker: Broker) -> None:
        """Begin on a new session."""
        self._checking.connected(broker)

    def learn(self, broker: Broker) -> None:
        """Ask anew what checking goes by."""
        self._checking.learn(broker)

    def offline(self) -> None:
        """Tell results, whether there is a broker or not."""
        now = self._clock.seconds()
        for peer, number, problem in self._scp.heard():
            if number:
                self._told(self._under_way[peer][number], problem, now)
            else:
                del self._under_way[peer]
        for peer in self._commitments.peers():
            if peer not in self._under_way and self._scp.can_tell(peer):
                self._tell(peer, now)
        if now - self._purged_at > _PURGE_EVERY:
            self._purged_at = now
            self._commitments.purge(now - TELLING_FOR, now - REMEMBERED_FOR, now)

    def step(self, broker: Broker) -> bool:
        """Check some references of the oldest transaction that is to be checked now."""
        now = self._clock.seconds()
        commitment = self._commitments.to_check(now)
        if commitment is None:
            return False
        if not self._scp.may_check(commitment) and now - commitment.asked_at < self._patience:
            return False
        if commitment.id != self._at[0]:
            self._at = commitment.id, -1
        batch = self._commitments.unchecked(commitment.id, self._at[1], CHECKED_AT_ONCE)
        if not batch:
            self._at = 0, -1
            waited = now - commitment.asked_at
            self._commitments.checked(commitment.id, [], now + min(LAST_LOOK, max(FIRST_LOOK, waited / 4)), now)
            return True
        findings = [
            self._asked(commitment, finding) for finding in self._checking.findings(broker, [reference for _, reference in batch])
        ]
        self._found(commitment, [(place, finding) for (place, _), finding in zip(batch, findings, strict=False)], now)
        self._at = commitment.id, batch[len(findings) - 1][0]
        return True

    def _asked(self, commitment: Commitment, finding: Finding) -> Finding:
        """Ask the application for an instance that is not on file."""
        if self._application is None or finding.outcome != Reason.NO_SUCH_OBJECT_INSTANCE:
            return finding
        try:
            safe = verdict(self._application.commits, finding.reference, Origin(commitment.peer, commitment.ours))
        except (Exception, SystemExit):  # whatever it is, others are to be answered
            log.exception("the application failed")
            return replace(finding, outcome=Reason.PROCESSING_FAILURE, detail="the application failed")
        return replace(finding, outcome=COMMITTED, detail="") if safe else finding

    def _found(self, commitment: Commitment, findings: Sequence[tuple[int, Finding]], now: float) -> None:
        """Write down what was found out; what did not come in time is not waited for any longer."""
        late = now - commitment.asked_at >= self._patience
        outcomes, events = [], []
        for place, finding in findings:
            outcome = Reason.PROCESSING_FAILURE if finding.outcome is None and late else finding.outcome
            if outcome is None:
                continue
            outcomes.append((place, outcome))
            if finding.ien is not None:
                events.append(_event(commitment, finding, outcome, now))
            if outcome != COMMITTED:
                uid = finding.reference.sop_instance
                log.warning("%s is not committed to %s: %s, %s", uid, commitment.peer, reason_text(outcome), finding.detail)
        with self._journal.transaction():
            self._journal.add_events([event.line for event in events])
            self._commitments.checked(commitment.id, outcomes, commitment.next_try, now)

    def _tell(self, peer: str, now: float) -> None:
        """Have a peer told what it may be told now, if there is a way."""
        due = self._commitments.to_tell(peer, now, TOLD_AT_ONCE)
        results = [(commitment, self._commitments.result(commitment)) for commitment in due]
        if results and (begun := self._scp.tell(peer, results)):
            self._under_way[peer] = {commitment.id: commitment for commitment in begun}

    def _told(self, commitment: Commitment, problem: str, now: float) -> None:
        if not problem:
            self._commitments.told(commitment.id, now)
            return
        pause = pause_after(commitment.tries, FIRST_PAUSE, LAST_PAUSE, self._random)
        log.warning("%s is not told of transaction %s: %s", commitment.peer, commitment.transaction, problem)
        self._commitments.not_told(commitment.id, problem, now + pause, now)


def _event(commitment: Commitment, finding: Finding, outcome: int, now: float) -> Event:
    what = "committed" if outcome == COMMITTED else "not committed"
    why = "" if outcome == COMMITTED else f", {reason_text(outcome)}: {finding.detail}"
    detail = f"transaction {commitment.transaction}{why}"
    return Event(finding.reference.sop_instance, "COMMIT", now, what, finding.ien, commitment.peer, detail)
