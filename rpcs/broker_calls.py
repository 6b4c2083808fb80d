"""The broker's own procedures (XWB*)."""

from __future__ import annotations

from rpcs.call import Call
from rpcs.errors import undefined
from rpcs.permission import option_refusal
from rpcs.registry import Access, Answer, procedure
from rpcs.session import ContextSet
from xwb import ResultType


@procedure("XWB IM HERE", access=Access.NOTHING, routine="IMHERE^XWBLIB")
def im_here(_call: Call) -> str:
    """Answer 1, so that a client can keep its session alive."""
    return "1"


@procedure("XWB GET BROKER INFO", returns=ResultType.ARRAY, access=Access.SESSION, routine="BRKRINFO^XWBLIB")
def get_broker_info(call: Call) -> list[str]:
    """Answer the seconds of silence after which the broker closes a session (BROKER ACTIVITY TIMEOUT)."""
    return [str(call.site.settings.broker_timeout)]


@procedure("XWB CREATE CONTEXT", access=Access.SESSION, routine="CRCONTXT^XWBSEC", parameters=("OPTION", "APPLICATION CODE"))
def create_context(call: Call) -> Answer:
    """Set the session's context to an option, whose name comes enciphered; an empty name takes the context away.

    A refusal stands in the security segment and in the data. Before sign-on any option that exists is taken, and forgotten
    by the next call.
    """
    if not call.arguments:
        raise undefined("CRCONTXT+8^XWBSEC", "OPTION")
    name = call.environment.cipher.decipher(call.text(0).encode("iso-8859-1", "replace")).decode("iso-8859-1")
    if not name:
        return Answer("1", effects=(ContextSet(""),))
    if why := option_refusal(name, call.session, call.site):
        return Answer(why, security=why, effects=(ContextSet(""),))
    return Answer("1", effects=(ContextSet(name),))
