"""Reading rules: the rule file and single caret elements. The only importer of lark."""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from importlib import resources

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken, VisitError

from rules.language.ast import BALANCE, DICOM, LOCAL, SEND, Condition, Frame, Rule, Share
from rules.language.errors import RuleFileErrors, RuleSyntaxError
from rules.language.frames import clock_frame, date_frame, read_time
from rules.language.keywords import KEYWORDS, data_type_of

_ACTION = re.compile(r"(?<![\w\"])(send|dicom|balance)\s*\(", re.IGNORECASE)
_QUOTES = str.maketrans("“”„‟", '""""')
_WORD_AT = re.compile(r"[A-Za-z_]+")
_KNOWN_WORDS = (
    "SEND",
    "DICOM",
    "BALANCE",
    "WHEN",
    "IF",
    "PRIORITY",
    "PRIORSTUDY",
    "LOW",
    "MEDIUM",
    "NORMAL",
    "HIGH",
    "YES",
    "NO",
    "SUN",
    "MON",
    "TUE",
    "WED",
    "THU",
    "FRI",
    "SAT",
    "HOL",
    "TO",
)

#: What a terminal of the grammar is to a person.
_EXPECTED = {
    "SEND": "send(...)",
    "DICOM": "dicom(...)",
    "BALANCE": "balance(...)",
    "_WHEN": "when or if",
    "_TO": "to",
    "_PRIORITY": "priority",
    "_PRIORSTUDY": "priorstudy",
    "LEVEL": "LOW, MEDIUM, NORMAL or HIGH",
    "ANSWER": "YES or NO",
    "DAY": "a weekday or HOL",
    "TIME": "a time HH:MM",
    "FMDATE": "a FileMan date",
    "INTEGER": "a number",
    "OPERATOR": "= != < > <= or >=",
    "STRING": "a text in quotes",
    "NAME": "a property",
    "WORD": "a destination",
    "VALUE": "a value",
    "LOCAL": "<LOCAL>",
    "LPAR": "(",
    "RPAR": ")",
    "LBRACE": "{",
    "RBRACE": "}",
    "EQUAL": "=",
    "PERCENT": "%",
    "COMMA": ",",
    "SEMICOLON": ";",
    "SLASH": "/",
    "$END": "the end of the rule",
}


def _grammar(name: str) -> str:
    return (resources.files("rules.language") / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _route_parser() -> Lark:
    return Lark(_grammar("route.lark"), parser="lalr", lexer="contextual", maybe_placeholders=True)


@lru_cache(maxsize=1)
def _element_parser() -> Lark:
    return Lark(_grammar("elements.lark"), parser="lalr", lexer="contextual")


def element_shape(text: str) -> str:
    """Name the shape of a caret element, a terminal of `elements.lark`; an empty element is LOGGED like a foreign one."""
    if not text:
        return "LOGGED"
    token = _element_parser().parse(text).children[0]
    return str(token.type) if isinstance(token, Token) else "LOGGED"


@v_args(inline=True)
class _Builder(Transformer[Token, Rule]):
    """Turns the tree of one rule into a Rule without a number."""

    def send(self, _verb: Token, destination: str) -> tuple[str, tuple[Share, ...]]:
        return SEND, (Share(destination),)

    def dicom(self, _verb: Token, destination: str) -> tuple[str, tuple[Share, ...]]:
        return DICOM, (Share(destination),)

    def balance(self, _verb: Token, *shares: Share) -> tuple[str, tuple[Share, ...]]:
        return BALANCE, shares

    def share(self, destination: str | Token, percent: Token, cap: Token | None) -> Share:
        local = isinstance(destination, Token) and destination.type == "LOCAL"
        return Share(LOCAL if local else str(destination), str(percent), str(cap or ""))

    def destination(self, token: Token) -> str:
        return _unquoted(token)

    def value(self, token: Token) -> str:
        return _unquoted(token)

    def condition(self, name: Token, operator: Token, value: str) -> Condition:
        keyword = name.upper()
        return Condition(keyword, str(operator), data_type_of(keyword), value)

    def framed(self, name: Token, operator: Token, *frames: Frame | None) -> Condition:
        keyword = name.upper()
        data_type = data_type_of(keyword)
        kept = tuple(frame for frame in frames if isinstance(frame, Frame))
        return Condition(keyword, str(operator), data_type if data_type in ("DT", "DA", "TM") else "DT", "", kept)

    def clock(self, day: Token | None, begin: Token, end: Token) -> Frame:
        return clock_frame((day or "").upper(), _time(begin), _time(end))

    def dates(self, begin: Token, end: Token) -> Frame:
        return date_frame(str(begin), str(end))

    def priority(self, level: Token) -> tuple[str, str]:
        return "priority", level.upper()

    def prior_study(self, answer: Token) -> tuple[str, str]:
        return "prior_study", answer.upper()

    def start(self, action: tuple[str, tuple[Share, ...]], *rest: Condition | tuple[str, str]) -> Rule:
        conditions = tuple(part for part in rest if isinstance(part, Condition))
        modifiers = dict(part for part in rest if isinstance(part, tuple))
        return Rule(0, action[0], action[1], conditions, modifiers.get("priority", ""), modifiers.get("prior_study", ""))


class _Refused(Exception):
    def __init__(self, token: Token, expected: str) -> None:
        self.token = token
        self.expected = expected


def _time(token: Token) -> str:
    try:
        return read_time(token)
    except ValueError:
        raise _Refused(token, "a time from 00:00 to 23:59") from None


def _unquoted(token: Token) -> str:
    if "^" in token:  # elements are set off by carets: what follows one would be lost on the way to the evaluator
        raise _Refused(token, "a text without a caret (^)")
    return token[1:-1] if token.type == "STRING" else str(token)


def parse_rules(text: str) -> list[Rule]:
    """Read a rule file into rules, numbered from 1. Raises RuleFileErrors with every rule's first error."""
    prepared = _without_comments(text.translate(_QUOTES))
    lines = prepared.splitlines()
    starts = [match.start() for match in _ACTION.finditer(prepared) if not _inside_quotes(prepared, match.start())]
    rules: list[Rule] = []
    errors: list[RuleSyntaxError] = []
    before = prepared[: starts[0]] if starts else prepared
    if before.strip():
        offset = len(before) - len(before.lstrip())
        errors.append(_error_at(lines, prepared, offset, "send(...), dicom(...) or balance(...)"))
    ends = [*starts, len(prepared)][1:]
    for start, end in zip(starts, ends, strict=True):
        segment = prepared[start:end]
        try:
            tree = _route_parser().parse(segment)
            rule = _Builder().transform(tree)
        except UnexpectedInput as error:
            errors.append(_explain(error, lines, prepared, start, segment))
        except VisitError as error:
            if not isinstance(error.orig_exc, _Refused):
                raise
            at = start + (error.orig_exc.token.start_pos or 0)
            errors.append(_error_at(lines, prepared, at, error.orig_exc.expected))
        else:
            rules.append(Rule(len(rules) + 1, rule.verb, rule.parameters, rule.conditions, rule.priority, rule.prior_study))
    if errors:
        raise RuleFileErrors(errors)
    return rules


def _without_comments(text: str) -> str:
    """Blank comment lines, so that places stay what they are."""
    return "\n".join("" if line.lstrip().startswith("#") else line for line in text.splitlines()) + "\n"


def _inside_quotes(text: str, position: int) -> bool:
    line_start = text.rfind("\n", 0, position) + 1
    return text.count('"', line_start, position) % 2 == 1


def _explain(error: UnexpectedInput, lines: list[str], text: str, start: int, segment: str) -> RuleSyntaxError:
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        at, names = start + (error.token.start_pos or 0), set(error.accepts or error.expected)
    elif isinstance(error, UnexpectedCharacters):
        at, names = start + (error.pos_in_stream or 0), set(error.allowed or ())
    else:
        names = set(error.accepts or error.expected) if isinstance(error, UnexpectedToken) else set()
        if isinstance(error, UnexpectedEOF):
            names = set(error.expected)
        at = start + len(segment.rstrip())
    words = sorted({_EXPECTED.get(name, name.lower()) for name in names if name not in ("$END",)} or {"something else"})
    expected = words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]
    return _error_at(lines, text, at, expected)


def _error_at(lines: list[str], text: str, at: int, expected: str) -> RuleSyntaxError:
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    shown = lines[line - 1] if line <= len(lines) else ""
    word = _WORD_AT.match(text, at)
    close = difflib.get_close_matches(word[0].upper(), (*_KNOWN_WORDS, *KEYWORDS), n=1, cutoff=0.75) if word else []
    suggestion = close[0] if close and word and close[0] != word[0].upper() else ""
    return RuleSyntaxError(shown, line, column, expected, suggestion)
