"""What a replay remembers of studies: few of them in memory, any number in a temporary file."""

from __future__ import annotations

import json
import sqlite3
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from rules.judging.evaluate import StudyMemory

#: Studies in memory; images of a study mostly come together, so that the file is seldom asked.
IN_MEMORY = 2000


@dataclass(slots=True)
class StudySoFar:
    """A study as far as it was replayed: what each rule set decided of it, and where its images went on either side."""

    memories: list[StudyMemory | None] = field(default_factory=lambda: [None, None])
    sides: tuple[set[str], set[str]] = field(default_factory=lambda: (set(), set()))

    def text(self) -> str:
        """Write it for the file."""
        memories = [None if it is None else _numbers(it) for it in self.memories]
        return json.dumps([memories, *map(sorted, self.sides)])

    @classmethod
    def read(cls, text: str) -> StudySoFar:
        """Read what `text` wrote."""
        memories, left, right = json.loads(text)
        return cls([_memory(it) for it in memories], (set(left), set(right)))


def _numbers(memory: StudyMemory) -> list[list[int] | None]:
    return [sorted(memory.fired), None if memory.decided is None else sorted(memory.decided)]


def _memory(pair: list[Any] | None) -> StudyMemory | None:
    if pair is None:
        return None
    fired, decided = pair
    return StudyMemory(frozenset(fired), None if decided is None else frozenset(decided))


class Ledger:
    """The studies of a replay, by UID."""

    def __init__(self, in_memory: int) -> None:
        self._limit = in_memory
        self._recent: OrderedDict[str, StudySoFar] = OrderedDict()
        self._file = sqlite3.connect("")  # a temporary file of SQLite's own, which is gone when it is closed
        self._file.execute("PRAGMA journal_mode=OFF")
        self._file.execute("CREATE TABLE study (uid TEXT PRIMARY KEY, so_far TEXT NOT NULL) WITHOUT ROWID")
        self._count = 0

    def __len__(self) -> int:
        """Tell how many studies there were."""
        return self._count

    def study(self, uid: str) -> tuple[StudySoFar, bool]:
        """Give what is known of a study, and whether it is new; what the caller changes in it is kept."""
        found = self._recent.get(uid)
        if found is not None:
            self._recent.move_to_end(uid)
            return found, False
        row = self._file.execute("SELECT so_far FROM study WHERE uid = ?", (uid,)).fetchone()
        found = StudySoFar() if row is None else StudySoFar.read(row[0])
        self._count += row is None
        self._recent[uid] = found
        if len(self._recent) > self._limit:
            oldest, so_far = self._recent.popitem(last=False)
            self._file.execute("INSERT OR REPLACE INTO study VALUES (?, ?)", (oldest, so_far.text()))
        return found, row is None

    def close(self) -> None:
        """Forget all."""
        self._recent.clear()
        self._file.close()
