"""What stands in a recording in place of a person's data: pseudonyms in the same form, the same for the same value.

They are drawn from a keyed hash. The key is made for one recording and never written, so nobody, its maker included, can
compute a value back; within the recording, equal values stay equal.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from rpcs import full_icn


class Kind(StrEnum):
    """What can be replaced; the values are what recordings say was."""

    NAME = "name"
    IDENTIFIER = "SSN"
    DFN = "DFN"
    ICN = "ICN"
    BIRTH_DATE = "birth date"
    CODES = "codes"
    CHANGE = "verify codes"
    TOKEN = "token"
    WITHHELD = "withheld"


CREDENTIALS = frozenset({Kind.CODES, Kind.CHANGE, Kind.TOKEN})
"""What is replaced even when a recording keeps data of patients."""

MASK = "MASKED-"
"""How a replaced code begins."""

WITHHELD = "WITHHELD"
"""What stands for bytes that cannot be read well enough to be masked."""


class Substitutes(Protocol):
    """Gives what stands for a value."""

    def of(self, kind: Kind, value: str) -> str:
        """Give the substitute of one value."""


class Blanks:
    """Replaces every value by its kind, so that two recordings can be compared that have different pseudonyms."""

    def of(self, kind: Kind, value: str) -> str:
        """Give the kind; what cannot be masked stays as it is, and differs."""
        return value if kind is Kind.WITHHELD else f"<{kind}>"


_WORD = re.compile(r"[^\W\d_]+")
_CONSONANTS, _VOWELS = "BDFGKLMNPRSTVZ", "AEIOU"
#: A message has the same persons again and again: so many pseudonyms of values so short are not drawn anew.
_RECENT, _SHORT = 4096, 128
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NINE_DIGITS = re.compile(r"(?<!\d)(\d{3})([- ]?)(\d{2})([- ]?)(\d{4})(?!\d)")
#: No hash tells more digits, or letters, apart.
_LONGEST = 50
_DIGITS = re.compile(r"\d+")
_ICN_LETTER = re.compile(r"([Vv])")
_DFN_DIGITS = 7
_ICN_DIGITS = 10
#: The birth dates of pseudonyms, as days from the first one.
_FIRST_BIRTH, _BIRTH_DAYS = date(1925, 1, 1), 29_000


REMEMBERED = 1_000_000
"""Values of one kind whose numbers are told apart; those after them may fall together."""


class _Drawn:
    """The numbers of one kind of value: each value gets its own, as long as there are any."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._given: dict[int, int] = {}
        self._taken: set[int] = set()

    def number(self, digest: int) -> int:
        """Give the number of a value with this digest: the one that the digest says, or the next that is free."""
        number = self._given.get(digest, digest % self._size)
        if digest in self._given or len(self._taken) >= min(self._size, REMEMBERED):
            return number
        while number in self._taken:
            number = (number + 1) % self._size
        self._given[digest] = number
        self._taken.add(number)
        return number


class Pseudonyms:
    """Replaces values by pseudonyms in their form, drawn with a secret key.

    Two numbers (DFN, ICN, SSN and its last four digits, other identifiers, codes) never get the same pseudonym, or two
    patients would fall together. Words of names, and birth dates, may.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._drawn: dict[str, _Drawn] = {}
        self._recent = lru_cache(maxsize=_RECENT)(self._make)
        self._makers: Mapping[Kind, Callable[[str], str]] = {
            Kind.NAME: self._name,
            Kind.IDENTIFIER: self._identifier,
            Kind.DFN: self._dfn,
            Kind.ICN: self._icn,
            Kind.BIRTH_DATE: self._birth_date,
            Kind.CODES: self._codes,
            Kind.CHANGE: self._change,
            Kind.TOKEN: lambda value: f"~1{self._code(value)}",
            Kind.WITHHELD: lambda _value: WITHHELD,
        }

    def of(self, kind: Kind, value: str) -> str:
        """Give the pseudonym of one value."""
        return self._recent(kind, value) if len(value) <= _SHORT else self._make(kind, value)

    def _make(self, kind: Kind, value: str) -> str:
        return self._makers[kind](value)

    def _number(self, kind: str, value: str) -> int:
        digest = hmac.new(self._key, f"{kind}:{value}".encode("utf-8", "replace"), hashlib.sha256).digest()
        return int.from_bytes(digest, "big")

    def _draw(self, kind: str, value: str, size: int) -> int:
        """Draw a number below `size`, another one for each value of a kind."""
        drawn = self._drawn.setdefault(kind, _Drawn(size))
        return drawn.number(self._number(kind, value))

    def _name(self, value: str) -> str:
        """Replace each word by one of the same length and letter case, whatever stands between them."""
        return _WORD.sub(lambda match: self._word(match[0]), value)

    def _word(self, word: str) -> str:
        number = self._number("name", word.upper())
        letters = []
        for place in range(len(word)):
            choice = _VOWELS if place % 2 else _CONSONANTS
            number, index = divmod(number, len(choice))
            letters.append(choice[index])
        return _cased("".join(letters), word)

    def _identifier(self, value: str) -> str:
        """Replace a social security number, in whatever stands around it; the last four digits have their own pseudonym."""
        if not _NINE_DIGITS.search(value):
            letters = _WORD.sub(lambda match: self._letters(match[0]), value)
            return _DIGITS.sub(lambda match: self._digits("identifier", match[0]), letters)
        return _NINE_DIGITS.sub(self._ssn, value)

    def _ssn(self, match: re.Match[str]) -> str:
        area, first_dash, group, second_dash, serial = match.groups()
        front = f"9{self._draw(f'SSN {serial}', area + group, 10_000):04d}"
        return f"{front[:3]}{first_dash}{front[3:]}{second_dash}{self._digits('identifier', serial)}"

    def _digits(self, kind: str, digits: str) -> str:
        count = len(digits)
        return f"{self._draw(f'{kind} {count}', digits, 10 ** min(count, _LONGEST)):0{count}d}"

    def _letters(self, word: str) -> str:
        count = len(word)
        number = self._draw(f"letters {count}", word.upper(), len(_ALPHABET) ** min(count, _LONGEST))
        letters = []
        for _ in range(count):
            number, index = divmod(number, len(_ALPHABET))
            letters.append(_ALPHABET[index])
        return _cased("".join(letters), word)

    def _dfn(self, value: str) -> str:
        """Replace a number by a longer one: few digits would make patients fall together."""
        return str(10 ** (_DFN_DIGITS - 1) + self._draw("DFN", value, 9 * 10 ** (_DFN_DIGITS - 1)))

    def _icn(self, value: str) -> str:
        """Replace the number; check digits are right for the new one where there were any."""
        number, letter, _check = _ICN_LETTER.split(value, maxsplit=1) if _ICN_LETTER.search(value) else (value, "", "")
        made = f"1{self._draw('ICN', number, 10 ** (_ICN_DIGITS - 1)):0{_ICN_DIGITS - 1}d}"
        return full_icn(made).replace("V", letter) if letter else made

    def _birth_date(self, value: str) -> str:
        """Replace a date in whatever form it stands; what is no date keeps nothing of its digits."""
        found = read_date(value)
        if found is None:
            return _DIGITS.sub(lambda match: self._digits("date", match[0]), value)
        number = self._number("date", found.key)
        return found.like(_FIRST_BIRTH + timedelta(days=number % _BIRTH_DAYS))

    def _code(self, value: str) -> str:
        return f"{MASK}{self._draw('code', value.upper(), 16**6):06X}"

    def _codes(self, value: str) -> str:
        """Replace access and verify code, each by itself."""
        return ";".join(self._code(part) for part in value.split(";")[:2])

    def _change(self, value: str) -> str:
        return self._code(value)


def _cased(made: str, word: str) -> str:
    return made if word.isupper() else made.lower() if word.islower() else made.capitalize()


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_NAMES = "|".join(_MONTHS)


@dataclass(frozen=True, slots=True)
class FoundDate:
    """A date as it stands in a text: year, month and day (0 where unknown), its form, and the text of each part."""

    year: int
    month: int
    day: int
    form: DateForm
    match: re.Match[str]

    @property
    def key(self) -> str:
        """Name the day, the same in every form."""
        return f"{self.year:04d}-{self.month:02d}-{self.day:02d}"

    def like(self, other: date) -> str:
        """Write another date in the same form, its month and day unknown where this one's are."""
        month, day = other.month if self.month else 0, other.day if self.day else 0
        return self.form.write(self.match, other.year, month, day)


@dataclass(frozen=True, slots=True)
class DateForm:
    """One way to write a date: how to find it, and how to write another in its place."""

    pattern: re.Pattern[str]
    read: Callable[[re.Match[str]], tuple[int, int, int]]
    write: Callable[[re.Match[str], int, int, int], str]


def _month(text: str) -> int:
    return _MONTHS.index(text[:3].upper()) + 1


def _month_like(text: str, month: int) -> str:
    made = _MONTHS[max(month, 1) - 1]
    return made if text.isupper() else made.capitalize()


def _padded(text: str, number: int) -> str:
    return f"{number:0{len(text)}d}"


#: FileMan (2500115, perhaps with a time), DICOM (19500115), then the external forms.
DATE_FORMS = (
    DateForm(
        re.compile(r"(?<![\d.-])([1-3]\d\d)(\d\d)(\d\d)(\.\d{1,6})?(?![\d-])"),
        lambda found: (int(found[1]) + 1700, int(found[2]), int(found[3])),
        lambda found, year, month, day: f"{year - 1700:03d}{month:02d}{day:02d}{found[4] or ''}",
    ),
    DateForm(
        re.compile(r"(?<![\d.-])((?:18|19|20)\d\d)(\d\d)(\d\d)(?![\d.-])"),
        lambda found: (int(found[1]), int(found[2]), int(found[3])),
        lambda _found, year, month, day: f"{year:04d}{month:02d}{day:02d}",
    ),
    DateForm(
        re.compile(rf"\b({_NAMES})( +)(\d\d?)(, ?| +)(\d{{4}})(?!\d)", re.IGNORECASE),
        lambda found: (int(found[5]), _month(found[1]), int(found[3])),
        lambda found, year, month, day: f"{_month_like(found[1], month)}{found[2]}{_padded(found[3], day)}{found[4]}{year}",
    ),
    DateForm(
        re.compile(rf"(?<!\d)(\d\d?)([ -])({_NAMES})([ -])(\d{{4}})(?!\d)", re.IGNORECASE),
        lambda found: (int(found[5]), _month(found[3]), int(found[1])),
        lambda found, year, month, day: f"{_padded(found[1], day)}{found[2]}{_month_like(found[3], month)}{found[4]}{year}",
    ),
    DateForm(
        re.compile(r"(?<![\d/])(\d\d?)/(\d\d?)/(\d{4})(?![\d/])"),
        lambda found: (int(found[3]), int(found[1]), int(found[2])),
        lambda found, year, month, day: f"{_padded(found[1], month)}/{_padded(found[2], day)}/{year}",
    ),
    DateForm(
        re.compile(r"(?<![\d-])(\d{4})-(\d\d)-(\d\d)(?![\d-])"),
        lambda found: (int(found[1]), int(found[2]), int(found[3])),
        lambda _found, year, month, day: f"{year:04d}-{month:02d}-{day:02d}",
    ),
)


def find_dates(text: str) -> list[FoundDate]:
    """Find every date of the table in a text."""
    found = []
    for form in DATE_FORMS:
        for match in form.pattern.finditer(text):
            year, month, day = form.read(match)
            if month <= 12 and day <= 31:
                found.append(FoundDate(year, month, day, form, match))
    return found


def read_date(text: str) -> FoundDate | None:
    """Read a text that is one date; None for any other."""
    dates = [it for it in find_dates(text) if it.match[0] == text.strip()]
    return dates[0] if dates else None
