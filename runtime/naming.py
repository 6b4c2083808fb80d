"""Names that a person wrote, and that there are not."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

#: Names that an error lists at most.
MOST_NAMES = 40


def other_names(name: str, names: Sequence[str]) -> str:
    """Say what may have been meant by a name, in whichever letter case, and which names there are; "" where there are none."""
    if not names:
        return ""
    by_lower = {each.lower(): each for each in names}
    close = get_close_matches(name.lower(), by_lower, 1)
    meant = f" Did you mean {by_lower[close[0]]}?" if close else ""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{meant} There are: {', '.join(names[:MOST_NAMES])}{more}."
