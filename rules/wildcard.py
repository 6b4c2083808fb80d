"""Matching with `?` for one character and `*` for any."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache


def vista_match(value: str, pattern: str) -> bool:
    """Match as WLDMATCH^MAGBRTE5 does.

    A star before other characters may stand for nothing, a star at the end needs at least one character; after a match
    behind a star what is left of the value is compared once more from that place.
    """
    while value and pattern:
        if value[0] == pattern[0] or pattern[0] == "?":
            value, pattern = value[1:], pattern[1:]
            continue
        if pattern[0] == "*":
            if pattern == "*":
                return True
            pattern = pattern[1:]
            start = next((at for at in range(len(value)) if vista_match(value[at:], pattern)), None)
            if start is not None:
                value = value[start:]
                continue
        return False
    return not value and not pattern


@lru_cache(maxsize=4096)
def documented_match(pattern: str) -> Callable[[str], object]:
    """Give a matcher for a pattern as the manuals describe it: `*` stands for any text, none too; letter case counts."""
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in re.split(r"([*?])", pattern))
    return re.compile("".join(parts), re.DOTALL).fullmatch
