"""A rule file as a value: what a rule does, when, and how; the same whether it was text or caret elements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

SEND, DICOM, BALANCE = "SEND", "DICOM", "BALANCE"
#: A share of a balance that stays where it is.
LOCAL = "<LOCAL>"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a rule file: line and column, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Share:
    """One parameter of an action: a destination, for BALANCE with its percentage and its cap of studies a day.

    `slot` is the parameter's number where they are not numbered 1, 2, 3...: VistA sends to number 1 and to no other.
    """

    destination: str
    percent: str = ""
    cap: str = ""
    slot: str = ""
    place: Place | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """Write the parameter as VistA keeps it."""
        if not (self.cap or self.percent):
            return self.destination
        return f"{self.destination}^{self.percent}^{self.cap}" if self.cap else f"{self.destination}^{self.percent}"


@dataclass(frozen=True, slots=True)
class Frame:
    """A range of dates and times: of `begin` and `end` the places count where `mask` has an upper-case letter.

    Places: 1-3 weekday or HOL, 4-7 year, 8-9 month, 10-11 day, 12 a point, 13-14 hour, 15-16 minute, 17-18 second.
    """

    mask: str
    begin: str
    end: str
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: a keyword compared with a value, or with frames of which one must hold.

    A DICOM element's keyword is VistA's name of it (`PATIENT_S_NAME`); where VistA's own keywords have that name, or none is
    known, or the element is inside sequences, it is the path of its tags: `(0040,0275)>(0040,0007)`.
    """

    keyword: str
    operator: str
    data_type: str
    value: str = ""
    frames: tuple[Frame, ...] = ()
    place: Place | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """Write the condition for a person."""
        return f"{self.keyword}{self.operator}{self.value if not self.frames else '{...}'}"


@dataclass(frozen=True, slots=True)
class AllOf:
    """True when every part is: `A and B`, or `A B`. Has two parts or more, none of them an AllOf."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True when one part is: `A or B`; `X in (V, W)` is `X=V or X=W`. Has two parts or more, none of them an AnyOf."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True when its part is false; undefined when that is. Its part is no Not."""

    part: Expression


Expression = Condition | AllOf | AnyOf | Not


@dataclass(frozen=True, slots=True)
class Validity:
    """The days on which a rule holds, as FileMan dates, both included; an empty one has no bound."""

    begin: str = ""
    end: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: when all conditions hold, the action is carried out."""

    number: int
    verb: str
    parameters: tuple[Share, ...] = ()
    conditions: tuple[Expression, ...] = ()
    priority: str = ""
    prior_study: str = ""
    name: str = ""
    valid: Validity | None = None
    enabled: bool = True
    place: Place | None = field(default=None, compare=False)

    @property
    def location(self) -> str:
        """Give the name that SEND and DICOM look up: parameter number 1, empty when there is none."""
        for share in self.parameters:
            if share.slot in ("", "1"):
                return str(share)
        return ""

    @property
    def action(self) -> str:
        """Write the action as the evaluator's log does: `SEND (KANSAS)`."""
        if not self.verb and not self.parameters:
            return f"Rule #{self.number}"
        return self.verb + (f" ({', '.join(str(share) for share in self.parameters)})" if self.parameters else "")


@dataclass(frozen=True, slots=True)
class NamedDestination:
    """`destination NIGHT = "UNI TELERAD"`: another name for a destination, which the file's actions may use."""

    name: str
    destination: str
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class NamedHoliday:
    """`holiday "Founders' Day" = 2026-03-02, 2027-03-01`: days, as FileMan dates, that HOL means besides the site's."""

    name: str
    dates: tuple[str, ...]
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class RuleFile:
    """A whole rule file, as it is written: names are not yet replaced by what they stand for."""

    rules: tuple[Rule, ...]
    destinations: tuple[NamedDestination, ...] = ()
    holidays: tuple[NamedHoliday, ...] = ()


def leaves(expression: Expression) -> Iterator[Condition]:
    """Walk through the conditions of an expression, in the order in which they are written."""
    match expression:
        case Condition():
            yield expression
        case Not(part):
            yield from leaves(part)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from leaves(part)


def all_of(parts: Iterable[Expression]) -> Expression:
    """Join expressions so that all must be true; parts that do the same are taken apart."""
    return _joined(AllOf, parts)


def any_of(parts: Iterable[Expression]) -> Expression:
    """Join expressions so that one must be true; parts that do the same are taken apart."""
    return _joined(AnyOf, parts)


def _joined(kind: type[AllOf | AnyOf], parts: Iterable[Expression]) -> Expression:
    flat: list[Expression] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, kind) else (part,))
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


def negated(part: Expression) -> Expression:
    """Turn an expression round; what is turned round twice is as it was."""
    return part.part if isinstance(part, Not) else Not(part)


def as_conditions(expression: Expression) -> tuple[Expression, ...]:
    """Give an expression as a rule keeps it: the parts that must all be true."""
    return expression.parts if isinstance(expression, AllOf) else (expression,)
