"""Lanes, one for each destination: what was taken for it and what is being sent to it, so that none holds up another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from gateway_client.backoff import Backoff
from gateway_client.transmission.consignment import Destination
from gateway_client.transmission.limits import Limits
from gateway_client.transmission.object_file import ObjectFile, sentence
from gateway_client.transmission.transmissions import Transmission
from runtime import DestinationSettings

#: Entries that are taken at once: so many at most, the fewer the longer it takes to send them, in seconds.
FIRST_COUNT, MOST, QUICK, SLOW = 4, 32, 20.0, 60.0
#: Seconds for which a destination that did not take a further association is not asked for one again.
ALONE_FOR = 600.0


@dataclass(frozen=True, slots=True)
class Shipment:
    """An entry as it is to be sent; `until` is the moment after which it is not begun, `unit` the folder that it goes with."""

    item: Transmission
    until: float
    destination: Destination
    object: ObjectFile
    unit: str = ""

    @property
    def way(self) -> tuple[Destination, str]:
        """Say what goes over one association."""
        return self.destination, self.unit or self.item.study

    def close(self) -> None:
        """Close the file."""
        self.object.close()


@dataclass(eq=False, slots=True)
class Track:
    """What one association of a lane has to do: entries taken ahead, and the run of one study that is being sent.

    `export` is the export of the entry that was taken last, which goes on before any other.
    """

    further: bool
    ahead: list[Shipment] = field(default_factory=list)
    run: Sequence[Shipment] = ()
    export: int = 0
    count: int = FIRST_COUNT
    began: float = 0.0

    @property
    def active(self) -> bool:
        """Tell whether anything is in its hands."""
        return bool(self.ahead or self.run)

    def add(self, shipment: Shipment) -> None:
        """Take an entry."""
        self.ahead.append(shipment)
        self.export = shipment.item.entry

    def begin(self, now: float) -> Sequence[Shipment]:
        """Let the next run begin: entries of one study, one after the other."""
        way = self.ahead[0].way
        self.run = list(takewhile(lambda shipment: shipment.way == way, self.ahead))
        del self.ahead[: len(self.run)]
        self.began = now
        return self.run

    def take_back(self) -> None:
        """Have a run that could not be written down not begun."""
        self.ahead[:0] = self.run
        self.run = ()

    def end(self, now: float) -> None:
        """Let the run end, and take more entries at once the next time, or fewer, as it was quick or slow."""
        if now - self.began < QUICK:
            self.count = min(MOST, 2 * self.count)
        elif now - self.began > SLOW:
            self.count = max(1, self.count // 2)
        self.run = ()


@dataclass(eq=False, slots=True)
class Lane:
    """The way to one destination, which is left alone until `down_until` when it was not reached; `reason` says why.

    `failures` counts in a row; where the settings have a breaker so many open it, for longer than the back-off would.
    `asked` is how many entries were asked for at last; when so many came, `more` wait.
    """

    name: str
    settings: DestinationSettings
    backoff: Backoff
    tracks: list[Track] = field(default_factory=lambda: [Track(further=False)])
    asked: int = FIRST_COUNT
    more: bool = False
    down_until: float = 0.0
    alone_until: float = 0.0
    failures: int = 0
    reason: str = ""

    def down(self, now: float) -> bool:
        """Tell whether the destination is left alone."""
        return now < self.down_until

    def lost(self, now: float, reason: str) -> None:
        """Leave the destination alone for a while, unless that is so already; then it is tried with one entry."""
        if not self.down(now):
            self.failures += 1
            pause = self.backoff.next()
            if self.settings.breaker and self.failures >= self.settings.breaker:
                pause = max(pause, self.settings.breaker_minutes * 60)
            self.down_until = now + pause
        for track in self.tracks:
            track.count = 1
        self.reason = reason

    def reached(self) -> None:
        """Note that the destination answers."""
        self.down_until, self.failures = 0.0, 0
        self.backoff.reset()

    def told(self, now: float) -> str:
        """Say for how long it is left alone, and why."""
        return f"{sentence(self.reason)} It is left alone for {self.down_until - now:.0f} s more."

    @property
    def has_room(self) -> bool:
        """Tell whether it takes more entries."""
        return not all(track.ahead for track in self.tracks)

    @property
    def wants_track(self) -> bool:
        """Tell whether there is something for one more association."""
        return self.more

    @property
    def held(self) -> int:
        """Count the associations that it needs."""
        return sum(track.active for track in self.tracks)

    def ask(self, now: float) -> list[str]:
        """Write what it has room for."""
        asking = [] if self.down(now) else [track for track in self.tracks if not track.ahead]
        self.asked = sum(track.count for track in asking)
        begun = {} if self.settings.interrupt else {track: track.export for track in asking if track.export}
        return [f"{self.name}^{track.count}^{begun.get(track, '')}" for track in asking] or [f"{self.name}^0"]

    def take(self, shipments: Sequence[Shipment], _now: float) -> None:
        """Give entries to the tracks that asked: those of an export to the one that has it, or has the least to do."""
        if self.asked:
            self.more = len(shipments) >= self.asked
        for shipment in shipments:
            same = next((it for it in self.tracks if it.export == shipment.item.entry), None)
            (same or min(self.tracks, key=lambda track: len(track.ahead))).add(shipment)
        for track in self.tracks:
            if not track.active:
                track.export = 0

    def begin(self, now: float) -> Iterator[tuple[Lane, Track]]:
        """Let every track that has nothing on its way begin its next run, and give them."""
        for track in self.tracks:
            if track.ahead and not track.run and not self.down(now):
                track.begin(now)
                yield self, track

    def take_ahead(self) -> list[Shipment]:
        """Give what was not begun out of the hands."""
        shipments = [shipment for track in self.tracks for shipment in track.ahead]
        for track in self.tracks:
            track.ahead = []
        return shipments


class Lanes:
    """All lanes. Entries are asked for by `room`, come by `take`, and go out by `begin`."""

    def __init__(self, limits: Limits, make: Callable[[str], Lane]) -> None:
        self._limits = limits
        self._make = make
        self._lanes: dict[str, Lane] = {}

    def lane(self, name: str) -> Lane:
        """Give the lane of a destination."""
        if name not in self._lanes:
            self._lanes[name] = self._make(name)
        return self._lanes[name]

    @property
    def in_hand(self) -> set[str]:
        """Name the entries that were taken and whose outcome is not known."""
        return {it.item.key for lane in self._lanes.values() for track in lane.tracks for it in (*track.ahead, *track.run)}

    def kept(self, until: float) -> set[str]:
        """Name those that stay in hand for long: what is being sent and would not be begun after `until` any more, and what
        waits until its folder is complete.
        """
        tracks = [(lane.settings.whole_folders, track) for lane in self._lanes.values() for track in lane.tracks]
        waiting = {it.item.key for whole, track in tracks if whole for it in track.ahead}
        return waiting | {it.item.key for whole, track in tracks for it in track.run if whole or it.until <= until}

    @property
    def ahead(self) -> int:
        """Count the entries that were taken and not begun."""
        return sum(len(track.ahead) for lane in self._lanes.values() for track in lane.tracks)

    def wanting(self, now: float) -> bool:
        """Tell whether more waits for a lane that has room."""
        return any(lane.more and not lane.down(now) and lane.has_room for lane in self._lanes.values())

    @property
    def sending(self) -> bool:
        """Tell whether anything is being sent."""
        return any(track.run for lane in self._lanes.values() for track in lane.tracks)

    def room(self, now: float) -> list[str]:
        """Write how many entries each lane takes, `application^count^export`, and how many a new one would."""
        lines = [f"^{FIRST_COUNT}"]
        for lane in self._lanes.values():
            self._open_track(lane, now)
            lines += lane.ask(now)
        return lines

    def _open_track(self, lane: Lane, now: float) -> None:
        """Let another study go beside those that are sent, where more waits and one more association is allowed."""
        lane.tracks[1:] = [track for track in lane.tracks[1:] if track.active]
        elsewhere = (other.held for other in self._lanes.values() if other is not lane)
        if (
            lane.wants_track
            and now >= lane.alone_until
            and lane.held == len(lane.tracks)
            and self._limits.allow(lane.held, elsewhere)
        ):
            lane.tracks.append(Track(further=True))

    def take(self, shipments: Sequence[Shipment], now: float) -> None:
        """Give entries that came, in their order, to the lanes of their destinations."""
        for shipment in shipments:
            self.lane(shipment.destination.name)
        for lane in self._lanes.values():
            lane.take([shipment for shipment in shipments if shipment.destination.name == lane.name], now)

    def begin(self, now: float) -> Iterator[tuple[Lane, Track]]:
        """Let every track that has nothing on its way begin its next run, and give them."""
        for lane in self._lanes.values():
            yield from lane.begin(now)

    def failing(self) -> list[Lane]:
        """Give the lanes whose destinations were not reached last; another thread may ask."""
        return [lane for lane in list(self._lanes.values()) if lane.failures]

    def left_alone(self, now: float) -> Iterator[tuple[Lane, Shipment]]:
        """Give what was taken for destinations that are left alone out of the hands."""
        for lane in self._lanes.values():
            if lane.down(now):
                for shipment in lane.take_ahead():
                    yield lane, shipment

    def let_go(self) -> None:
        """Close and forget what was not begun."""
        for lane in self._lanes.values():
            for shipment in lane.take_ahead():
                shipment.close()
