"""What was chosen before, for the Up key: names of options and procedures, in a file that its owner alone reads."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: The file in the data directory, and the lines that it keeps.
FILE, MOST = "shell_history", 1000
_OWNERS = 0o600


@dataclass(frozen=True, slots=True)
class HistoryFile:
    """Lines in a file, the oldest first; where there is no writing it, nothing is kept."""

    path: Path

    def read(self) -> list[str]:
        """Give what was kept."""
        with suppress(OSError, ValueError):
            return self.path.read_text(encoding="utf-8").splitlines()[-MOST:]
        return []

    def add(self, line: str) -> None:
        """Keep a line, unless it is the newest already."""
        lines = self.read()
        if lines[-1:] != [line]:
            with suppress(OSError):
                self._write([*lines, line][-MOST:])

    def _write(self, lines: list[str]) -> None:
        """Write the file anew and put it in place: nobody else may read it, not for a moment."""
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _OWNERS)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write("".join(f"{one}\n" for one in lines))
        temporary.replace(self.path)
