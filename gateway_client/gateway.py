"""The gateway put together: a DICOM port, a spool, a journal, and workers with a broker session each."""

from __future__ import annotations

import logging
import random as _random
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial

from twisted.internet.defer import Deferred

from dul import CommandField, echo
from gateway_client.acquisition.filing import Means
from gateway_client.acquisition.releasing import Releasing
from gateway_client.acquisition.storing import Storing
from gateway_client.archive.errands import Means as RetrievalMeans
from gateway_client.archive.find import find_service
from gateway_client.archive.mpps import step_services
from gateway_client.archive.offers import Providers, ServiceClass, offer_of
from gateway_client.archive.retrieve import Retrieving
from gateway_client.archive.sessions import Sessions
from gateway_client.archive.worklist import worklist_service
from gateway_client.backoff import Randomness
from gateway_client.broker import Connect, Worker, connector
from gateway_client.commitment.arrivals import Arrivals
from gateway_client.commitment.checking import STORES, Checking
from gateway_client.commitment.commitments import Commitments
from gateway_client.commitment.committing import Committing
from gateway_client.commitment.kept import SPOOL, Kept
from gateway_client.commitment.requesting import Requesting
from gateway_client.commitment.requestor import CommitmentRequestor
from gateway_client.commitment.requests import CommitmentRequests
from gateway_client.commitment.scp import CommitmentSCP
from gateway_client.configuration import Configuration
from gateway_client.copying.serving import Serving
from gateway_client.correction.correcting import Correcting
from gateway_client.heartbeat import Element, Heartbeat
from gateway_client.journal import Journal
from gateway_client.priors.archive import archives_of
from gateway_client.priors.fetching import Fetching
from gateway_client.priors.noting import StudiesSeen
from gateway_client.priors.searches import PriorSearches
from gateway_client.query_retrieve.presence import asked_for
from gateway_client.reception.application import Application
from gateway_client.reception.offering import Desk
from gateway_client.reception.ports import Opening, Ports
from gateway_client.reception.receivers import Receivers
from gateway_client.reception.scp import StorageSCP
from gateway_client.reception.spool import Spool, SpooledFile
from gateway_client.transmission.folder_contents import FolderContents
from gateway_client.transmission.notes import Notes
from gateway_client.transmission.scu import StorageSCU
from gateway_client.transmission.transmissions import Transmissions
from gateway_client.transmission.transmitter import Transmitter
from runtime import Clock, DataDirectory, ReactorThread, Settings, SystemClock, make_directories

log = logging.getLogger(__name__)

#: Broker sessions in which peers' questions are asked, so many at a time.
ASKING = 4
#: Broker sessions of retrievals, and others in which they wait for near-line images, several seconds each time.
LISTING, RECALLING = 4, 4


class Gateway:
    """One DICOM gateway. `start` returns when it listens; `stop` when everything that was received is safe and journaled.

    An application of yours is asked about connections and objects, may take objects that are not to be filed, answer for
    them, and hears what destinations commit to.

    Its directory belongs to it alone. Nothing in memory is needed to go on after a kill.
    """

    def __init__(
        self,
        configuration: Configuration,
        elements: Sequence[Element] = (),
        *,
        clock: Clock | None = None,
        random: Randomness = _random.random,
        connect: Connect | None = None,
        application: Application | None = None,
    ) -> None:
        self.configuration = configuration
        self._application = application
        self._elements = elements
        self._clock = clock or SystemClock()
        self._random = random
        self._connect = connect or connector(configuration)
        self._stopping = threading.Event()
        self._running: _Running | None = None

    @property
    def port(self) -> int:
        """The DICOM port that is listened on; the first one where there are several."""
        assert self._running is not None
        return self._running.scp.port

    @property
    def ports(self) -> dict[str, int]:
        """The DICOM ports by their instruments, the default one by none."""
        assert self._running is not None
        return self._running.scp.ports

    @property
    def entity_ports(self) -> dict[str, int]:
        """The DICOM ports of the archive's application entities, by their roles."""
        assert self._running is not None
        return self._running.entity_ports()

    def start(self) -> None:
        """Recover what an earlier run left, then listen.

        Raises PortInUse, PortRefused, BadCertificate, DataDirectoryInUse, SpoolError or JournalError, with nothing left running.
        """
        directory = DataDirectory(self.configuration.directory)
        directory.acquire()
        try:
            running = _Running(self, directory)
        except BaseException:
            directory.release()
            raise
        self._running = running

    def stop(self) -> None:
        """Stop listening, finish the object at hand, end the sessions."""
        self._stopping.set()
        running, self._running = self._running, None
        if running is not None:
            running.stop()

    def request_stop(self) -> None:
        """Make `wait` return; may be called from a signal handler."""
        self._stopping.set()

    def wait(self) -> None:
        """Wait until a stop is asked for."""
        while not self._stopping.wait(1.0):
            pass

    def status(self) -> dict[str, object]:
        """Say how things are: objects by state, what is being sent, ports, free space, which workers have a session."""
        running = self._running
        return running.status() if running is not None else {}


class _Running:
    """What exists while a gateway runs."""

    def __init__(self, gateway: Gateway, directory: DataDirectory) -> None:
        configuration, clock, random = gateway.configuration, gateway._clock, gateway._random
        self._directory, self._configuration, self._clock = directory, configuration, clock
        self._stop_seconds = configuration.stop_seconds
        self._undo: list[Callable[[], None]] = []
        try:
            make_directories(configuration.directory)
            self.spool = Spool(
                configuration.spool,
                clock,
                max_object_bytes=configuration.max_object_bytes,
                free_space_floor=configuration.free_space_floor,
            )
            self._undo.append(self.spool.close)
            self.journal = Journal(configuration.journal, synchronous=configuration.journal_synchronous)
            self._undo.append(self.journal.close)
            self.transmissions = Transmissions(self.journal)
            notes = Notes(configuration.notes)
            self._undo.append(notes.close)
            means = Means(configuration, self.spool, self.journal, clock, random)
            self.storing, releasing, self.correcting = Storing(means), Releasing(means), Correcting(means)
            self.storing.recover()
            self._reactor = ReactorThread("dicom")
            self._undo.append(self._reactor.stop)
            self.kept = Kept(self.journal, configuration)
            self.requests = CommitmentRequests(self.journal, self.kept.committed)
            application = gateway._application
            self._desk = Desk(application, self._reactor.reactor) if application is not None else None
            told_too = self._desk.hear if self._desk is not None else None
            self._requestor = CommitmentRequestor(configuration, self.requests, self._reactor, clock, told_too)
            self._undo.append(self._requestor.close)
            self.scu = StorageSCU(configuration, reactor=self._reactor, services=self._requestor.services)
            self._undo.append(self.scu.close)
            folders = FolderContents(self.journal, configuration.grouping.merge_seconds if configuration.grouping else 0.0)
            self.priors = PriorSearches(self.journal)
            seen = StudiesSeen(configuration, self.priors)
            transmitter = self._transmitter = Transmitter(
                configuration, self.transmissions, notes, self.scu, clock, random, self.requests, folders, seen
            )
            self._undo.append(transmitter.close)
            heartbeat = Heartbeat(configuration, self.status, gateway._elements)
            connect = gateway._connect
            pause, beat = configuration.poll_seconds, configuration.heartbeat_seconds
            self._storing_worker = Worker("storing", self.storing, connect, clock, random, idle_seconds=pause)
            releasing_worker = Worker("releasing", releasing, connect, clock, random, idle_seconds=pause)
            self._storing_worker.neighbours, releasing_worker.neighbours = (releasing_worker,), (self._storing_worker,)
            self._workers = [
                self._storing_worker,
                releasing_worker,
                Worker("correcting", self.correcting, connect, clock, random, idle_seconds=pause),
                Worker("transmitter", transmitter, connect, clock, random, idle_seconds=pause),
                Worker("heartbeat", heartbeat, connect, clock, random, idle_seconds=beat),
            ]
            self.commitments = Commitments(self.journal)
            self._arrivals = Arrivals(self.storing)
            commitment = CommitmentSCP(
                configuration, self.commitments, self._arrivals, self._reactor, clock, lambda: committing_worker.wake()
            )
            checking = Checking(self.journal, configuration.data, STORES[configuration.commitment_from])
            committing = Committing(configuration, self.journal, commitment, checking, clock, random, application)
            committing_worker = Worker("committing", committing, connect, clock, random, idle_seconds=pause)
            self._workers.append(committing_worker)
            if any(it.commit for it in configuration.destinations.values()) or self.requests.destinations():
                requesting = Requesting(configuration, self.requests, self._requestor, clock, random)
                self._workers.append(Worker("requesting", requesting, connect, clock, random, idle_seconds=pause))
            self._archives = archives_of(configuration, self._reactor)
            for archive in self._archives:
                asked = partial(asked_for, configuration)
                fetching = Fetching(configuration, self.priors, archive, asked, clock, random)
                self._workers.append(
                    Worker(f"priors_{archive.peer.called}", fetching, connect, clock, random, idle_seconds=pause)
                )
            self.serving = Serving(configuration, self.journal, connect, clock, random)
            self._workers.append(Worker("copying", self.serving, connect, clock, random, idle_seconds=pause))
            self._asking = Sessions(connect, ASKING, self._reactor.reactor)
            self._undo.append(self._asking.close)
            listing, recalling = (Sessions(connect, size, self._reactor.reactor) for size in (LISTING, RECALLING))
            self._undo += [listing.close, recalling.close]
            self._retrieving = Retrieving(
                RetrievalMeans(configuration, listing, recalling, self.scu, self.journal, self._reactor.reactor, clock)
            )
            self._undo.append(partial(self._reactor.call, lambda: Deferred.fromCoroutine(self._retrieving.close())))
            provided = self._provided(commitment)
            self.scp = self._port(configuration, commitment, provided, random)
            self.archive = Ports(
                configuration,
                [Opening(listener, offer_of(entity, provided)) for entity, listener in configuration.archive_listeners],
                self._reactor,
                self._desk,
                commitment.established,
            )
            self._undo += [self.scp.stop, self.archive.stop]
            self.scp.start()
            self.archive.start()
        except BaseException:
            self._close()
            raise
        directory.publish(dicom_port=self.scp.port)
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        self.archive.stop()
        self.scp.stop()
        self.scu.halt()
        for worker in self._workers:
            worker.stop()
        self.serving.stop()
        for archive in self._archives:
            archive.close()
        workers = [*self._workers, *self.serving.workers]
        for worker in workers:
            worker.join(self._stop_seconds)
        if any(worker.is_alive() for worker in workers):
            log.warning("A worker still waits for a peer; what it leaves undone is done after the next start.")
        else:
            self.storing.offline()
            self._close()
        self._directory.release()

    def status(self) -> dict[str, object]:
        counts = {f"spool_{state.lower()}": count for state, count in self.journal.counts().items()}
        sending = {f"send_{state.lower()}": count for state, count in self.transmissions.counts().items()}
        committing = {f"commit_{state.lower()}": count for state, count in self.commitments.counts().items()}
        requesting = {f"commit_asked_{state.lower()}": count for state, count in self.requests.counts().items()}
        requesting |= {f"prior_{state.lower()}": count for state, count in self.priors.counts().items()}
        sessions = {f"{worker.name}_session": int(worker.up) for worker in [*self._workers, *self.serving.workers]}
        named = [*self.scp.ports.items(), *self.entity_ports().items()]
        ports = {f"port_{name}": port for name, port in named if name}
        counts["studies_waiting"] = len(self.storing.waits)
        counts["spool_kept"] = self.kept.count(SPOOL)
        facts = {"host": socket.gethostname(), "dicom_port": self.scp.port, **ports, **self.spool.room()}
        oldest = self.journal.oldest()
        waits = 0.0 if oldest is None else max(0.0, self._clock.seconds() - oldest)
        facts |= {"spool_oldest_seconds": round(waits), **self._transmitter.failing()}
        return {**facts, "spool_originals": self.correcting.kept(), **counts, **sending, **committing, **requesting, **sessions}

    def entity_ports(self) -> dict[str, int]:
        listeners = zip(self._configuration.archive_listeners, self.archive.numbers, strict=False)
        return {**self.scp.entity_ports, **{str(entity.role): number for (entity, _), number in listeners}}

    def _provided(self, commitment: CommitmentSCP) -> Providers:
        """Say what answers at the archive's entities, each at those whose role has the service class."""
        reactor = self._reactor.reactor
        return {
            ServiceClass.VERIFICATION: lambda _entity: {CommandField.C_ECHO_RQ: echo},
            ServiceClass.STORAGE_COMMITMENT: lambda _entity: {**commitment.services, **self._requestor.services},
            ServiceClass.FIND: lambda entity: {CommandField.C_FIND_RQ: find_service(entity, self._asking, reactor)},
            ServiceClass.MOVE: self._retrieving.move_services,
            ServiceClass.GET: self._retrieving.get_services,
            ServiceClass.WORKLIST: lambda entity: {CommandField.C_FIND_RQ: worklist_service(entity, self._asking, reactor)},
            ServiceClass.PERFORMED_STEP: lambda _entity: step_services(self._asking, reactor),
        }

    def _port(
        self, configuration: Configuration, commitment: CommitmentSCP, provided: Providers, random: Randomness
    ) -> StorageSCP | Receivers:
        """Give what receives; an application is asked in this process, whatever the configuration says."""
        if configuration.processes > 1 and self._desk is None:
            receivers = Receivers(configuration, self._received, self._lost, random, self._arrivals.run)
            self._arrivals.heard, self._arrivals.reported = receivers.heard, receivers.reported
            return receivers
        return StorageSCP(
            configuration,
            self.spool,
            self._received,
            self._reactor,
            self._desk,
            commitment=commitment,
            services=self._requestor.services,
            provided=provided,
        )

    def _lost(self, tag: str) -> None:
        self.storing.lost(tag)
        self._storing_worker.wake()

    def _received(self, file: SpooledFile) -> None:
        self.storing.received(file)
        self._storing_worker.wake()

    def _close(self) -> None:
        for undo in reversed(self._undo):
            undo()


def run(settings: Settings, elements: Sequence[Element] = (), application: Application | None = None) -> None:
    """Run a gateway until SIGTERM or SIGINT. Raises RuntimeProblem or GatewayError when it cannot start.

    `elements` are compiled rules: with them the rule evaluator of the gateway's location is started.
    """
    gateway = Gateway(Configuration.from_settings(settings), elements, application=application)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_ignored: gateway.request_stop())
    gateway.start()
    try:
        gateway.wait()
    finally:
        gateway.stop()
    log.info("the gateway has stopped")
