"""Where reading may go on after an error in a rule file: the next condition or modifier of the rule, or the next statement."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass

#: Parser starts: `start` before a statement, `rest` inside a rule.
STATEMENT, INSIDE = "start", "rest"

_MARK = re.compile(
    r"""(?P<skip>"[^"\n]*"?)
    | (?P<tag>\([0-9A-F]{4},[0-9A-F]{4}\))
    | (?P<open>[({])
    | (?P<close>[)}])
    | (?P<start>(?<![\w"])(?:
          (?:send|dicom|balance)\s*\(
        | rule(?=\s*")
        | (?:destination|holiday)(?=\s*"|\s+[^\s=!<>"(]+\s*=)))
    | (?P<rest>(?<!\w)(?:
          (?:priority|priorstudy|enabled)(?=\s+[a-z])
        | valid(?=\s+(?:from|until|\d))
        | [a-z]\w*(?=\s*[=!<>]|\s+(?:not\s+)?in\s*\()))
    | \w+""",
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Mark:
    """A place where reading may begin, and which of the parser's starts reads on from there."""

    position: int
    start: str


class Marks:
    """The places of a text where reading may go on; found once, when a text has errors."""

    def __init__(self, text: str) -> None:
        self._marks = list(_marks(text))
        self._positions = [mark.position for mark in self._marks]

    def after(self, position: int) -> Mark | None:
        """Give the place to go on after an error: a statement that begins here, or whatever comes next."""
        for mark in self._marks[bisect_left(self._positions, position) :]:
            if mark.start == STATEMENT or mark.position > position:
                return mark
        return None


def _marks(text: str) -> list[Mark]:
    """Find marks; inside brackets none are, and a statement's beginning ends brackets that were left open."""
    found: list[Mark] = []
    depth = 0
    for match in _MARK.finditer(text):
        kind = match.lastgroup
        if kind == STATEMENT:
            found.append(Mark(match.start(), STATEMENT))
            depth = int(match[0].endswith("("))
        elif kind == "open":
            depth += 1
        elif kind == "close":
            depth = max(0, depth - 1)
        elif kind == INSIDE and not depth:
            found.append(Mark(match.start(), INSIDE))
    return found
