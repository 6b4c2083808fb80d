"""The live feed: image events, alerts, queues, rates and log lines, read once for all listeners, sent as server-sent events."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import asdict, dataclass, field
from typing import Any

from twisted.internet.task import LoopingCall

from console.web.alert_tail import AlertTail, open_alerts
from console.web.errors import Away, NotSignedOn, TooMany
from console.web.history import History
from console.web.listener import Listener
from console.web.log_lines import LogLines
from console.web.rates import Rates
from console.web.runner import Runner
from console.web.tail import LOT, Tail, events_between
from fileman import AlertData
from rpcs.actions import BadRequest, Caller, NotAllowed, told
from rpcs.actions.alerts import alert_facts
from rpcs.actions.queues import Depth, queue_depths
from runtime.metrics import IMAGE_EVENTS, LISTENERS

log = logging.getLogger(__name__)

#: What can be listened to, and the security key that it needs.
KINDS = {"image": "", "alert": "", "flow": "", "queues": "", "rates": "", "load": "", "log": "XUMGR"}
#: Seconds between looks at events while somebody watches the flow; looks between two while nobody does, and at alerts, between
#: two at the queues, and between two at who may still listen.
LOOK_SECONDS, QUIET_LOOKS, QUEUE_LOOKS, CHECK_LOOKS = 0.1, 5, 20, 50
#: Listeners at once; events that somebody who comes back is given of those that he missed.
MOST_LISTENERS, MOST_MISSED = 50, 1000


def written(kind: str, value: Any, number: int | None = None) -> bytes:
    """Write one event as it is sent."""
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {kind}\ndata: {json.dumps(value)}\n\n".encode()


@dataclass(slots=True)
class Feed:
    """Looks for what is new, counts it, and hands it to those who listen: twice a second, more often for who watches the flow."""

    runner: Runner
    lines: LogLines = field(default_factory=LogLines)
    tail: Tail = field(default_factory=Tail)
    rates: Rates = field(default_factory=Rates)
    history: History = field(default_factory=History)
    alerts: AlertTail = field(default_factory=AlertTail)
    _listeners: set[Listener] = field(default_factory=set)
    _depths: list[Depth] = field(default_factory=list)
    _looks: int = 0
    _loop: LoopingCall | None = None

    def start(self) -> None:
        """Begin to look."""
        logging.getLogger().addHandler(self.lines)
        self._loop = LoopingCall(self._look_on)
        self._loop.clock = self.runner.dispatcher.reactor
        self._loop.start(LOOK_SECONDS, now=True)

    def stop(self) -> None:
        """Look no more, and let the listeners go."""
        logging.getLogger().removeHandler(self.lines)
        if self._loop is not None and self._loop.running:
            self._loop.stop()
        for listener in list(self._listeners):
            if (channel := listener.request.channel) is not None:
                channel.forceAbortClient()  # one that takes nothing would hold up the end

    async def listen(self, request: Any, may: Callable[[], Awaitable[Collection[str]]], since: int | None) -> None:
        """Serve a listener until he leaves; with `since`, the number of the last event that he had, what he missed first.

        `may` gives the kinds that he may hear, and is asked again while he listens. Raises TooMany, and what `may` raises.
        """
        kinds = await may()
        if len(self._listeners) >= MOST_LISTENERS:
            raise TooMany(f"{MOST_LISTENERS} listen already; try again later.")
        request.setHeader("Content-Type", "text/event-stream")
        request.setHeader("Cache-Control", "no-store")
        listener = Listener(request, kinds, may)
        listener.hold()
        gone = request.notifyFinish()
        self._listeners.add(listener)
        LISTENERS.set(len(self._listeners))
        try:
            request.registerProducer(listener, True)
            request.write(b"retry: 2000\n\n")
            await self._greet(listener, since)
            await gone
        except Exception as error:  # how a connection ends that its peer closes
            log.debug("a listener left: %s", error)
        finally:
            self._listeners.discard(listener)
            LISTENERS.set(len(self._listeners))

    async def _greet(self, listener: Listener, since: int | None) -> None:
        """Tell what was missed, and how things are; what happens meanwhile comes behind it."""
        first: list[bytes] = []
        if since is not None and "image" in listener.kinds and self.tail.last is not None:
            until = self.tail.last
            missed = await self.runner.scan(lambda connection: events_between(connection, since, until, MOST_MISSED))
            first += [_image(row) for row in missed]
        if "alert" in listener.kinds:
            first += [_alert(it) for it in await self.runner.scan(open_alerts)]
        if "queues" in listener.kinds:
            first.append(self._queues())
        listener.greet(first)

    async def _look_on(self) -> None:
        try:
            await self._look()
        except Away:
            log.debug("the feed waits for the database")
        except Exception:
            log.exception("the feed could not look for what is new")

    async def _look(self) -> None:
        self._looks += 1
        if self._looks % QUIET_LOOKS and not self._wanted("flow"):
            return
        clock = self.runner.dispatcher.environment.clock
        while True:
            rows = await self.runner.scan(lambda connection: self.tail.look(connection, clock.seconds()))
            self._pass_on(rows)
            if len(rows) < LOT:
                break
        if self._looks % QUIET_LOOKS == 0:
            self._send("alert", [_alert(it) for it in await self.runner.scan(self.alerts.look)])
        if self._looks % QUEUE_LOOKS == 0:
            await self._look_at_queues(clock.seconds())
        lines = self.lines.take()
        self._send("log", [written("log", told(line)) for line in lines] if self._wanted("log") else ())
        if self._looks % CHECK_LOOKS == 0:
            await self._let_go()

    async def _look_at_queues(self, now: float) -> None:
        depths = await self.runner.scan(queue_depths)
        if depths != self._depths:
            self._depths = depths
            self._send("queues", [self._queues()])
        self._send("load", [written("load", self.history.sample(now, depths))])

    async def _let_go(self) -> None:
        """Let those go who may listen no more, as their token ended or a key was taken away, and tell them so."""
        for listener in list(self._listeners):
            try:
                listener.kinds = await listener.may()
            except (NotSignedOn, NotAllowed) as error:
                self._listeners.discard(listener)
                listener.end(written("ended", {"message": str(error)}))

    def _pass_on(self, rows: Collection[Any]) -> None:
        reactor = self.runner.dispatcher.reactor
        now = reactor.seconds()
        self.rates.count(now, (row.stage for row in rows))
        self.history.count(row.stage for row in rows)
        for row in rows:
            IMAGE_EVENTS.labels(row.stage).inc()
        if rows and self._wanted("image"):
            self._send("image", [_image(row) for row in rows])
        if rows and self._wanted("flow"):
            newest = max(row.at for row in rows)
            self._send("flow", [written("flow", {"counts": self.history.counts, "newest": newest})])
        if self._looks % (2 * QUIET_LOOKS) == 0 and self._wanted("rates"):
            self._send("rates", [written("rates", self.rates.per_second(now))])

    def _wanted(self, kind: str) -> bool:
        return any(kind in listener.kinds for listener in self._listeners)

    def _send(self, kind: str, events: Collection[bytes]) -> None:
        if events:
            for listener in self._listeners:
                if kind in listener.kinds:
                    listener.send(events)

    def _queues(self) -> bytes:
        return written("queues", [asdict(depth) for depth in self._depths])


def _alert(alert: AlertData) -> bytes:
    return written("alert", told(alert_facts(alert)))


def _image(row: Any) -> bytes:
    return written("image", told(row._mapping), row.ien)


def kinds_for(caller: Caller, asked: str) -> list[str]:
    """Give the kinds that are asked for, parted by commas, or all that somebody may listen to.

    Raises BadRequest for one that there is not, NotAllowed for one whose key is not held.
    """
    if not asked:
        return [name for name, key in KINDS.items() if not key or caller.holds(key)]
    names = [name.strip() for name in asked.split(",")]
    for name in names:
        if name not in KINDS:
            raise BadRequest(f"{name[:40]!r} is nothing to listen to; there are: {', '.join(KINDS)}.")
        if KINDS[name] and not caller.holds(KINDS[name]):
            raise NotAllowed(f"{caller.name} needs the security key {KINDS[name]} to listen to {name}.")
    return names
