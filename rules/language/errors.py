"""Errors in rules, as a person needs them."""

from __future__ import annotations

from collections.abc import Sequence


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
        super().__init__(f"line {line}, column {column}: expected {expected}.{hint}\n    {text}\n    {' ' * (column - 1)}^")


class RuleFileErrors(RuleError):
    """A rule file has errors; `errors` holds each of them."""

    def __init__(self, errors: Sequence[RuleSyntaxError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(str(error) for error in errors))
