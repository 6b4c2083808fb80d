"""Reading rules: the rule file and single caret elements. The only importer of lark."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import replace
from functools import lru_cache
from importlib import resources
from itertools import accumulate
from threading import Lock
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedInput, UnexpectedToken

from rules.language.ast import (
    BALANCE,
    DICOM,
    LOCAL,
    SEND,
    Condition,
    Expression,
    Frame,
    NamedDestination,
    NamedHoliday,
    Place,
    Rule,
    RuleFile,
    Share,
    Validity,
    all_of,
    any_of,
    as_conditions,
    negated,
)
from rules.language.dicom_names import keyword_of
from rules.language.errors import RuleFileErrors, RuleFileTooLong, RuleSyntaxError
from rules.language.frames import CLOCKS, clock_frame, date_frame, frame_fault, read_date, read_day, read_time
from rules.language.keywords import DATE_TYPES, data_type_of
from rules.language.names import resolve
from rules.language.recovery import STATEMENT, Marks
from rules.language.wording import BETWEEN_CONDITIONS, expected_words, is_word, suggestion

#: Bounds of a rule file: its characters, the depth of its parentheses, the errors that are told of it.
LONGEST, DEEPEST, MOST_ERRORS = 1_000_000, 50, 50
_MOST_STACKS = 1000

_QUOTES = str.maketrans("“”„‟", '""""')
_WORD_AT = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_WORD_BEFORE = re.compile(r"([A-Za-z_]\w*)\s*\Z", re.ASCII)
#: Tokens that begin a statement, or end the file: what is missing is missing before them.
_STATEMENTS = frozenset(["SEND", "DICOM", "BALANCE", "_RULE", "_DESTINATION", "_HOLIDAY", "$END"])

_Modifier = tuple[str, Any]
_Parameters = tuple[Token, tuple[Share, ...]]
_Destination = tuple[str, Place]


def _grammar(name: str) -> str:
    return (resources.files("rules.language") / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _element_parser() -> Lark:
    return Lark(_grammar("elements.lark"), parser="lalr", lexer="contextual")


def element_shape(text: str) -> str:
    """Name the shape of a caret element, a terminal of `elements.lark`; an empty element is LOGGED like a foreign one."""
    if not text:
        return "LOGGED"
    token = _element_parser().parse(text).children[0]
    return str(token.type) if isinstance(token, Token) else "LOGGED"


class _Refused(Exception):
    """Reading cannot go on here, though the grammar could."""

    def __init__(self, token: Token, expected: str) -> None:
        self.token = token
        self.expected = expected


@v_args(inline=True)
class _Builder(Transformer[Token, RuleFile]):
    """Makes rules of what is read, while it is read. What cannot be meant goes to `refused`, and reading goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.begin()

    def begin(self) -> None:
        """Forget what came before."""
        self.refused: list[tuple[int, str]] = []
        self.open = 0

    # ---- names ----

    def named(self, name: Token, destination: _Destination) -> NamedDestination:
        return NamedDestination(self._text(name), destination[0], _place(name))

    def holiday(self, name: Token, *dates: Token) -> NamedHoliday:
        return NamedHoliday(_unquoted(name), tuple(self._day(day) for day in dates), _place(name))

    # ---- what to do ----

    def send(self, verb: Token, destination: _Destination) -> _Parameters:
        return verb, (Share(destination[0], place=destination[1]),)

    dicom = send

    def balance(self, verb: Token, *shares: Share) -> _Parameters:
        return verb, shares

    def share(self, destination: _Destination | Token, percent: Token, cap: Token | None) -> Share:
        name, place = (LOCAL, _place(destination)) if isinstance(destination, Token) else destination
        return Share(name, str(percent), str(cap or ""), place=place)

    def destination(self, token: Token) -> _Destination:
        return self._text(token), _place(token)

    # ---- when ----

    def value(self, token: Token) -> str:
        return self._text(token)

    item = value

    def condition(self, name: Token, operator: Token, value: str) -> Condition:
        keyword = keyword_of(name)
        return Condition(keyword, str(operator), data_type_of(keyword), value, (), _place(name))

    def framed(self, name: Token, operator: Token, *texts: Token) -> Condition:
        keyword = keyword_of(name)
        data_type = data_type_of(keyword)
        frames = tuple(self._frame(text) for text in texts)
        return Condition(keyword, str(operator), data_type if data_type in DATE_TYPES else "DT", "", frames, _place(name))

    def _frame(self, token: Token) -> Frame:
        at = token.start_pos or 0
        if clocks := CLOCKS.fullmatch(token):
            begin, end = (self._time(clocks[name], at + clocks.start(name)) for name in ("begin", "end"))
            frame = clock_frame((clocks["day"] or "").upper(), begin, end)
        else:
            first, _, last = token.lower().partition("to")
            begin, end = self._date(first.strip(), at), self._date(last.strip(), at + len(token) - len(last.lstrip()))
            frame = date_frame(begin, end)
        return Frame(frame.mask, frame.begin, frame.end, _place(token))

    def among(self, name: Token, *values: str) -> Expression:
        keyword, place = keyword_of(name), _place(name)
        return any_of(Condition(keyword, "=", data_type_of(keyword), value, (), place) for value in values)

    def not_among(self, name: Token, *values: str) -> Expression:
        expression = self.among(name, *values)
        return replace(expression, operator="!=") if isinstance(expression, Condition) else negated(expression)

    def any_of(self, *parts: Expression) -> Expression:
        return any_of(parts)

    def all_of(self, *parts: Expression) -> Expression:
        return all_of(parts)

    def negated(self, _word: Token, part: Expression) -> Expression:
        return negated(part)

    def OPEN(self, bracket: Token) -> Token:  # noqa: N802  lark calls this by the terminal's name, when it is lexed
        self.open += 1
        if self.open > DEEPEST:
            raise _Refused(bracket, f"parentheses no more than {DEEPEST} deep")
        return bracket

    def group(self, _bracket: Token, part: Expression) -> Expression:
        self.open -= 1
        return part

    # ---- how ----

    def priority(self, word: Token, level: Token) -> tuple[Token, _Modifier]:
        return word, ("priority", level.upper())

    def prior_study(self, word: Token, answer: Token) -> tuple[Token, _Modifier]:
        return word, ("prior_study", answer.upper())

    def enabled(self, word: Token, answer: Token) -> tuple[Token, _Modifier]:
        return word, ("enabled", answer.upper() == "YES")

    def valid(self, word: Token, begin: Token, end: Token) -> tuple[Token, _Modifier]:
        valid = Validity(self._day(begin), self._day(end))
        if valid.begin > valid.end:
            self._refuse(end.start_pos or 0, "a day that is not before the first")
        return word, ("valid", valid)

    def valid_from(self, word: Token, begin: Token) -> tuple[Token, _Modifier]:
        return word, ("valid", Validity(self._day(begin)))

    def valid_until(self, word: Token, end: Token) -> tuple[Token, _Modifier]:
        return word, ("valid", Validity("", self._day(end)))

    # ---- wholes ----

    def rule(self, name: Token | None, action: _Parameters, when: Expression, *modifiers: tuple[Token, _Modifier]) -> Rule:
        verb, parameters = action
        rule = Rule(0, _VERBS[verb.type], parameters, as_conditions(when), place=_place(name or verb))
        given = self._modifiers(modifiers)
        if name:
            given["name"] = _unquoted(name)
        return replace(rule, **given) if given else rule

    def rest(self, *_parts: object) -> RuleFile:
        return RuleFile(())

    def start(self, *statements: Rule | NamedDestination | NamedHoliday) -> RuleFile:
        rules = [part for part in statements if isinstance(part, Rule)]
        return RuleFile(
            tuple(replace(rule, number=number) for number, rule in enumerate(rules, start=1)),
            tuple(part for part in statements if isinstance(part, NamedDestination)),
            tuple(part for part in statements if isinstance(part, NamedHoliday)),
        )

    def _modifiers(self, modifiers: tuple[tuple[Token, _Modifier], ...]) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for word, (name, value) in modifiers:
            if name in given:
                self._refuse(word.start_pos or 0, f"{word.lower()} no more than once")
            given[name] = value
        return given

    def _text(self, token: Token) -> str:
        if "^" in token:  # elements are set off by carets: what follows one would be lost on the way to the evaluator
            self._refuse(token.start_pos or 0, "a text without a caret (^)")
        return _unquoted(token)

    def _time(self, text: str, at: int) -> str:
        try:
            return read_time(text)
        except ValueError:
            return self._refuse(at, "a time from 00:00 to 23:59", "0000")

    def _date(self, text: str, at: int) -> str:
        try:
            return read_date(text)
        except ValueError:
            return self._refuse(at, "a date that there is", "3000101")

    def _day(self, token: Token) -> str:
        try:
            return read_day(token)
        except ValueError:
            return self._refuse(token.start_pos or 0, "a day that there is, such as 2026-12-25", "3000101")

    def _refuse(self, at: int, expected: str, instead: str = "") -> str:
        """Note that a text cannot be meant, and go on with another."""
        self.refused.append((at, expected))
        return instead


_VERBS = {"SEND": SEND, "DICOM": DICOM, "BALANCE": BALANCE}


def _place(token: Token) -> Place:
    return Place(token.line or 1, token.column or 1)


def _unquoted(token: Token) -> str:
    return token[1:-1] if token.type == "STRING" else str(token)


class _Reader:
    """The parser of rule files with the builder that is part of it: one text at a time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._builder = _Builder()
        self._lark = Lark(
            _grammar("route.lark"),
            start=["start", "rest"],
            parser="lalr",
            lexer="contextual",
            maybe_placeholders=True,
            transformer=self._builder,
        )

    def read(self, text: str) -> RuleFile:
        """Read a prepared text. Raises RuleFileErrors."""
        with self._lock:
            return self._read(text)

    def _read(self, text: str) -> RuleFile:
        errors = _Errors(text)
        marks: Marks | None = None
        position, start = 0, STATEMENT
        while True:
            self._builder.begin()
            found: RuleFile | None = None
            at: int | None = None
            try:
                found = self._parse(text[position:], start)
            except UnexpectedInput as error:
                at = position + errors.syntax(error, position)
            except _Refused as error:
                at = position + (error.token.start_pos or 0)
                errors.add(at, error.expected)
            for place, expected in self._builder.refused:
                errors.add(position + place, expected)
            if at is None or errors.many:
                break
            marks = marks or Marks(text)
            mark = marks.after(max(at, position + 1))
            if mark is None:
                break
            position, start = mark.position, mark.start
        errors.tell()
        return found or RuleFile(())

    def _parse(self, text: str, start: str) -> RuleFile:
        parsed: Any = self._lark.parse(text, start=start, on_error=_close_frames)  # what the builder made, not a tree
        file: RuleFile = parsed
        return file


#: What may stand where the parser is, by its stack: files go wrong at the same places, and to find it takes a while.
_ACCEPTED: dict[tuple[int, ...], frozenset[str]] = {}


def _accepts(error: UnexpectedInput) -> frozenset[str]:
    """Give the terminals that could stand where an error is."""
    parser: Any = error.interactive_parser  # lark gives it no types
    stack = tuple(parser.parser_state.state_stack)
    if stack not in _ACCEPTED:
        if len(_ACCEPTED) >= _MOST_STACKS:
            _ACCEPTED.clear()
        _ACCEPTED[stack] = frozenset(parser.accepts())
    return _ACCEPTED[stack]


@lru_cache(maxsize=1)
def _reader() -> _Reader:
    return _Reader()


def _close_frames(error: UnexpectedInput) -> bool:
    """Let the end of a rule end a list of frames whose brace was left open, as a manual prints one."""
    if not isinstance(error, UnexpectedToken) or error.token.type not in _STATEMENTS:
        return False
    parser = error.interactive_parser
    if "RBRACE" not in _accepts(error):
        return False
    parser.feed_token(Token.new_borrow_pos("RBRACE", "}", error.token))
    if error.token.type != "$END":
        parser.feed_token(error.token)
    return True


class _Errors:
    """The errors of a text, each with its place."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: dict[int, RuleSyntaxError] = {}
        self._lines: list[int] = []

    @property
    def many(self) -> bool:
        """Tell whether a person has enough of them."""
        return len(self._found) >= MOST_ERRORS

    def syntax(self, error: UnexpectedInput, base: int) -> int:
        """Add an error that lark found in the text from `base` on; give its position there."""
        text, accepts = self._text, _accepts(error)
        token = error.token if isinstance(error, UnexpectedToken) else None
        at = (error.pos_in_stream if token is None else token.start_pos) or 0
        if token is not None and token.type == "$END":
            at = len(text) - base
        place = base + at
        if token is not None and token.type in _STATEMENTS:
            place = base + len(text[base:place].rstrip())
        elif "OPERATOR" in accepts:
            before = _WORD_BEFORE.search(text, max(base, place - 40), place)
            meant = suggestion(before[1], BETWEEN_CONDITIONS) if before else ""
            if before and (meant or is_word(before[1], BETWEEN_CONDITIONS)):
                self.add(before.start(), expected_words([*BETWEEN_CONDITIONS, "NAME"]), meant)
                return at
        if "FRAME" in accepts and (token is None or token.type not in _STATEMENTS):
            fault = frame_fault(text, place)
            place, accepts = fault.position, fault.terminals
        if accepts == {"RPAR"}:  # a bracket of conditions was read as whole before its end was missed
            accepts = accepts | {"NAME", "_AND", "_OR"}
        word = _WORD_AT.match(text, place)
        self.add(place, expected_words(accepts), suggestion(word[0], accepts) if word else "")
        return at

    def add(self, at: int, expected: str, meant: str = "") -> None:
        """Add an error; the first at a place stands."""
        self._lines = self._lines or [0, *accumulate(len(line) for line in self._text.splitlines(keepends=True))]
        line = max(1, bisect_right(self._lines, at)) if at < len(self._text) else max(1, len(self._lines) - 1)
        begin = self._lines[line - 1]
        shown = self._text[begin:].partition("\n")[0] if line == len(self._lines) else self._text[begin : self._lines[line]]
        error = RuleSyntaxError(shown.rstrip("\n"), line, at - begin + 1, expected, meant)
        self._found.setdefault(at, error)

    def tell(self) -> None:
        """Raise what was found, in the order of the text."""
        if self._found:
            raise RuleFileErrors([self._found[at] for at in sorted(self._found)])


def parse_rule_file(text: str) -> RuleFile:
    """Read a rule file. Raises RuleFileErrors with all errors that can be told, and RuleFileTooLong.

    Rules are numbered from 1; names stay names until `resolve` replaces them.
    """
    if len(text) > LONGEST:
        raise RuleFileTooLong(len(text), LONGEST)
    return _reader().read(_prepared(text))


def parse_rules(text: str) -> list[Rule]:
    """Read the rules of a rule file, names replaced by what they stand for. Raises what `parse_rule_file` does."""
    return list(resolve(parse_rule_file(text)))


def _prepared(text: str) -> str:
    """Blank comment lines, so that places stay what they are; straighten quotes and line ends."""
    lines = text.removeprefix("\ufeff").translate(_QUOTES).splitlines()
    return "\n".join("" if line.lstrip().startswith("#") else line for line in lines) + "\n"
