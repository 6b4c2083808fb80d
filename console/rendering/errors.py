"""Why there is no picture."""

from __future__ import annotations

from console.errors import ConsoleError


class RenderingError(ConsoleError):
    """There is no picture of it."""


class NotShown(RenderingError):
    """The object has nothing that can be shown."""


class NoSuchFrame(NotShown):
    """The object has no such frame."""


class RendererBusy(RenderingError):
    """Too many pictures are being made; try again later."""
