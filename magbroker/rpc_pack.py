"""Remote procedures of your own: a module that `magbroker broker --rpc-pack MODULE` loads.

Every procedure is a function of a `Call`, declared with `@pack.procedure(NAME, returns=...)` of a `Pack`; the module ends
with `register = pack.register`. An installed package names such a module in entry-point group `magbroker.rpc_packs`.
"""

from rpcs import (
    Access,
    Answer,
    Availability,
    Call,
    Inactive,
    MError,
    Pack,
    Procedure,
    Registry,
    Session,
    listed,
    literal,
    procedure,
)
from xwb import LocalArray, ResultType

__all__ = [
    "Access",
    "Answer",
    "Availability",
    "Call",
    "Inactive",
    "LocalArray",
    "MError",
    "Pack",
    "Procedure",
    "Registry",
    "ResultType",
    "Session",
    "listed",
    "literal",
    "procedure",
]
