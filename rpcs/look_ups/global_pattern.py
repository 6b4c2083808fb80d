"""The patterns of LIST^MAGDGL: a global's name, and per subscript nothing, a literal, or `from:to:condition`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xwb import collation_key, is_canonical, m_number, m_text

_NAME = re.compile(r"\^%?[A-Za-z][A-Za-z0-9]*")
_STRING = re.compile(r'"((?:[^"]|"")*)"')
_NUMBER = re.compile(r"[+-]*(\d+\.?\d*|\.\d+)(E[+-]?\d+)?")
_CONDITION = re.compile(r'%([SD])\["((?:[^"]|"")*)"')


class BadPattern(Exception):
    """The pattern cannot be used; the argument is what is answered."""


@dataclass(frozen=True, slots=True)
class Level:
    """What one subscript may be: all that collates from `first` to `last`, contains `text`, and has data with `data` in it."""

    first: str = ""
    last: str = ""
    text: str = ""
    data: str = ""

    def matches(self, subscript: str) -> bool:
        """Tell whether a subscript fits, whatever its node holds."""
        key = collation_key(subscript)
        if self.first and key < collation_key(self.first):
            return False
        return not (self.last and key > collation_key(self.last)) and self.text in subscript

    def first_number(self) -> int:
        """Give the first entry number that may fit."""
        return int(m_number(self.first)) if is_canonical(self.first) else 0

    def passed(self, number: int) -> bool:
        """Tell whether neither this entry nor one after it fits."""
        return bool(self.last) and collation_key(str(number)) > collation_key(self.last)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A global and what its subscripts may be; unless `closed` by a parenthesis all below them is meant, too."""

    name: str
    levels: tuple[Level, ...]
    closed: bool

    def takes(self, subscripts: tuple[str, ...], value: str) -> bool:
        """Tell whether a node is meant."""
        if self.closed and len(subscripts) > len(self.levels):
            return False
        pairs = list(zip(self.levels, subscripts, strict=False))
        last = len(subscripts) - 1
        wanted = all(not level.data or index < last or level.data in value for index, (level, _subscript) in enumerate(pairs))
        return wanted and all(level.matches(subscript) for level, subscript in pairs)


def parse_pattern(text: str) -> Pattern:
    """Read a pattern. Raises BadPattern."""
    if not text.startswith("^"):
        raise BadPattern(f"-1,Invalid wild-card: {text}")
    name, parenthesis, rest = text.partition("(")
    if not _NAME.fullmatch(name):
        raise BadPattern(f"-2,Invalid Global Variable Name {name}")
    closed = rest.endswith(")")
    subscripts = _split(rest.removesuffix(")"), ",") if parenthesis else []
    return Pattern(name, tuple(map(_level, subscripts)), closed)


def _split(text: str, separator: str) -> list[str]:
    """Split where the separator stands outside of quotes."""
    parts, quoted = [""], False
    for character in text:
        quoted ^= character == '"'
        if character == separator and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _level(text: str) -> Level:
    parts = _split(text.strip(), ":")
    if len(parts) == 1:
        only = _value(parts[0], "-6,Error in subscript-value")
        return Level(only, only)
    first, last = _value(parts[0], "-4,Error in from-value"), _value(parts[1], "-5,Error in to-value")
    condition = ":".join(parts[2:])
    if not condition:
        return Level(first, last)
    match = _CONDITION.fullmatch(condition)
    if match is None:
        raise BadPattern(f'-3,Error in {condition}: only %S["text" and %D["text" are known here')
    wanted = match[2].replace('""', '"')
    return Level(first, last, wanted, "") if match[1] == "S" else Level(first, last, "", wanted)


def _value(text: str, error: str) -> str:
    """Read a literal; nothing is nothing."""
    text = text.strip()
    if not text:
        return ""
    if string := _STRING.fullmatch(text):
        return string[1].replace('""', '"')
    if _NUMBER.fullmatch(text):
        return m_text(m_number(text))
    raise BadPattern(f"{error} {text}: a number or a text in quotes is wanted")
