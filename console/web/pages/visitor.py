"""Who looks at a page, what he asks of it, and in which zone his clock goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tzlocal import get_localzone

from console.web.bodies import header
from rpcs.actions import Caller

#: The cookie in which the page tells the browser's zone, and characters of a zone's name.
ZONE_COOKIE, ZONE_LIMIT = b"magbroker_zone", 60


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody signed on, in front of a page. `proof` goes along with every change that he asks for."""

    caller: Caller
    proof: str
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for a page. `values` is what its address and its form give; of several of a name all, parted by commas."""

    request: Any
    visitor: Visitor
    values: dict[str, str] = field(default_factory=dict)

    @property
    def partial(self) -> bool:
        """Whether a part of a page is wanted, to be put into one that is shown."""
        return header(self.request, b"hx-request") == "true" and header(self.request, b"hx-boosted") != "true"

    @property
    def path(self) -> str:
        """The path that is asked for."""
        return str(self.request.path.decode("utf-8", "replace"))

    @property
    def posted(self) -> bool:
        """Whether something is to be done."""
        return bool(self.request.method == b"POST")

    @property
    def now(self) -> datetime:
        """The time on the visitor's clock."""
        return datetime.now(self.visitor.zone)


@dataclass(frozen=True, slots=True)
class Redirect:
    """Another page is to be asked for instead."""

    path: str


def zone_of(request: Any) -> ZoneInfo:
    """Give the browser's zone, which a cookie tells; this machine's until it is known."""
    told = unquote((request.getCookie(ZONE_COOKIE) or b"").decode("ascii", "replace")[:ZONE_LIMIT])
    try:
        return ZoneInfo(told) if told else get_localzone()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return get_localzone()


def values_of(request: Any) -> dict[str, str]:
    """Give what address and form say: names and texts; several texts of a name are parted by commas."""
    return {
        name.decode("utf-8", "replace"): ",".join(text for value in values if (text := value.decode("utf-8", "replace")))
        for name, values in request.args.items()
    }


def local_path(path: str) -> str:
    """Give a path of this console as it is, and the overview for anything that would lead elsewhere."""
    fine = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return quote(path, safe="/?&=%:,+-_.~^") if fine else "/"
