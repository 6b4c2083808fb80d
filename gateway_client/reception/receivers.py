"""Receiving in several processes: the gateway accepts connections and passes each to the one that has the fewest.

It reads nothing of them. What was received it hears from the processes; what one that died did not tell lies in the spool.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
import secrets
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway_client.backoff import Backoff, Randomness
from gateway_client.configuration import Configuration
from gateway_client.reception.listeners import ListenerConfiguration
from gateway_client.reception.places import Places
from gateway_client.reception.reports import ReportReader
from gateway_client.reception.spool import SpooledFile
from runtime import port_problem, server_context

log = logging.getLogger(__name__)

#: With a connection the gateway sends the number of its listener, to end this one.
NUMBER = struct.Struct("<H")
STOP = NUMBER.pack(0xFFFF)
_BACKLOG = 128
#: Bytes of reports that are read at once, and seconds for which they gather: a wake-up for each costs more than reading it.
_AT_ONCE, _GATHER = 1 << 20, 0.005
#: Seconds after which a connection is accepted again when one could not be.
_PAUSE = 0.5
#: Seconds for which a process is waited for at the start; connections wait for one that takes longer.
_START_SECONDS = 30.0
#: Seconds that a process has to end beyond those in which its peers finish.
_END_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Orders:
    """What a receiving process is told first; its files in the spool bear the tag, and `run` is that of the gateway."""

    configuration: Configuration
    number: int
    tag: str
    run: str


class Receivers:
    """The gateway's DICOM ports with processes that receive. `received` hears of every object once it is durable.

    `lost` hears the tag of a process that died, after everything that it told, and `start` and `stop` are as those of StorageSCP.
    """

    def __init__(
        self,
        configuration: Configuration,
        received: Callable[[SpooledFile], None],
        lost: Callable[[str], None],
        random: Randomness,
        run: str = "",
    ) -> None:
        self._configuration = configuration
        self._run = run
        self._received = received
        self._lost = lost
        self._random = random
        self._stopping = threading.Event()
        self._receivers: list[_Receiver] = []
        self._listening: list[socket.socket] = []
        #: The ports that are listened on, by their instruments; the default one, of no instrument, if any.
        self.ports: dict[str, int] = {}
        #: The port of the archive's receiver, by its role, if there is one.
        self.entity_ports: dict[str, int] = {}

    @property
    def port(self) -> int:
        """The first of the ports."""
        return next(iter(self.ports.values()))

    def start(self) -> None:
        """Listen. Raises PortInUse, PortRefused or BadCertificate, with no port left open."""
        configuration, listeners = self._configuration, self._configuration.all_listeners
        try:
            for listener in listeners:
                if listener.tls is not None:
                    server_context(listener.tls)  # each process makes its own; here it is only found good
                self._listen(listener)
        except BaseException:
            for listening in self._listening:
                listening.close()
            raise
        self._places = Places.create(configuration.processes, len(listeners))
        self._receivers = [_Receiver(self, number) for number in range(configuration.processes)]
        for receiver in self._receivers:
            receiver.begun.wait(_START_SECONDS)
        self._accepting = [
            threading.Thread(target=self._accept, args=(number, listening), name=f"accept-{number}", daemon=True)
            for number, listening in enumerate(self._listening)
        ]
        for accepting in self._accepting:
            accepting.start()
        log.info("%s listens on %s with %d processes", configuration.ae_title, self.ports, configuration.processes)

    def _listen(self, listener: ListenerConfiguration) -> None:
        address = listener.host, listener.port
        try:
            family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
            both = family is socket.AF_INET6
            listening = socket.create_server(address, family=family, backlog=_BACKLOG, dualstack_ipv6=both)
        except OSError as error:
            raise port_problem(error, listener.port, "DICOM", listener.setting) from error
        self._listening.append(listening)
        number = int(listening.getsockname()[1])
        if listener.entity is None:
            self.ports[listener.instrument] = number
        else:
            self.entity_ports[listener.entity.role] = number

    def heard(self, reported: Sequence[int]) -> bool:
        """Tell whether `received` has heard of so many objects of each process, and `lost` of those that died with some.

        When the processes have ended it has.
        """
        return all(receiver.heard >= count for receiver, count in zip(self._receivers, reported, strict=False))

    def reported(self) -> list[int]:
        """Give how many objects each process has reported, or is about to."""
        return self._places.reported()

    def stop(self) -> None:
        """Take no new connections, let each peer finish the object that it is sending, then end the processes."""
        if not self._receivers:
            return
        self._stopping.set()
        for listening, accepting in zip(self._listening, self._accepting, strict=True):
            listening.shutdown(socket.SHUT_RDWR)  # which ends the accept that waits
            accepting.join()
            listening.close()
        for receiver in self._receivers:
            receiver.stop()
        for receiver in self._receivers:
            receiver.join(self._configuration.stop_seconds + _END_SECONDS)
        self._receivers = []
        self._places.close()

    def _accept(self, number: int, listening: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                connection, (host, *_) = listening.accept()
            except OSError as error:
                if not self._stopping.wait(_PAUSE):  # where there are too many files it is the same at once
                    log.error("A connection cannot be accepted: %s", error)
                continue
            with connection:
                self._pass(number, connection, host)

    def _pass(self, number: int, connection: socket.socket, host: str) -> None:
        connections = sum(receiver.connections for receiver in self._receivers)
        if connections >= 2 * sum(listener.max_associations for listener in self._configuration.all_listeners):
            log.warning("%s is not answered: %d connections are open", host, connections)
            return
        connection.setblocking(False)
        for receiver in sorted(self._receivers, key=lambda receiver: receiver.connections):
            if receiver.take(number, connection):
                return
        log.warning("%s is not answered: no process takes its connection", host)


class _Receiver:
    """A thread that keeps one receiving process going and hears what it reports."""

    def __init__(self, receivers: Receivers, number: int) -> None:
        self._receivers = receivers
        self._number = number
        self._backoff = Backoff(receivers._random)
        #: For what concerns connections: the socket over which they are passed, and how many were.
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._passed = 0
        #: How many objects it reported that were heard of.
        self.heard = 0
        self._process: subprocess.Popen[bytes] | None = None
        #: Set when the first process takes connections, or has ended.
        self.begun = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"receiver-{number}", daemon=True)
        self._thread.start()

    @property
    def connections(self) -> int:
        """How many connections it has."""
        with self._lock:
            return self._passed - self._receivers._places.ended(self._number)

    def take(self, number: int, connection: socket.socket) -> bool:
        """Pass a connection of a listener on; False when there is no process that takes it."""
        with self._lock:
            if self._socket is None:
                return False
            try:
                socket.send_fds(self._socket, [NUMBER.pack(number)], [connection.fileno()], socket.MSG_DONTWAIT)
            except OSError:
                return False
            self._passed += 1
        return True

    def stop(self) -> None:
        """Have it let its peers finish, then end."""
        with self._lock, contextlib.suppress(OSError):  # one that died has ended, one that hangs is killed
            if self._socket is not None:
                self._socket.send(STOP, socket.MSG_DONTWAIT)

    def join(self, seconds: float) -> None:
        """Wait until it has ended and all that it reported is heard; one that does not end is killed."""
        self._thread.join(seconds)
        if self._thread.is_alive() and self._process is not None:
            log.warning("Receiving process %d does not end and is killed.", self._number)
            self._process.kill()
        self._thread.join()

    def _run(self) -> None:
        stopping = self._receivers._stopping
        while not stopping.is_set():
            try:
                process, reports, tag = self._begin()
            except OSError as error:
                log.error("Receiving process %d does not begin: %s", self._number, error)
            else:
                self._hear(reports)
                self._end(process, tag)
            self.begun.set()
            if not stopping.is_set():
                pause = self._backoff.next()
                log.error("There is no receiving process %d; one begins in %.1f s.", self._number, pause)
                stopping.wait(pause)

    def _begin(self) -> tuple[subprocess.Popen[bytes], socket.socket, str]:
        """Start a process; what only it is to read goes to its standard input. Raises OSError."""
        receivers, tag = self._receivers, secrets.token_hex(4)
        ours, theirs = socket.socketpair()
        with theirs:
            passed = theirs.fileno(), receivers._places.descriptor
            command = [sys.executable, "-m", "gateway_client.reception.receiver_process", *map(str, passed)]
            try:
                process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=passed)
            except OSError:
                ours.close()
                raise
        assert process.stdin is not None
        with process.stdin as orders, contextlib.suppress(BrokenPipeError):  # one that died already is noticed at its socket
            pickle.dump(Orders(receivers._configuration, self._number, tag, receivers._run), orders)
        with self._lock:
            self._process, self._socket, self._passed = process, ours, 0
            if receivers._stopping.is_set():  # it was not told
                ours.sendall(STOP)
        return process, ours, tag

    def _hear(self, reports: socket.socket) -> None:
        """Take what the process reports until it ends."""
        reader, stopping = ReportReader(), self._receivers._stopping
        with contextlib.suppress(ConnectionResetError):  # it died before it took all connections
            while data := reports.recv(_AT_ONCE):
                self.begun.set()
                for file in reader.read(data):
                    self._receivers._received(file)
                    self.heard += 1
                    self._backoff.reset()
                stopping.wait(_GATHER)

    def _end(self, process: subprocess.Popen[bytes], tag: str) -> None:
        """Forget a process that says no more, and see to what it left."""
        with self._lock:
            reports, self._socket = self._socket, None
        if reports is not None:
            reports.close()
        try:
            died = process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            died = process.wait()
        with self._lock:
            self._passed = 0
            self._receivers._places.clear(self._number)
        if died:
            self._receivers._lost(tag)
        self.heard = self._receivers._places.reported()[self._number]
