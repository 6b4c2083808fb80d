"""Quiet times and mutes: what is told now, later, together, or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from console.alerts.deciding import MUTED, QUIET, Manners, plan
from fileman import AlertData, AlertNoticeData, Mute
from runtime import QuietTime

NIGHT, MORNING = (datetime.fromisoformat(f"2026-11-{it}").timestamp() for it in ("23T23:00", "24T06:00"))
MANNERS = Manners([QuietTime.parse("22:00-06:00")], frozenset(["disk"]), [])
SLOW = AlertData(1, "destination", "ARCHIVE", "Nothing was sent to ARCHIVE.", NIGHT, NIGHT, NIGHT)
FULL = AlertData(2, "disk", "RAID1", "RAID1 has 3 % free.", NIGHT, NIGHT, NIGHT)
ALERTS = {1: SLOW, 2: FULL}


def notice(ien: int, alert: int | None, event: str, **values: object) -> AlertNoticeData:
    return replace(AlertNoticeData(ien, "W", alert, event, "", NIGHT, NIGHT, "WAITING"), **values)  # type: ignore[arg-type]  # any


def test_at_night_only_what_is_critical_and_tests_are_told() -> None:
    due = [notice(10, 1, "raised"), notice(11, 2, "raised"), notice(12, None, "test")]
    decided = plan(due, due, ALERTS, MANNERS, NIGHT)
    assert [it.ien for it in decided.tell] == [11, 12]
    assert decided.hold == {10: (MORNING, QUIET)}


def test_in_the_morning_the_rest_is_told_together_even_what_is_over() -> None:
    due = [notice(13, 1, "cleared", held=QUIET), notice(10, 1, "raised", held=QUIET)]
    decided = plan(due, due, {1: replace(SLOW, cleared_at=NIGHT + 60)}, MANNERS, MORNING)
    assert [it.ien for it in decided.tell] == [10, 13]
    assert (decided.hold, decided.skip) == ({}, ())


def test_what_is_muted_waits_even_if_it_is_critical() -> None:
    until = NIGHT + 3600
    for mute in (Mute("disk", "RAID1", until, "X", 0), Mute("disk", "", until, "X", 0), Mute("", "", until, "X", 0)):
        decided = plan([notice(11, 2, "raised")], [], ALERTS, replace(MANNERS, mutes=[mute]), NIGHT)
        assert decided.hold == {11: (until, MUTED)}
    other = Mute("disk", "RAID2", until, "X", 0)
    assert plan([notice(11, 2, "raised")], [], ALERTS, replace(MANNERS, mutes=[other]), NIGHT).tell


def test_what_was_muted_and_is_over_is_for_nobody() -> None:
    over = {2: replace(FULL, cleared_at=NIGHT + 60)}
    raised, cleared = notice(11, 2, "raised", held=MUTED, due_at=MORNING), notice(12, 2, "cleared")
    assert plan([cleared], [raised, cleared], over, MANNERS, NIGHT + 60).skip == (12,)
    assert plan([raised, cleared], [], over, MANNERS, MORNING).skip == (11, 12)


def test_the_end_is_told_where_the_beginning_was() -> None:
    raised, cleared = notice(11, 2, "raised", state="SENT"), notice(12, 2, "cleared")
    over = {2: replace(FULL, cleared_at=NIGHT + 60)}
    assert [it.ien for it in plan([cleared], [raised, cleared], over, MANNERS, NIGHT).tell] == [12]
    assert plan([cleared], [cleared], over, MANNERS, NIGHT).skip == (12,), "nobody heard it begin"


def test_what_went_out_together_goes_out_together_again() -> None:
    again = [notice(10, 1, "raised", message="m", tries=1), notice(11, 2, "raised", message="m", tries=1)]
    assert [it.ien for it in plan(again, [], ALERTS, MANNERS, NIGHT).tell] == [10, 11], "quiet or not: some may have it"
