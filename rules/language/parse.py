"""Reading rules: the rule file and single caret elements. The only importer of lark."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import lru_cache
from importlib import resources
from itertools import accumulate
from threading import Lock
from typing import Any

from lark import Lark, Token
from lark.exceptions import UnexpectedInput, UnexpectedToken

from rules.language.ast import Rule, RuleFile
from rules.language.builder import Builder, Refused
from rules.language.errors import RuleFileErrors, RuleFileTooLong, RuleSyntaxError
from rules.language.frames import frame_fault
from rules.language.names import resolve
from rules.language.recovery import STATEMENT, Marks
from rules.language.wording import BETWEEN_CONDITIONS, expected_words, is_word, suggestion

#: Bounds of a rule file: its characters, and the errors that are told of it.
LONGEST, MOST_ERRORS = 1_000_000, 50
_MOST_STACKS = 1000

_QUOTES = str.maketrans("“”„‟", '""""')
#: Blanks that are not the keyboard's: word processors set them. In quotes they stay.
_FOREIGN_BLANK = re.compile(r"[^\S \t\n]")
_QUOTED_OR_BLANK = re.compile(r'"[^"\n]*"|[^\S \t\n]')
_WORD_AT = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_WORD_BEFORE = re.compile(r"([A-Za-z_]\w*)\s*\Z", re.ASCII)
#: Tokens that begin a statement, or end the file: what is missing is missing before them.
_STATEMENTS = frozenset(["TO_ONE", "SEND", "DICOM", "BALANCE", "_RULE", "_DESTINATION", "_HOLIDAY", "$END"])


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


class _Reader:
    """The parser of rule files with the builder that is part of it: one text at a time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._builder = Builder()
        made_by: Any = self._builder  # any object whose methods are the grammar's rules will do
        self._lark = Lark(
            _grammar("route.lark"),
            start=["start", "rest"],
            parser="lalr",
            lexer="contextual",
            maybe_placeholders=True,
            transformer=made_by,
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
                at = position + errors.syntax(error, position, in_brackets=self._builder.open > 0)
            except Refused as error:
                at = position + (error.word.start_pos or 0)
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
    if "_CLOSE_BRACE" not in _accepts(error):
        return False
    brace = Token.new_borrow_pos("_CLOSE_BRACE", "}", error.token)
    closed: Any = error.interactive_parser.copy()  # type: ignore[no-untyped-call]  # lark gives it no types
    closed.feed_token(brace)
    if error.token.type not in closed.accepts():  # more is left open than the frames
        return False
    parser = error.interactive_parser
    parser.feed_token(brace)
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

    def syntax(self, error: UnexpectedInput, base: int, *, in_brackets: bool) -> int:
        """Add an error that lark found in the text from `base` on, perhaps in brackets of conditions; give its position there."""
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
        if in_brackets and accepts == {"_CLOSE"}:  # a bracket of conditions was read as whole before its end was missed
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
    """Blank comment lines, so that places stay what they are; straighten quotes, blanks and line ends."""
    lines = text.removeprefix("\ufeff").translate(_QUOTES).splitlines()
    prepared = "\n".join("" if line.lstrip().startswith("#") else line for line in lines) + "\n"
    return _QUOTED_OR_BLANK.sub(_plain_blank, prepared) if _FOREIGN_BLANK.search(prepared) else prepared


def _plain_blank(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith('"') else " "
