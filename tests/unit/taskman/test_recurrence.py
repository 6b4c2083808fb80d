"""Every code of RESCHEDULING FREQUENCY runs when the calendar and the clock say, is refused with its place, and never twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskman import BadFrequency, Frequency, TaskManError, parse_frequency
from taskman.frequency_code import LONGEST, read_time
from taskman.recurrence import MISSED_LIMIT, Run, future_run, next_run, preview_runs, run_after, seconds_of

DENVER, BERLIN, APIA = ZoneInfo("America/Denver"), ZoneInfo("Europe/Berlin"), ZoneInfo("Pacific/Apia")
HOUR = 3600


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def refusal(code: str) -> BadFrequency | None:
    try:
        parse_frequency(code)
    except BadFrequency as error:
        return error
    return None


#: Code, last run, the runs that follow. Worked out by hand: 2024-06-10 is a Monday, and 2024 a leap year.
RUNS = [
    # so many seconds, hours, days on: over a minute's, a day's, a month's and a year's end
    ("90S", "2024-06-10 23:59:00", "2024-06-11 00:00:30", "2024-06-11 00:02:00"),
    ("9999S", "2024-06-10 00:00:00", "2024-06-10 02:46:39"),  # 9999 = 2 * 3600 + 46 * 60 + 39
    ("2H", "2024-12-31 23:30", "2025-01-01 01:30", "2025-01-01 03:30"),
    ("9999H", "2024-01-01 00:00", "2025-02-20 15:00"),  # 416 days and 15 hours: 366 of 2024, 31 of January, 19
    ("1D", "2024-02-28 22:15", "2024-02-29 22:15", "2024-03-01 22:15"),
    ("1D", "2023-02-28 22:15", "2023-03-01 22:15"),
    ("007D", "2024-12-28 08:00", "2025-01-04 08:00"),
    ("365D", "2024-01-01 08:00", "2024-12-31 08:00"),
    # months: a day that is cut short stays so
    ("1M", "2024-01-15 06:00", "2024-02-15 06:00", "2024-03-15 06:00"),
    ("1M", "2024-01-31 06:00", "2024-02-29 06:00", "2024-03-29 06:00"),
    ("1M", "2023-01-31 06:00", "2023-02-28 06:00", "2023-03-28 06:00"),
    ("1M", "2023-12-31 06:00", "2024-01-31 06:00", "2024-02-29 06:00"),
    ("2M", "2024-07-31 06:00", "2024-09-30 06:00", "2024-11-30 06:00", "2025-01-30 06:00"),
    ("12M", "2024-02-29 06:00", "2025-02-28 06:00", "2026-02-28 06:00", "2027-02-28 06:00", "2028-02-28 06:00"),
    ("48M", "2024-02-29 06:00", "2028-02-29 06:00"),
    ("48M", "1896-02-29 06:00", "1900-02-28 06:00"),  # 1900 has no 29 February, 2000 has
    ("12M", "1999-02-28 06:00", "2000-02-28 06:00"),
    ("99M", "2024-06-10 06:00", "2032-09-10 06:00"),  # 8 years and 3 months
    # days of the week: today, if the time is still to come
    ("M", "2024-06-10 08:00", "2024-06-17 08:00"),
    ("M@09:00", "2024-06-10 08:00", "2024-06-10 09:00", "2024-06-17 09:00"),
    ("M@09:00", "2024-06-10 09:00", "2024-06-17 09:00"),
    ("T", "2024-06-10 08:00", "2024-06-11 08:00"),
    ("W", "2024-06-10 08:00", "2024-06-12 08:00"),
    ("R", "2024-06-10 08:00", "2024-06-13 08:00"),
    ("F", "2024-06-10 08:00", "2024-06-14 08:00"),
    ("S", "2024-06-10 08:00", "2024-06-15 08:00"),
    ("U", "2024-06-10 08:00", "2024-06-16 08:00"),
    ("R,M@20:00", "2024-06-10 08:00", "2024-06-10 20:00", "2024-06-13 20:00", "2024-06-17 20:00"),
    ("U@23:30,M@00:30", "2024-12-29 12:00", "2024-12-29 23:30", "2024-12-30 00:30", "2025-01-05 23:30"),  # 29 Dec: a Sunday
    ("W", "2024-12-31 08:00", "2025-01-01 08:00"),  # 31 December 2024 is a Tuesday
    # weekdays and weekends; 2024-06-14 is a Friday
    ("D", "2024-06-13 02:00", "2024-06-14 02:00", "2024-06-17 02:00"),
    ("D", "2024-06-15 02:00", "2024-06-17 02:00"),
    ("D", "2024-06-16 02:00", "2024-06-17 02:00"),
    ("D@02:00", "2024-06-14 01:00", "2024-06-14 02:00", "2024-06-17 02:00", "2024-06-18 02:00"),
    ("E", "2024-06-12 02:00", "2024-06-15 02:00", "2024-06-16 02:00", "2024-06-22 02:00"),
    ("E@12:00", "2024-06-15 13:00", "2024-06-16 12:00", "2024-06-22 12:00"),
    ("E@12:00", "2024-06-16 11:00", "2024-06-16 12:00", "2024-06-22 12:00"),
    ("D@02:00,E", "2024-06-14 02:00", "2024-06-15 02:00", "2024-06-16 02:00", "2024-06-17 02:00"),
    # 2400 is the end of its day: the run of a Monday stands at the first moment of Tuesday
    ("M@2400", "2024-06-10 08:00", "2024-06-11 00:00", "2024-06-18 00:00"),
    ("D@2400", "2024-06-14 08:00", "2024-06-15 00:00", "2024-06-18 00:00"),
    # days of the month
    ("1M(1,15)", "2024-06-10 07:00", "2024-06-15 07:00", "2024-07-01 07:00", "2024-07-15 07:00"),
    ("1M(15@08:00,15@07:00)", "2024-06-15 07:30", "2024-06-15 08:00", "2024-07-15 07:00"),
    ("1M(1,15@NOON)", "2024-12-15 12:00", "2025-01-01 12:00", "2025-01-15 12:00"),
    ("3M(10)", "2024-11-10 07:00", "2025-02-10 07:00"),
    ("3M(10)", "2024-11-09 07:00", "2024-11-10 07:00"),
    ("12M(29@08:00)", "2024-02-29 08:00", "2025-02-28 08:00", "2026-02-28 08:00"),
    # 28 February is not the 29th: in 2028 that comes the day after
    ("12M(29@08:00)", "2027-02-28 08:00", "2028-02-29 08:00"),
    # a month without the day has its last one
    ("1M(31)", "2024-01-31 07:00", "2024-02-29 07:00", "2024-03-31 07:00", "2024-04-30 07:00", "2024-05-31 07:00"),
    ("1M(31@18:30)", "2023-01-31 07:00", "2023-01-31 18:30", "2023-02-28 18:30", "2023-03-31 18:30"),
    ("1M(30@08:00,31@09:00)", "2023-01-31 09:00", "2023-02-28 09:00", "2023-03-30 08:00"),
    # unless another listed day exists
    ("1M(1,31)", "2024-02-01 07:00", "2024-03-01 07:00", "2024-03-31 07:00", "2024-04-01 07:00", "2024-05-01 07:00"),
    # weekdays of the month: June 2024 begins on a Saturday
    ("1M(1S@06:00)", "2024-05-31 00:00", "2024-06-01 06:00", "2024-07-06 06:00"),
    ("1M(2W)", "2024-06-10 07:00", "2024-06-12 07:00", "2024-07-10 07:00", "2024-08-14 07:00"),
    ("1M(1U,3U)", "2024-06-02 07:00", "2024-06-16 07:00", "2024-07-07 07:00"),
    # fifth Fridays of 2024: 29 March, 31 May, 30 August; without one the last day, from its first moment on
    ("1M(5F)", "2024-03-01 07:00", "2024-03-29 07:00", "2024-04-30 00:00", "2024-05-31 00:00", "2024-06-30 00:00"),
    ("1M(5F@18:30)", "2024-03-29 18:30", "2024-04-30 00:00", "2024-05-31 18:30"),
    ("1M(5F@18:30,L@20:00)", "2024-03-31 20:00", "2024-04-30 20:00", "2024-05-31 18:30", "2024-05-31 20:00"),
    # the last day, and the last of a weekday
    ("1M(L)", "2024-01-31 07:00", "2024-02-29 07:00", "2024-03-31 07:00", "2024-04-30 07:00"),
    ("1M(L)", "2023-01-31 07:00", "2023-02-28 07:00"),
    ("1M(L@2400)", "2024-11-30 07:00", "2024-12-01 00:00", "2025-01-01 00:00", "2025-02-01 00:00"),
    # the end of a month is the next one's first moment, and the days of that month are what comes next
    ("2M(L@2400)", "2024-11-30 07:00", "2024-12-01 00:00", "2025-01-01 00:00"),
    # last Fridays: 23 February 2024 (the 29th is a Thursday), 29 March, 26 April; 27 December
    ("1M(LF@18:30)", "2024-02-01 07:00", "2024-02-23 18:30", "2024-03-29 18:30", "2024-04-26 18:30"),
    ("1M(LR@18:30)", "2024-02-01 07:00", "2024-02-29 18:30"),
    ("12M(LF@18:30)", "2023-12-29 18:30", "2024-12-27 18:30", "2025-12-26 18:30"),
]

#: Lists, in whatever order, with all that is left of them: $H 67001 is 2024-06-10, of which 34200 seconds are 09:30.
LISTS = [
    ("3240610.093", "2024-06-01 00:00", "2024-06-10 09:30"),
    ("3240701.06;3240610.0930", "2024-06-01 00:00", "2024-06-10 09:30", "2024-07-01 06:00"),
    ("3240701.06;3240610.0930;", "2024-06-10 09:30", "2024-07-01 06:00"),
    ("67001,34200", "2024-06-01 00:00", "2024-06-10 09:30"),
    ("67001;67001,34200;3240610.24", "2024-06-01 00:00", "2024-06-10 00:00", "2024-06-10 09:30", "2024-06-11 00:00"),
    ("3240229;3240301", "2024-02-28 12:00", "2024-02-29 00:00", "2024-03-01 00:00"),
]

TEXTS = [
    ("1S", "every second"),
    ("2H", "every 2 hours"),
    ("1D", "every day"),
    ("1M", "every month"),
    ("3M", "every 3 months"),
    ("D@02:00", "on weekdays at 02:00"),
    ("M@08:00,R@20:00:15", "on Mondays at 08:00 and on Thursdays at 20:00:15"),
    ("M@08:00,W@08:00,F@08:00,M@8AM", "on Mondays, Wednesdays and Fridays at 08:00"),
    ("E", "on weekends at the last run's time of day"),
    ("U@MID", "on Sundays at the end of the day"),
    ("1M(LF@18:30)", "on the last Friday of each month at 18:30"),
    (
        "1M(1@NOON,2W@NOON,L@0030)",
        "on the 1st and the 2nd Wednesday of each month at 12:00 and on the last day of each month at 00:30",
    ),
    ("3M(11,21,22,23)", "on the 11th, the 21st, the 22nd and the 23rd of every 3rd month at the last run's time of day"),
    ("3240610.093;67001", "on 2024-06-10 at 00:00 and on 2024-06-10 at 09:30"),
]

TIMES = [
    ("08:30", 8.5),
    ("0830", 8.5),
    ("8:30", 8.5),
    ("830", 8.5),
    ("08:30:36", 8.51),
    ("083036", 8.51),
    ("83036", 8.51),
    ("8:30:36 pm", 20.51),
    ("8", 8),
    ("08", 8),
    ("8AM", 8),
    ("8 a.m.", 8),
    ("8PM", 20),
    ("8:30 P.M", 20.5),
    ("0830PM", 20.5),
    ("12", 12),
    ("noon", 12),
    ("12PM", 12),
    ("12:30P", 12.5),
    ("12AM", 24),
    ("12:30AM", 0.5),
    ("12:00:36AM", 0.01),
    ("0:30", 0.5),
    ("00:30", 0.5),
    ("000036", 0.01),
    ("2400", 24),
    ("24:00", 24),
    ("240000", 24),
    ("MID", 24),
    ("Midnight", 24),
    # before 6 it is the afternoon, unless a zero leads or AM follows
    ("5:30", 17.5),
    ("5", 17),
    ("1:00:36", 13.01),
    ("6", 6),
    ("05:30", 5.5),
    ("05", 5),
    ("5AM", 5),
]

NO_TIMES = [
    *("", "x", "8:3", "8:", ":30", "25", "13", "0", "00", "0000", "000000", "0AM", "2401", "24:30", "240001", "8:60", "083060"),
    *("08PM", "13PM", "13:00AM", "0:30PM", "8XM", "8 30", "1234567", "8:30:", "AFTERNOON", "NOW", "8@9", "-8", "\u0668"),
]

LETTERS = "M T W R F S U, D (weekdays) or E (weekends)"

#: Code, column, what is expected there, what is suggested.
BAD = [
    ("", 1, f"a number and S, H, D or M, or a day: {LETTERS}", ""),
    ("X", 1, f"a number and S, H, D or M, or a day: {LETTERS}", ""),
    ("L", 1, f"a number and S, H, D or M, or a day: {LETTERS}", ""),
    ("2", 2, "S, H, D or M after the number", ""),
    ("15 MIN", 3, "S, H, D or M after the number", ""),
    ("2h", 2, "S, H, D or M after the number", "2H"),
    ("2 hours", 2, "S, H, D or M after the number", "2H"),
    ("2HOURS", 3, "the end", "2H"),
    (" 1D", 1, f"a number and S, H, D or M, or a day: {LETTERS}", "1D"),
    ("1D@08:00", 3, "the end", ""),
    ("1M@08:00", 3, "( and a list of days, or the end", ""),
    ("0S", 1, "a number from 1 to 9999 before S", ""),
    ("00H", 1, "a number from 1 to 9999 before H", ""),
    ("0M(1)", 1, "a number from 1 to 99 before M", ""),
    ("10000S", 1, "a number from 1 to 9999 before S", ""),
    ("1000D", 1, "a number from 1 to 999 before D", ""),
    ("100M", 1, "a number from 1 to 99 before M", ""),
    ("\u0663D", 1, f"a number and S, H, D or M, or a day: {LETTERS}", ""),
    ("MONDAY", 2, "@ and a time, a comma, or the end", "M"),
    ("m@08:00", 1, f"a number and S, H, D or M, or a day: {LETTERS}", "M@08:00"),
    ("M@08:00,Thursday@20:00", 10, "@ and a time, a comma, or the end", "M@08:00,R@20:00"),
    ("weekdays@0200", 1, f"a number and S, H, D or M, or a day: {LETTERS}", "D@0200"),
    ("M,", 3, f"a day: {LETTERS}", ""),
    ("M,,T", 3, f"a day: {LETTERS}", ""),
    ("M,Q", 3, f"a day: {LETTERS}", ""),
    ("M@", 3, "a time such as", ""),
    ("M,T@25:00", 5, "a time such as", ""),
    ("M@08:00@09:00", 3, "a time such as", ""),
    ("1M(", 4, ") after the list of days", ""),
    ("1M(1,15", 8, ") after the list of days", ""),
    ("1M()", 4, "a day from 1 to 31, L (the last), or a weekday's number and letter: 1M to 5U, LM to LU", ""),
    ("1M(1, 15)", 6, "a day from 1 to 31", "1M(1,15)"),
    ("1M (1,15)", 3, "( and a list of days, or the end", "1M(1,15)"),
    ("1M(0)", 4, "a day from 1 to 31", ""),
    ("1M(32)", 4, "a day from 1 to 31", ""),
    ("1M(1,0F)", 6, "a day from 1 to 31", ""),
    ("1M(6F)", 4, "a day from 1 to 31", ""),
    ("1M(LD)", 4, "a day from 1 to 31", ""),
    ("1M(last friday@18:30)", 4, "a day from 1 to 31", "1M(LF@18:30)"),
    ("1M(15@08PM)", 7, "a time such as", ""),
    ("1M(15)@08:00", 7, "the end", ""),
    ("3240610", 8, "a time after the date (3240610.0930), or a semicolon", ""),
    ("3240610.093;3240631", 13, "a FileMan date (3240610.0930) or $H (66995,34200)", ""),
    ("3240600.093", 1, "a FileMan date", ""),
    ("3240610.25", 1, "a FileMan date", ""),
    ("67001,86401", 1, "a FileMan date", ""),
    ("3240610.093;;3240611", 13, "a FileMan date", ""),
    ("1D" + " " * 79, 81, "the end: a frequency has at most 80 characters", ""),
    ("9" * 81, 81, "the end: a frequency has at most 80 characters", ""),
]


@pytest.mark.parametrize(("code", "last", "runs"), [(code, last, runs) for code, last, *runs in RUNS + LISTS])
def test_the_runs_are_those_of_the_calendar(code: str, last: str, runs: list[str]) -> None:
    assert parse_frequency(code).preview(wall(last), len(runs)) == [wall(run) for run in runs]


@pytest.mark.parametrize(("code", "last", "runs"), [(code, last, runs) for code, last, *runs in LISTS])
def test_a_list_is_used_up(code: str, last: str, runs: list[str]) -> None:
    frequency = parse_frequency(code)
    assert frequency.next_after(wall(runs[-1])) is None
    assert frequency.future(wall(last), wall(runs[-1])) is None
    assert frequency.preview(wall(last), 100) == [wall(run) for run in runs]


@pytest.mark.parametrize(("code", "text"), TEXTS)
def test_a_frequency_says_what_it_is(code: str, text: str) -> None:
    assert parse_frequency(code).text == text


@pytest.mark.parametrize(("text", "hours"), TIMES)
def test_times_are_read_as_FileMan_does(text: str, hours: float) -> None:
    assert read_time(text) == round(hours * HOUR)


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time_is_not_taken_for_one(text: str) -> None:
    assert read_time(text) is None


@pytest.mark.parametrize(("code", "column", "expected", "suggestion"), BAD)
def test_a_bad_code_is_refused_with_its_place(code: str, column: int, expected: str, suggestion: str) -> None:
    with pytest.raises(BadFrequency) as refused:
        parse_frequency(code)
    error = refused.value
    assert (error.column, error.suggestion) == (column, suggestion)
    assert error.expected.startswith(expected)
    assert (f"Did you mean {suggestion}?" in str(error)) == bool(suggestion)


def test_the_error_shows_the_place() -> None:
    with pytest.raises(TaskManError) as refused:
        parse_frequency("M@08:00,Tuesday@\t9")
    message, code, caret, examples = str(refused.value).split("\n")
    assert message == "frequency, column 10: expected @ and a time, a comma, or the end. Did you mean M@08:00,T@9?"
    assert code == "    M@08:00,Tuesday@\N{REPLACEMENT CHARACTER}9"
    assert caret == "             ^"
    assert examples.startswith("Examples: 90S  2H  ")


@pytest.mark.parametrize("code", BadFrequency.EXAMPLES)
def test_the_examples_are_codes(code: str) -> None:
    assert parse_frequency(code).preview(wall("2024-01-01 00:00"), 1)


@pytest.mark.parametrize("length", [LONGEST + 1, 10_000_000])
def test_a_code_is_as_long_as_the_field(length: int) -> None:
    parse_frequency(("M@08:00," * 10)[: LONGEST - 1])
    with pytest.raises(BadFrequency, match="at most 80 characters") as refused:
        parse_frequency(("M@08:00," * (length // 8 + 1))[:length])
    assert len(str(refused.value)) < 500


@given(st.text(max_size=100) | st.text("0123456789SHDMTWRFUELAPN@:,;.() ", max_size=90))
def test_any_text_is_a_frequency_or_refused(text: str) -> None:
    error = refusal(text)
    assert error is None or 1 <= error.column <= len(text) + 1
    assert error is None or not error.suggestion or refusal(error.suggestion) is None


# ---- missed runs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "last", "now", "run"),
    [
        ("1S", "1841-01-01 00:00:00", "2114-10-15 12:00:00", "2114-10-15 12:00:01"),  # step by step it would take hours
        ("7S", "2024-06-10 00:00:00", "2024-06-10 00:01:00", "2024-06-10 00:01:03"),
        ("7S", "2024-06-10 00:00:00", "2024-06-10 00:01:03", "2024-06-10 00:01:10"),
        ("5H", "2024-06-10 00:00", "2024-06-11 00:00", "2024-06-11 01:00"),
        ("7D", "2024-06-10 08:00", "2025-06-10 12:00", "2025-06-16 08:00"),  # 10 June 2025 is a Tuesday
        # the 31st has become the 28th in February 2025, though 2028 is a leap year
        ("1M", "2024-12-31 08:00", "2028-02-28 08:00", "2028-03-28 08:00"),
        # the first run on a Monday brings the time for the Fridays
        ("M@09:00,F", "2024-06-12 20:00", "2024-06-14 12:00", "2024-06-14 20:00"),
        ("M@09:00,F", "2024-06-12 20:00", "2044-06-14 12:00", "2044-06-17 09:00"),  # 14 June 2044 is a Tuesday, 17 a Friday
        ("3240610.093;3240701.06", "2024-06-01 00:00", "2024-06-20 00:00", "2024-07-01 06:00"),
        # what is still to come is not passed over
        ("2H", "2024-06-10 12:00", "2024-06-10 08:00", "2024-06-10 14:00"),
        ("D@02:00", "2024-06-10 12:00", "2024-06-09 08:00", "2024-06-11 02:00"),
        ("3240610.093;3240701.06", "2024-06-10 09:30", "2024-06-01 00:00", "2024-07-01 06:00"),
    ],
)
def test_the_future_run_is_the_first_after_now(code: str, last: str, now: str, run: str) -> None:
    assert parse_frequency(code).future(wall(last), wall(now)) == wall(run)


@pytest.mark.parametrize("code", ["1S", "9H", "1D", "M", "D@02:00,E@2400,F"])
def test_runs_missed_for_centuries_are_passed_at_once(code: str) -> None:
    last, now = wall("1841-01-01 00:00"), wall("2114-10-15 12:00")
    assert now - timedelta(days=7) < parse_frequency(code).cycle.skip(last, now) <= now


def test_missed_runs_are_counted_up_to_now_and_to_a_limit() -> None:
    frequency, last = parse_frequency("2H"), wall("2024-06-10 00:00")
    assert frequency.missed(last, wall("2024-06-10 01:59:59")) == 0
    assert frequency.missed(last, wall("2024-06-10 02:00")) == 1
    assert frequency.missed(last, wall("2024-06-11 00:00")) == 12
    assert frequency.missed(last, wall("2024-06-11 00:00"), limit=5) == 5
    assert frequency.missed(last, wall("2034-06-11 00:00")) == MISSED_LIMIT
    assert frequency.missed(last, wall("2023-06-11 00:00")) == 0


@pytest.mark.parametrize("code", ["1H", "1D", "1M", "E@2400", "1M(L@2400)"])
def test_the_calendar_ends(code: str) -> None:
    frequency, last = parse_frequency(code), wall("9999-12-31 23:30")
    assert frequency.next_after(last) is None
    assert frequency.future(last, last) is None
    assert frequency.preview(last, 5) == []
    assert frequency.missed(last, last) == 0
    assert next_run(frequency, utc("9999-12-29 23:59:59"), UTC) in (utc("9999-12-30 00:00"), None)
    assert next_run(frequency, utc("9999-12-30"), DENVER) is None
    assert future_run(frequency, utc("2024-06-10"), utc("9999-12-31") + 1e9, DENVER) is None


AT = st.sampled_from(["", "", "@08:00", "@8PM", "@02:30", "@01:30", "@1:30AM", "@2400", "@000001"])
WEEKS = st.lists(st.builds("{}{}".format, st.sampled_from("MTWRFSUDE"), AT), min_size=1, max_size=5).map(",".join)
DAYS = st.one_of(
    st.integers(1, 31).map(str),
    st.builds("{}{}".format, st.sampled_from("12345L"), st.sampled_from("MTWRFSU")),
    st.just("L"),
)
MONTHS = st.builds(
    "{}M({})".format, st.integers(1, 99), st.lists(st.builds("{}{}".format, DAYS, AT), min_size=1, max_size=5).map(",".join)
)
SIMPLE = st.one_of(
    st.builds("{}{}".format, st.integers(1, 9999), st.sampled_from("SH")),
    st.builds("{}D".format, st.integers(1, 999)),
    st.builds("{}M".format, st.integers(1, 99)),
)
FREQUENCIES = st.one_of(SIMPLE, WEEKS, MONTHS).map(parse_frequency)
MOMENTS = st.datetimes(wall("1841-01-01"), wall("2114-10-15"))


@given(FREQUENCIES, MOMENTS)
def test_every_run_is_later_than_the_last(frequency: Frequency, last: datetime) -> None:
    runs = [last, *frequency.preview(last, 40)]
    assert len(runs) == 41
    assert all(earlier < later for earlier, later in pairwise(runs))
    assert all(run.microsecond == 0 for run in runs[1:])


@given(FREQUENCIES, MOMENTS, st.floats(0, 1))
def test_the_future_is_what_steps_lead_to(frequency: Frequency, last: datetime, part: float) -> None:
    runs = frequency.preview(last, 60)
    for now in (last + (runs[-2] - last) * part, *runs[:-1]):
        assert frequency.future(last, now) == next(run for run in runs if run > now)
        assert frequency.missed(last, now) == sum(run <= now for run in runs)


# ---- clocks that change -----------------------------------------------------------------------------------------------------
#
# America/Denver: on Sunday 2024-03-10 clocks go from 02:00 (UTC-7) to 03:00 (UTC-6) at 09:00 UTC, and on Sunday 2024-11-03
# from 02:00 (UTC-6) to 01:00 (UTC-7) at 08:00 UTC.
# Europe/Berlin: on Sunday 2024-03-31 from 02:00 (UTC+1) to 03:00 (UTC+2), and on Sunday 2024-10-27 from 03:00 back to 02:00,
# both at 01:00 UTC.
# Pacific/Apia left Friday 2011-12-30 out: from UTC-10 to UTC+14 at 10:00 UTC.

#: Zone, code, last run, the runs that follow; all in UTC.
ZONED_RUNS = [
    # spring: 02:30 does not exist
    (DENVER, "U@02:30", "2024-03-03 09:30", "2024-03-10 09:00", "2024-03-17 08:30"),
    (DENVER, "U@02:00", "2024-03-03 09:00", "2024-03-10 09:00", "2024-03-17 08:00"),
    (DENVER, "U@01:30", "2024-03-03 08:30", "2024-03-10 08:30", "2024-03-17 07:30"),
    (DENVER, "U@03:00", "2024-03-03 10:00", "2024-03-10 09:00", "2024-03-17 09:00"),
    (DENVER, "1D", "2024-03-09 09:30", "2024-03-10 09:00", "2024-03-11 08:30", "2024-03-12 08:30"),
    (DENVER, "1M", "2024-02-10 09:30", "2024-03-10 09:00", "2024-04-10 08:30"),
    (DENVER, "1M(10)", "2024-02-10 09:30", "2024-03-10 09:00", "2024-04-10 08:30"),
    (DENVER, "3240310.023;3240310.03;3240311.023", "2024-03-01 00:00", "2024-03-10 09:00", "2024-03-11 08:30"),
    (BERLIN, "U@02:30", "2024-03-24 01:30", "2024-03-31 01:00", "2024-04-07 00:30"),
    (BERLIN, "1M(31@02:30)", "2024-02-29 01:30", "2024-03-31 01:00", "2024-04-30 00:30"),
    # what clocks jump over runs once, with what is due at their jump
    (DENVER, "U@02:15,U@02:45,U@03:00", "2024-03-03 10:00", "2024-03-10 09:00", "2024-03-17 08:15"),
    (APIA, "F@08:00", "2011-12-23 18:00", "2011-12-30 10:00", "2012-01-05 18:00"),
    # autumn: 01:30 (in Berlin 02:30) comes twice
    (DENVER, "U@01:30", "2024-10-27 07:30", "2024-11-03 07:30", "2024-11-10 08:30"),
    (DENVER, "1D", "2024-11-02 07:30", "2024-11-03 07:30", "2024-11-04 08:30"),
    (DENVER, "U@02:00", "2024-10-27 08:00", "2024-11-03 09:00", "2024-11-10 09:00"),
    (DENVER, "U@01:15,U@01:45", "2024-11-03 07:15", "2024-11-03 07:45", "2024-11-10 08:15"),
    (BERLIN, "1M(27@02:30)", "2024-09-27 00:30", "2024-10-27 00:30", "2024-11-27 01:30"),
    (BERLIN, "E@02:30", "2024-10-26 00:30", "2024-10-27 00:30", "2024-11-02 01:30"),
    # a last run in the second hour does not bring the first one's runs again
    (DENVER, "U@01:15,U@01:45", "2024-11-03 08:20", "2024-11-10 08:15"),
    (DENVER, "1D", "2024-11-03 08:20", "2024-11-04 08:20"),
    # seconds pass as they pass
    (DENVER, "1H", "2024-03-10 08:30", "2024-03-10 09:30", "2024-03-10 10:30"),
    (DENVER, "1H", "2024-11-03 06:30", "2024-11-03 07:30", "2024-11-03 08:30", "2024-11-03 09:30"),
    (DENVER, "24H", "2024-03-09 19:00", "2024-03-10 19:00"),  # noon, and one hour later the next day
    (DENVER, "1D", "2024-03-09 19:00", "2024-03-10 18:00"),  # noon on both
    (BERLIN, "1800S", "2024-10-27 00:15", "2024-10-27 00:45", "2024-10-27 01:15"),
]


@pytest.mark.parametrize(("zone", "code", "last", "runs"), [(zone, code, last, runs) for zone, code, last, *runs in ZONED_RUNS])
def test_the_runs_are_those_of_the_clocks(zone: tzinfo, code: str, last: str, runs: list[str]) -> None:
    frequency, expected = parse_frequency(code), [utc(run) for run in runs]
    assert preview_runs(frequency, utc(last), len(runs), zone) == expected
    assert next_run(frequency, utc(last), zone) == expected[0]
    assert future_run(frequency, utc(last), expected[-1] - 1, zone) == expected[-1]


@pytest.mark.parametrize(
    ("zone", "begin", "hours"),
    [
        (DENVER, "2024-03-10 07:00", 23),
        (DENVER, "2024-11-03 06:00", 25),
        (BERLIN, "2024-03-30 23:00", 23),
        (BERLIN, "2024-10-26 22:00", 25),
        (BERLIN, "2024-06-09 22:00", 24),
    ],
)
def test_each_hour_of_a_day_has_its_run(zone: tzinfo, begin: str, hours: int) -> None:
    day = datetime.fromtimestamp(utc(begin), zone).date()
    runs = preview_runs(parse_frequency("1H"), utc(begin) - HOUR, 30, zone)
    assert sum(datetime.fromtimestamp(run, zone).date() == day for run in runs) == hours


def test_a_time_that_clocks_left_out_is_kept_with_the_wall_time() -> None:
    frequency = parse_frequency("1D")
    run = run_after(frequency, Run.at(utc("2024-03-09 09:30"), DENVER), DENVER)
    assert run == Run(utc("2024-03-10 09:00"), wall("2024-03-10 02:30"))
    assert run_after(frequency, run, DENVER) == Run(utc("2024-03-11 08:30"), wall("2024-03-11 02:30"))
    # the seconds alone tell no more than what the clock then showed: 03:00
    assert next_run(frequency, run.seconds, DENVER) == utc("2024-03-11 09:00")


def test_a_year_of_missed_seconds_is_passed_at_once() -> None:
    last, now = utc("1970-01-01 00:00"), utc("2114-10-15 12:00")
    assert future_run(parse_frequency("1S"), last, now, DENVER) == now + 1
    assert future_run(parse_frequency("7S"), last, last + 63, DENVER) == last + 70
    assert future_run(parse_frequency("7S"), last + 0.5, last + 6.5, DENVER) == last + 7


def test_a_used_up_list_has_no_run() -> None:
    frequency = parse_frequency("3240610.093;3240611.093")
    assert preview_runs(frequency, utc("2024-06-10 12:00"), 9, UTC) == [utc("2024-06-10 09:30") + 24 * HOUR]
    assert next_run(frequency, utc("2024-06-11 09:30"), UTC) is None
    assert future_run(frequency, utc("2024-06-01 00:00"), utc("2024-06-12 00:00"), UTC) is None


ZONES = st.sampled_from([DENVER, BERLIN, APIA, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("America/Sao_Paulo"), UTC])
#: Around clock changes more often than not.
SECONDS = st.one_of(
    st.floats(utc("1990-01-01"), utc("2040-01-01")),
    st.builds(
        lambda change, days, minutes: utc(change) + days * 24 * HOUR + minutes * 60,
        st.sampled_from(["2024-03-10 09:00", "2024-11-03 08:00", "2024-03-31 01:00", "2024-10-27 01:00", "2011-12-30 10:00"]),
        st.integers(-2, 1),
        st.integers(-90, 90),
    ),
)


@given(FREQUENCIES, ZONES, SECONDS)
def test_every_run_is_later_than_the_last_whatever_clocks_do(frequency: Frequency, zone: tzinfo, last: float) -> None:
    runs = [last, *preview_runs(frequency, last, 12, zone)]
    assert len(runs) == 13
    assert all(earlier < later for earlier, later in pairwise(runs))
    following = last
    for _ in range(6):
        run = next_run(frequency, following, zone)
        assert run is not None
        assert run > following
        following = run


@given(FREQUENCIES, ZONES, SECONDS, st.floats(0, 1))
def test_the_future_is_what_steps_lead_to_whatever_clocks_do(
    frequency: Frequency, zone: tzinfo, last: float, part: float
) -> None:
    runs = preview_runs(frequency, last, 12, zone)
    for now in (last + (runs[-2] - last) * part, *runs[:-1]):
        assert future_run(frequency, last, now, zone) == next(run for run in runs if run > now)


@given(ZONES, SECONDS, st.integers(-96, 96))
def test_a_wall_time_is_the_first_moment_at_which_clocks_show_it_or_more(zone: tzinfo, near: float, quarters: int) -> None:
    quarter = timedelta(minutes=15)
    middle = near // 900 * 900
    named = datetime.fromtimestamp(middle, zone).replace(tzinfo=None, fold=0) + quarters * quarter
    shown = (
        (second, datetime.fromtimestamp(second, zone).replace(tzinfo=None))
        for step in range(-300, 301)
        for second in [middle + step * 900]
    )
    assert seconds_of(named, zone) == next(second for second, clock in shown if clock >= named)
