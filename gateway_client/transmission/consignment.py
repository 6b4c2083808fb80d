"""What is sent at a time: objects of one study for a destination, and what is said of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from dul import Exchange
from gateway_client.transmission.notes import Mark
from gateway_client.transmission.object_file import TAKEN, ObjectFile, Outcome, Result

#: Coercion of data elements, elements discarded, data set does not match the SOP class (PS3.4 B.2.3).
STORAGE_WARNINGS = (0xB000, 0xB006, 0xB007)


@dataclass(frozen=True, slots=True)
class Destination:
    """One entry of DICOM TRANSMIT DESTINATION (#2006.587)."""

    name: str
    ae_title: str
    host: str
    port: int
    gateway: str = ""


Note = Callable[[int, Mark], None]
"""Marks an object by its place, in the reactor's thread; of what is SENT the outcome is there. OSError ends the association."""
Heard = Callable[[int, Outcome], None]
"""Hears how an object ended, by its place, in the reactor's thread."""


def _unheard(_place: int, _outcome: Outcome) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Wish:
    """How objects go to a peer that a C-MOVE or C-GET of its own, or of another, asked for.

    `originator` is the AE title that asked for a C-MOVE, and its message id. Objects go in one of the transfer `syntaxes` where
    their own is not accepted; where they do not go `as_stored` it is not offered. They go `over` the association that asked,
    which is left as it is, or over one of ours. `heard` hears of each as it ends.
    """

    syntaxes: Sequence[str]
    originator: tuple[str, int] | None = None
    priority: int = 0
    as_stored: bool = True
    over: Exchange | None = None
    heard: Heard = _unheard


@dataclass(eq=False, slots=True)
class Consignment:
    """Objects of one study for a destination, which are closed in the end; none is begun after `until`, by `monotonic`.

    `study` is any name of their study. `further` is one that goes beside others of its destination: its association is given
    up early where the destination does not take it. `warnings` are statuses with which an object counts as sent. The places in
    `doubtful` are those of objects that are sent though the destination may say that it has them. A `whole` one goes over one
    association, one object after the other, and is broken off by the first that is not taken. `ended` is called in the
    reactor's thread when `outcomes` says how each object ended, by its place, or when there was a `fault`. One that is
    transcoded takes the place of the other in `objects`. Without a `wish` they go as the destination's settings say.
    """

    destination: Destination
    study: str
    objects: list[ObjectFile]
    note: Note
    ended: Callable[[Consignment], None]
    until: float = math.inf
    further: bool = False
    warnings: Collection[int] = STORAGE_WARNINGS
    doubtful: Collection[int] = ()
    whole: bool = False
    wish: Wish | None = None
    broken_off: bool = False
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    fault: Exception | None = None

    def all_outcomes(self) -> Iterator[tuple[int, Outcome]]:
        """Give place and outcome of every object that ended; after a fault of the others too.

        The first that was not begun then is the one whose turn it was, which the fault may come from.
        """
        yield from self.outcomes.items()
        left = [place for place in range(len(self.objects)) if self.fault is not None and place not in self.outcomes]
        unbegun = [place for place in left if not self.objects[place].begun]
        for place in left:
            if self.objects[place].handed_over:
                yield place, Outcome(Result.DOUBT, f"No answer was seen: {self.fault!r}.")
            elif place in unbegun[1:]:
                yield place, Outcome(Result.UNSENT, f"A fault with another: {self.fault!r}.")
            else:
                yield place, Outcome(Result.FAULT, f"A fault: {self.fault!r}.")

    def tell(self, place: int, outcome: Outcome) -> None:
        """Say how an object ended."""
        one = self.objects[place]
        one.close()
        if outcome.result is Result.SENT:
            outcome = replace(outcome, reason=" ".join(filter(None, (outcome.reason, one.told))))
        self.outcomes[place] = outcome
        if outcome.result is Result.SENT:
            self.note(place, Mark.SENT)
        if self.wish is not None:
            self.wish.heard(place, outcome)
        self.broken_off |= self.whole and outcome.result not in TAKEN
