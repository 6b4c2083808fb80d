"""Why an action is not carried out."""

from __future__ import annotations

from rpcs.errors import RpcError


class ActionError(RpcError):
    """The action was not carried out; nothing is changed. `kind` names why on the wire."""

    kind = "refused"


class RefusedAction(ActionError):
    """Things are not as the action needs them."""


class NotAllowed(ActionError):
    """The user lacks a security key."""

    kind = "key"


class NotFound(ActionError):
    """There is nothing of this name or number."""

    kind = "missing"


class BadRequest(ActionError):
    """What was asked cannot be understood."""

    kind = "usage"


#: By kind, for who reads an answer.
KINDS = {error.kind: error for error in (RefusedAction, NotAllowed, NotFound, BadRequest)}
