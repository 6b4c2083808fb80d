"""Options and routines as people name them."""

from __future__ import annotations

from rpcs.actions.errors import NotFound
from runtime import other_names
from taskman import UnknownRoutine, find_option, find_routine, options


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
    return f"There is no option {name[:60]!r}.{other_names(name, names) or ' No option is registered here.'}"
