"""What values a keyword can have, and whether any of them meets several conditions at once.

The answer "none" is certain: it is given only where every value that could tell the conditions apart was tried under the
documented semantics, or where patterns were walked to their end. What cannot be found out counts as possible.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from itertools import pairwise

from fileman.dates import from_fileman
from rules.judging.facts import ImageFacts
from rules.judging.moment import Moment
from rules.judging.reading import Reading
from rules.judging.semantics import SEMANTICS
from rules.judging.semantics.base import Test
from rules.language.ast import Condition, Validity
from rules.language.frames import validity_frame
from rules.language.keywords import DATE_TYPES, KEYWORDS
from rules.lint.patterns import is_exact, matchable
from rules.lint.week import Instant, frames_of, is_empty, is_understood, limit_of, moments

NOW, URGENCY = "NOW", "URGENCY"
URGENCIES = ("ROUTINE", "URGENT", "STAT")
#: Keywords that read the same field of the IMAGE file (#2005): a condition on one is one on the other.
SAME_FIELD = {"PROCEDURE": "MODALITY", "PROCEDURE_TIME": "EXAM_TIME", "STUDY_TIME": "EXAM_TIME"}
#: Keywords besides VistA's that have one value at most.
OURS = ("CALLING_AE_TITLE", "CALLED_AE_TITLE")
EQUAL, UNEQUAL = "=", "!="
ORDERS = ("<", ">", "<=", ">=")
_MONDAY = Instant(from_fileman("3260105"))
_JUDGED_BY = SEMANTICS["documented"]


@dataclass(frozen=True, slots=True)
class Literal:
    """A condition that must be true, or must be false; undefined is neither."""

    condition: Condition
    holds: bool

    @property
    def field(self) -> str:
        """Name the field that is looked at; keywords that read the same one share a name."""
        return SAME_FIELD.get(self.condition.keyword, self.condition.keyword)

    @property
    def is_date(self) -> bool:
        """Tell whether dates are compared, not texts."""
        return self.condition.data_type in DATE_TYPES

    @property
    def exact(self) -> str | None:
        """Give the one text that the field must be, if the condition says so."""
        it = self.condition
        return it.value if self.holds and not self.is_date and it.operator == EQUAL and is_exact(it.value) else None

    def turned(self) -> Literal:
        """Give the opposite: false where this must be true."""
        return Literal(self.condition, not self.holds)


def literal(condition: Condition, *, holds: bool) -> Literal:
    """Make a literal; `!=` is `=` that must be false."""
    if condition.operator != UNEQUAL:
        return Literal(condition, holds)
    equal = Condition(condition.keyword, EQUAL, condition.data_type, condition.value, condition.frames, condition.place)
    return Literal(equal, not holds)


def within_days(valid: Validity) -> Literal:
    """Make a literal for NOW being on one of the days of a validity."""
    return Literal(Condition(NOW, EQUAL, "DT", "", (validity_frame(valid),)), holds=True)


def is_single(field: str) -> bool:
    """Tell whether a field has one value at most: VistA's fields do, DICOM elements may have several."""
    return field in KEYWORDS or field in OURS


@lru_cache(maxsize=16384)
def _test(condition: Condition) -> Test:
    return _JUDGED_BY.test(condition)


def _verdict(condition: Condition, value: str, instant: Instant = _MONDAY) -> bool | None:
    facts = ImageFacts(0, "", {condition.keyword: (value,)}, value if condition.keyword == URGENCY else "")
    return _test(condition)(Reading(facts, Moment(instant.at), lambda _day: instant.holiday, _JUDGED_BY.special))


def _meets(one: Literal, value: str, instant: Instant = _MONDAY) -> bool:
    return _verdict(one.condition, value, instant) is one.holds


def meets_at(one: Literal, instant: Instant) -> bool:
    """Tell whether a condition on a date is met by a moment."""
    return _meets(one, instant.fileman, instant)


def is_known(one: Literal) -> bool:
    """Tell whether a condition is ever true or false: one with an operator or a value that means nothing never is."""
    it = one.condition
    if not one.is_date:
        return it.operator == EQUAL or it.operator in ORDERS
    return not _is_vista_date(it.keyword) or _verdict(it, _MONDAY.fileman) is not None


def _is_vista_date(keyword: str) -> bool:
    return KEYWORDS.get(keyword) == "DT"


@lru_cache(maxsize=65536)
def impossible(literals: frozenset[Literal]) -> bool:
    """Tell whether no value of their field, or no values, can meet all of these conditions on it."""
    if not all(is_known(one) for one in literals):
        return True
    if is_single(next(iter(literals)).field):
        return _none_meets(literals)
    unwanted = frozenset(one for one in literals if not one.holds)
    wanted = literals - unwanted
    return any(_none_meets(unwanted | {one}) for one in wanted) if wanted else _none_meets(unwanted)


def entails(given: frozenset[Literal], wanted: Literal) -> bool:
    """Tell whether conditions that hold on a field make another one on it hold as well."""
    if wanted in given:
        return True
    if not is_known(wanted) or not any(one.is_date is wanted.is_date for one in given):
        return False
    turned = wanted.turned()
    if is_single(wanted.field):
        return impossible(given | {turned})
    unwanted = frozenset(one for one in given if not one.holds)
    if not wanted.holds:
        return _none_meets(unwanted | {turned})
    witnesses = given - unwanted
    return any(_none_meets(unwanted | {one, turned}) for one in witnesses) if witnesses else _none_meets(unwanted | {turned})


def _none_meets(literals: frozenset[Literal]) -> bool:
    dates = [one for one in literals if one.is_date]
    texts = [one for one in literals if not one.is_date]
    return bool((dates and _no_moment(dates)) or (texts and _no_text(texts)))


def _no_text(literals: list[Literal]) -> bool:
    field = literals[0].field
    if field == NOW:
        return False
    exact = next((one.exact for one in literals if one.exact is not None), None)
    if field == URGENCY or exact is not None:
        return not _any_meets(literals, URGENCIES if exact is None or field == URGENCY else (exact,))
    patterns = [one for one in literals if one.condition.operator == EQUAL]
    wanted = tuple(sorted(one.condition.value for one in patterns if one.holds))
    unwanted = tuple(sorted(one.condition.value for one in patterns if not one.holds))
    if patterns and not matchable(wanted, unwanted):
        return True
    orders = [one for one in literals if one.condition.operator in ORDERS]
    values = _telling_values([one.condition.value for one in orders])
    return bool(orders) and values is not None and not _any_meets(orders, values)


def _any_meets(literals: Iterable[Literal], values: Iterable[str]) -> bool:
    return any(all(_meets(one, value) for one in literals) for value in values)


def number(text: str) -> Decimal | None:
    """Read a number as comparisons do; None for a text that is none."""
    try:
        read = Decimal(text.strip())
    except InvalidOperation:
        return None
    return read if read.is_finite() else None


def _is_short(value: Decimal) -> bool:
    """Tell whether calculating with a number neither rounds it nor takes long."""
    return len(value.as_tuple().digits) <= 10 and abs(value.adjusted()) <= 10


def telling_numbers(limits: Iterable[Decimal]) -> list[str]:
    """Give the limits, a number between each two, and one beyond at either end."""
    known = sorted(set(limits))
    between = [(low + high) / 2 for low, high in pairwise(known)]
    return [f"{value:f}" for value in (*known, *between, known[0] - 1, known[-1] + 1)]


def _telling_values(limits: list[str]) -> list[str] | None:
    """Give texts, and numbers where limits are numbers, that tell limits apart.

    None where numbers and texts are mixed, or numbers are too long.

    Where no limit is a number all values compare as texts; where all are, only what is no number does.
    """
    numbers = [number(limit) for limit in limits]
    known = [value for value in numbers if value is not None]
    if known and (len(known) < len(numbers) or not all(map(_is_short, known))):
        return None
    texts = ["", "\0", *limits, *(limit + "\0" for limit in limits)]
    return texts + (telling_numbers(known) if known else [])


def no_number_meets(literals: Iterable[Literal]) -> bool:
    """Tell whether comparisons with numbers leave no number to meet them all, whatever a text may do."""
    orders = [one for one in literals if not one.is_date and one.condition.operator in ORDERS]
    known = [value for one in orders if (value := number(one.condition.value)) is not None]
    if not known or len(known) < len(orders) or not all(map(_is_short, known)):
        return False
    return not _any_meets(orders, telling_numbers(known))


def _no_moment(literals: list[Literal]) -> bool:
    if any(one.holds and one.condition.frames and all(map(is_empty, frames_of(one.condition))) for one in literals):
        return True
    clear = [one for one in literals if _is_clear(one.condition)]
    frames = [frame for one in clear for frame in frames_of(one.condition) if not is_empty(frame)]
    limits = [limit for one in clear if not one.condition.frames and (limit := limit_of(one.condition.value))]
    tried = moments(frames, limits)
    return tried is not None and not any(all(meets_at(one, it) for one in clear) for it in tried)


def _is_clear(condition: Condition) -> bool:
    """Tell whether the moments that a condition on a date means are all understood; the others are left out of account."""
    if not _is_vista_date(condition.keyword):
        return False
    if condition.frames:
        return all(is_empty(frame) or is_understood(frame) for frame in frames_of(condition))
    return limit_of(condition.value) is not None
