"""The log as it is written: the page listens to the feed, which sends lines to those who hold the key."""

from __future__ import annotations

from console.web.feed import KINDS
from console.web.pages.frame import Frame, Route
from console.web.pages.visitor import Ask
from rpcs.actions import NotAllowed


async def logs_page(frame: Frame, ask: Ask) -> str:
    """Show an empty log, which fills as lines come."""
    key = KINDS["log"]
    if not ask.visitor.caller.holds(key):
        raise NotAllowed(f"{ask.visitor.caller.name} needs the security key {key} to read the log.")
    return frame.page("logs.html", ask)


ROUTES = (Route("/logs", logs_page),)
