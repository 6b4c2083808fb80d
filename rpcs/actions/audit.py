"""What auditors look at: who did which administrative action, when, what it changed, and what was refused to whom."""

from __future__ import annotations

from typing import Any

from tzlocal import get_localzone

from fileman import AuditWanted, list_audit
from rpcs.actions.action import ACTIONS, Act, action
from rpcs.actions.errors import KINDS, BadRequest
from rpcs.actions.rules import KEY, MOST_IEN
from taskman.asked_time import read_time

#: Actions that one call lists.
MOST_LISTED = 500
OUTCOMES = ("done", *KINDS)


@action("MAGB AUDIT LIST", key=KEY)
def audit_list(act: Act) -> dict[str, Any]:
    """List actions that were asked for and change something, the newest first, LIMIT at most, older than number BEFORE.

    USER (whole name), ACTION (procedure), SUBJECT (whole, as `destination ARCHIVE`), OUTCOME, SINCE and UNTIL say which.
    OUTCOME is done, refused, key, missing or usage. Of each: who, how and from where, what was asked, what it changed, why it
    was refused. `next` is what to give as BEFORE for the next page, and null on the last.
    """
    outcome = act.text("OUTCOME")
    if outcome not in ("", *OUTCOMES):
        raise BadRequest(f"OUTCOME is one of {', '.join(OUTCOMES)}, not {outcome[:20]!r}.")
    most = act.integer("LIMIT", 100, MOST_LISTED)
    wanted = AuditWanted(
        act.text("USER"),
        _action(act),
        act.text("SUBJECT"),
        outcome,
        since=_time(act, "SINCE"),
        until=_time(act, "UNTIL"),
        before=act.integer("BEFORE", 1, MOST_IEN) if act.text("BEFORE") else 0,
    )
    found = list_audit(act.connection, wanted, most + 1)
    page = found[:most]
    return {"actions": page, "next": page[-1].ien if len(found) > most else None}


def _action(act: Act) -> str:
    """Give the name of a procedure; its MAGB may be left out. Raises BadRequest for what is no action."""
    asked = act.text("ACTION").upper()
    name = asked if asked in ACTIONS or not asked else f"MAGB {asked}"
    if asked and name not in ACTIONS:
        raise BadRequest(f"There is no action {asked[:60]!r}.")
    return name


def _time(act: Act, name: str) -> float:
    return read_time(act.text(name), act.now, get_localzone()) if act.text(name) else 0.0
