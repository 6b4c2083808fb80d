"""Making rules of what is read. Called by the parser, a method for each of the grammar's rules; knows nothing of lark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar

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
from rules.language.frames import CLOCKS, read_date, read_day, read_frame, read_time
from rules.language.keywords import DATE_TYPES, data_type_of

#: The most parentheses that may be open at once.
DEEPEST = 50

# What the grammar reads as one word, taken apart. Its terminals are narrower: they tell what is one.
_TO_ONE = re.compile(r'(\w+)\s*\(\s*("[^"]*"|[^\s)]+)')
_CONDITION = re.compile(
    r"""(?:and\b(?!\s*[=!<>])\s*)?
        (?P<keyword>(?:[A-Z]\w*|\([^()]*\))(?:[.>]\([^()]*\)|\.\w+)*)\s*
        (?P<operator>[=<>!]=?)\s*
        (?:"(?P<text>[^"]*)"|\{(?P<frames>[^{}]*)\}|(?P<word>[^\s"{}();=!<>]+))\s*""",
    re.IGNORECASE | re.VERBOSE,
)
_FRAME = re.compile(r"[^\s;{}](?:[^;{}]*[^\s;{}])?")

_Made = TypeVar("_Made")
_Modifier = tuple[str, Any]


class Word(str):
    """A word of the text with its terminal and place: what lark calls a token, which has all of this too."""

    type: str
    line: int | None
    column: int | None
    start_pos: int | None


_Parameters = tuple[str, Place, tuple[Share, ...]]
_Destination = tuple[str, Place]


class Refused(Exception):
    """Reading cannot go on here, though the grammar could."""

    def __init__(self, word: Word, expected: str) -> None:
        self.word = word
        self.expected = expected


def _of_parts(make: Callable[..., _Made]) -> Callable[[Builder, list[Any]], _Made]:
    """Let a method take what its rule is made of as arguments; the parser gives a list."""

    @wraps(make)
    def made(builder: Builder, parts: list[Any]) -> _Made:
        return make(builder, *parts)

    return made


class Builder:
    """Makes rules of what is read, while it is read. What cannot be meant goes to `refused`, and reading goes on."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget what came before."""
        self.refused: list[tuple[int, str]] = []
        self.rules = self.open = 0

    # ---- names ----

    @_of_parts
    def named(self, name: Word, destination: _Destination) -> NamedDestination:
        return NamedDestination(self._text(name), destination[0], _place(name))

    @_of_parts
    def holiday(self, name: Word, *dates: Word) -> NamedHoliday:
        return NamedHoliday(self._text(name), tuple(self._day(day) for day in dates), _place(name))

    # ---- what to do ----

    @_of_parts
    def to_one(self, whole: Word) -> _Parameters:
        found = _TO_ONE.match(whole)
        assert found  # the grammar's terminal is narrower
        verb, name = found.groups()
        share = Share(_without_quotes(name), place=_place_in(whole, found.start(2)))
        return verb.upper(), _place(whole), (share,)

    @_of_parts
    def send(self, verb: Word, destination: _Destination) -> _Parameters:
        return SEND, _place(verb), (Share(destination[0], place=destination[1]),)

    @_of_parts
    def dicom(self, verb: Word, destination: _Destination) -> _Parameters:
        return DICOM, _place(verb), (Share(destination[0], place=destination[1]),)

    @_of_parts
    def balance(self, verb: Word, *shares: Share) -> _Parameters:
        return BALANCE, _place(verb), shares

    @_of_parts
    def share(self, destination: _Destination | Word, percent: Word, cap: Word | None) -> Share:
        name, place = destination if isinstance(destination, tuple) else (LOCAL, _place(destination))
        return Share(name, str(percent), str(cap or ""), place=place)

    @_of_parts
    def destination(self, token: Word) -> _Destination:
        return self._text(token), _place(token)

    # ---- when ----

    @_of_parts
    def value(self, token: Word) -> str:
        return self._text(token)

    item = value

    @_of_parts
    def conditions(self, whole: Word) -> Expression:
        made: list[Condition] = []
        at = 0
        while at < len(whole):
            found = _CONDITION.match(whole, at)
            assert found, f"{whole[at:]!r} is a condition to the grammar only"
            made.append(self._condition(whole, found))
            at = found.end()
        return all_of(made)

    def _condition(self, whole: Word, found: re.Match[str]) -> Condition:
        keyword, operator, text, frames, word = found.groups()
        place = _place_in(whole, found.start("keyword"))
        if frames is not None:
            spans = _FRAME.finditer(whole, *found.span("frames"))
            return self._framed(keyword, operator, place, [self._frame(whole, *span.span()) for span in spans])
        keyword = keyword_of(keyword)
        return Condition(keyword, operator, data_type_of(keyword), word if text is None else text, (), place)

    @_of_parts
    def condition(self, name: Word, operator: Word, value: str) -> Condition:
        keyword = keyword_of(name)
        return Condition(keyword, str(operator), data_type_of(keyword), value, (), _place(name))

    @_of_parts
    def framed(self, name: Word, operator: Word, *frames: Word) -> Condition:
        return self._framed(name, str(operator), _place(name), [self._frame(frame, 0, len(frame)) for frame in frames])

    def _framed(self, name: str, operator: str, place: Place, frames: list[Frame]) -> Condition:
        keyword = keyword_of(name)
        data_type = data_type_of(keyword)
        return Condition(keyword, operator, data_type if data_type in DATE_TYPES else "DT", "", tuple(frames), place)

    def _frame(self, whole: Word, start: int, end: int) -> Frame:
        text = whole[start:end].rstrip()
        try:
            frame = read_frame(text)
        except ValueError:
            frame = self._faulty_frame(text, (whole.start_pos or 0) + start)
        return Frame(frame.mask, frame.begin, frame.end, _place_in(whole, start))

    def _faulty_frame(self, text: str, at: int) -> Frame:
        """Refuse the parts of a frame that cannot be meant."""
        clocks = CLOCKS.fullmatch(text)
        if clocks:
            for name in ("begin", "end"):
                self._check(clocks[name], read_time, at + clocks.start(name), "a time from 00:00 to 23:59")
        else:
            first, _, last = text.lower().partition("to")
            for part, start in ((first.strip(), at), (last.strip(), at + len(text) - len(last.lstrip()))):
                self._check(part, read_date, start, "a date that there is")
        return Frame("", "", "")

    @_of_parts
    def among(self, name: Word, *values: str) -> Expression:
        return any_of(_one_of(name, values))

    @_of_parts
    def not_among(self, name: Word, *values: str) -> Expression:
        conditions = list(_one_of(name, values))
        return negated(any_of(conditions)) if len(conditions) > 1 else replace(conditions[0], operator="!=")

    @_of_parts
    def any_of(self, *parts: Expression) -> Expression:
        return any_of(parts)

    @_of_parts
    def all_of(self, *parts: Expression) -> Expression:
        return all_of(parts)

    @_of_parts
    def negated(self, _word: Word, part: Expression) -> Expression:
        return negated(part)

    def OPEN(self, bracket: Word) -> Word:  # noqa: N802  called by the terminal's name, when it is lexed
        self.open += 1
        if self.open > DEEPEST:
            raise Refused(bracket, f"parentheses no more than {DEEPEST} deep")
        return bracket

    @_of_parts
    def group(self, _bracket: Word, part: Expression) -> Expression:
        self.open -= 1
        return part

    # ---- how ----

    @_of_parts
    def priority_level(self, whole: Word) -> tuple[Word, _Modifier]:
        return whole, ("priority", whole.split()[1].upper())

    @_of_parts
    def prior_study_answer(self, whole: Word) -> tuple[Word, _Modifier]:
        return whole, ("prior_study", whole.split()[1].upper())

    @_of_parts
    def priority(self, word: Word, level: Word) -> tuple[Word, _Modifier]:
        return word, ("priority", level.upper().strip())

    @_of_parts
    def prior_study(self, word: Word, answer: Word) -> tuple[Word, _Modifier]:
        return word, ("prior_study", answer.upper().strip())

    @_of_parts
    def enabled(self, word: Word, answer: Word) -> tuple[Word, _Modifier]:
        return word, ("enabled", answer.upper().strip() == "YES")

    @_of_parts
    def valid(self, word: Word, begin: Word, end: Word) -> tuple[Word, _Modifier]:
        valid = Validity(self._day(begin), self._day(end))
        if valid.begin > valid.end:
            self._refuse(end.start_pos or 0, "a day that is not before the first")
        return word, ("valid", valid)

    @_of_parts
    def valid_from(self, word: Word, begin: Word) -> tuple[Word, _Modifier]:
        return word, ("valid", Validity(self._day(begin)))

    @_of_parts
    def valid_until(self, word: Word, end: Word) -> tuple[Word, _Modifier]:
        return word, ("valid", Validity("", self._day(end)))

    # ---- wholes ----

    @_of_parts
    def rule(self, name: Word | None, action: _Parameters, when: Expression, *modifiers: tuple[Word, _Modifier]) -> Rule:
        verb, place, parameters = action
        self.rules += 1
        return Rule(
            self.rules,
            verb,
            parameters,
            as_conditions(when),
            name=self._text(name) if name else "",
            place=_place(name) if name else place,
            **self._modifiers(modifiers),
        )

    @_of_parts
    def rest(self, *_parts: object) -> RuleFile:
        return RuleFile(())

    @_of_parts
    def start(self, *statements: Rule | NamedDestination | NamedHoliday) -> RuleFile:
        return RuleFile(
            tuple(part for part in statements if isinstance(part, Rule)),
            tuple(part for part in statements if isinstance(part, NamedDestination)),
            tuple(part for part in statements if isinstance(part, NamedHoliday)),
        )

    def _modifiers(self, modifiers: tuple[tuple[Word, _Modifier], ...]) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for word, (name, value) in modifiers:
            if name in given:
                self._refuse(word.start_pos or 0, f"{word.lower().split()[0]} no more than once")
            given[name] = value
        return given

    def _text(self, token: Word) -> str:
        if "^" in token:  # elements are set off by carets: what follows one would be lost on the way to the evaluator
            self._refuse(token.start_pos or 0, "a text without a caret (^)")
        return _unquoted(token)

    def _check(self, text: str, read: Callable[[str], str], at: int, expected: str) -> None:
        try:
            read(text)
        except ValueError:
            self._refuse(at, expected)

    def _day(self, token: Word) -> str:
        try:
            return read_day(token)
        except ValueError:
            return self._refuse(token.start_pos or 0, "a day that there is, such as 2026-12-25", "3000101")

    def _refuse(self, at: int, expected: str, instead: str = "") -> str:
        """Note that a text cannot be meant, and go on with another."""
        self.refused.append((at, expected))
        return instead


def _place(token: Word) -> Place:
    return Place(token.line or 1, token.column or 1)


def _place_in(word: Word, at: int) -> Place:
    """Give the place of a character of a word that may go over lines."""
    if "\n" not in word:
        return Place(word.line or 1, (word.column or 1) + at)
    newest = word.rfind("\n", 0, at)
    column = (word.column or 1) + at if newest < 0 else at - newest
    return Place((word.line or 1) + word.count("\n", 0, at), column)


def _one_of(name: Word, values: tuple[str, ...]) -> Iterator[Condition]:
    keyword, place = keyword_of(name), _place(name)
    return (Condition(keyword, "=", data_type_of(keyword), value, (), place) for value in values)


def _without_quotes(text: str) -> str:
    return text[1:-1] if text.startswith('"') else text


def _unquoted(token: Word) -> str:
    text = token.rstrip()  # some words come with the blanks behind them
    return text[1:-1] if token.type == "STRING" else text
