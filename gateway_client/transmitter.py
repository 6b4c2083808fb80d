"""The transmitter: takes entries of the export queue, sends them, and says what became of each."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol

from gateway_client.backoff import Backoff, Randomness
from gateway_client.broker import Broker
from gateway_client.configuration import Configuration
from gateway_client.errors import BrokerRefused, ModificationError, NotPart10, UnknownShare
from gateway_client.locations import NetworkLocations
from gateway_client.notes import Mark, Notes
from gateway_client.object_file import ObjectFile, Outcome, Result
from gateway_client.patient_name import restore
from gateway_client.scu import Destination, Note
from gateway_client.transmissions import Sending, Transmission, Transmissions
from runtime import Clock
from xwb import SecurityRefused

log = logging.getLogger(__name__)

#: How often an instance goes out without an answer being seen, before a person has to look.
DOUBTS = 2
NOTHING = "-2,"
#: Entries that are taken at once: so many at most, the fewer the longer it takes to send them, in seconds.
FIRST_COUNT, MOST, QUICK, SLOW = 4, 32, 20.0, 60.0
#: Seconds after which what was taken is not begun any more: the broker gives it to another machine when 300 have passed.
TAKEN_FOR = 240.0
#: Lines that an entry has.
_LINES = 13
_REASON_LIMIT = 200
#: Days after which an entry that was put back and never came again is forgotten.
_DAYS_REMEMBERED = 30
_PURGE_EVERY = 3600.0


class Sender(Protocol):
    """Something that sends objects; StorageSCU is one."""

    def send(
        self, destination: Destination, study: str, objects: Sequence[ObjectFile], note: Note, until: float
    ) -> Iterator[tuple[int, Outcome]]:
        """Begin to send objects of a study; gives place and outcome of each as it comes."""

    def close_idle(self) -> None:
        """Let go of what was not used for a while."""


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
    def read(cls, lines: Sequence[str]) -> Entry:
        """Read an entry's lines. Raises BrokerRefused for anything else."""
        first = lines[0] if lines else ""
        if first != "1" or len(lines) < 10 or not (lines[1].isdigit() and lines[2].isdigit()):
            raise BrokerRefused(f"The export queue answers {first!r}.")
        return cls(int(lines[1]), int(lines[2]), lines[3], lines[4], int(lines[6]) if lines[6].isdigit() else 0, lines[9])


def read_entries(lines: Sequence[str]) -> list[Entry]:
    """Read the lines of some entries; there are none when nothing waits. Raises BrokerRefused for any other answer."""
    if lines and lines[0].startswith(NOTHING):
        return []
    return [Entry.read(lines[at : at + _LINES]) for at in range(0, max(1, len(lines)), _LINES)]


@dataclass(frozen=True, slots=True)
class _Shipment:
    """An entry as it is to be sent, or why it cannot be; `until` is the moment after which it is not begun."""

    item: Transmission
    until: float
    destination: Destination | None = None
    object: ObjectFile | None = None

    def close(self) -> None:
        if self.object is not None:
            self.object.close()


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

    The journal says SENDING of some entries before the first of them is sent, and what became of them when the last is;
    in between the notes tell which of them the destination may have. The next ones are asked for while these are sent.
    A destination that cannot be reached is left alone for a while: its entries go back to the queue with the reason, and
    those of other destinations pass.
    """

    def __init__(
        self,
        configuration: Configuration,
        transmissions: Transmissions,
        notes: Notes,
        sender: Sender,
        clock: Clock,
        random: Randomness,
    ) -> None:
        self._configuration = configuration
        self._transmissions = transmissions
        self._notes = notes
        self._sender = sender
        self._clock = clock
        self._random = random
        self._destinations: dict[str, Destination] = {}
        self._locations = NetworkLocations()
        self._down: dict[str, _Down] = {}
        self._ahead: list[_Shipment] = []
        self._under_way: set[str] = set()
        self._one_at_a_time = False
        self._count = FIRST_COUNT
        self._more = False
        self._purged_at = 0.0

    def connected(self, broker: Broker) -> None:
        """Give back what this machine took and does not know; ask for destinations and locations.

        What an earlier run or session left SENDING is sent once more where its destination may have it, or for the first time.
        """
        self.close()
        in_hand = self._transmissions.in_state(Sending.SENDING, Sending.SENT, Sending.WAITING, Sending.FAILED)
        broker.call("MAGB EXPORT REQUEUE", self._configuration.machine, [item.key for item in in_hand])
        self._learn(broker)
        self._one_at_a_time = False
        self._ahead = self._prepared(broker, self._left_behind())

    def close(self) -> None:
        """Let go of what was taken and not begun; the broker is told at the next session."""
        for shipment in self._ahead:
            shipment.close()
        self._ahead = []

    def offline(self) -> None:
        """Release an association that is not used any more."""
        self._sender.close_idle()
        now = self._clock.seconds()
        if now - self._purged_at > _PURGE_EVERY:
            self._purged_at = now
            self._transmissions.purge(now - _DAYS_REMEMBERED * 86400)

    def step(self, broker: Broker) -> bool:
        """Send the next entries; False when none waits, unless the broker has waited for some long enough."""
        began = self._clock.monotonic()
        shipments = self._ahead or self._fetch(broker, self._configuration.poll_seconds)
        self._ahead = []
        if shipments:
            self._send(broker, shipments)
        return bool(shipments) or self._clock.monotonic() - began >= self._configuration.poll_seconds / 2

    def _learn(self, broker: Broker) -> None:
        lines = broker.call("MAGB TRANSMIT DESTINATIONS").lines
        self._destinations = read_destinations(lines, self._configuration.machine)
        self._locations = NetworkLocations.parse(broker.call("MAGB NETWORK LOCATIONS").lines, self._configuration.data)

    def _left_behind(self) -> list[Transmission]:
        """Settle what is SENDING though nothing is sent; give what is to be sent."""
        left = self._transmissions.in_state(Sending.SENDING)
        marks = self._notes.read()
        settled = [self._recalled(item, Mark.HANDED_OVER if marks is None else marks.get(item.key)) for item in left]
        if settled:
            self._transmissions.save(settled, self._clock.seconds())
        return [item for item in settled if item.state is Sending.WAITING]

    def _recalled(self, item: Transmission, mark: Mark | None) -> Transmission:
        if mark is Mark.SENT:
            return replace(item, state=Sending.SENT)
        if mark is Mark.HANDED_OVER:
            return _doubted(item, "the gateway stopped while it was sent")
        return replace(item, state=Sending.WAITING, reason="The gateway stopped before it was sent.")

    # from the queue

    def _fetch(self, broker: Broker, wait: float = 0.0) -> list[_Shipment]:
        """Report what became of entries, and take the next ones; where there are none the broker may wait so many seconds."""
        taken_at = self._clock.monotonic()
        entries = read_entries(self._exchange(broker, wait))
        self._more = len(entries) >= (1 if self._one_at_a_time else self._count)
        items = [
            Transmission(it.entry, it.sequence, it.image, it.application, it.group, it.path)
            for it in entries
            if f"{it.entry}^{it.sequence}" not in self._under_way  # which took so long that the broker gave it again
        ]
        return self._prepared(broker, self._transmissions.known(items), taken_at)

    def _exchange(self, broker: Broker, wait: float) -> Sequence[str]:
        items = self._transmissions.in_state(Sending.SENT, Sending.WAITING, Sending.FAILED)
        if not self._one_at_a_time:
            location, results = [str(self._configuration.location)], [_result_line(item) for item in items]
            try:
                lines = broker.call("MAGB EXPORT NEXT", location, results, str(self._count), f"{wait:g}").lines
            except SecurityRefused as error:
                log.warning("Entries of the export queue are taken one at a time: %s", error)
                self._one_at_a_time = True
            else:
                self._transmissions.reported(items, self._clock.seconds())
                return lines
        return self._exchange_one(broker, items)

    def _exchange_one(self, broker: Broker, items: Sequence[Transmission]) -> Sequence[str]:
        """Do as VistA knows it; what its procedure cannot say, repeats, reasons, what is to be tried again, is told before."""
        plain = [item for item in items if item.state is Sending.SENT and not (item.doubts or item.reason)]
        others = [item for item in items if item not in plain]
        if others:
            broker.call("MAGB EXPORT RESULT", [_result_line(item) for item in others])
            self._transmissions.reported(others, self._clock.seconds())
        sent = [f"{item.key}^SUCCESS" for item in plain]
        lines = broker.call("MAG DICOM GET NEXT QUEUE ENTRY", [str(self._configuration.location)], sent).lines
        self._transmissions.reported(plain, self._clock.seconds())
        return lines

    def _prepared(self, broker: Broker, items: Sequence[Transmission], taken_at: float | None = None) -> list[_Shipment]:
        """Find destinations and open files."""
        if any(item.destination not in self._destinations for item in items):
            self._learn(broker)
        until = (self._clock.monotonic() if taken_at is None else taken_at) + TAKEN_FOR
        return [self._shipment(item, until) for item in items]

    def _shipment(self, item: Transmission, until: float) -> _Shipment:
        destination = self._destinations.get(item.destination)
        if destination is None:
            return _Shipment(_put_back(item, f"{item.destination} is no transmit destination of this site."), until)
        try:
            wants_name = self._configuration.destination(item.destination).restore_patient_name
            one = ObjectFile(self._locations.local_path(item.path), restore if wants_name else None)
        except (UnknownShare, NotPart10, ModificationError) as error:
            return _Shipment(replace(item, state=Sending.FAILED, reason=str(error)), until)
        except OSError as error:
            reachable = self._locations.find(item.path).root.is_dir()
            state = Sending.FAILED if reachable else Sending.WAITING
            return _Shipment(replace(item, state=state, reason=f"{item.path}: {error.strerror}."), until)
        uid, tries = one.meta.sop_instance_uid, item.tries + 1
        sending = replace(item, sop_instance_uid=uid, state=Sending.SENDING, tries=tries, reason="")
        return _Shipment(sending, until, destination, one)

    # to the destinations

    def _send(self, broker: Broker, shipments: Sequence[_Shipment]) -> None:
        """Send entries, and ask for the next ones meanwhile where more wait."""
        began = self._clock.monotonic()
        try:
            self._notes.begin()
            self._save(shipment.item for shipment in shipments)
            self._under_way = {shipment.item.key for shipment in shipments}
            for way, group in groupby((it for it in shipments if it.object is not None), _way):
                self._send_group(broker, way, list(group))
        finally:
            self._under_way = set()
            for shipment in shipments:
                shipment.close()
        took = self._clock.monotonic() - began
        if took < QUICK:
            self._count = min(MOST, 2 * self._count)
        elif took > SLOW:
            self._count = max(1, self._count // 2)

    def _send_group(self, broker: Broker, way: tuple[Destination, str], group: Sequence[_Shipment]) -> None:
        """Send entries of one study to one destination, unless that is left alone."""
        destination, study = way
        items = [shipment.item for shipment in group]
        now = self._clock.monotonic()
        down = self._down.get(destination.name)
        if down is not None and now < down.until:
            self._save(_put_back(item, down.told(now)) for item in items)
            return
        objects = [shipment.object for shipment in group if shipment.object is not None]
        outcomes = self._sender.send(
            destination, study, objects, lambda place, mark: self._notes.add(items[place].key, mark), group[0].until
        )
        try:
            if self._more and not self._ahead:
                self._ahead = self._fetch(broker)
        finally:
            self._settle(destination, items, dict(outcomes))

    def _settle(self, destination: Destination, items: Sequence[Transmission], outcomes: dict[int, Outcome]) -> None:
        """Journal how sending ended, and leave a destination alone that does not answer."""
        lost = next((it.reason for it in outcomes.values() if it.result in _LOST), "")
        if lost:
            down = self._down.setdefault(destination.name, _Down(Backoff(self._random, first=2.0, last=60.0)))
            down.until = self._clock.monotonic() + down.backoff.next()
            down.reason = lost
            log.warning("%s: %s", destination.name, lost)
        else:
            self._down.pop(destination.name, None)
        self._save(self._settled(items[place], outcome) for place, outcome in outcomes.items())

    def _settled(self, item: Transmission, outcome: Outcome) -> Transmission:
        if outcome.result is Result.DOUBT:
            return _doubted(item, outcome.reason)
        down = self._down.get(item.destination)
        if outcome.result is Result.UNSENT and down is not None:
            return _put_back(item, down.told(self._clock.monotonic()))
        return replace(item, state=_AFTER[outcome.result], reason=outcome.reason)

    def _save(self, items: Iterable[Transmission]) -> None:
        self._transmissions.save(items, self._clock.seconds())


def _way(shipment: _Shipment) -> tuple[Destination, str]:
    assert shipment.destination is not None
    return shipment.destination, shipment.item.study


def _put_back(item: Transmission, reason: str) -> Transmission:
    return replace(item, state=Sending.WAITING, reason=reason)


def _doubted(item: Transmission, why: str) -> Transmission:
    """Count a send whose answer was not seen: it is sent once more, marked as a repeat, and then not again."""
    doubts = item.doubts + 1
    last = doubts >= DOUBTS
    reason = f"Sent {doubts} times without an answer being seen; {why}" if last else f"It may have arrived; {why}"
    return replace(item, doubts=doubts, state=Sending.FAILED if last else Sending.WAITING, reason=reason)


@dataclass(slots=True)
class _Down:
    """A destination that is left alone until a moment."""

    backoff: Backoff
    until: float = 0.0
    reason: str = ""

    def told(self, now: float) -> str:
        return f"{self.reason} It is left alone for {self.until - now:.0f} s more."


#: After these nothing more is sent to a destination for a while.
_LOST = (Result.UNREACHABLE, Result.BROKEN, Result.DOUBT)
_AFTER = {
    Result.SENT: Sending.SENT,
    Result.REFUSED: Sending.WAITING,
    Result.UNREACHABLE: Sending.WAITING,
    Result.BROKEN: Sending.WAITING,
    Result.UNSENT: Sending.WAITING,
}
_REPORTED = {Sending.SENT: "SUCCESS", Sending.WAITING: "WAITING", Sending.FAILED: "FAIL"}


def _result_line(item: Transmission) -> str:
    """Write `entry^image^status^repeat^reason`."""
    reason = "".join(" " if character in "^\r\n" else character for character in item.reason)[:_REASON_LIMIT]
    return f"{item.key}^{_REPORTED[item.state]}^{int(bool(item.doubts))}^{reason}"
