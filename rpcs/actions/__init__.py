"""Administrative actions: one function each, with the key that it takes; procedures and commands call the same."""

from rpcs.actions import (
    archive,
    audit,
    correct,
    exports,
    faults,
    image_changes,
    images,
    patients,
    people,
    places,
    queue_entries,
    rules,
    sessions,
    site,
    status,
    task_schedule,
    tasks,
    tokens,
    worklist,
)
from rpcs.actions.action import ACTIONS, Act, Action, Caller, Done, answer_of, carry_out, context_of, perform, told
from rpcs.actions.errors import ActionError, BadRequest, NotAllowed, NotFound, RefusedAction
from rpcs.actions.parameters import DRY_RUN, Kind, Parameter

#: The modules whose actions are to be known.
FAMILIES = (
    archive,
    audit,
    correct,
    exports,
    faults,
    image_changes,
    images,
    patients,
    people,
    places,
    queue_entries,
    rules,
    sessions,
    site,
    status,
    task_schedule,
    tasks,
    tokens,
    worklist,
)

__all__ = [
    "ACTIONS",
    "DRY_RUN",
    "FAMILIES",
    "Act",
    "Action",
    "ActionError",
    "BadRequest",
    "Caller",
    "Done",
    "Kind",
    "NotAllowed",
    "NotFound",
    "Parameter",
    "RefusedAction",
    "answer_of",
    "carry_out",
    "context_of",
    "perform",
    "told",
]
