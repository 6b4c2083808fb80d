"""What a picture is to show and what was made, as values, and as the lines that a process that renders reads and writes."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from console.rendering.errors import NoSuchFrame, NotShown
from taskman.pictures.windows import Window

JPEG, PNG = "image/jpeg", "image/png"
#: Pixels of one side of a viewport, and of all of it.
MOST_SIDE, MOST_PIXELS = 8192, 16 << 20
#: Of 100: a picture to read, and one to recognise.
QUALITY, THUMBNAIL_QUALITY = 90, 75
#: Pixels of the longer side of a thumbnail, unless it is told.
THUMBNAIL_SIDE = 128


@dataclass(frozen=True, slots=True)
class Viewport:
    """Into what a picture is fitted, its sides in proportion, and which part of the frame it shows (PS3.18 8.3.5.1.3).

    Without a `source_width` or `source_height` that is all up to the right or lower edge; one below 0 turns the part round.
    """

    width: int
    height: int
    left: float = 0.0
    top: float = 0.0
    source_width: float | None = None
    source_height: float | None = None


@dataclass(frozen=True, slots=True)
class Rendering:
    """What is wanted of an object: a frame by its number from 0, None for the one that stands for it; without a viewport all.

    With `placeholder` what cannot be shown gets a picture that says so.
    """

    frame: int | None = None
    window: Window | None = None
    viewport: Viewport | None = None
    media_type: str = JPEG
    quality: int = QUALITY
    placeholder: bool = False

    @classmethod
    def thumbnail(cls, viewport: Viewport | None = None, frame: int | None = None, media_type: str = JPEG) -> Rendering:
        """Want a small picture."""
        return cls(frame, None, viewport or Viewport(THUMBNAIL_SIDE, THUMBNAIL_SIDE), media_type, THUMBNAIL_QUALITY)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A picture: its bytes and size, which frame of how many it shows, counted from 0.

    Of a grey one `window` is what it is shown with, None for a table of the object's own; `windows` are what the object has.
    """

    data: bytes
    media_type: str
    width: int
    height: int
    frame: int
    frames: int
    window: Window | None = None
    windows: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True)
class Decoding:
    """The samples of a frame, by its number from 0, as they are without compression (Explicit VR Little Endian)."""

    frame: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """The samples of a frame, of colours by pixel."""

    data: bytes


def encode_request(path: Path, wanted: Rendering | Decoding) -> bytes:
    """Write a request."""
    return json.dumps([str(path), asdict(wanted)]).encode() + b"\n"


def decode_request(line: bytes) -> tuple[Path, Rendering | Decoding]:
    """Read a request."""
    path, facts = json.loads(line)
    if len(facts) == 1:
        return Path(path), Decoding(**facts)
    window, viewport = facts.pop("window"), facts.pop("viewport")
    rendering = Rendering(**facts, window=window and Window(**window), viewport=viewport and Viewport(**viewport))
    return Path(path), rendering


def encode_answer(rendered: Rendered | Decoded | NotShown) -> bytes:
    """Write an answer: the picture, or why there is none."""
    facts: Mapping[str, Any]
    if isinstance(rendered, NotShown):
        facts = {"problem": str(rendered), "frame": isinstance(rendered, NoSuchFrame)}
    else:
        facts = {**asdict(rendered), "data": b64encode(rendered.data).decode()}
    return json.dumps(facts).encode() + b"\n"


def decode_answer(line: bytes) -> Rendered | Decoded:
    """Read an answer. Raises NotShown."""
    facts = json.loads(line)
    if "problem" in facts:
        raise (NoSuchFrame if facts["frame"] else NotShown)(facts["problem"])
    data = b64decode(facts.pop("data"))
    if not facts:
        return Decoded(data)
    window, windows = facts.pop("window"), facts.pop("windows")
    return Rendered(data, **facts, window=window and Window(**window), windows=tuple(Window(**it) for it in windows))
