"""Matching with `?` for one character and `*` for any, as VistA does it and as its manuals describe it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

Matcher = Callable[[str], bool]
#: What a star at a pattern's end stands for: in VistA, and in the manuals.
AT_LEAST_ONE, ANY_TEXT = ".+", ".*"
_WILD = re.compile(r"[*?]")


def vista_match(value: str, pattern: str) -> bool:
    """Match as WLDMATCH^MAGBRTE5 does."""
    return vista_matcher(pattern)(value)


@lru_cache(maxsize=4096)
def vista_matcher(pattern: str) -> Matcher:
    """Give a matcher that matches as WLDMATCH^MAGBRTE5 does.

    A star before other characters may stand for nothing, a star at the end needs at least one character. Characters are
    the bytes of UTF-8, as recorded: one question mark does not stand for an accented letter. A star in the value is first
    taken for itself by a star in the pattern.
    """
    pattern = _bytes(pattern)
    plain = _matcher(pattern, AT_LEAST_ONE)
    if "*" not in pattern:
        return lambda value: plain(_bytes(value))

    def matches(value: str) -> bool:
        value = _bytes(value)
        return _step_by_step(value, pattern) if "*" in value else plain(value)

    return matches


@lru_cache(maxsize=4096)
def documented_match(pattern: str) -> Matcher:
    """Give a matcher for a pattern as the manuals describe it: `*` stands for any text, none too; letter case counts."""
    return _matcher(pattern, ANY_TEXT)


def _bytes(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("latin-1")


def _matcher(pattern: str, tail: str) -> Matcher:
    """Compile a pattern; `tail` is what a star at its end stands for."""
    if "*" not in pattern and "?" not in pattern:
        return lambda value: value == pattern
    head = pattern[:-1]
    if pattern[-1] == "*" and not _WILD.search(head):  # the most common of all: `CT*`
        shortest = len(head) + (tail == AT_LEAST_ONE)
        return lambda value: value.startswith(head) and len(value) >= shortest
    first, *rest = ("".join("." if each == "?" else re.escape(each) for each in part) for part in pattern.split("*"))
    if rest:
        # atomic groups: the leftmost place of each part is the best, so that a long value costs no search back
        first += "".join(f"(?>.*?{part})" for part in rest[:-1] if part) + (f".*{rest[-1]}" if rest[-1] else tail)
    match = re.compile(first, re.DOTALL).fullmatch
    return lambda value: match(value) is not None


def _step_by_step(value: str, pattern: str) -> bool:
    """Tell what WLDMATCH comes to, which goes through both from the left, by going through the pattern from its end.

    `tails` has a bit for each place of the value from which the rest of the pattern matches: no pattern costs a search back.
    """
    size = len(value)
    everywhere = (1 << size) - 1
    places = dict.fromkeys(value, 0)
    for place, letter in enumerate(value):
        places[letter] |= 1 << place
    tails = 1 << size
    for left, letter in enumerate(reversed(pattern)):
        same = everywhere if letter == "?" else places.get(letter, 0)
        found = same & (tails >> 1)
        if letter == "*":  # a star of the value is taken for this one, other places may be skipped
            reached = (1 << (tails & everywhere).bit_length()) - 1 if left else everywhere
            found |= reached & ~same
        tails = found
    return bool(tails & 1)
