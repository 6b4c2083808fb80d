"""The groups of commands that are actions and nothing more: which there are, and what each verb is called."""

from __future__ import annotations

from collections.abc import Mapping

import typer

from console.cli.action_verbs import action_app
from console.cli.family_names import FAMILIES


def _entry(noun: str) -> dict[str, str]:
    """Give the verbs that every kind of entry of the site has."""
    return {verb: f"{noun} {verb.upper()}" for verb in ("list", "show", "add", "edit", "remove")}


#: By group, each verb and the action that it is, without MAGB.
GROUPS: Mapping[str, Mapping[str, str]] = {
    "alerts": {verb: f"ALERT {verb.upper()}" for verb in ("list", "acknowledge", "quiet", "test", "notices")},
    "correct": {verb: f"CORRECT {verb.upper()}" for verb in ("list", "candidates", "fix", "delete", "undo")},
    "images": {
        verb: f"IMAGE {verb.upper()}" for verb in ("list", "show", "story", "move", "delete", "reject", "accept", "retract")
    },
    "patients": {verb: f"PATIENT {verb.upper()}" for verb in ("list", "update", "merge")},
    "queues": {verb: f"QUEUE {verb.upper()}" for verb in ("depths", "list", "requeue", "priority", "destination", "purge")}
    | {"flow": "FLOW"},
    "destinations": {**_entry("DESTINATION"), "echo": "DESTINATION ECHO"},
    "locations": {**_entry("LOCATION"), "online": "LOCATION ONLINE", "offline": "LOCATION OFFLINE", "check": "LOCATION CHECK"},
    "places": {verb: name for verb, name in _entry("PLACE").items() if verb != "remove"},
    "institutions": _entry("INSTITUTION"),
    "users": {**_entry("USER"), "codes": "USER CODES", "unlock": "USER UNLOCK"},
    "keys": {"list": "KEY LIST", "grant": "KEY GRANT", "revoke": "KEY REVOKE"},
    "contexts": {**_entry("CONTEXT"), "grant": "CONTEXT GRANT", "revoke": "CONTEXT REVOKE"},
    "sessions": {"list": "SESSION LIST", "history": "SESSION HISTORY", "end": "SESSION END"},
    "addresses": {"list": "ADDRESS LIST", "unlock": "ADDRESS UNLOCK"},
    "settings": {"show": "SITE SHOW", "edit": "SITE EDIT"},
    "tokens": {"make": "TOKEN MAKE", "list": "TOKEN LIST", "end": "TOKEN END"},
}


def __getattr__(name: str) -> typer.Typer:
    """Make the group of a name when it is asked for."""
    if name not in GROUPS:
        raise AttributeError(name)
    return action_app(FAMILIES[name], GROUPS[name])
