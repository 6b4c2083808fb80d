"""The transmitter: takes entries of the export queue, sends them, and says what became of each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from gateway_client.backoff import Backoff, Randomness
from gateway_client.broker import Broker
from gateway_client.configuration import Configuration
from gateway_client.errors import BrokerRefused, NotPart10, UnknownShare
from gateway_client.locations import NetworkLocations
from gateway_client.part10 import read_meta
from gateway_client.scu import Destination, Outcome, Result
from gateway_client.transmissions import Sending, Transmission, Transmissions
from runtime import Clock

log = logging.getLogger(__name__)

#: How often an instance goes out without an answer being seen, before a person has to look.
DOUBTS = 2
NOTHING = "-2,"
_REASON_LIMIT = 200
#: Days after which an entry that was put back and never came again is forgotten.
_DAYS_REMEMBERED = 30
_PURGE_EVERY = 3600.0


class Sender(Protocol):
    """Something that sends files; StorageSCU is one."""

    def send(self, destination: Destination, study: str, path: Path) -> Outcome:
        """Send a file."""

    def close_idle(self) -> None:
        """Let go of what was not used for a while."""

    def close(self) -> None:
        """Let go of everything."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What MAG DICOM GET NEXT QUEUE ENTRY answers of one image (NEXTIMG^MAGDRPC4)."""

    entry: int
    sequence: int
    application: str
    group: str
    image: int
    path: str

    @classmethod
    def read(cls, lines: Sequence[str]) -> Entry | None:
        """Read an answer; None when nothing waits. Raises BrokerRefused for any other answer."""
        first = lines[0] if lines else ""
        if first.startswith(NOTHING):
            return None
        if first != "1" or len(lines) < 10 or not (lines[1].isdigit() and lines[2].isdigit()):
            raise BrokerRefused(f"The export queue answers {first!r}.")
        return cls(int(lines[1]), int(lines[2]), lines[3], lines[4], int(lines[6]) if lines[6].isdigit() else 0, lines[9])


def read_destinations(lines: Sequence[str], machine: str) -> dict[str, Destination]:
    """Read `ien^name^AE title^host^port^gateway^location` lines; of several of one name ours goes first."""
    found: dict[str, Destination] = {}
    for line in lines:
        _, name, title, host, port, gateway = [*line.split("^"), *[""] * 6][:6]
        if name and host and port.isdigit() and (name not in found or gateway == machine):
            found[name] = Destination(name, title, host, int(port), gateway)
    return found


class Transmitter:
    """The task of the transmitting worker.

    The journal says SENDING before a send and its outcome after it. A destination that cannot be reached is left alone for a
    while: its entries go back to the queue with the reason, and those of other destinations pass.
    """

    def __init__(
        self, configuration: Configuration, transmissions: Transmissions, sender: Sender, clock: Clock, random: Randomness
    ) -> None:
        self._configuration = configuration
        self._transmissions = transmissions
        self._sender = sender
        self._clock = clock
        self._random = random
        self._destinations: dict[str, Destination] = {}
        self._locations = NetworkLocations()
        self._down: dict[str, _Down] = {}
        self._purged_at = 0.0

    def connected(self, broker: Broker) -> None:
        """Give back what this machine took and does not know; ask for destinations and locations."""
        in_hand = self._transmissions.in_state(Sending.SENDING, Sending.SENT, Sending.WAITING, Sending.FAILED)
        broker.call("MAGB EXPORT REQUEUE", self._configuration.machine, [item.key for item in in_hand])
        self._learn(broker)

    def offline(self) -> None:
        """Release an association that is not used any more."""
        self._sender.close_idle()
        now = self._clock.seconds()
        if now - self._purged_at > _PURGE_EVERY:
            self._purged_at = now
            self._transmissions.purge(now - _DAYS_REMEMBERED * 86400)

    def step(self, broker: Broker) -> bool:
        """Send one entry; False when none waits."""
        for item in self._transmissions.in_state(Sending.SENDING):
            self._doubt(item, "the gateway stopped while it was sent")
            again = self._transmissions.find(item.entry, item.sequence)
            if again is not None and again.state is Sending.WAITING:
                self._send(broker, again)
        self._report(broker)
        entry = self._next(broker)
        if entry is None:
            return False
        self._handle(broker, entry)
        return True

    def _learn(self, broker: Broker) -> None:
        lines = broker.call("MAGB TRANSMIT DESTINATIONS").lines
        self._destinations = read_destinations(lines, self._configuration.machine)
        self._locations = NetworkLocations.parse(broker.call("MAGB NETWORK LOCATIONS").lines, self._configuration.data)

    def _report(self, broker: Broker) -> None:
        """Report what VistA's own procedure cannot say: repeats, reasons, what is to be tried again."""
        items = [
            item
            for item in self._transmissions.in_state(Sending.SENT, Sending.WAITING, Sending.FAILED)
            if item.state is not Sending.SENT or item.doubts or item.reason
        ]
        if items:
            broker.call("MAGB EXPORT RESULT", [_result_line(item) for item in items])
            self._transmissions.reported(items, self._clock.seconds())

    def _next(self, broker: Broker) -> Entry | None:
        """Report what was sent and take the next entry, in one call."""
        sent = self._transmissions.in_state(Sending.SENT)
        lines = broker.call(
            "MAG DICOM GET NEXT QUEUE ENTRY", [str(self._configuration.location)], [f"{item.key}^SUCCESS" for item in sent]
        ).lines
        self._transmissions.reported(sent, self._clock.seconds())
        return Entry.read(lines)

    def _handle(self, broker: Broker, entry: Entry) -> None:
        item = Transmission(entry.entry, entry.sequence, entry.image, entry.application, entry.group, entry.path)
        known = self._transmissions.find(item.entry, item.sequence)
        if known is not None and known.same_work(item):
            item = replace(item, tries=known.tries, doubts=known.doubts)
        self._send(broker, item)

    def _send(self, broker: Broker, item: Transmission) -> None:
        """Send one entry, or say why not."""
        if item.destination not in self._destinations:
            self._learn(broker)
        destination = self._destinations.get(item.destination)
        now = self._clock.monotonic()
        down = self._down.get(item.destination)
        if destination is None:
            self._save(item, Sending.WAITING, f"{item.destination} is no transmit destination of this site.")
        elif down is not None and now < down.until:
            self._save(item, Sending.WAITING, f"{down.reason} It is left alone for {down.until - now:.0f} s more.")
        else:
            self._send_to(destination, item)

    def _send_to(self, destination: Destination, item: Transmission) -> None:
        try:
            path = self._locations.local_path(item.path)
            meta = read_meta(path)
        except (UnknownShare, NotPart10) as error:
            self._save(item, Sending.FAILED, str(error))
            return
        except OSError as error:
            reachable = self._locations.find(item.path).root.is_dir()
            self._save(item, Sending.FAILED if reachable else Sending.WAITING, f"{item.path}: {error.strerror}.")
            return
        item = replace(item, sop_instance_uid=meta.sop_instance_uid, state=Sending.SENDING, tries=item.tries + 1, reason="")
        self._transmissions.save(item, self._clock.seconds())
        self._settle(item, self._sender.send(destination, item.study, path))

    def _settle(self, item: Transmission, outcome: Outcome) -> None:
        """Journal how a send ended, and leave a destination alone that does not answer."""
        if outcome.result is Result.DOUBT:
            self._doubt(item, outcome.reason)
        else:
            self._save(item, _AFTER[outcome.result], outcome.reason)
        if outcome.result in (Result.UNREACHABLE, Result.BROKEN, Result.DOUBT):
            down = self._down.setdefault(item.destination, _Down(Backoff(self._random, first=2.0, last=60.0)))
            down.until = self._clock.monotonic() + down.backoff.next()
            down.reason = outcome.reason
            log.warning("%s: %s", item.destination, outcome.reason)
        else:
            self._down.pop(item.destination, None)

    def _doubt(self, item: Transmission, why: str) -> None:
        """Count a send whose answer was not seen: it is sent once more, marked as a repeat, and then not again."""
        doubts = item.doubts + 1
        last = doubts >= DOUBTS
        reason = f"Sent {doubts} times without an answer being seen; {why}" if last else f"It may have arrived; {why}"
        self._save(replace(item, doubts=doubts), Sending.FAILED if last else Sending.WAITING, reason)

    def _save(self, item: Transmission, state: Sending, reason: str) -> None:
        self._transmissions.save(replace(item, state=state, reason=reason), self._clock.seconds())


@dataclass(slots=True)
class _Down:
    """A destination that is left alone until a moment."""

    backoff: Backoff
    until: float = 0.0
    reason: str = ""


_AFTER = {
    Result.SENT: Sending.SENT,
    Result.REFUSED: Sending.WAITING,
    Result.UNREACHABLE: Sending.WAITING,
    Result.BROKEN: Sending.WAITING,
    Result.UNSENDABLE: Sending.FAILED,
}
_REPORTED = {Sending.SENT: "SUCCESS", Sending.WAITING: "WAITING", Sending.FAILED: "FAIL"}


def _result_line(item: Transmission) -> str:
    """Write `entry^image^status^repeat^reason`."""
    reason = "".join(" " if character in "^\r\n" else character for character in item.reason)[:_REASON_LIMIT]
    return f"{item.key}^{_REPORTED[item.state]}^{int(bool(item.doubts))}^{reason}"
