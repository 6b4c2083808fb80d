"""Every action there is: importing this imports them all."""

from __future__ import annotations

from rpcs.actions import (
    alerts,
    archive,
    audit,
    correct,
    exports,
    faults,
    flow,
    image_changes,
    images,
    patients,
    people,
    places,
    queue_entries,
    reaching,
    rules,
    sessions,
    site,
    status,
    task_schedule,
    tasks,
    tokens,
    worklist,
)
from rpcs.actions.action import ACTIONS

#: The modules whose actions are to be known.
FAMILIES = (
    alerts,
    archive,
    audit,
    correct,
    exports,
    faults,
    flow,
    image_changes,
    images,
    patients,
    people,
    places,
    queue_entries,
    reaching,
    rules,
    sessions,
    site,
    status,
    task_schedule,
    tasks,
    tokens,
    worklist,
)

__all__ = ["ACTIONS", "FAMILIES"]
