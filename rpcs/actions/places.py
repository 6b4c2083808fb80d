"""Network locations put on line and off line."""

from __future__ import annotations

from typing import Any

from rpcs.actions import parameters as takes
from rpcs.actions.action import Act, action
from rpcs.actions.rules import KEY
from rpcs.actions.site import LOCATIONS
from rpcs.routing.destinations import set_online

_IEN = takes.number("IEN", "The network location.", required=True)


@action("MAGB LOCATION ONLINE", _IEN, writes=True, key=KEY)
def location_online(act: Act) -> dict[str, Any]:
    """Put a network location on line: files are written there, copied there and read from there again."""
    return _switch(act, online=True)


@action("MAGB LOCATION OFFLINE", _IEN, writes=True, key=KEY)
def location_offline(act: Act) -> dict[str, Any]:
    """Take a network location off line: what goes there waits, and what lies only there is not to be had."""
    return _switch(act, online=False)


def _switch(act: Act, *, online: bool) -> dict[str, Any]:
    location = LOCATIONS.find_by(act, act.number("IEN"))
    set_online(act.connection, act.clock, location["ien"], online=online)
    act.changed(LOCATIONS.named(location), {"online": location["online"]}, {"online": online})
    return {"ien": location["ien"], "name": location["name"], "online": online}
