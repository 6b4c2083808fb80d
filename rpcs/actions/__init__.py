"""Administrative actions: one function each, with the key that it takes; procedures and commands call the same."""

from rpcs.actions import archive, audit, correct, exports, rules, task_schedule, tasks, worklist
from rpcs.actions.action import ACTIONS, DRY_RUN, Act, Action, Caller, answer_of, carry_out, perform
from rpcs.actions.errors import ActionError, BadRequest, NotAllowed, NotFound, RefusedAction

#: The modules whose actions are to be known.
FAMILIES = (archive, audit, correct, exports, rules, task_schedule, tasks, worklist)

__all__ = [
    "ACTIONS",
    "DRY_RUN",
    "FAMILIES",
    "Act",
    "Action",
    "ActionError",
    "BadRequest",
    "Caller",
    "NotAllowed",
    "NotFound",
    "RefusedAction",
    "answer_of",
    "carry_out",
    "perform",
]
