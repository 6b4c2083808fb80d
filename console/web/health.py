"""Whether a broker would answer: its database, TaskMan, and room on the disk of its data directory."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import literal, select

from console.web.errors import Away
from console.web.runner import Runner

#: Bytes that are to be free; below that the broker cannot be relied on to write.
ROOM = 64 * 1024**2

_NOTHING = select(literal(1))


@dataclass(frozen=True, slots=True)
class Health:
    """Looks at what an answer needs."""

    runner: Runner
    data: Path

    async def look(self) -> dict[str, Any]:
        """Tell of each thing whether it is well, and of all: `{"ready", "checks": {name: ""}}`, with words where it is not."""
        checks = {"database": await self._database(), "taskman": self._taskman(), "disk": self._disk()}
        return {"ready": not any(checks.values()), "checks": checks}

    async def _database(self) -> str:
        try:
            await self.runner.scan(lambda connection: connection.execute(_NOTHING).scalar())
        except Away as error:
            return str(error)
        return ""

    def _taskman(self) -> str:
        return "" if self.runner.dispatcher.environment.engine_accepts() else "TaskMan takes no tasks now."

    def _disk(self) -> str:
        try:
            free = shutil.disk_usage(self.data).free
        except OSError as error:
            return f"{self.data}: {error.strerror}"
        return "" if free >= ROOM else f"{self.data} has {free // 1024**2} MiB free; {ROOM // 1024**2} are needed."
