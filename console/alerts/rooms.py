"""How full disks are: each is asked on a thread of its own, for a share that is gone may never answer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from rpcs.alerting.finding import Room

#: Seconds between two questions to a disk, and after which one that has not answered counts as gone.
ASKED_EVERY, ANSWERS_WITHIN = 30.0, 60.0
#: Disks that are asked at most.
MOST = 100


def measure(name: str, path: Path) -> Room | None:
    """Ask a disk; None for a directory that is not there. Raises OSError for what cannot be read."""
    try:
        device, status = path.stat().st_dev, os.statvfs(path)
    except FileNotFoundError:
        return None
    used = status.f_blocks - status.f_bfree  # room that is kept for the system's own user counts as none, as in df(1)
    total = (used + status.f_bavail) * status.f_frsize
    return Room(name, status.f_bavail * status.f_frsize, total, device)


@dataclass(slots=True)
class _Asked:
    """A question to a disk: when it was asked, and its answer, if there is one."""

    at: float
    answer: Room | None = None
    answered: bool = False


@dataclass(slots=True)
class Rooms:
    """Asks disks now and then, and gives what they answered last."""

    ask: Callable[[str, Path], Room | None] = measure
    _asked: dict[str, _Asked] = field(default_factory=dict)
    _known: dict[str, Room | None] = field(default_factory=dict)

    def latest(self, places: Iterable[tuple[str, Path]], now: float) -> tuple[Room, ...]:
        """Give what is known of some disks, by their names; those that do not answer say so. It waits for none."""
        wanted = dict(list(places)[:MOST])
        for name in [name for name in self._asked if name not in wanted]:
            del self._asked[name]
            self._known.pop(name, None)
        for name, path in wanted.items():
            self._look(name, path, now)
        return tuple(room for name in wanted if (room := self._known.get(name)) is not None)

    def _look(self, name: str, path: Path, now: float) -> None:
        asked = self._asked.get(name)
        if asked is not None and asked.answered:
            self._known[name] = asked.answer
        elif asked is not None:
            if now - asked.at > ANSWERS_WITHIN:
                self._known[name] = Room(name, answers=False)
            return
        if asked is None or now - asked.at >= ASKED_EVERY:
            question = self._asked[name] = _Asked(now)
            Thread(target=self._answer, args=(question, name, path), name=f"disk {name}", daemon=True).start()

    def _answer(self, question: _Asked, name: str, path: Path) -> None:
        try:
            question.answer = self.ask(name, path)
        except OSError:
            question.answer = Room(name, answers=False)
        question.answered = True
