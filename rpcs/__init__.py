"""The remote procedures: file #8994 in code, a module per family."""

from rpcs import (
    actions,
    ae_titles,
    broker_calls,
    destinations,
    examples,
    export,
    gateways,
    image_processing,
    look_ups,
    magb,
    routing,
    sign_on,
    tokens,
    users,
    verify_code,
)
from rpcs.call import Argument, Call, Environment, ScratchGlobal
from rpcs.errors import BadProcedure, MError, ProcedureStopped, RequestReused, RpcError, WrongValue, undefined
from rpcs.handling import handle, prepare
from rpcs.icn import full_icn
from rpcs.pack import Pack
from rpcs.permission import refusal
from rpcs.registry import (
    STANDARD,
    Access,
    Answer,
    Inactive,
    PackRegistry,
    Procedure,
    Registry,
    Value,
    procedure,
)
from rpcs.session import (
    ContextSet,
    Delay,
    DivisionSet,
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
from rpcs.sign_on import broker_leaves, broker_lives, close_forgotten, living_brokers, sign_off
from rpcs.site import SiteCache, SiteData
from rpcs.tokens import visitor

#: The modules whose procedures make up the standard registry.
FAMILIES = (
    actions,
    ae_titles,
    broker_calls,
    destinations,
    examples,
    export,
    gateways,
    image_processing,
    look_ups,
    magb,
    routing,
    sign_on,
    tokens,
    users,
    verify_code,
)

__all__ = [
    "FAMILIES",
    "STANDARD",
    "Access",
    "Answer",
    "Argument",
    "BadProcedure",
    "Call",
    "ContextSet",
    "Delay",
    "DivisionSet",
    "Effect",
    "Environment",
    "Inactive",
    "LockGiven",
    "LockTaken",
    "MError",
    "Pack",
    "PackRegistry",
    "Pause",
    "Procedure",
    "ProcedureStopped",
    "Registry",
    "RequestReused",
    "RpcError",
    "ScratchGlobal",
    "Session",
    "SignOnFailed",
    "SignOnPrepared",
    "SignedOn",
    "SiteCache",
    "SiteData",
    "StartTask",
    "Value",
    "WrongValue",
    "broker_leaves",
    "broker_lives",
    "close_forgotten",
    "full_icn",
    "handle",
    "living_brokers",
    "prepare",
    "procedure",
    "refusal",
    "sign_off",
    "undefined",
    "visitor",
]
