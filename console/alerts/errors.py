"""Why something is not told."""

from __future__ import annotations

from console.errors import ConsoleError


class NotTold(ConsoleError):
    """The message was not taken."""


class Refused(NotTold):
    """The message is refused, and would be again."""
