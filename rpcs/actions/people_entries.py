"""What users and contexts are looked for by, and what is shown of them besides their own fields."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, select

from fileman import to_fileman
from fileman.files import NewPerson, UserOption
from rpcs.actions import parameters as takes
from rpcs.actions.action import Act
from rpcs.actions.entries import Entry, Filter
from rpcs.actions.errors import BadRequest
from rpcs.options import EVERY_RPC
from rpcs.registry import standard
from runtime import other_names

#: Procedures that a warning names.
MOST_NAMED = 10
#: Users of a context that are shown; MAGB USER LIST with CONTEXT pages through all.
MOST_SHOWN = 100

_OF_USER = select(NewPerson.last_sign_on, NewPerson.failed_attempts, NewPerson.access_hash, NewPerson.verify_hash)
_ONE_USER = _OF_USER.where(NewPerson.duz == bindparam("duz_"))
_USERS_OF = (
    select(NewPerson.duz, NewPerson.name)
    .join(UserOption, UserOption.duz == NewPerson.duz)
    .where(UserOption.option == bindparam("name_"))
    .order_by(NewPerson.duz)
    .limit(MOST_SHOWN)
)


def _holds_key(_act: Act, key: str, user: Entry) -> bool:
    return key.upper() in user["keys"]


def _has_context(_act: Act, name: str, user: Entry) -> bool:
    return name in user["contexts"]


def _is_active(act: Act, wanted: str, user: Entry) -> bool:
    """Tell who may sign on from who is disused or terminated; a lock for some minutes does not count."""
    today = float(to_fileman(act.clock.now())[:7])
    gone = user["disuser"] or (user["terminated"] and float(user["terminated"]) <= today)
    return (wanted == "1") is not bool(gone)


USER_FILTERS = (
    Filter(takes.text("KEY", "Only those who hold this security key."), _holds_key),
    Filter(takes.text("CONTEXT", "Only those who may create this context."), _has_context),
    Filter(takes.flag("ACTIVE", "Only those who may sign on; with 0 only those who are disused or terminated."), _is_active),
)


def more_of_user(act: Act, user: Entry) -> Entry:
    """Tell of a user's sign-ons, and whether there are codes; never what they are."""
    row = act.connection.execute(_ONE_USER, {"duz_": user["duz"]}).one()
    codes = {"has_access_code": bool(row.access_hash), "has_verify_code": bool(row.verify_hash)}
    return {"last_sign_on": row.last_sign_on, "failed_attempts": row.failed_attempts, **codes}


#: What MAGB CONTEXT EDIT takes besides fields.
CONTEXT_AMENDS = (
    takes.text("ADD RPCS", "Remote procedures that it is to have besides, parted by commas."),
    takes.text("REMOVE RPCS", "Remote procedures that it is to have no longer, parted by commas."),
)


def more_of_context(act: Act, context: Entry) -> Entry:
    """Tell who may create a context, the first by number."""
    rows = act.connection.execute(_USERS_OF, {"name_": context["name"]}).mappings()
    return {"users": [dict(row) for row in rows]}


def amended_context(act: Act, before: Entry, facts: Entry) -> Entry:
    """Add procedures to a context's and take some away. Raises BadRequest for one that it has, or has not."""
    added, removed = ([it.strip() for it in act.text(name).split(",") if it.strip()] for name in ("ADD RPCS", "REMOVE RPCS"))
    if not added and not removed:
        return facts
    if "rpcs" in facts:
        raise BadRequest("RPCS says all of them: leave out ADD RPCS and REMOVE RPCS, or RPCS.")
    rpcs: list[str] = before["rpcs"]
    for name in removed:
        if name not in rpcs:
            raise BadRequest(f"{before['name']} has no {name[:60]!r}.{other_names(name, rpcs)}")
    if there := [name for name in added if name in rpcs]:
        raise BadRequest(f"{before['name']} has {there[0]} already.")
    keys: dict[str, Any] = facts["rpc_keys"] if "rpc_keys" in facts else before["rpc_keys"]
    left = {name: key for name, key in keys.items() if name not in removed}
    return {**facts, "rpcs": [*(it for it in rpcs if it not in removed), *added], "rpc_keys": left}


def unknown_procedures(_act: Act, before: Entry, facts: Entry) -> str:
    """Say which procedures that a context gains are none of magbroker's, as the loading of a site file does."""
    gained = set(facts.get("rpcs", ())) - {EVERY_RPC, *before.get("rpcs", ())}
    unknown = sorted(name for name in gained if name not in standard())
    more = f" and {len(unknown) - MOST_NAMED} more" if len(unknown) > MOST_NAMED else ""
    told = f"{', '.join(unknown[:MOST_NAMED])}{more}"
    return f"procedures that magbroker does not know stay in the context: {told}" if unknown else ""
