"""How alike two values are that may be the same person's or exam's, written by different hands: from 0 to 1."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations, product

#: Edits beyond which two texts are different ones.
MOST_EDITS = 3
#: What an initial says of a name that begins with it, and what is taken off where parts of a name stand in another order.
INITIAL, REORDERED = 0.7, 0.9
#: What half of a double last name counts.
HALF = 0.9
#: What the parts of a name weigh.
LAST, FIRST, MIDDLE = 0.5, 0.4, 0.1
#: Letters that are no others with an accent.
_LETTERS = str.maketrans({"Æ": "AE", "Œ": "OE", "Ø": "O", "Đ": "D", "Ł": "L", "Þ": "TH"})


@lru_cache(maxsize=20_000)
def edits(one: str, other: str, most: int = MOST_EDITS) -> int:
    """Count the characters that are wrong, missing, too many, or changed with their neighbour; `most` + 1 for more than that."""
    if one == other:
        return 0
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, mine in enumerate(one, 1):
        here = [row]
        for column, its in enumerate(other, 1):
            cost = min(last[column] + 1, here[-1] + 1, last[column - 1] + (mine != its))
            if row > 1 and column > 1 and mine == other[column - 2] and one[row - 2] == its:
                cost = min(cost, before[column - 2] + 1)
            here.append(cost)
        if min(here) > most:
            return most + 1
        before, last = last, here
    return min(last[-1], most + 1)


def alike(one: str, other: str) -> float:
    """Say how alike two words are: 1 for the same, less for each edit by the length of the longer one, 0 for a half and less."""
    if not one or not other:
        return 0.0
    wrong = edits(one, other)
    share = 1 - wrong / max(len(one), len(other), 4)
    return share if wrong <= MOST_EDITS and share > 0.5 else 0.0


def plain(text: str) -> str:
    """Give a text in capitals without accents."""
    parts = unicodedata.normalize("NFKD", text.upper().translate(_LETTERS))
    return "".join(it for it in parts if not unicodedata.combining(it))


@dataclass(frozen=True, slots=True)
class PersonName:
    """The parts of a name, in capitals without accents and without what is no letter; `halves` of a double last name."""

    last: str
    first: str = ""
    middle: str = ""
    halves: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> PersonName:
        """Read `L^F^M`, `L,F M` or `L F M`."""
        text = plain(text.partition("=")[0].replace("~", "^"))
        if "^" in text:
            last, first, middle = [*text.split("^"), "", "", ""][:3]
        else:
            last, comma, given = text.partition(",")
            last, given = (last, given) if comma else (last.partition(" ")[0], last.partition(" ")[2])
            first, _, middle = given.strip().partition(" ")
        if not middle:
            first, _, middle = first.strip().partition(" ")
        halves = tuple(_letters(it) for it in last.replace("-", " ").split())
        return cls(_letters(last), _letters(first), _letters(middle), halves if len(halves) > 1 else ())

    @property
    def parts(self) -> tuple[str, str, str]:
        """Last, first and middle name."""
        return self.last, self.first, self.middle


def _letters(text: str) -> str:
    return "".join(it for it in text if it.isalnum())


def names_alike(given: PersonName, has: PersonName) -> float:
    """Say how alike two names are, in whichever order the parts of the one stand."""
    best = 0.0
    for order in dict.fromkeys(permutations(given.parts)):
        if order[0]:
            best = max(best, _in_order(order, has.parts) * (1.0 if order == given.parts else REORDERED))
    if given.halves or has.halves:
        lasts = product(given.halves or [given.last], has.halves or [has.last])
        halved = [_in_order((mine, *given.parts[1:]), (its, *has.parts[1:])) for mine, its in lasts]
        best = max(best, HALF * max(halved))
    return best


def _in_order(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    """Compare part by part; a middle name that one of them lacks says nothing."""
    weights = [LAST, FIRST, MIDDLE]
    scores = [alike(mine, its) for mine, its in zip(one, other, strict=True)]
    for place in (1, 2):
        if scores[place] < INITIAL and _is_initial(one[place], other[place]):
            scores[place] = INITIAL
        if (not one[place] or not other[place]) and (place == 2 or one[place] == other[place]):
            weights[place] = 0.0
    return sum(weight * score for weight, score in zip(weights, scores, strict=True)) / sum(weights)


def _is_initial(one: str, other: str) -> bool:
    return bool(one and other) and min(len(one), len(other)) == 1 and one[0] == other[0]


def numbers_alike(given: str, has: str) -> float:
    """Say how alike two numbers are: 0.75 with one digit wrong, missing, too many or changed with its neighbour, 0.4 with two."""
    if not given or not has:
        return 0.0
    return {0: 1.0, 1: 0.75, 2: 0.4}.get(edits(given, has, 2), 0.0) if len(has) > 2 else float(given == has)


def dates_alike(given: str, has: str) -> float:
    """Say how alike two dates YYYYMMDD are: 0.6 with one digit wrong or month and day changed, 0.3 for the same year alone."""
    if given == has:
        return 1.0
    if edits(given, has, 1) == 1 or given == has[:4] + has[6:] + has[4:6]:
        return 0.6
    return 0.3 if given[:4] == has[:4] else 0.0


#: Days between two dates, up to each, and how near that is.
_NEAR = ((0, 1.0), (1, 0.8), (3, 0.5), (7, 0.3), (30, 0.1))


def days_near(days: int) -> float:
    """Say how near two days are that lie so many days apart."""
    return next((score for most, score in _NEAR if abs(days) <= most), 0.0)


def one_edit_away(text: str, alphabet: str) -> list[str]:
    """Give the text and every text that differs from it by one edit, with characters of an alphabet."""
    cuts = [(text[:at], text[at:]) for at in range(len(text) + 1)]
    made = {text: None}
    made |= {left + right[1:]: None for left, right in cuts if right}
    made |= {left + right[1] + right[0] + right[2:]: None for left, right in cuts if len(right) > 1}
    made |= {left + one + right[1:]: None for left, right in cuts if right for one in alphabet}
    made |= {left + one + right: None for left, right in cuts for one in alphabet}
    return [it for it in made if it]
