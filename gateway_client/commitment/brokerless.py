"""Storage commitment as SCP where there is no broker: the application alone says what is safe."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from dul import may_be_stored
from gateway_client.broker import Broker, Worker
from gateway_client.commitment.arrivals import Arrivals
from gateway_client.commitment.checking import Finding
from gateway_client.commitment.commitments import Commitments
from gateway_client.commitment.committing import Committing
from gateway_client.commitment.scp import CommitmentSCP
from gateway_client.commitment.transaction import Reason, Reference
from gateway_client.configuration import Configuration
from gateway_client.journal import Journal
from gateway_client.reception.application import Application
from runtime import Clock, ReactorThread
from xwb import Argument


class BrokerlessCommitment:
    """Takes requests, asks the application, and tells peers, from `start` to `stop`; its journal goes on at the next start."""

    def __init__(self, configuration: Configuration, application: Application, reactor: ReactorThread, clock: Clock) -> None:
        self._journal = Journal(configuration.journal)
        self.scp = CommitmentSCP(
            configuration, Commitments(self._journal), Arrivals(_NothingFiled()), reactor, clock, lambda: self._worker.wake()
        )
        committing = Committing(configuration, self._journal, self.scp, _NothingFiled(), clock, random.random, application)
        self._worker = Worker("committing", committing, _NoBroker, clock, random.random, idle_seconds=configuration.poll_seconds)

    def start(self) -> None:
        """Begin to work."""
        self._worker.start()

    def stop(self) -> None:
        """End after what is being done."""
        if self._worker.is_alive():
            self._worker.stop()
            self._worker.join()
        self._journal.close()


class _NothingFiled:
    """What is on file, and what is on its way there: nothing."""

    arrived = journaled = 0

    def connected(self, broker: Broker) -> None:
        pass

    def learn(self, broker: Broker) -> None:
        pass

    def findings(self, _broker: Broker, references: Sequence[Reference]) -> Iterator[Finding]:
        for reference in references:
            if may_be_stored(reference.sop_class):
                yield Finding(reference, Reason.NO_SUCH_OBJECT_INSTANCE, detail="the application does not answer for it")
            else:
                yield Finding(reference, Reason.SOP_CLASS_NOT_SUPPORTED, detail="no storage SOP class")


class _NoBroker:
    """The session of a worker that asks no broker."""

    text = ""

    @property
    def lines(self) -> list[str]:
        return []

    def call(self, _name: str, *_arguments: Argument) -> _NoBroker:
        return self

    def bye(self) -> None:
        pass

    def close(self) -> None:
        pass
