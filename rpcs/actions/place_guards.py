"""What of destinations and network locations is not to be changed while something depends on it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, func, or_, select

from fileman.files import Image, NetworkLocation, SendQueue, TransmitDestination
from rpcs.actions.action import Act
from rpcs.export.holding import has_entries

_UNSENT = ("WAITING", "RETRY", "HOLD", "XMIT")

_OF_NAME = select(func.count()).where(TransmitDestination.name == bindparam("name_"))
_DESTINATION = select(TransmitDestination.name).where(TransmitDestination.ien == bindparam("ien_"))
_LOCATION = select(NetworkLocation.name, NetworkLocation.kind, NetworkLocation.router, NetworkLocation.hash).where(
    NetworkLocation.ien == bindparam("ien_")
)
_LIES_IN = (
    select(Image.ien)
    .where(
        or_(
            *(
                column == bindparam("ien_")
                for column in (
                    Image.location,
                    Image.abstract_location,
                    Image.jukebox_location,
                    Image.big_location,
                    Image.big_jukebox_location,
                )
            )
        )
    )
    .limit(1)
)
_TO_COPY = (
    select(SendQueue.ien)
    .where(SendQueue.destination == bindparam("destination_"), SendQueue.status.in_(["WAITING", "SENDING"]))
    .limit(1)
)

Entry = dict[str, Any]


def unsent(act: Act, entry: Entry) -> str:
    """Say that objects wait for a destination of which there is no other of the name; empty where none do."""
    name = entry["name"]
    if act.connection.execute(_OF_NAME, {"name_": name}).scalar_one() > 1 or not has_entries(act.connection, name, _UNSENT):
        return ""
    return (
        f"Objects wait to be sent to {name}: let them be sent, give them another destination (MAGB QUEUE DESTINATION), or delete"
        " them (MAGB QUEUE PURGE) before."
    )


def renamed_away(act: Act, whole: Entry) -> str:
    """Say that objects wait for a destination under the name that it has; empty where none do, or it keeps its name."""
    name = act.connection.execute(_DESTINATION, {"ien_": whole.get("ien", 0)}).scalar()
    return unsent(act, {"name": name}) if name is not None and name != whole["name"] else ""


def lie_in(act: Act, location: int) -> bool:
    """Tell whether files of images lie in a network location."""
    return act.connection.execute(_LIES_IN, {"ien_": location}).first() is not None


def to_be_copied(act: Act, entry: Entry) -> str:
    """Say that files wait to be copied to a router's location; empty where none do."""
    if act.connection.execute(_TO_COPY, {"destination_": f"{entry['ien']};MAG(2005.2,"}).first() is None:
        return ""
    return (
        f"Files wait to be copied to {entry['name']}: give them another destination (MAGB QUEUE DESTINATION), or delete them"
        " (MAGB QUEUE PURGE) before."
    )


def relied_upon(act: Act, whole: Entry) -> str:
    """Say why a network location is not to become what it would be: files would not be found, or never be copied."""
    row = act.connection.execute(_LOCATION, {"ien_": whole.get("ien", 0)}).first()
    if row is None:
        return ""
    if row.router and not whole.get("router", False) and (why := to_be_copied(act, {"ien": whole["ien"], "name": row.name})):
        return why
    changed = [
        word for word, old, new in (("HASH", row.hash, whole.get("hash", False)), ("KIND", row.kind, whole["kind"])) if old != new
    ]
    if changed and lie_in(act, whole["ien"]):
        return f"Files of images lie in {row.name}, and would not be found: {' and '.join(changed)} cannot be changed."
    return ""
