"""Pictures as files: JPEG for abstracts, TARGA for the rest, and the placeholder that is shown where there is none."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from runtime import sync_directory, write_file
from taskman.pictures.frame import NoPicture, read_picture
from taskman.pictures.requests import Kind, Painted, PictureFile

#: Pixels of the longer side: of an abstract, of a picture on a page or one that has a BIG one beside it, of a placeholder.
ABSTRACT_SIDE, REDUCED_SIDE, PLACEHOLDER_SIDE = 200, 1024, 200
_SIDES = {Kind.ABSTRACT: ABSTRACT_SIDE, Kind.PAGE: REDUCED_SIDE, Kind.REDUCED: REDUCED_SIDE}
_BLACK, _GREY, _WHITE = 0, 96, 255


def paint(source: Path, files: Sequence[PictureFile]) -> Painted:
    """Write files that show the object at `source`, or placeholders when there is nothing that can be shown."""
    try:
        picture = Image.fromarray(read_picture(source))
    except NoPicture as problem:
        return paint_placeholders(files, str(problem))
    return _write(files, lambda kind: _encode(picture, kind), "")


def paint_placeholders(files: Sequence[PictureFile], reason: str) -> Painted:
    """Write placeholders in place of pictures."""
    return _write(files, lambda kind: _encode(placeholder(), kind), reason)


def placeholder() -> Image.Image:
    """Draw what says that there is no picture: a crossed frame with these words."""
    side = PLACEHOLDER_SIDE
    image = Image.new("L", (side, side), _BLACK)
    draw = ImageDraw.Draw(image)
    draw.rectangle((4, 4, side - 5, side - 5), outline=_GREY, width=2)
    draw.line((4, 4, side - 5, side - 5), fill=_GREY, width=2)
    draw.line((4, side - 5, side - 5, 4), fill=_GREY, width=2)
    draw.text((side // 2, side // 2), "NO PICTURE", fill=_WHITE, anchor="mm", font_size=24)
    return image


def _encode(picture: Image.Image, kind: Kind) -> bytes:
    side, content = _SIDES.get(kind), io.BytesIO()
    if side is not None and max(picture.size) > side:
        picture = picture.copy()
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    if kind in (Kind.ABSTRACT, Kind.PAGE):
        picture.save(content, "JPEG", quality=85)
    else:
        picture.save(content, "TGA")
    return content.getvalue()


def _write(files: Sequence[PictureFile], draw: Callable[[Kind], bytes], reason: str) -> Painted:
    """Write each file under its name only when it is whole and on disk: who finds it need not make it again."""
    try:
        for file in files:
            write_file(file.path, draw(file.kind))
            sync_directory(file.path.parent)
    except OSError as error:
        return Painted(reason, f"{file.path} cannot be written: {error.strerror or error}")
    return Painted(reason)
