"""Tokens of the JSON API: whoever may use the context makes, sees and ends his own; the key XUMGR sees and ends everyone's."""

from __future__ import annotations

from typing import Any

from fileman import TokenData, end_token, list_tokens, make_token, read_token
from rpcs.actions import parameters as takes
from rpcs.actions.action import Act, action
from rpcs.actions.errors import BadRequest, NotAllowed, NotFound

#: The key of those who manage people, keys, contexts and what these are allowed.
MANAGER = "XUMGR"
#: Days that a token is good for at most, and unless said otherwise.
MOST_DAYS, DAYS = 400, 90
DAY = 86400.0
#: Characters of a label.
LABEL_LIMIT = 60


@action(
    "MAGB TOKEN MAKE",
    takes.text("LABEL", "What it is for, as you will know it again.", required=True),
    takes.number("DAYS", "For how many days it is good.", default=DAYS, most=MOST_DAYS),
    writes=True,
)
def token_make(act: Act) -> dict[str, Any]:
    """Make a token by which a program acts over the JSON API as you, with your keys as they are then.

    It is told now and never again: only its hash is kept.
    """
    if not act.caller.duz:
        raise BadRequest("A token is a user's: sign on, with --access and --verify or at POST /api/sign-on.")
    until = act.now + act.number("DAYS") * DAY
    label = act.text("LABEL")[:LABEL_LIMIT]
    token, made = make_token(act.connection, act.caller.duz, label, act.caller.address, act.now, until)
    act.changed(_named(made), None, {"label": made.label, "expires_at": made.expires_at})
    return {"token": token, **_told(made)}


@action(
    "MAGB TOKEN LIST",
    takes.flag("ALL", "Everyone's, which needs XUMGR."),
    takes.after(),
    takes.limit(500),
    lists={"entries": ("ien", "name", "label", "made_at", "used_at", "expires_at")},
)
def token_list(act: Act) -> dict[str, Any]:
    """List your tokens, or everyone's: what they are called, when they were made and used, until when they are good."""
    most, everyone = act.number("LIMIT"), act.flag("ALL") or not act.caller.duz
    if everyone and not act.caller.holds(MANAGER):
        raise NotAllowed(f"{act.caller.name} needs the security key {MANAGER} to see the tokens of others.")
    found = list_tokens(act.connection, act.number("AFTER"), most + 1, None if everyone else act.caller.duz)
    page = found[:most]
    return {"entries": [_told(it) for it in page], "next": page[-1].ien if len(found) > most else None}


@action("MAGB TOKEN END", takes.number("IEN", "The token's number.", required=True), writes=True)
def token_end(act: Act) -> dict[str, Any]:
    """Take a token away: from now on it is nobody's."""
    token = read_token(act.connection, act.number("IEN"))
    if token is None:
        raise NotFound(f"There is no token {act.number('IEN')}; MAGB TOKEN LIST shows those there are.")
    if token.duz != act.caller.duz and not act.caller.holds(MANAGER):
        raise NotAllowed(f"Token {token.ien} is another user's; {act.caller.name} needs the security key {MANAGER} to end it.")
    end_token(act.connection, token.ien)
    act.changed(_named(token), {"label": token.label, "expires_at": token.expires_at}, None)
    return _told(token)


def _named(token: TokenData) -> str:
    return f"token {token.ien} of {token.name or token.duz}"


def _told(token: TokenData) -> dict[str, Any]:
    names = ("ien", "duz", "name", "label", "address", "made_at", "expires_at")
    return {**{name: getattr(token, name) for name in names}, "used_at": token.used_at or None}
