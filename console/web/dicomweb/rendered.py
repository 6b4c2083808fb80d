"""Rendered pictures and thumbnails (PS3.18 10.4.1.1.3, 10.4.1.1.4): what a query asks of them, and the answers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from console.rendering import JPEG, PNG, Rendered, Rendering, Viewport
from console.rendering.wanted import MOST_PIXELS, MOST_SIDE, QUALITY
from console.web.dicomweb.errors import BadAsked, NotAcceptable
from console.web.dicomweb.media_types import MediaType, choose
from taskman.pictures.windows import FUNCTIONS, Window

#: What pictures are made in, that which is given where nothing is said first.
OFFERED = (JPEG, PNG)
#: Query parameters of rendered resources that are read; those of the standard that are not.
READ, UNREAD = frozenset(("accept", "window", "viewport", "quality", "frame")), frozenset(("annotation", "iccprofile", "charset"))
_FUNCTIONS = {name.lower().replace("_", "-"): name for name in FUNCTIONS}
_WHOLE = re.compile(r"[0-9]{1,9}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is asked for, and the names of parameters that were not read."""

    rendering: Rendering
    unread: tuple[str, ...] = ()


def read_picture(query: Mapping[str, str], accepted: list[MediaType], frame: int | None, *, small: bool = False) -> Picture:
    """Read what is asked of a picture; `frame` is that of the path, counted from 1. Raises BadAsked and NotAcceptable."""
    media_type = choose(accepted, OFFERED)
    if not media_type:
        raise NotAcceptable(f"Pictures are made as {' or '.join(OFFERED)}.")
    if frame is None and (told := query.get("frame")):
        frame = _whole("frame", told, 1, 1 << 31)
    number = None if frame is None else frame - 1
    viewport = _viewport(query["viewport"]) if query.get("viewport") else None
    unread = tuple(sorted(set(query) & UNREAD))
    if small:
        return Picture(Rendering.thumbnail(viewport, number, media_type), unread)
    quality = _whole("quality", query["quality"], 1, 100) if query.get("quality") else QUALITY
    window = _window(query["window"]) if query.get("window") else None
    return Picture(Rendering(number, window, viewport, media_type, quality), unread)


def _window(text: str) -> Window:
    """Read `centre,width,function` (PS3.18 8.3.5.1.2)."""
    parts = [part.strip() for part in text.split(",")]
    if not 2 <= len(parts) <= 3:
        raise BadAsked("window is to be centre,width,function.")
    centre, width = _number("window", parts[0]), _number("window", parts[1])
    function = _FUNCTIONS.get(parts[2].lower() if len(parts) > 2 else "linear")
    if function is None:
        raise BadAsked(f"The function of a window is one of {', '.join(_FUNCTIONS)}.")
    if width < 1 if function == "LINEAR" else width <= 0:
        raise BadAsked("The width of a window is above 0, of a linear one at least 1.")
    return Window(centre, width, function)


def _viewport(text: str) -> Viewport:
    """Read `vw,vh` or `vw,vh,sx,sy,sw,sh`, of which the latter may be empty (PS3.18 8.3.5.1.3)."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (2, 6):
        raise BadAsked("viewport is to be width,height or width,height,x,y,width,height.")
    width, height = (_whole("viewport", part, 1, MOST_SIDE) for part in parts[:2])
    if width * height > MOST_PIXELS:
        raise BadAsked(f"viewport has more than {MOST_PIXELS} pixels.")
    left, top, across, down = [_number("viewport", part) if part else None for part in parts[2:]] or (None,) * 4
    if across == 0 or down == 0:
        raise BadAsked("The region of a viewport has a width and a height.")
    return replace(Viewport(width, height, left or 0.0, top or 0.0), source_width=across, source_height=down)


def _whole(name: str, text: str, least: int, most: int) -> int:
    if not _WHOLE.fullmatch(text) or not least <= int(text) <= most:
        raise BadAsked(f"{name} has {text[:20]!r}, which is to be a whole number from {least} to {most}.")
    return int(text)


def _number(name: str, text: str) -> float:
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(number):
        raise BadAsked(f"{name} has {text[:20]!r}, which is to be a number.")
    return number


def headers_of(rendered: Rendered) -> dict[str, str]:
    """Tell of a picture what a viewer needs to go on: its frame and how many there are, the window, and those of the object."""
    told = {"X-Frame": f"{rendered.frame + 1}/{rendered.frames}"}
    if rendered.window is not None:
        told["X-Window"] = _told(rendered.window)
    if rendered.windows:
        told["X-Windows"] = "; ".join(map(_told, rendered.windows))
    return told


def _told(window: Window) -> str:
    return f"{window.centre:.10g},{window.width:.10g},{window.function.lower().replace('_', '-')}"
