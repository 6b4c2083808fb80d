"""What was refused, as a command says it: by the kind that a desk gives."""

from __future__ import annotations

from console.errors import ConsoleError, NothingThere, WrongUsage

#: By the kind of an action's error (rpcs/actions/errors.py).
_ERRORS: dict[str, type[ConsoleError]] = {"missing": NothingThere, "usage": WrongUsage}


def refused(kind: str, message: str) -> ConsoleError:
    """Give the error of a command, whose exit status tells the kind."""
    return _ERRORS.get(kind, ConsoleError)(message)
