"""What goes wrong with exchange media."""

from __future__ import annotations

from console.errors import ConsoleError


class MediaError(ConsoleError):
    """The medium cannot be read or written."""


class NoFileSet(MediaError):
    """There is no DICOMDIR that can be read."""


class NotForMedia(MediaError):
    """The object cannot be part of a file-set."""
