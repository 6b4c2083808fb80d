"""A broker inside the test process: the reactor runs in one thread for the whole session, each broker has its own port."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from broker import BrokerService, Dispatcher, Hub, Limits, Listener, text_listener
from console.reactor_thread import in_reactor, reactor
from console.real_broker import IdleTaskMan, signed_on_client
from fileman import SiteKey, Store
from rpcs import STANDARD, Environment, Registry, SiteCache
from runtime import Clock, SystemClock
from tests.oracle.pack import register
from xwb import BrokerClient, Cipher


@dataclass
class RecordingEngine(IdleTaskMan):
    """Stands in for TaskMan's engine: takes tasks unless told to refuse."""

    up: bool = True
    refuses: bool = False
    rejected: list[int] = field(default_factory=list)

    def accepting(self) -> bool:
        """Tell what the test wants told."""
        return self.up

    def enqueue(self, task_number: int) -> None:
        """Take a task."""
        if self.refuses:
            raise RuntimeError("no")
        super().enqueue(task_number)

    def reject(self, task_number: int, reason: str) -> None:
        """Note a rejection."""
        self.rejected.append(task_number)


@dataclass(frozen=True)
class QuickClock:
    """The reactor's clock, so many times as fast: what waits two seconds waits a fraction of them."""

    pace: float

    def seconds(self) -> float:
        """Give the time of this clock."""
        return float(reactor.seconds()) * self.pace

    def callLater(self, delay: float, work: Callable[..., object], *arguments: object) -> Any:
        """Call when so many of this clock's seconds have passed."""
        later = reactor.callLater(delay / self.pace, work, *arguments)
        return QuickCall(later, self.pace)


@dataclass(frozen=True)
class QuickCall:
    """A call to come."""

    call: Any
    pace: float

    def reset(self, delay: float) -> None:
        """Let it come so many seconds from now."""
        self.call.reset(delay / self.pace)

    def cancel(self) -> None:
        """Take it back."""
        self.call.cancel()

    def active(self) -> bool:
        """Tell whether it is still to come."""
        return bool(self.call.active())


@dataclass
class RunningBroker:
    """A broker on a free port. With a `pace` its pauses and time-outs pass so many times as fast.

    The kit's RealBroker makes its own SQLite database; this one is put on any, of either engine, with parts that a test chooses.
    """

    store: Store
    key: SiteKey
    engine: Any = field(default_factory=RecordingEngine)
    clock: Clock = field(default_factory=SystemClock)
    registry: Registry = field(default_factory=STANDARD.copy)
    limits: Limits = field(default_factory=Limits)
    listeners: dict[str, Listener] = field(default_factory=dict)
    pace: float = 1.0
    other_ciphers: dict[str, Cipher] = field(default_factory=dict)
    service: BrokerService = field(init=False)

    def __post_init__(self) -> None:
        """Listen."""
        register(self.registry)
        environment = Environment(
            self.store,
            self.clock,
            self.key,
            Cipher.standard(),
            self.engine.accepting,
            self.registry,
            other_ciphers=self.other_ciphers,
        )
        dispatcher = Dispatcher(self.registry, environment, SiteCache(self.store), reactor, self.engine)
        hub = Hub(dispatcher, self.limits, QuickClock(self.pace))
        listeners = {"broker": Listener(0), "text": text_listener(0), **self.listeners}
        self.service = BrokerService(hub, reactor, listeners)
        in_reactor(self.service.start)

    @property
    def port(self) -> int:
        """The port of `[XWB]`."""
        return self.service.ports["broker"]

    @property
    def text_port(self) -> int:
        """The port of the text transport."""
        return self.service.ports["text"]

    def client(self, access: str = "FAKEGW1", verify: str = "1GWY!@#$", context: str = "MAG DICOM GATEWAY FULL") -> BrokerClient:
        """Connect, sign on and enter a context."""
        return signed_on_client(self.port, access, verify, context)

    def stop(self) -> None:
        """Close everything."""
        in_reactor(self.service.stop)
