"""An error says where, what was expected and what was probably meant; a file's errors are told together, in bounded time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.language import RuleFileErrors, RuleFileTooLong, RuleSyntaxError, parse_rule_file
from rules.language.builder import DEEPEST
from rules.language.parse import LONGEST, MOST_ERRORS


def errors_of(text: str) -> tuple[RuleSyntaxError, ...]:
    with pytest.raises(RuleFileErrors) as raised:
        parse_rule_file(text)
    return raised.value.errors


#: A text with one error; line and column, a word of what was expected, and the suggestion.
ERRORS = [
    ('send("A") whn X=1', (1, 11), "when or if", "WHEN"),
    ("send(A) when\n  X 1", (2, 5), "= != < > <= or >=", ""),
    ("send(A) when X=1 priority HIHG", (1, 27), "LOW, MEDIUM, NORMAL or HIGH", "HIGH"),
    ("send(A) when X=1 prority HIGH", (1, 18), "priority", "PRIORITY"),
    ("send(A) when X=1 and priority HIGH", (1, 22), "a property", ""),
    ("send(A) when X=1 enabeld NO", (1, 18), "enabled", "ENABLED"),
    ("send(A) when X=1 enabled maybe", (1, 26), "YES or NO", ""),
    ("send(A) when X=1 vaild from 2026-01-01", (1, 18), "valid", "VALID"),
    ("send(A) when X=1 valid form 2026-01-01", (1, 24), "from", "FROM"),
    ("send(A) when X=1 valid from tomorrow", (1, 29), "a date", ""),
    ("send(A) when X=1 valid from 2026-02-30", (1, 29), "a day that there is", ""),
    ("send(A) when X=1 valid from 2026-01-01T10:00", (1, 29), "a day that there is", ""),
    ("send(A) when X=1 valid 2026-02-01 to 2026-01-01", (1, 38), "a day that is not before the first", ""),
    ("send(A) when X=1 priority LOW priority HIGH", (1, 31), "priority no more than once", ""),
    ("sned(A) when X=1", (1, 1), "send(...), dicom(...), balance(...)", "SEND"),
    ("send(B) when X=1\nsned(A) when X=1", (2, 1), "send(...)", "SEND"),
    ("send(B) when X=1 destnation N=B", (1, 18), "destination", "DESTINATION"),
    ("send(A when X=1", (1, 8), ")", ""),
    ("send() when X=1", (1, 6), "a destination", ""),
    ('send("A) when X=1', (1, 6), "a text in quotes or a destination", ""),
    ("send(A) when", (1, 13), "a property", ""),
    ("send(A) when X=", (1, 16), "a value", ""),
    ("send(A) when\n\nsend(B) when X=1", (1, 13), "a property", ""),
    ("send(A) when (X=1 or Y=2", (1, 25), ")", ""),
    ("send(A) when X=1)", (1, 17), "priority, priorstudy", ""),
    ("send(A) when X in CT", (1, 19), "(", ""),
    ("send(A) when X in ()", (1, 20), "a value", ""),
    ("send(A) when X==1", (1, 16), "a value", ""),
    ("send(A) when X=1 or or Y=2", (1, 21), "a property", ""),
    ("balance(A=20%, B) when X=1", (1, 17), "=", ""),
    ("balance(A=20) when X=1", (1, 13), "%", ""),
    ("balance(A=20%/x) when X=1", (1, 15), "a number", ""),
    ("balance(<LOCL>=20%) when X=1", (1, 9), "<LOCAL>", ""),
    ("send(A) when NOW={MOM 08:00 to 09:00}", (1, 19), "a weekday or HOL", ""),
    ("send(A) when NOW={MONDAY 08:00 to 09:00}", (1, 19), "a weekday or HOL", "MON"),
    ("send(A) when NOW={MON 8 to 9}", (1, 23), "a time HH:MM", ""),
    ("send(A) when NOW={MON 08:00 untl 09:00}", (1, 29), "to", ""),
    ("send(A) when NOW={MON 08:00 to 25:00}", (1, 32), "a time from 00:00 to 23:59", ""),
    ("send(A) when NOW={2026-01-01 to 2026-13-01}", (1, 33), "a date that there is", ""),
    ("send(A) when NOW={MON 08:00 to 09:00 X=1", (1, 38), "; or }", ""),
    ("send(A^B) when X=1", (1, 6), "a text without a caret", ""),
    ("send(A) when X=A^B", (1, 16), "a text without a caret", ""),
    ('rule "A^B" send(A) when X=1', (1, 6), "a text without a caret", ""),
    ('holiday "A^B" = 2026-01-01', (1, 9), "a text without a caret", ""),
    ("holiday Labour = 2026-09-07, someday", (1, 30), "a date", ""),
    ("holiday Labour = 2026-09-31", (1, 18), "a day that there is", ""),
    ("destination N = ", (1, 16), "a text in quotes or a destination", ""),
    ('rule "x" when X=1', (1, 10), "send(...), dicom(...) or balance(...)", ""),
    ("\u00e9", (1, 1), "send(...)", ""),
]


@pytest.mark.parametrize(("text", "place", "expected", "suggestion"), ERRORS)
def test_an_error_says_where_what_was_expected_and_what_was_meant(
    text: str, place: tuple[int, int], expected: str, suggestion: str
) -> None:
    (error,) = errors_of(text)
    assert (error.line, error.column) == place
    assert expected in error.expected
    assert error.suggestion == suggestion
    message, line, pointer = str(error).split("\n")
    assert message.startswith(f"line {place[0]}, column {place[1]}: expected ")
    assert message.endswith(f" Did you mean {suggestion}?" if suggestion else ".")
    assert line == "    " + text.split("\n")[place[0] - 1]
    assert pointer.index("^") == place[1] + 3


def test_every_error_of_a_file_is_told_in_one_pass() -> None:
    text = (
        'send("A") whn MODALITY=CR\n\nsend("B") when MODALITY CR\n'
        "send(C) when NOW={MON 25:00 to 26:00}\nsend(D) when X=1 priority HIHG\n# sned\nsned(E) when X=1\nsend(F) when X=1\n"
    )
    errors = errors_of(text)
    assert [(error.line, error.column) for error in errors] == [(1, 11), (3, 25), (4, 23), (4, 32), (5, 27)]


def test_one_rule_may_have_several_errors() -> None:
    errors = errors_of('rule "it"\nsend(A^) whn X=1 Y 2 Z==3\n  prority HIGH valid 2026-99-01 to 2026-01-01\n  enabled perhaps')
    places = [(error.line, error.column) for error in errors]
    assert places == [(2, 6), (2, 10), (2, 20), (2, 24), (3, 22), (4, 11)]


def test_a_right_rule_after_a_wrong_one_has_no_error() -> None:
    (error,) = errors_of("send(A) when (X=1 or (Y=) or Z=2\nsend(B) when X=1 or Y=2\ndestination N=B\n")
    assert (error.line, error.column) == (1, 25)


@pytest.mark.parametrize("text", ["send(A when X=1", "send(A,B) when X=1", 'dicom("A" "B") when X=1'])
def test_after_a_destination_only_its_bracket_is_expected(text: str) -> None:
    assert [error.expected for error in errors_of(text)] == [")"]


def test_in_brackets_of_conditions_more_of_them_are_expected() -> None:
    (error,) = errors_of("send(A) when (X=1 priority HIGH")
    assert error.expected == "a property, ), and or or"


def test_tabs_and_long_lines_keep_the_caret_under_the_place() -> None:
    (error,) = errors_of("\tsend(A)\twhn X=1")
    assert str(error).split("\n")[2] == "    \t       \t^"
    (error,) = errors_of(f'send("{"A" * 3000}") whn X="{"B" * 3000}"')
    _, line, pointer = str(error).split("\n")
    assert len(line) < 250
    assert line[pointer.index("^") :].startswith("whn")


# ---- what must not happen ---------------------------------------------------------------------------------------------------


def test_a_file_that_nobody_wrote_is_not_read() -> None:
    with pytest.raises(RuleFileTooLong, match=f"more than {LONGEST}"):
        parse_rule_file("#" * (LONGEST + 1))


def test_parentheses_may_be_nested_only_so_deep() -> None:
    assert parse_rule_file(f"send(A) when {'(' * DEEPEST}X=1{')' * DEEPEST}").rules
    deep = "".join(f"X={n} or not (Y=1 and (" for n in range(DEEPEST // 2)) + "Z=1" + "))" * (DEEPEST // 2)
    assert parse_rule_file(f"send(A) when {deep}").rules
    error, *_ = errors_of(f"send(A) when {'(' * 30_000}X=1")
    assert (error.line, error.column, error.expected) == (1, 14 + DEEPEST, f"parentheses no more than {DEEPEST} deep")


@pytest.mark.parametrize(
    "text",
    [
        "send(A) when " + "not " * 20_000 + "X=1",
        "send(A) when " + "X=1 " * 10_000,
        "send(A) when X in (" + ", ".join("1" * 10_000) + ")",
        "send(A) when X=1 " + "or X=2 " * 5_000,
    ],
)
def test_a_long_rule_is_read(text: str) -> None:
    assert len(parse_rule_file(text).rules) == 1


@pytest.mark.parametrize(
    "piece",
    [
        "send(",
        "send(A) when (",
        "X=1 ",
        "((",
        "))",
        "{{",
        "}",
        '"',
        '" ',
        "destination ",
        "destination \n",
        "rule ",
        "valid \t",
        "not in ",
        "#\n",
        "and ",
    ],
)
def test_a_file_of_nothing_but_errors_comes_to_an_end(piece: str) -> None:
    for text in (piece * (LONGEST // len(piece) // 16), "send(A) when " + piece * (LONGEST // len(piece) // 16)):
        try:
            parse_rule_file(text)
        except RuleFileErrors as error:
            assert 0 < len(error.errors) <= MOST_ERRORS + 1  # noqa: PT017  some of these files are right


@given(st.text(alphabet=' \n"(){};=<>%,.:AaBbSsEeNnDdWwHhIi0123456789#', max_size=80))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    problems = []
    try:
        parse_rule_file(text)
    except RuleFileErrors as error:
        problems = [*error.errors]
    assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)
