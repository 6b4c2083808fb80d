"""A frame of an object in a file, as JPEG or PNG."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path

from PIL import Image

from console.rendering.errors import NoSuchFrame, NotShown
from console.rendering.wanted import PNG, Decoded, Decoding, Rendered, Rendering, Viewport
from taskman.pictures.drawing import placeholder
from taskman.pictures.frame import NoFrame, NoPicture, read_samples, read_view

#: How hard PNG tries, of 9: more takes long and gives little.
_EFFORT = 3


def render(path: Path, wanted: Rendering) -> Rendered:
    """Render a frame. Raises NotShown with the reason, NoSuchFrame among them.

    It runs decoders on what a peer sent, which may crash: in a process that may (see Renderer).
    """
    try:
        view = read_view(path, wanted.frame, wanted.window)
        picture = _fitted(Image.fromarray(view.picture), wanted.viewport)
        data = _encoded(picture, wanted)
    except NoFrame as problem:
        raise NoSuchFrame(str(problem)) from problem
    except (NoPicture, NotShown, MemoryError) as problem:
        if wanted.placeholder:
            return _placeholder(wanted)
        raise NotShown(str(problem)) from problem
    return Rendered(data, wanted.media_type, *picture.size, view.frame, view.frames, view.window, view.windows)


def decode(path: Path, wanted: Decoding) -> Decoded:
    """Decode a frame; it runs decoders as `render` does. Raises NotShown with the reason, NoSuchFrame among them."""
    try:
        return Decoded(read_samples(path, wanted.frame))
    except NoFrame as problem:
        raise NoSuchFrame(str(problem)) from problem
    except NoPicture as problem:
        raise NotShown(str(problem)) from problem


def _placeholder(wanted: Rendering) -> Rendered:
    viewport = wanted.viewport and replace(wanted.viewport, left=0.0, top=0.0, source_width=None, source_height=None)
    picture = _fitted(placeholder(), viewport)
    return Rendered(_encoded(picture, wanted), wanted.media_type, *picture.size, 0, 1)


def _encoded(picture: Image.Image, wanted: Rendering) -> bytes:
    content = io.BytesIO()
    try:
        if wanted.media_type == PNG:
            picture.save(content, "PNG", compress_level=_EFFORT)
        else:
            picture.save(content, "JPEG", quality=wanted.quality)
    except OSError as problem:  # a side is longer than JPEG can tell
        raise NotShown(str(problem)) from problem
    return content.getvalue()


def _fitted(picture: Image.Image, viewport: Viewport | None) -> Image.Image:
    """Cut out the part that is wanted, as far as there is any, turn it and scale it."""
    if viewport is None:
        return picture
    across = _part(viewport.left, viewport.source_width, picture.width)
    down = _part(viewport.top, viewport.source_height, picture.height)
    if across is None or down is None:
        raise NotShown("the region of the viewport lies beside the image")
    (left, right), (top, bottom) = across, down
    scale = min(viewport.width / (right - left), viewport.height / (bottom - top))
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    resample = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC
    scaled = picture.resize(size, resample, (left, top, right, bottom), reducing_gap=3.0)
    for turned, how in (
        (viewport.source_width, Image.Transpose.FLIP_LEFT_RIGHT),
        (viewport.source_height, Image.Transpose.FLIP_TOP_BOTTOM),
    ):
        scaled = scaled.transpose(how) if turned is not None and turned < 0 else scaled
    return scaled


def _part(start: float, length: float | None, whole: int) -> tuple[float, float] | None:
    """Give the ends of a part, as far as it lies within the whole; None where it does not."""
    end = whole if length is None else start + abs(length)
    first, last = max(0.0, start), min(float(whole), end)
    return (first, last) if last > first and math.isfinite(last - first) else None
