"""May this session run this procedure? The checks of CHKPRMIT^XWBSEC and $$CHK^XQCS, in their order."""

from __future__ import annotations

from rpcs.registry import Inactive, Procedure
from rpcs.session import SIGN_ON_CONTEXT, Session
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
NOT_RUN_NOW = frozenset({Inactive.INACTIVE, Inactive.REMOTE_INACTIVE})


def refusal(name: str, procedure: Procedure | None, session: Session, site: SiteData) -> str:
    """Say why the procedure may not run, in VistA's words; empty when it may."""
    if not name:
        return "No RPC sent"
    if procedure is None:
        return f"Remote Procedure '{name}' doesn't exist on the server."
    if procedure.inactive in NOT_RUN_NOW:
        return f"Remote Procedure '{name}' cannot be run at this time."
    if session.programmer or name in ALWAYS_ALLOWED:
        return ""
    context = session.context if session.duz else SIGN_ON_CONTEXT
    if not context or (context == SIGN_ON_CONTEXT and not name.startswith(("XUS", "XWB"))):
        return NO_CONTEXT
    if context != SIGN_ON_CONTEXT and (why := option_refusal(context, session, site)):
        return why
    option = site.options.get(context)
    if option is not None and option.holds(name):
        return ""
    return f"The remote procedure {name} is not registered to the option {context}."


def option_refusal(option_name: str, session: Session, site: SiteData) -> str:
    """Say why the user may not use an option as context; empty when he may."""
    option = site.options.get(option_name)
    if option is None:
        return f"The context '{option_name}' does not exist on server."
    if not session.duz or session.programmer:
        return ""
    if option.out_of_order:
        return f"Option out of order with message: {option.out_of_order}"
    if option.lock and option.lock not in session.keys:
        return f"Option locked, {session.name} does not hold the key."
    if option_name not in site.user_options.get(session.duz, ()):
        return f"User {session.name} does not have access to option {option_name}"
    return ""
