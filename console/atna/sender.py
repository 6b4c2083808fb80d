"""What tells the Audit Record Repository: of the processes on one database one, on a thread that holds up nobody.

How far each log was told is written down once the connection has stood for a while after the peer's system took it: when the
repository or this process falls over the last messages go again, and none is missed (but over UDP).
"""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event, Thread

from sqlalchemy import Connection, select

from console.atna.mapping import Site
from console.atna.message import Message, Origin, Outcome, written
from console.atna.repository import NotReached, Repository
from console.atna.sources import Lot, Position, Source, sources
from console.atna.syslog import NOTICE, WARNING, Record
from console.leading import Leading, name_of_process
from fileman import FileManError, Store, insert_into, lock_for_transaction, write_security_event
from fileman.files import AtnaPosition
from runtime import AtnaSettings, Clock
from runtime.metrics import ATNA_MESSAGES

log = logging.getLogger(__name__)

LEASE = "atna"
#: Seconds between two looks, and for which a connection has to stand before what was sent over it last counts as told.
LOOKS_EVERY, STANDS_FOR = 1.0, 2.0
#: Seconds before the first new attempt at a repository that is away, and at most.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
#: Seconds that the end waits for the thread.
STOP_SECONDS = 3.0

_POSITIONS = select(AtnaPosition.source, AtnaPosition.last, AtnaPosition.moment)


@dataclass(frozen=True, slots=True)
class _Ahead:
    """How far a log was read at a moment, and whether anything of it was sent: it does not count as told yet."""

    at: float
    log: str
    behind: Position
    sent: bool


@dataclass(slots=True)
class Sender:
    """Reads the logs on and sends what it reads. One thread uses it."""

    store: Store
    clock: Clock
    settings: AtnaSettings
    repository: Repository
    host: str
    logs: Mapping[str, Source] = field(init=False)
    _told: dict[str, Position] = field(default_factory=dict)
    _sent: dict[str, Position] = field(default_factory=dict)
    #: What was sent when, and does not count as told yet.
    _ahead: deque[_Ahead] = field(default_factory=deque)

    def __post_init__(self) -> None:
        """Make the logs."""
        self.logs = sources(self.settings.of, Site(self.settings.source, self.host), self.clock)

    def begin(self) -> None:
        """Find how far was told; a log that never was is told from now on. Raises FileManError."""
        self._forget_sent()
        self._told = self.store.transact(self._positions)

    def _positions(self, connection: Connection) -> dict[str, Position]:
        lock_for_transaction(connection, LEASE)
        known = {row.source: Position(row.last, row.moment) for row in connection.execute(_POSITIONS)}
        for name, source in self.logs.items():
            if name not in known:
                known[name] = Position() if self.settings.from_beginning else source.end(connection)
                self._write(connection, name, known[name])
        return {name: known[name] for name in self.logs}

    def step(self) -> bool:
        """Send the next messages of each log; false when there are none. Raises FileManError, NotReached."""
        more = False
        for name in self.logs:
            lot = self._read(name)
            if lot.behind != self._sent.get(name, self._told[name]):
                self._send(name, lot)
            more |= lot.more
        self.settle(self.clock.monotonic() - STANDS_FOR)
        return more

    def _read(self, name: str) -> Lot:
        position = self._sent.get(name, self._told[name])
        return self.store.read(lambda connection: self.logs[name].read(connection, position))

    def _send(self, name: str, lot: Lot) -> None:
        if lot.messages:
            try:
                self.repository.send([self._record(it).encode() for it in lot.messages])
            except NotReached:
                self._forget_sent()
                raise
            ATNA_MESSAGES.labels("sent").inc(len(lot.messages))
        self._sent[name] = lot.behind
        self._ahead.append(_Ahead(self.clock.monotonic(), name, lot.behind, bool(lot.messages)))

    def settle(self, before: float) -> None:
        """Write down that what was sent before a moment is told, if the connection stands. Raises FileManError, NotReached."""
        due: list[_Ahead] = []
        while self._ahead and self._ahead[0].at <= before:
            due.append(self._ahead.popleft())
        if not due:
            return
        if any(it.sent for it in due) and not self.repository.check():
            self._forget_sent()
            raise NotReached("The Audit Record Repository closed the connection; the last messages go again.")
        told = {it.log: it.behind for it in due}
        self.store.transact(lambda connection: self._write_all(connection, told))
        self._told |= told

    def _forget_sent(self) -> None:
        """Let what the peer may not have kept go again."""
        self._sent.clear()
        self._ahead.clear()

    def _write_all(self, connection: Connection, told: Mapping[str, Position]) -> None:
        for name, position in told.items():
            self._write(connection, name, position)

    def _write(self, connection: Connection, name: str, position: Position) -> None:
        row = {"last": position.last, "moment": position.moment, "sent_at": self.clock.seconds()}
        statement = insert_into(connection, AtnaPosition).values(source=name, **row)
        connection.execute(statement.on_conflict_do_update(index_elements=[AtnaPosition.source], set_=row))

    def _record(self, message: Message) -> Record:
        text = written(message, Origin(self.settings.source, self.settings.enterprise_site))
        severity = NOTICE if message.outcome is Outcome.SUCCESS else WARNING
        return Record(message.at, self.host, self.settings.source, str(os.getpid()), text, severity)


@dataclass(slots=True)
class AtnaService:
    """Tells on a thread of its own."""

    sender: Sender
    leading: Leading
    _down: Event = field(default_factory=Event)
    _thread: Thread | None = None

    def start(self) -> None:
        """Note that this process began, and begin to tell."""
        try:
            self.sender.begin()  # so that the very first process is told to have begun
        except FileManError as error:
            log.warning("how far the Audit Record Repository was told is not known yet: %s", error)
        self._note("START")
        self._down.clear()
        self._thread = Thread(target=self._tell_on, name="atna", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Note that this process ends, and stop telling; what was not told is at the next start, or by another process."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._note("STOP")
        self._down.set()
        thread.join(STOP_SECONDS)
        self.leading.leave()

    def _note(self, event: str) -> None:
        clock, host = self.sender.clock, self.sender.host
        name = f"{self.sender.settings.source} {os.getpid()}"
        try:
            self.sender.store.transact(lambda it: write_security_event(it, event, clock.seconds(), name=name, address=host))
        except FileManError as error:
            log.warning("that this process has its %s is not written down: %s", event, error)

    def _tell_on(self) -> None:
        pause, began = LOOKS_EVERY, False
        failures = 0
        while not self._down.wait(pause):
            try:
                if not self.leading.lead():
                    began, pause = False, LOOKS_EVERY
                    self.sender.repository.close()
                    continue
                if not began:
                    self.sender.begin()
                    began = True
                pause = 0.0 if self.sender.step() else LOOKS_EVERY
                failures = 0
            except NotReached as error:
                failures += 1
                pause = min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE)
                log.log(logging.WARNING if failures == 1 else logging.DEBUG, "%s", error)
                ATNA_MESSAGES.labels("failed").inc()
            except FileManError as error:
                began, pause = False, LOOKS_EVERY
                log.debug("audit messages wait for the database: %s", error)
            except Exception:
                began, pause = False, LONGEST_PAUSE
                log.exception("audit messages could not be made")
        self._end(began=began)

    def _end(self, *, began: bool) -> None:
        """Tell what is there, the end of this process with it, if that is quick."""
        try:
            if began:
                self.sender.step()
                self.sender.settle(self.sender.clock.monotonic())
        except (FileManError, NotReached) as error:
            log.debug("the last audit messages are told later: %s", error)
        self.sender.repository.close()


def atna_service(settings: AtnaSettings, store: Store, clock: Clock) -> AtnaService:
    """Build the service; nothing is told yet."""
    sender = Sender(store, clock, settings, Repository(settings), socket.gethostname())
    return AtnaService(sender, Leading(store, clock, LEASE, name_of_process(store)))
