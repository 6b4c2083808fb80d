"""The overview: the road of an image as a live picture, who works on it, how the last minutes went, what needs a person."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from console.web.pages.frame import Frame, Route
from console.web.pages.visitor import Ask
from fileman.files import NetworkLocation


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop on the road as it is drawn: its stage of MAGB FLOW, "" where nothing waits; steps that leave it; where it leads."""

    name: str
    title: str
    about: str
    steps: tuple[str, ...]
    path: str
    passed: str

    def count(self, counts: Mapping[str, int]) -> int:
        """Count what left it, given how often each step was made."""
        return sum(counts.get(step, 0) for step in self.steps)


_SENT = "/queues/entries?queue=EXPORT&status=SUCCESS"
#: The stops, in the order of the road; those that are no part of its main line come last.
STOPS = (
    Stop("SPOOL", "Received", "in a gateway's spool, not filed yet", ("RECEIVE",), "/destinations", "received"),
    Stop("EVAL", "Filed", "waits for its location's rules", ("EVALUATE",), "/queues/entries?queue=EVAL", "evaluated"),
    Stop("EXPORT", "To send", "waits for a DICOM destination", ("SEND",), "/queues/entries?queue=EXPORT", "sent"),
    Stop("", "Delivered", "taken by a destination or copied to a share", ("SEND", "COPY"), _SENT, "delivered"),
    Stop("CORRECT", "To correct", "patient or exam do not fit", ("CORRECT",), "/correct", "corrected"),
    Stop("SEND", "To copy", "waits for a router's share", ("COPY",), "/queues/entries?queue=SEND", "copied"),
    Stop("", "Committed", "a destination vouches for it", ("COMMIT",), _SENT, "committed"),
)
#: Where a person goes to do what is needed.
NEEDS = {
    "ALERT": "/alerts",
    "CORRECT": "/correct",
    "EXPORT": "/queues/entries?queue=EXPORT&status=FAIL",
    "SEND": "/queues/entries?queue=SEND&status=FAILED",
    "EVAL": "/queues/entries?queue=EVAL&status=FAILED",
    "HELD": "/queues/held",
    "MEDIA": "/destinations/media",
    "ARCHIVE": "/destinations/archive",
    "ORPHANS": "/do/status",
    "ERRORS": "/tasks/errors",
}
_LOCATIONS = select(NetworkLocation.name, NetworkLocation.path).where(NetworkLocation.online).order_by(NetworkLocation.ien)


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk by what lies on it: bytes of it, and how many of them are free."""

    name: str
    size: int
    free: int

    @property
    def used(self) -> int:
        """How much of it is used, in percent."""
        return round(100 * (1 - self.free / self.size)) if self.size else 100


def disks(data: Path, locations: Iterable[tuple[str, str]]) -> list[Disk]:
    """Look at the disks of the data directory and of network locations that this machine reaches; one disk is named once."""
    found: dict[tuple[int, int], tuple[list[str], int, int]] = {}
    for name, path in (("data", data), *((name, data / path) for name, path in locations if path)):
        try:
            usage, device = shutil.disk_usage(path), path.stat().st_dev
        except OSError:
            continue
        names, _size, _free = found.setdefault((device, usage.total), ([], usage.total, usage.free))
        names.append(name)
    return [Disk(", ".join(names), size, free) for names, size, free in found.values()]


async def overview_page(frame: Frame, ask: Ask) -> str:
    """Show the overview, or what of it is read anew every few seconds."""
    flow = await frame.run("MAGB FLOW", ask, {})
    data = frame.runner.dispatcher.environment.data

    def look(connection: Connection) -> list[Disk]:
        return disks(data, ((row.name, row.path) for row in connection.execute(_LOCATIONS)))

    found = await frame.runner.scan(look)
    return frame.page(
        "overview_state.html" if ask.partial else "overview.html",
        ask,
        stops=STOPS,
        stages={stage["name"]: stage for stage in flow["stages"]},
        lights=_by_kind(flow["lights"]),
        needs=flow["needs"],
        paths=NEEDS,
        disks=found,
        counts=frame.feed.history.counts,
    )


async def history_page(frame: Frame, ask: Ask) -> str:
    """Give the samples of the last half hour as JSON: a list for each of the charts' lines."""
    frame.runner.check(ask.visitor.caller, "MAGB FLOW")
    ask.request.setHeader("Content-Type", "application/json")
    return frame.json(list(frame.feed.history.samples))


def _by_kind(lights: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    kinds: dict[str, list[Mapping[str, Any]]] = {kind: [] for kind in ("gateway", "broker", "worker", "evaluator")}
    for light in lights:
        kinds[light["kind"]].append(light)
    return kinds


ROUTES = (Route("/", overview_page), Route("/overview/history", history_page))
