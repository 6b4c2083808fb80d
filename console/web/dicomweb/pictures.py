"""Answers that are pictures: rendered frames, and thumbnails of whatever there is (PS3.18 10.4.1.1.3, 10.4.1.1.4)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from console.rendering import NoSuchFrame, NotShown, Rendered, Renderer, RendererBusy, Rendering, RenderingError
from console.web.dicomweb.archive import Archive
from console.web.dicomweb.asked import Asked
from console.web.dicomweb.errors import BadAsked, NotAcceptable, NotHeld, NotYet
from console.web.dicomweb.rendered import Picture, headers_of, read_picture
from console.web.runner import Runner
from gateway_client.archive.instances import Held


@dataclass(frozen=True, slots=True)
class Pictures:
    """Gives pictures of what the archive holds."""

    archive: Archive
    renderer: Renderer
    runner: Runner

    async def rendered(self, asked: Asked) -> bytes:
        """Give a frame of an instance: the one that is named, else that which stands for it."""
        picture = read_picture(asked.query, [*asked.accepted], _frame(asked))
        held = await self.archive.one(asked.caller, asked.wanted)
        try:
            made = await self._made(asked, held, picture.rendering)
        except NotShown as error:
            raise NotAcceptable(f"There is no picture of it: {str(error).rstrip('.')}.") from error
        return await self._answer(asked, made, picture)

    async def thumbnail(self, asked: Asked) -> bytes:
        """Give a small picture of a frame, an instance, a series or a study; of what has none a picture that says so."""
        picture = read_picture(asked.query, [*asked.accepted], _frame(asked), small=True)
        held = await self._standing_for(asked)
        made = await self._made(asked, held, replace(picture.rendering, placeholder=True))
        return await self._answer(asked, made, picture)

    async def _standing_for(self, asked: Asked) -> Held:
        """Give the instance that stands for what is asked: that in the middle of those that are listed first."""
        async for page in self.archive.pages(asked.caller, asked.wanted):
            held = page[len(page) // 2]
            return await self.archive.one(asked.caller, replace(asked.wanted, instance=held.sop_instance))
        raise NotHeld

    async def _made(self, asked: Asked, held: Held, wanted: Rendering) -> Rendered:
        path = await self.archive.path_of(asked.caller, held)
        try:
            return await self.renderer.render(path, wanted)
        except NoSuchFrame as error:
            raise NotHeld(f"{error}.") from error
        except NotShown:
            raise
        except RendererBusy as error:
            raise NotYet(str(error), retry=2) from error
        except (RenderingError, OSError) as error:
            raise NotYet(f"The file of {held.sop_instance} cannot be shown now.") from error

    async def _answer(self, asked: Asked, made: Rendered, picture: Picture) -> bytes:
        await asked.note(self.runner)
        request = asked.request
        request.setHeader("Content-Type", made.media_type)
        request.setHeader("Content-Length", str(len(made.data)))
        for name, value in headers_of(made).items():
            request.setHeader(name, value)
        if picture.unread:
            request.setHeader("Warning", f'299 magbroker "Not supported, and ignored: {", ".join(picture.unread)}."')
        return made.data


def _frame(asked: Asked) -> int | None:
    """Read the frame that the path names, counted from 1. Raises BadAsked for a list of several."""
    told = asked.segments.get("frames")
    if told is None:
        return None
    if not told.isascii() or not told.isdigit() or len(told) > 9 or int(told) < 1:
        raise BadAsked(f"{told[:20]!r} is not the number of one frame.")
    return int(told)
