"""The lane of a destination that is sent whole folders: entries are kept in hand until their folder is complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from gateway_client.transmission.lanes import Lane, Shipment, Track

#: Seconds after the last entry of a folder came: rules judge one image after the other.
SETTLED = 5.0
#: Seconds after which it is looked again whether a folder is complete.
LOOK_AGAIN = 1.0
#: Entries that are in hand, and that are asked for at once; a folder of more goes in parts.
MOST_IN_HAND, ASKED_AT_ONCE = 5_000, 100


@dataclass(eq=False, slots=True)
class FolderLane(Lane):
    """A lane whose runs are folders. `complete` tells whether nothing is added to one any more."""

    complete: Callable[[str], bool] = field(kw_only=True)
    look_at: dict[str, float] = field(default_factory=dict)

    @property
    def has_room(self) -> bool:
        """Tell whether it takes more entries."""
        return self._in_hand < MOST_IN_HAND

    @property
    def wants_track(self) -> bool:
        """Tell whether there is something for one more association."""
        return bool(self._waiting())

    @property
    def _in_hand(self) -> int:
        return sum(len(track.ahead) + len(track.run) for track in self.tracks)

    def ask(self, now: float) -> list[str]:
        """Write what it has room for."""
        self.asked = 0 if self.down(now) else max(0, min(ASKED_AT_ONCE, MOST_IN_HAND - self._in_hand))
        return [f"{self.name}^{self.asked}^"]

    def take(self, shipments: Sequence[Shipment], now: float) -> None:
        """Take entries, whose folders wait for what follows."""
        if self.asked:
            self.more = len(shipments) >= self.asked
        for shipment in shipments:
            self.tracks[0].ahead.append(shipment)
            self.look_at[shipment.unit] = now + SETTLED

    def begin(self, now: float) -> Iterator[tuple[Lane, Track]]:
        """Let every track that has nothing on its way begin a folder, and give them."""
        for track in self.tracks:
            if not track.run and not self.down(now) and (unit := self._ready(now)):
                track.run, track.began = self._take_out(unit), now
                yield self, track

    def take_ahead(self) -> list[Shipment]:
        """Give what was not begun out of the hands."""
        self.look_at.clear()
        return Lane.take_ahead(self)

    def _waiting(self) -> dict[str, None]:
        return dict.fromkeys(shipment.unit for track in self.tracks for shipment in track.ahead)

    def _ready(self, now: float) -> str:
        """Give the first folder that is to be sent now, if any: with full hands any one."""
        waiting = self._waiting()
        for unit in waiting:
            if now < self.look_at.get(unit, 0.0):
                continue
            if self.complete(unit):
                return unit
            self.look_at[unit] = now + LOOK_AGAIN
        return "" if self.has_room else next(iter(waiting), "")

    def _take_out(self, unit: str) -> list[Shipment]:
        run = [shipment for track in self.tracks for shipment in track.ahead if shipment.unit == unit]
        for track in self.tracks:
            track.ahead = [shipment for shipment in track.ahead if shipment.unit != unit]
        self.look_at.pop(unit, None)
        return run
