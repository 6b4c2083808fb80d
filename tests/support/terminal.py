"""`magbroker` in this process, as a person types it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from console.cli.main import main


@dataclass(frozen=True)
class Said:
    """What a command wrote, and what it ended with."""

    out: str
    err: str
    status: int

    @property
    def words(self) -> str:
        """Both outputs, in one line."""
        return " ".join(f"{self.out} {self.err}".split())

    @property
    def lines(self) -> list[Any]:
        """The lines of JSON that it wrote."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Terminal:
    """Runs commands one after another."""

    monkeypatch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]

    def run(self, *words: object) -> Said:
        """Run a command; give what it said."""
        self.monkeypatch.setattr("sys.argv", ["magbroker", *map(str, words)])
        self.capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        written = self.capture.readouterr()
        return Said(written.out, written.err, int(str(ended.value.code)))
