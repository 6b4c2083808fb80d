"""The remote procedures: file #8994 in code, a module per family."""

from rpcs import (
    broker_calls,
    export,
    image_processing,
    magb,
    routing,
    sign_on,
    start_up,
)
from rpcs.call import Argument, Call, Environment
from rpcs.errors import MError, RequestReused, RpcError
from rpcs.permission import refusal
from rpcs.registry import (
    STANDARD,
    Access,
    Answer,
    Inactive,
    Procedure,
    Registry,
    Value,
    procedure,
)
from rpcs.session import (
    ContextSet,
    Delay,
    Effect,
    LockGiven,
    LockTaken,
    Pause,
    Session,
    SignedOn,
    SignOnFailed,
    SignOnPrepared,
    StartTask,
)
from rpcs.sign_on import sign_off
from rpcs.site import SiteCache, SiteData

#: The modules whose procedures make up the standard registry.
FAMILIES = (broker_calls, export, image_processing, magb, routing, sign_on, start_up)

__all__ = [
    "FAMILIES",
    "STANDARD",
    "Access",
    "Answer",
    "Argument",
    "Call",
    "ContextSet",
    "Delay",
    "Effect",
    "Environment",
    "Inactive",
    "LockGiven",
    "LockTaken",
    "MError",
    "Pause",
    "Procedure",
    "Registry",
    "RequestReused",
    "RpcError",
    "Session",
    "SignOnFailed",
    "SignOnPrepared",
    "SignedOn",
    "SiteCache",
    "SiteData",
    "StartTask",
    "Value",
    "procedure",
    "refusal",
    "sign_off",
]
