"""Quiet times are read as people write them, and end when they say."""

from __future__ import annotations

from datetime import datetime

import pytest

from runtime import AlertSettings, QuietTime, SettingsError, load_settings, quiet_until

#: 2026-11-23 is a Monday.
TIMES = [
    (["22:00-06:00"], "2026-11-23T21:59", None),
    (["22:00-06:00"], "2026-11-23T22:00", "2026-11-24T06:00"),
    (["22:00-06:00"], "2026-11-24T05:59:59", "2026-11-24T06:00"),
    (["22:00-06:00"], "2026-11-24T06:00", None),
    (["Mon-Fri 18:00-07:00"], "2026-11-28T06:30", "2026-11-28T07:00"),  # Friday's goes on in Saturday's morning
    (["Mon-Fri 18:00-07:00"], "2026-11-28T18:30", None),
    (["Sat-Sun 00:00-24:00"], "2026-11-28T10:00", "2026-11-30T00:00"),
    (["mon-fri 18:00-07:00", "Sat-Sun 00:00-24:00"], "2026-11-27T19:00", "2026-11-30T00:00"),  # three that follow each other
    (["Fri-Mon 12:00-13:00"], "2026-11-29T12:30", "2026-11-29T13:00"),
    (["Fri-Mon 12:00-13:00"], "2026-11-26T12:30", None),
    (["Wed 08:00-09:00"], "2026-11-25T08:30", "2026-11-25T09:00"),
    ([], "2026-11-25T08:30", None),
]


@pytest.mark.parametrize(("times", "moment", "until"), TIMES)
def test_a_quiet_time_lasts_until_no_other_follows(times: list[str], moment: str, until: str | None) -> None:
    found = quiet_until([QuietTime.parse(it) for it in times], datetime.fromisoformat(moment))
    assert found == (None if until is None else datetime.fromisoformat(until))


def test_what_is_always_quiet_ends_within_days_all_the_same() -> None:
    moment = datetime.fromisoformat("2026-11-25T08:30")
    until = quiet_until([QuietTime.parse("00:00-24:00")], moment)
    assert until is not None
    assert 7 <= (until - moment).days <= 9


@pytest.mark.parametrize("text", ["", "22-06", "25:00-06:00", "22:60-23:00", "08:00-08:00", "Mon-Foo 08:00-09:00", "24:00-06:00"])
def test_what_is_no_time_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no (quiet time|day): "):
        QuietTime.parse(text)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"webhook": {"A": {"url": "ftp://host/"}}}, "url is http://HOST"),
        ({"webhook": {"A": {"url": "http://user@host/"}}}, "without user"),
        ({"webhook": {"A": {"url": "http://host/", "quiet": ["nightly"]}}}, "is no quiet time"),
        ({"webhook": {"A": {"url": "http://host/", "headers": {"X\n": "1"}}}}, "is no header"),
        ({"mail": {"A": {"sender": "a@b", "to": []}}}, "mail.A.to"),
        ({"mail": {"A": {"sender": "a b", "to": ["a@b"]}}}, "mail.A.sender"),
        ({"mail": {"A": {"sender": "a@b", "to": ["a@b"], "user": "u", "security": "none"}}}, "need security"),
        ({"mail": {"A": {"sender": "a@b", "to": ["a@b"]}}, "webhook": {"A": {"url": "http://host/"}}}, "name of two channels"),
        ({"critical": ["everything"]}, "critical"),
    ],
)
def test_channels_that_could_not_tell_anybody_are_refused_at_once(given: dict[str, object], why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(None, alerts=given)
    assert why in str(refused.value)


def test_secrets_are_not_shown() -> None:
    hook = {"url": "https://host/", "secret": "much", "headers": {"Authorization": "Bearer hidden"}}
    settings = AlertSettings.model_validate(
        {"mail": {"M": {"sender": "a@b", "to": ["c@d"], "password": "pass1"}}, "webhook": {"W": hook}}
    )
    assert not any(it in repr(settings) for it in ("much", "hidden", "pass1"))
    assert settings.webhook["W"].secret == "much"
