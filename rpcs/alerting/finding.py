"""What a look finds, and what it looks with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from runtime import AlertSettings

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """A condition that is there now: of which kind, what it is about, in words; `hold` is for how many seconds it has to last."""

    kind: str
    subject: str
    text: str
    hold: float = 0.0

    @property
    def key(self) -> Key:
        """What it is about."""
        return self.kind, self.subject


@dataclass(frozen=True, slots=True)
class Room:
    """How full a file system is: in bytes, or that it does not answer. `device` tells one from another."""

    name: str
    free: int = 0
    total: int = 0
    device: int = 0
    answers: bool = True

    @property
    def percent(self) -> float:
        """The share that is free, of what can be used."""
        return 100.0 * self.free / self.total if self.total else 100.0


@dataclass(frozen=True, slots=True)
class Look:
    """What conditions are looked for with: a connection, the time, the limits, and what is open already.

    `rooms` are the disks of this machine as they were measured last, whose name is `host`.
    """

    connection: Connection
    now: float
    limits: AlertSettings
    open: Mapping[Key, float]
    rooms: tuple[Room, ...] = ()
    host: str = ""


def lasting(seconds: float) -> str:
    """Write how long something lasts, for people."""
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {name}s"
    return f"{max(seconds, 0):.0f} seconds"
