"""What auditors look at: who did which administrative action, when, what it changed, and what was refused to whom."""

from __future__ import annotations

from typing import Any

from fileman import AuditWanted, list_audit
from rpcs.actions import parameters as takes
from rpcs.actions.action import ACTIONS, Act, action
from rpcs.actions.errors import KINDS, BadRequest
from rpcs.actions.rules import KEY

#: Actions that one call lists.
MOST_LISTED = 500
OUTCOMES = ("done", *KINDS)
#: What is written down that no action is: who looked for images over DICOMweb, at which, and who stored some.
OVER_DICOMWEB = ("DICOMWEB QUERY", "DICOMWEB RETRIEVE", "DICOMWEB RENDER", "DICOMWEB STORE")


@action(
    "MAGB AUDIT LIST",
    takes.text("USER", "Who did it, by the whole name."),
    takes.text("ACTION", "What was done, as EXPORT HOLD."),
    takes.text("SUBJECT", "What was changed, as 'destination ARCHIVE'."),
    takes.choice("OUTCOME", "What came of it.", OUTCOMES),
    takes.time("SINCE", "Not before this time."),
    takes.time("UNTIL", "Before this time."),
    takes.number("BEFORE", "Older than the action of this number, for the next page."),
    takes.limit(MOST_LISTED),
    key=KEY,
    lists={"actions": ("ien", "at", "name", "action", "outcome", "reason")},
)
def audit_list(act: Act) -> dict[str, Any]:
    """List actions that were asked for and change something, the newest first, LIMIT at most, older than number BEFORE.

    USER (whole name), ACTION (procedure), SUBJECT (whole, as `destination ARCHIVE`), OUTCOME, SINCE and UNTIL say which.
    OUTCOME is done, refused, key, missing or usage. Of each: who, how and from where, what was asked, what it changed, why it
    was refused. `next` is what to give as BEFORE for the next page, and null on the last.
    """
    most = act.number("LIMIT")
    wanted = AuditWanted(
        act.text("USER"),
        _action(act),
        act.text("SUBJECT"),
        act.text("OUTCOME"),
        since=act.time("SINCE"),
        until=act.time("UNTIL"),
        before=act.number("BEFORE"),
    )
    found = list_audit(act.connection, wanted, most + 1)
    page = found[:most]
    return {"actions": page, "next": page[-1].ien if len(found) > most else None}


def _action(act: Act) -> str:
    """Give the name of a procedure; its MAGB may be left out. Raises BadRequest for what is no action."""
    asked = act.text("ACTION").upper()
    name = asked if asked in ACTIONS or asked in OVER_DICOMWEB or not asked else f"MAGB {asked}"
    if asked and name not in ACTIONS and name not in OVER_DICOMWEB:
        raise BadRequest(f"There is no action {asked[:60]!r}.")
    return name
