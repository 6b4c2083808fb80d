"""Whether a text can match some wildcard patterns and not others, decided by walking all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

#: Steps over a character of a pattern that one question may take; a question that needs more is left open.
MOST_STEPS = 500_000
WILD = "*?"


def is_exact(pattern: str) -> bool:
    """Tell whether a pattern matches one text only: itself."""
    return not any(letter in WILD for letter in pattern)


@lru_cache(maxsize=8192)
def matchable(wanted: tuple[str, ...], unwanted: tuple[str, ...]) -> bool:
    """Tell whether some text matches every wanted pattern and no unwanted one, a star standing for any text, none too.

    The empty text counts. True also where that is too long to find out.
    """
    patterns = (*wanted, *unwanted)
    letters = [*sorted({letter for pattern in patterns for letter in pattern if letter not in WILD}), ""]
    start = tuple(_opened(pattern, 1) for pattern in patterns)
    seen, waiting = {start}, [start]
    most = MOST_STEPS // (len(letters) * (1 + sum(map(len, patterns))))
    while waiting:
        state = waiting.pop()
        if _accepted(state, wanted, unwanted):
            return True
        if len(seen) > most:
            return True
        for letter in letters:
            following = tuple(_step(pattern, places, letter) for pattern, places in zip(patterns, state, strict=True))
            if all(following[: len(wanted)]) and following not in seen:
                seen.add(following)
                waiting.append(following)
    return False


def _accepted(state: Sequence[int], wanted: Sequence[str], unwanted: Sequence[str]) -> bool:
    ended = [bool(places >> len(pattern) & 1) for pattern, places in zip((*wanted, *unwanted), state, strict=True)]
    return all(ended[: len(wanted)]) and not any(ended[len(wanted) :])


def _opened(pattern: str, places: int) -> int:
    """Add the places behind stars, which may stand for nothing. Places are the bits of a number."""
    for at, letter in enumerate(pattern):
        if letter == "*" and places >> at & 1:
            places |= 1 << (at + 1)
    return places


def _step(pattern: str, places: int, letter: str) -> int:
    """Go over a letter; the empty one is any that no pattern names."""
    reached = 0
    for at, wanted in enumerate(pattern):
        if places >> at & 1:
            if wanted == "*":
                reached |= 1 << at
            elif wanted == "?" or (letter and wanted == letter):
                reached |= 1 << (at + 1)
    return _opened(pattern, reached)
