"""What a person does with the export queue: hold destinations and entries, release them, see what failed.

Everybody who may use the context may look; a change takes the key MAG SYSTEM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rpcs.actions import parameters as takes
from rpcs.actions.action import Act, action
from rpcs.actions.errors import BadRequest, NotFound
from rpcs.actions.rules import KEY
from rpcs.export.holding import (
    MOST_CHANGED,
    MOST_LISTED,
    STATUSES,
    WAITING,
    Changed,
    change_entries,
    held_destinations,
    hold_destination,
    is_destination,
    list_entries,
    release_destination,
    statuses_of,
    transmit_destinations,
)
from rpcs.numbers import subscript
from runtime import other_names

#: Entries that an error names at most.
MOST_NAMED = 10


def _entries(act: Act) -> list[tuple[int, int]]:
    """Read ENTRIES, `entry^image`, parted by commas. Raises BadRequest."""
    keys = []
    for text in filter(None, act.text("ENTRIES").split(",")):
        entry, _, image = text.partition("^")
        keys.append((subscript(entry), subscript(image)))
        if not all(keys[-1]):
            raise BadRequest(f"An entry is written entry^image, not {text[:40]!r}.")
    if len(keys) > MOST_CHANGED:
        raise BadRequest(f"At most {MOST_CHANGED} entries are changed at once.")
    return keys


def _destination(act: Act, entries: list[tuple[int, int]]) -> str:
    """Read DESTINATION; "" where entries are named. Raises BadRequest, and NotFound where there is no such destination."""
    destination = act.text("DESTINATION")
    if bool(destination) == bool(entries):
        raise BadRequest("Either DESTINATION or ENTRIES says what is meant.")
    if destination and not is_destination(act.connection, destination):
        others = other_names(destination, transmit_destinations(act.connection))
        raise NotFound(f"There is no destination {destination[:60]!r}.{others}")
    return destination


def _is_held(act: Act, destination: str) -> bool:
    return any(it.destination == destination for it in held_destinations(act.connection))


def _changed(act: Act, entries: list[tuple[int, int]], statuses: Sequence[str], status: str) -> Changed:
    """Change entries. Raises NotFound where there is none of them."""
    before = statuses_of(act.connection, entries)
    changed = change_entries(act.connection, entries, statuses, status, act.now)
    missing = [left.entry for left in changed.left if not left.status]
    if len(missing) == len(entries):
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        raise NotFound(f"There is no such entry: {', '.join(missing[:MOST_NAMED])}{more}.")
    left = {it.entry for it in changed.left}
    for entry, old in before.items():
        if entry not in left and old != status:
            act.changed(f"export entry {entry}", {"status": old}, {"status": status})
    return changed


@action(
    "MAGB EXPORT HOLD",
    takes.text("DESTINATION", "A transmit destination's name."),
    takes.text("ENTRIES", "Instead of DESTINATION: entries, entry^image, parted by commas."),
    writes=True,
    key=KEY,
)
def export_hold(act: Act) -> Changed:
    """Hold DESTINATION, for which nothing more is sent then, or ENTRIES, `entry^image` parted by commas.

    What is being sent is finished. What waits has status HOLD then, 5000 entries with one call; `more` tells to call again.
    `left` names those of ENTRIES that neither waited nor were held, with their status, empty where there is none.
    """
    entries = _entries(act)
    if destination := _destination(act, entries):
        held = _is_held(act, destination)
        changed = hold_destination(act.connection, destination, act.caller.name, act.now)
        act.changed(f"destination {destination}", {"held": held}, {"held": True, "entries": changed.entries})
        return changed
    return _changed(act, entries, WAITING, "HOLD")


@action(
    "MAGB EXPORT RELEASE",
    takes.text("DESTINATION", "A transmit destination's name."),
    takes.text("ENTRIES", "Instead of DESTINATION: entries, entry^image, parted by commas."),
    takes.flag("FAILED", "Try again what failed for the destination, too."),
    writes=True,
    key=KEY,
)
def export_release(act: Act) -> Changed:
    """Let DESTINATION or ENTRIES go again; with FAILED 1 what failed for the destination is tried again too.

    Of ENTRIES those that are held or failed wait again; `left` names the others with their status, empty where there is none.
    5000 entries with one call; `more` tells to call again.
    """
    entries = _entries(act)
    if destination := _destination(act, entries):
        held = _is_held(act, destination)
        changed = release_destination(act.connection, destination, act.now, failed=act.flag("FAILED"))
        act.changed(f"destination {destination}", {"held": held}, {"held": False, "entries": changed.entries})
        return changed
    return _changed(act, entries, ("HOLD", "FAIL"), "WAITING")


@action(
    "MAGB EXPORT LIST",
    takes.choice("STATUS", "Entries in this status.", STATUSES, default="FAIL"),
    takes.limit(MOST_LISTED),
    lists={
        "held": ("destination", "held_by", "held_at"),
        "entries": ("entry", "destination", "image", "reason"),
    },
)
def export_list(act: Act) -> dict[str, Any]:
    """List the destinations that are held, and entries in STATUS, FAIL if not told, with their reasons; LIMIT at most."""
    found = list_entries(act.connection, act.text("STATUS"), act.number("LIMIT"))
    return {"held": held_destinations(act.connection), "entries": found}
