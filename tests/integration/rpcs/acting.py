"""Carries actions out as a person who holds the key would, without a broker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from fileman import Store
from fileman.files import File, ImageEvent
from rpcs.actions import ACTIONS, Act, Caller, carry_out
from rpcs.actions.rules import KEY
from runtime import Clock, SystemClock

WHO = Caller(2, "MANAGER,MAY", frozenset({KEY}), via="RPC")


@dataclass(frozen=True)
class Person:
    """Who acts on a database."""

    store: Store
    clock: Clock = field(default_factory=SystemClock)

    def do(self, name: str, /, **asked: object) -> Any:
        """Carry an action out, `MAGB` left out; names are written as Python has them. Raises ActionError."""
        request = {key.upper().replace("_", " "): str(value) for key, value in asked.items()}
        act = ACTIONS[f"MAGB {name}"]
        return self.store.transact(lambda it: carry_out(act, Act(it, WHO, self.clock, request))).given

    def rows(self, file: type[File]) -> list[dict[str, Any]]:
        """Read a file, by its keys."""
        table: Any = file.__table__
        found = self.store.read(lambda it: it.execute(select(table).order_by(*table.primary_key)).mappings().all())
        return [dict(row) for row in found]

    def row(self, file: type[File], **where: object) -> dict[str, Any]:
        """Read the one row that has some values."""
        (row,) = (it for it in self.rows(file) if where.items() <= it.items())
        return row

    def stories(self, stage: str) -> list[tuple[int | None, str, str, str]]:
        """Give what a stage told of images: image, by whom, outcome, detail."""
        events = (row for row in self.rows(ImageEvent) if row["stage"] == stage)
        return [(row["image"], row["peer"], row["outcome"], row["detail"]) for row in events]
