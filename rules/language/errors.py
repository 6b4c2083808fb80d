"""Errors in rules, as a person needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rules.language.ast import Place, Rule

#: Columns of a line that an error shows on each side of its place.
_SHOWN = 100


class RuleError(Exception):
    """A routing rule cannot be used."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").splitlines()[0])


class RuleSyntaxError(RuleError):
    """The rule file is not understood here.

    The message names line and column, shows the line with a caret under the place, says what was expected, and suggests the
    keyword that was probably meant.
    """

    def __init__(self, text: str, line: int, column: int, expected: str, suggestion: str = "") -> None:
        self.line = line
        self.column = column
        self.expected = expected
        self.suggestion = suggestion
        hint = f" Did you mean {suggestion}?" if suggestion else ""
        super().__init__(f"line {line}, column {column}: expected {expected}.{hint}\n{pointing(text, column)}")


def pointing(text: str, column: int) -> str:
    """Show a line, or what of a long one is near the place, with a caret under the place; tabs stay tabs."""
    first = max(0, column - 1 - _SHOWN)
    before, after = text[first : column - 1], text[column - 1 : column - 1 + _SHOWN]
    blanks = "".join("\t" if letter == "\t" else " " for letter in before.ljust(column - 1 - first))
    return f"    {before}{after}\n    {blanks}^"


class RuleFileErrors(RuleError):
    """A rule file has errors; `errors` holds each of them."""

    def __init__(self, errors: Sequence[RuleSyntaxError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(str(error) for error in errors))


class RuleFileTooLong(RuleError):
    """A rule file is longer than any that people write."""

    def __init__(self, length: int, limit: int) -> None:
        self.length = length
        self.limit = limit
        super().__init__(f"The rule file has {length} characters; more than {limit} are not read.")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a rule cannot be said in elements: the rule's number, name and place, and what stands in the way."""

    rule: int
    name: str
    place: Place | None
    text: str

    @classmethod
    def of(cls, rule: Rule, text: str, place: Place | None = None) -> Reason:
        """Give a reason for a rule; the place is that of the rule where no part of it has one."""
        return cls(rule.number, rule.name, place or rule.place, text)

    def __str__(self) -> str:
        """Write the reason for a person."""
        name = f' "{self.name}"' if self.name else ""
        where = f" (line {self.place.line}, column {self.place.column})" if self.place else ""
        return f"rule {self.rule}{name}{where}: {self.text}"


class NotInElements(RuleError):
    """Rules say what the elements of MAG DICOM ROUTE EVAL START cannot carry; `reasons` holds each that there is."""

    def __init__(self, reasons: Sequence[Reason]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("\n".join(str(reason) for reason in reasons))


class NotForVista(NotInElements):
    """Rules say what a real VistA could not be told, or would not heed; `reasons` holds each that there is."""
