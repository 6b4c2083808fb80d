"""The broker as the gateway sees it: a procedure is called and answers lines; a worker keeps one session for itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from gateway_client.backoff import Backoff, Randomness
from gateway_client.configuration import Configuration
from gateway_client.errors import GatewayError
from runtime import Clock
from xwb import Argument, BrokerClient, ConnectionLost, XWBError

log = logging.getLogger(__name__)

#: Seconds of silence after which a session says that it is here; brokers close silent sessions after 180.
KEEP_ALIVE = 60.0
#: Seconds after which it is asked again what the site says of destinations and locations.
LEARN_AGAIN = 30.0


class Answer(Protocol):
    """What a procedure answered."""

    @property
    def text(self) -> str:
        """The data as one text."""

    @property
    def lines(self) -> list[str]:
        """The lines of an array."""


class Broker(Protocol):
    """Something that carries out remote procedures; xwb.BrokerClient is one."""

    def call(self, name: str, *arguments: Argument) -> Answer:
        """Call a remote procedure. Raises xwb.XWBError."""


class Session(Broker, Protocol):
    """A broker session that can be ended."""

    def bye(self) -> None:
        """Take leave."""

    def close(self) -> None:
        """Close without a word."""


Connect = Callable[[], Session]


def connector(configuration: Configuration) -> Connect:
    """Give a function that opens a session: connected, signed on, in the gateway's context."""

    def connect() -> Session:
        client = BrokerClient(configuration.broker_host, configuration.broker_port, name=configuration.machine)
        client.connect()
        try:
            client.sign_on(configuration.access, configuration.verify)
            client.create_context(configuration.context)
        except XWBError:
            client.close()
            raise
        return client

    return connect


class Task(Protocol):
    """What a worker does again and again."""

    def connected(self, broker: Broker) -> None:
        """Begin on a new session."""

    def step(self, broker: Broker) -> bool:
        """Do some work; False when there is nothing to do now."""

    def offline(self) -> None:
        """Do what needs no broker; called also while there is none."""


@runtime_checkable
class Learner(Protocol):
    """A task that goes by what the site says of destinations and locations, which people change while the gateway runs."""

    def learn(self, broker: Broker) -> None:
        """Ask for it anew."""


class Worker(threading.Thread):
    """A thread with a broker session of its own, which it opens again, after pauses, whenever it is lost.

    `wake` sets it to work before its idle pause is over; what it has done may be work for `neighbours`, which it wakes. Nothing
    that a task raises ends the thread before `stop`. A task that learns of the site does so again every `LEARN_AGAIN` seconds.
    """

    def __init__(
        self, name: str, task: Task, connect: Connect, clock: Clock, random: Randomness, *, idle_seconds: float = 1.0
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.up = False
        self.neighbours: tuple[Worker, ...] = ()
        self._task = task
        self._connect = connect
        self._clock = clock
        self._idle_seconds = idle_seconds
        self._backoff = Backoff(random)
        self._session: Session | None = None
        self._last_call = 0.0
        self._learned_at = 0.0
        self._wake = threading.Event()
        self._stopping = threading.Event()

    def wake(self) -> None:
        """Look for work now."""
        self._wake.set()

    def stop(self) -> None:
        """End after the step that is being done."""
        self._stopping.set()
        self._wake.set()

    def run(self) -> None:
        """Work until stopped."""
        while not self._stopping.is_set():
            self._wake.clear()
            pause = self._round()
            if pause:
                self._wake.wait(pause) if self.up else self._stopping.wait(pause)
        self._end_session()

    def _round(self) -> float:
        """Do one step and give the seconds to wait after it."""
        try:
            self._task.offline()
            if self._session is None:
                self._session = self._connect()
                self._task.connected(self._session)
                self._learned_at = self._clock.monotonic()
                self.up = True
                log.info("%s: signed on to the broker", self.name)
            self._learn(self._session)
            if self._task.step(self._session):
                for neighbour in self.neighbours:
                    neighbour.wake()
                self._last_call = self._clock.monotonic()
                self._backoff.reset()
                return 0.0
            self._keep_alive(self._session)
            self._backoff.reset()
            return self._idle_seconds
        except XWBError as error:
            at_once = self.up and isinstance(error, ConnectionLost) and not self._backoff.failures
            pause = self._backoff.next()
            pause = 0.0 if at_once else pause
            log.warning("%s: %s Trying again %s.", self.name, error, f"in {pause:.1f} s" if pause else "now")
        except GatewayError as error:
            pause = self._backoff.next()
            log.error("%s: %s", self.name, error)
        except Exception:  # a fault in one step must not end the thread that files or sends everything else
            pause = self._backoff.next()
            log.exception("%s: a fault; trying again in %.1f s", self.name, pause)
        self._drop_session()
        return pause

    def _learn(self, session: Session) -> None:
        now = self._clock.monotonic()
        if isinstance(self._task, Learner) and now - self._learned_at >= LEARN_AGAIN:
            self._task.learn(session)
            self._learned_at = now

    def _keep_alive(self, session: Session) -> None:
        now = self._clock.monotonic()
        if now - self._last_call > KEEP_ALIVE:
            session.call("XWB IM HERE")
            self._last_call = now

    def _drop_session(self) -> None:
        self.up = False
        if self._session is not None:
            self._session.close()
            self._session = None

    def _end_session(self) -> None:
        if self._session is not None:
            self._session.bye()
            self._session = None
        self.up = False
