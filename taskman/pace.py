"""How fast TaskMan looks, and how long it believes in what gave no sign."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """TaskMan's times in seconds, and the tasks that one worker runs at a time.

    A worker gives a sign each `heartbeat`; after `dead_after` without one its tasks begin again elsewhere. A subject stays
    taken for `lease` after its last renewal. A worker that nobody tells anything looks for what is due each `reconcile`.
    A task whose worker died `deaths` times within `deaths_within` is not begun again: it may be what kills them.
    """

    slots: int = 32
    reconcile: float = 1.0
    heartbeat: float = 2.0
    lease: float = 20.0
    dead_after: float = 15.0
    deaths: int = 5
    deaths_within: float = 600.0
