"""The broker's own procedures (XWB*)."""

from __future__ import annotations

from rpcs.call import Call
from rpcs.errors import MError, undefined
from rpcs.permission import context_refusal
from rpcs.registry import Access, Answer, Availability, Inactive, Procedure, listed, literal, procedure
from rpcs.session import ContextSet
from xwb import LocalArray, ResultType, m_number


@procedure("XWB IM HERE", access=Access.NOTHING, routine="IMHERE^XWBLIB")
def im_here(_call: Call) -> str:
    """Answer 1, so that a client can keep its session alive."""
    return "1"


@procedure("XWB GET BROKER INFO", returns=ResultType.ARRAY, access=Access.SESSION, routine="BRKRINFO^XWBLIB")
def get_broker_info(call: Call) -> list[str]:
    """Answer the seconds of silence after which the broker closes a session (BROKER ACTIVITY TIMEOUT)."""
    return [str(call.site.settings.broker_timeout)]


@procedure(
    "XWB CREATE CONTEXT",
    access=Access.SESSION,
    routine="CRCONTXT^XWBSEC",
    parameters=(
        literal("OPTION"),
        literal("APPLICATION CODE"),
    ),
)
def create_context(call: Call) -> Answer:
    """Set the session's context to an option, whose name comes enciphered; an empty name takes the context away.

    A refusal stands in the security segment and in the data. Before sign-on any option that exists is taken, and forgotten
    by the next call.
    """
    if not call.arguments:
        raise undefined("CRCONTXT+8^XWBSEC", "OPTION", effects=[ContextSet("")])
    name = call.environment.cipher.decipher(call.text(0).encode("iso-8859-1", "replace")).decode("iso-8859-1")
    if not name:
        return Answer("1", effects=(ContextSet(""),))
    if why := context_refusal(name, call.session, call.site, call.clock.now):
        return Answer(why, security=why, effects=(ContextSet(""),))
    return Answer("1", effects=(ContextSet(name),))


@procedure(
    "XWB RPC LIST", returns=ResultType.ARRAY, access=Access.SESSION, routine="APILIST^XWBFM", parameters=(literal("START"),)
)
def rpc_list(call: Call) -> list[str]:
    """Answer the names of the remote procedures that come after a text, in order."""
    if not call.arguments:
        raise undefined("APILIST+2^XWBFM", "START")
    start = call.text(0)
    return [procedure.name for procedure in call.environment.registry if procedure.name > start]


@procedure(
    "XWB IS RPC AVAILABLE",
    access=Access.SESSION,
    routine="CKRPC^XWBLIB",
    parameters=(
        literal("RPC", 30, required=True),
        literal("RUN CONTEXT", 1),
        literal("VERSION NUMBER", 11),
    ),
    availability=Availability.PUBLIC,
)
def is_rpc_available(call: Call) -> str:
    """Answer 1 when a procedure exists and is active: for use here (L) or from another site (R), in a version or later."""
    return _available(call.environment.registry.get(call.text(0)), call.text(1), call.text(2))


@procedure(
    "XWB ARE RPCS AVAILABLE",
    returns=ResultType.ARRAY,
    access=Access.SESSION,
    routine="CKRPCS^XWBLIB",
    parameters=(
        literal("RUN CONTEXT", 1),
        listed("RPC", 40, required=True),
    ),
    availability=Availability.PUBLIC,
)
def are_rpcs_available(call: Call) -> LocalArray[str]:
    """Answer for each entry `name^version` of a list what XWB IS RPC AVAILABLE answers for one."""
    asked = {subscript: [*(entry or "").split("^"), ""] for subscript, entry in call.list(1).first_level()}
    registry, use = call.environment.registry, call.text(0)
    return LocalArray.from_mapping({key: _available(registry.get(parts[0]), use, parts[1]) for key, parts in asked.items()})


#: The use that a value of INACTIVE (#8994, .06) closes a procedure to.
_CLOSED = {Inactive.LOCAL_INACTIVE: "L", Inactive.REMOTE_INACTIVE: "R"}


def _available(procedure: Procedure | None, use: str, version: str) -> str:
    if procedure is None or procedure.inactive is Inactive.INACTIVE:
        return "0"
    if use and use == _CLOSED.get(procedure.inactive):
        return "0"
    return "0" if use == "R" and procedure.version < m_number(version) else "1"


@procedure(
    "XWB GET VARIABLE VALUE",
    access=Access.NOTHING,
    routine="VARVAL^XWBLIB",
    parameters=(literal("VARIABLE"),),
    availability=Availability.PUBLIC,
)
def get_variable_value(call: Call) -> str:
    """Answer the value that was sent; sent as a reference, a variable's name has been replaced by its value before."""
    return call.text(0, default=None)


@procedure("XUS SEND KEYS", returns=ResultType.ARRAY, access=Access.NOTHING, routine="SENDKEYS^XUSRB")
def send_keys(_call: Call) -> str:
    """Fail as Kernel does, which took the label away: nobody is told the cipher's table any more."""
    raise MError("CAPI+16^XWBPRS, Label referenced but not defined: SENDKEYS,150373794,-%GTM-E-LABELMISSING")
