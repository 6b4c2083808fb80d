"""What a real VistA would ignore, or read otherwise (RULES^MAGBRTE4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rules.language import NotInElements, for_elements, resolve
from rules.language.ast import Condition
from rules.language.dicom_names import is_known
from rules.language.keywords import DATE_TYPES, KEYWORDS, OPERATORS, TEXT_TYPES
from rules.lint.finding import Raised
from rules.lint.reach import is_certain
from rules.lint.scope import VISTA, Scope
from rules.lint.values import EQUAL, NOW, ORDERS, UNEQUAL, literal
from rules.lint.values import is_known as has_meaning

#: Rules that a VistA tests for every image without much ado.
MANY_RULES = 1000


def ignored(scope: Scope) -> Iterator[Raised]:
    """Check every condition against what VistA's evaluator does with it."""
    for rule, condition in scope.conditions:
        for code, check in _CHECKS:
            problem = check(condition)
            if problem:
                place = condition.frames[0].place if code == "R606" else None
                yield Raised(code, problem, rule, place or condition.place)
                break
    for rule in scope.file.rules:
        if rule.priority.upper() == "MEDIUM":
            yield Raised("R605", "VistA does not know the priority MEDIUM and takes NORMAL, which is the same.", rule)
    if scope.options.target == VISTA:
        yield from _not_to_be_told(scope)
    if scope.options.target == VISTA and len(scope.file.rules) > MANY_RULES:
        yield Raised("R609", f"{len(scope.file.rules)} rules are many for a VistA, which tests each for each image.")


def _not_to_be_told(scope: Scope) -> Iterator[Raised]:
    """Give the reasons why elements cannot carry a rule, where no condition of it is to blame."""
    rules = {rule.number: rule for rule in scope.file.rules}
    try:
        for_elements(resolve(scope.file))
    except NotInElements as refusal:
        for reason in refusal.reasons:
            yield Raised("R610", f"A VistA cannot be told this rule: {reason.text}.", rules.get(reason.rule), reason.place)


def _is_date(condition: Condition) -> bool:
    return condition.data_type in DATE_TYPES


def _element(condition: Condition) -> str:
    if condition.keyword in KEYWORDS or not is_known(condition.keyword):
        return ""
    return f"VistA would ignore {condition}: it never finds a DICOM element's value."


def _no_type(condition: Condition) -> str:
    if condition.data_type in DATE_TYPES | TEXT_TYPES:
        return ""
    return f"VistA would ignore {condition}: it knows no data type {condition.data_type or '(none)'}."


def _text_order(condition: Condition) -> str:
    if _is_date(condition) or condition.operator not in ORDERS:
        return ""
    return f"VistA would ignore {condition}: of texts it knows = and != only."


def _date_operator(condition: Condition) -> str:
    if not _is_date(condition) or condition.operator == EQUAL or condition.operator not in OPERATORS:
        return ""
    return f"VistA would ignore {condition}: of dates it knows = only."


def _date_value(condition: Condition) -> str:
    if not _is_date(condition) or condition.frames or not has_meaning(literal(condition, holds=True)):
        return ""
    return f"VistA would never find {condition} true: it compares dates with frames only."


def _shifted(condition: Condition) -> str:
    if not condition.frames or condition.keyword == NOW:
        return ""
    return f"VistA would read the frames of {condition.keyword} shifted: only NOW is written with the weekday first."


def _last_star(condition: Condition) -> str:
    if _is_date(condition) or condition.operator not in (EQUAL, UNEQUAL) or not condition.value.endswith("*"):
        return ""
    if is_certain(condition):
        return ""  # a field is never empty: a lone star is the same in both
    return f'VistA would want at least one character for the * at the end of "{condition.value}".'


_CHECKS: tuple[tuple[str, Callable[[Condition], str]], ...] = (
    ("R601", _element),
    ("R608", _no_type),
    ("R602", _text_order),
    ("R603", _date_operator),
    ("R607", _date_value),
    ("R606", _shifted),
    ("R604", _last_star),
)
