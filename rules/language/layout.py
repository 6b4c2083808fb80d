"""Writing rules as a rule file, in one form: the same rules always look the same. Comments are not kept.

A rule that VistA's own rule files could hold is written as they are; `and` is written only beside what they do not know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rules.language.ast import (
    BALANCE,
    DICOM,
    LOCAL,
    SEND,
    AllOf,
    AnyOf,
    Condition,
    Expression,
    NamedDestination,
    NamedHoliday,
    Not,
    Rule,
    RuleFile,
    Share,
    Validity,
)
from rules.language.dicom_names import keyword_of
from rules.language.errors import RuleError
from rules.language.frames import frame_text, iso_day
from rules.language.keywords import BASE_PRIORITY, OPERATORS, data_type_of
from rules.language.parse import parse_rule_file

#: The columns that a rule is laid out for; what cannot be broken may pass them.
WIDTH = 100
_INDENT = "    "
#: Values that need no quotes, in VistA's files neither.
_PLAIN = re.compile(r"[A-Z0-9_]+|[0-9]+\.[0-9]+", re.ASCII)
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_\-]*", re.ASCII)
_UNQUOTABLE = re.compile('["\u201c\u201d\u201e\u201f^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]')
#: Property names that only an operator behind them tells from the words of the language.
_CONNECTIVES = ("AND", "OR", "NOT")
_TAG = r"\([0-9A-F]{4},[0-9A-F]{4}\)"
_NAME = re.compile(rf"([A-Z][A-Z0-9_]*|{_TAG})(\.[A-Z][A-Z0-9_]*|[.>]{_TAG})*", re.ASCII)


class NotInWords(RuleError):
    """A rule has something that the rule file has no words for."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"{self.__doc__} It is {what!r}.")


def format_rule_file(text: str) -> str:
    """Lay a rule file out; its comments are lost. Raises what `parse_rule_file` does."""
    return decompile(parse_rule_file(text))


def decompile(rules: RuleFile | Iterable[Rule]) -> str:
    """Write a rule file, or rules, as text. Raises NotInWords for what only elements can carry."""
    file = rules if isinstance(rules, RuleFile) else RuleFile(tuple(rules))
    names = [*map(_destination, file.destinations), *map(_holiday, file.holidays)]
    written = [_rule(rule) for rule in file.rules]
    apart = "\n\n" if any("\n" in text for text in written) else "\n"
    blocks = ["\n".join(names)] if names else []
    return "\n\n".join([*blocks, apart.join(written)] if written else blocks) + "\n"


def expression_text(expression: Expression) -> str:
    """Write an expression as a rule file has it. Raises NotInWords for one that only elements can hold."""
    return _expression(expression)


def _quoted(text: str) -> str:
    if _UNQUOTABLE.search(text):
        raise NotInWords(text)
    return f'"{text}"'


def _named(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else _quoted(name)


def _destination(named: NamedDestination) -> str:
    return f"destination {_named(named.name)} = {_quoted(named.destination)}"


def _holiday(holiday: NamedHoliday) -> str:
    return f"holiday {_quoted(holiday.name)} = {', '.join(_day(day) for day in holiday.dates)}"


def _day(text: str) -> str:
    day = iso_day(text)
    if day is None:
        raise NotInWords(text)
    return day


def _rule(rule: Rule) -> str:
    conditions = _conditions(rule)
    head = [f"rule {_quoted(rule.name)}"] if rule.name else []
    action, how = f"{_action(rule)} when", " ".join(_modifiers(rule))
    line = " ".join(part for part in (action, *conditions, how) if part)
    if len(line) <= WIDTH:
        return "\n".join([*head, line])
    body = _wrapped(action, conditions)
    return "\n".join([*head, *body, *([_INDENT + how] if how else [])])


def _action(rule: Rule) -> str:
    whole = len(rule.parameters) == 1 if rule.verb in (SEND, DICOM) else rule.verb == BALANCE and rule.parameters
    if not whole or any(share.slot or bool(share.percent) is not (rule.verb == BALANCE) for share in rule.parameters):
        raise NotInWords(rule.action)
    return f"{rule.verb.lower()}({', '.join(_share(share) for share in rule.parameters)})"


def _share(share: Share) -> str:
    name = LOCAL if share.destination == LOCAL else _quoted(share.destination)
    if not share.percent:
        return _quoted(share.destination)
    if not (_digits(share.percent) and _digits(share.cap or "0")):
        raise NotInWords(str(share))
    return f"{name}={share.percent}%" + (f"/{share.cap}" if share.cap else "")


def _digits(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _modifiers(rule: Rule) -> Iterator[str]:
    if rule.priority not in ("", *BASE_PRIORITY) or rule.prior_study not in ("", "YES", "NO"):
        raise NotInWords(f"{rule.priority} {rule.prior_study}".strip())
    if rule.priority:
        yield f"priority {rule.priority}"
    if rule.prior_study:
        yield f"priorstudy {rule.prior_study}"
    if rule.valid is not None:
        yield _validity(rule.valid)
    if not rule.enabled:
        yield "enabled NO"


def _validity(valid: Validity) -> str:
    if valid.begin and valid.end:
        return f"valid {_day(valid.begin)} to {_day(valid.end)}"
    return f"valid from {_day(valid.begin)}" if valid.begin else f"valid until {_day(valid.end)}"


def _conditions(rule: Rule) -> list[str]:
    """Write what must hold, each in a text of its own."""
    if not rule.conditions:
        raise NotInWords(f"rule {rule.number} without conditions")
    if len(rule.conditions) == 1:
        return [_expression(rule.conditions[0])]
    parts = [_expression(part, AllOf) for part in rule.conditions]
    if all(isinstance(part, Condition) for part in rule.conditions):
        return parts
    return [*(f"{part} and" for part in parts[:-1]), parts[-1]]


def _expression(expression: Expression, inside: type[Expression] | None = None) -> str:
    """Write an expression, in parentheses where what it stands in binds tighter."""
    match expression:
        case Condition():
            return _condition(expression)
        case Not(AnyOf(parts)) if _one_of(parts):
            return _among(parts, "not in")
        case Not(part):
            return f"not {_expression(part, Not)}"
        case AllOf(parts):
            text = " and ".join(_expression(part, AllOf) for part in parts)
            return f"({text})" if inside in (AnyOf, Not) else text
        case AnyOf(parts):
            runs = (tuple(run) for _, run in groupby(parts, _same))
            text = " or ".join(text for run in runs for text in _run(run))
            return f"({text})" if inside in (AllOf, Not) and not _one_of(parts) else text


def _same(expression: Expression) -> str:
    """Name the keyword of which `in` may hold the values; what cannot stand there has none."""
    if not isinstance(expression, Condition) or expression.operator != "=" or expression.frames:
        return ""
    return "" if expression.keyword in _CONNECTIVES else expression.keyword


def _one_of(parts: Sequence[Expression]) -> bool:
    return len(parts) > 1 and len({_same(part) for part in parts}) == 1 and bool(_same(parts[0]))


def _run(parts: tuple[Expression, ...]) -> list[str]:
    return [_among(parts, "in")] if _one_of(parts) else [_expression(part, AnyOf) for part in parts]


def _among(parts: Sequence[Expression], word: str) -> str:
    conditions = [part for part in parts if isinstance(part, Condition)]
    for condition in conditions:
        _check_spoken(condition)
    return f"{conditions[0].keyword} {word} ({', '.join(_value(condition) for condition in conditions)})"


def _check_spoken(condition: Condition) -> None:
    keyword = condition.keyword
    spoken = condition.operator in OPERATORS and _NAME.fullmatch(keyword) and keyword_of(keyword) == keyword
    if not spoken or condition.data_type != ("DT" if condition.frames else data_type_of(keyword)):
        raise NotInWords(str(condition))


def _value(condition: Condition) -> str:
    return condition.value if _PLAIN.fullmatch(condition.value) else _quoted(condition.value)


def _condition(condition: Condition) -> str:
    _check_spoken(condition)
    stem = f"{condition.keyword}{condition.operator}"
    if not condition.frames:
        return stem + _value(condition)
    texts = [frame_text(frame) for frame in condition.frames]
    known = [text for text in texts if text is not None]
    if len(known) < len(texts):
        raise NotInWords(str(condition))
    return f"{stem}{{{'; '.join(known)}}}"


def _wrapped(action: str, conditions: Iterable[str]) -> list[str]:
    """Break a rule before its conditions, and frames after their semicolons."""
    lines = [action]
    for condition in conditions:
        line = _INDENT + condition
        while len(line) > WIDTH and (at := line.rfind("; ", 0, WIDTH)) > 0 and "{" in condition:
            lines.append(line[: at + 1])
            line = _INDENT * 2 + line[at + 2 :]
        lines.append(line)
    return lines
