"""May this session run this procedure? The checks of CHKPRMIT^XWBSEC and $$CHK^XQCS, in their order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from rpcs.errors import MError
from rpcs.options import OptionData, prohibited
from rpcs.registry import Procedure
from rpcs.session import PROGRAMMER, SIGN_ON_CONTEXT, Session
from rpcs.site import SiteData

#: Procedures that need no context (CHKPRMIT^XWBSEC).
ALWAYS_ALLOWED = frozenset(
    {
        "XWB IM HERE",
        "XWB CREATE CONTEXT",
        "XWB RPC LIST",
        "XWB IS RPC AVAILABLE",
        "XUS GET USER INFO",
        "XUS GET TOKEN",
        "XUS SET VISITOR",
        "XUS IAM BIND USER",
        "XUS CVC",
        "XUS KEY CHECK",
        "XUS BSE TOKEN",
        "XUS KAAJEE GET USER INFO",
        "XUS KAAJEE LOGOUT",
    }
)
NO_CONTEXT = "Application context has not been created!"
Now = Callable[[], datetime]


def refusal(name: str, procedure: Procedure | None, session: Session, site: SiteData, now: Now, *, contexts: bool = True) -> str:
    """Say why the procedure may not run, in VistA's words; empty when it may. Without `contexts` no context is needed."""
    if not name:
        return "No RPC sent"
    if procedure is None:
        return f"Remote Procedure '{name}' doesn't exist on the server."
    if procedure.closed:
        return f"Remote Procedure '{name}' cannot be run at this time."
    if not contexts or name in ALWAYS_ALLOWED or PROGRAMMER in site.keys_of(session.duz):
        return ""
    context = session.context if session.duz else SIGN_ON_CONTEXT
    if not context or (context == SIGN_ON_CONTEXT and not name.startswith(("XUS", "XWB"))):
        return NO_CONTEXT
    option = site.options.get(context)
    if option is None:
        return f"The remote procedure {name} is not registered to the option {context}."
    if why := option_refusal(option, session, site, now):
        return why
    key = option.key_of(name)
    if key is None:
        return f"The remote procedure {name} is not registered to the option {context}."
    return "Remote procedure is locked." if key and key not in site.keys_of(session.duz) else ""


def context_refusal(name: str, session: Session, site: SiteData, now: Now) -> str:
    """Say why an option may not become the session's context (CRCONTXT^XWBSEC); empty when it may.

    Raises MError for a locked one when nobody is signed on, as VistA looks for the user's name.
    """
    option = site.options.get(name)
    if option is None:
        return f"The context '{name}' does not exist on server."
    if PROGRAMMER in site.keys_of(session.duz):
        return ""
    if not session.duz and any(part.lock for part in (option, *option.parts)):
        raise MError("OPT1+6^XQCS, Global variable undefined: ^VA(200,0,0),150372998,-%GTM-E-GVUNDEF", "^VA(200,0,0)")
    if why := option_refusal(option, session, site, now):
        return why
    if name == SIGN_ON_CONTEXT and session.duz:
        return access_refusal(option, session, site)
    return ""


def option_refusal(option: OptionData, session: Session, site: SiteData, now: Now) -> str:
    """Say why the user may not use an option now: it, or a broker option below it, is closed, or it is not his."""
    held = site.keys_of(session.duz)
    for part in (option, *option.parts):
        if part.out_of_order:
            return f"Option out of order with message: {part.out_of_order}."
        if part.lock and part.lock not in held:
            return f"Option locked, {session.name} does not hold the key."
        if part.reverse_lock and part.reverse_lock in held:
            return f"Reverse lock, {session.name} holds the key."
        if part.prohibited_times and prohibited(part.prohibited_times, now()):
            return "This option is time restricted."
    return "" if option.name == SIGN_ON_CONTEXT else access_refusal(option, session, site)


def access_refusal(option: OptionData, session: Session, site: SiteData) -> str:
    """Say when neither the user's menus nor the common one hold an option (USER^XQCS)."""
    if not session.duz or option.name in site.user_options.get(session.duz, ()) or option.name in site.common_options:
        return ""
    return f"User {session.name} does not have access to option {option.name}"
