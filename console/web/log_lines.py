"""The newest lines of this process's log, for those who listen to it."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

#: Lines that wait to be taken; older ones go.
MOST_LINES = 500
#: Characters of a line.
LINE_LIMIT = 2000


class LogLines(logging.Handler):
    """Keeps lines until they are taken, whichever thread logs."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[dict[str, Any]] = deque(maxlen=MOST_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        try:
            text = record.getMessage()[:LINE_LIMIT]
        except Exception:
            self.handleError(record)
            return
        self._lines.append({"at": record.created, "level": record.levelname, "logger": record.name, "text": text})

    def take(self) -> list[dict[str, Any]]:
        """Give the lines that came since this was called last."""
        taken = []
        while self._lines:
            taken.append(self._lines.popleft())
        return taken
