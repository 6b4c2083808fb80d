"""What actions changed, or would change, in words; and a desk at which everything is done for a trial."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from console.tasks.desk import Desk
from rpcs.actions.declarations import declarations
from rpcs.actions.parameters import DRY_RUN

#: Characters of what something was and is that are shown.
_ROOM = 60


@dataclass(frozen=True, slots=True)
class Trial:
    """Hands requests on with the wish that nothing be done, and keeps what would be changed."""

    desk: Desk
    changes: list[Mapping[str, Any]] = field(default_factory=list)

    def ask(self, procedure: str, asked: Mapping[str, str] | None = None) -> Any:
        """Give what the action would give."""
        if not declarations()[procedure].writes:
            return self.desk.ask(procedure, asked)
        told = self.desk.ask(procedure, {**(asked or {}), DRY_RUN: "1"})
        self.changes.extend(told["changes"])
        answer = told["answer"]
        return {**answer, "more": False} if isinstance(answer, dict) and "more" in answer else answer


def change_text(change: Mapping[str, Any]) -> str:
    """Say what became of a thing, shortly: of what it was and is, only that which differs."""
    before, after = change["before"], change["after"]
    if isinstance(before, dict) and isinstance(after, dict):
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        told = ", ".join(f"{name} {_short(before.get(name))} to {_short(after.get(name))}" for name in names)
        return f"{change['subject']}: {told or 'as it was'}"
    if before is None:
        return f"{change['subject']}: {_short(after)}" if after is not None else change["subject"]
    return f"{change['subject']}: gone, was {_short(before)}" if after is None else f"{change['subject']}: {_short(after)}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _ROOM else f"{text[:_ROOM]}..."
