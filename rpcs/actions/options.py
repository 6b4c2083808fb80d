"""Options and routines as people name them."""

from __future__ import annotations

from difflib import get_close_matches

from rpcs.actions.errors import NotFound
from taskman import UnknownRoutine, find_option, find_routine, options

#: Names that an error lists at most.
MOST_NAMES = 40


def known_option(name: str) -> str:
    """Give an option's name as it is registered, in whichever letter case. Raises NotFound, which lists those there are."""
    names = [it.option for it in options()]
    exact = next((it for it in names if it.casefold() == name.casefold()), name)
    try:
        return find_option(exact).option
    except UnknownRoutine:
        raise NotFound(_unknown(name, names)) from None


def knows_routine(entry_point: str) -> bool:
    """Tell whether this process could run an entry point."""
    try:
        return bool(find_routine(entry_point))
    except UnknownRoutine:
        return False


def _unknown(name: str, names: list[str]) -> str:
    close = get_close_matches(name.upper(), names, 1)
    meant = f" Did you mean {close[0]}?" if close else ""
    there = f"There are: {', '.join(names[:MOST_NAMES])}." if names else "No option is registered here."
    return f"There is no option {name[:60]!r}.{meant} {there}"
