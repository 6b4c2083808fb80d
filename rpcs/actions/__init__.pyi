# The public names; see runtime/late_names.py.

from rpcs.actions.action import NOT_TAKEN, Act, Action, Caller, Done, Premises, carry_out, perform, prepare
from rpcs.actions.answers import answer_of, context_of, told
from rpcs.actions.audit import OVER_DICOMWEB
from rpcs.actions.errors import ActionError, BadRequest, NotAllowed, NotFound, RefusedAction
from rpcs.actions.families import ACTIONS, FAMILIES
from rpcs.actions.parameters import DRY_RUN, Kind, Parameter

__all__ = [
    "ACTIONS",
    "DRY_RUN",
    "FAMILIES",
    "NOT_TAKEN",
    "OVER_DICOMWEB",
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
    "Premises",
    "RefusedAction",
    "answer_of",
    "carry_out",
    "context_of",
    "perform",
    "prepare",
    "told",
]
