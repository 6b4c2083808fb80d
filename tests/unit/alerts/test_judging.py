"""An alert is raised once its condition has lasted, stays while it is there, and is cleared once that is gone for a while."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as some

from fileman import AlertData
from rpcs.alerting.finding import Finding
from rpcs.alerting.judging import NOTED_EVERY, Decision, Step, judge

CLEAR = 30.0
SLOW = Finding("destination", "ARCHIVE", "Nothing was sent to ARCHIVE.", 60.0)
FULL = Finding("disk", "RAID1", "RAID1 has 3 % free.")


class Alerts:
    """What a database would hold."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], AlertData] = {}
        self.cleared: list[AlertData] = []
        self.steps: list[Step] = []

    def look(self, now: float, *found: Finding, unknown: frozenset[str] = frozenset()) -> list[Step]:
        """Judge and carry out."""
        decisions = judge(self.rows, found, unknown, now, CLEAR)
        for decision in decisions:
            self._do(decision, now)
        self.steps += (steps := [it.step for it in decisions])
        return steps

    def _do(self, it: Decision, now: float) -> None:
        if it.known is None:
            assert it.finding is not None
            raised = now if it.step is Step.RAISE else None
            found = it.finding
            self.rows[found.key] = AlertData(1, found.kind, found.subject, found.text, now, raised, now)
            return
        changes = {
            Step.RAISE: {"raised_at": now, "seen_at": now},
            Step.NOTE: {"seen_at": now},
            Step.WELL: {"well_at": now},
            Step.ILL_AGAIN: {"well_at": None, "seen_at": now},
        }
        if it.step in changes:
            self.rows[it.known.key] = replace(it.known, **changes[it.step])
            return
        gone = self.rows.pop(it.known.key)
        if it.step is Step.CLEAR:
            self.cleared.append(gone)


def test_a_condition_that_has_to_last_is_watched_first() -> None:
    alerts = Alerts()
    assert alerts.look(0, SLOW) == [Step.WATCH]
    assert alerts.look(59, SLOW) == []
    assert alerts.look(60, SLOW) == [Step.RAISE]
    assert alerts.look(61, SLOW) == []


def test_one_that_is_gone_before_it_lasted_is_forgotten() -> None:
    alerts = Alerts()
    alerts.look(0, SLOW)
    assert alerts.look(50) == [Step.FORGET]
    assert alerts.look(55, SLOW) == [Step.WATCH]
    assert alerts.look(100, SLOW) == [], "it lasts since 55 only"


def test_one_that_needs_not_last_is_raised_at_once_and_noted_now_and_then() -> None:
    alerts = Alerts()
    assert alerts.look(0, FULL) == [Step.RAISE]
    assert alerts.look(NOTED_EVERY - 1, FULL) == []
    assert alerts.look(NOTED_EVERY, FULL) == [Step.NOTE]


def test_what_comes_and_goes_is_one_alert() -> None:
    alerts = Alerts()
    alerts.look(0, FULL)
    assert alerts.look(10) == [Step.WELL]
    assert alerts.look(39) == []
    assert alerts.look(39.5, FULL) == [Step.ILL_AGAIN]
    assert alerts.look(40) == [Step.WELL]
    assert alerts.look(69) == []
    assert alerts.look(70) == [Step.CLEAR]
    assert alerts.look(71) == []


def test_what_cannot_be_looked_at_stays_as_it_is() -> None:
    alerts = Alerts()
    alerts.look(0, FULL, SLOW)
    unknown = frozenset(["disk", "destination"])
    assert alerts.look(1000, unknown=unknown) == []
    assert alerts.look(2000, FULL, unknown=unknown) == []


@given(some.lists(some.tuples(some.floats(0.5, 50), some.booleans()), max_size=60))
def test_raised_and_cleared_take_turns_whatever_happens(looks: list[tuple[float, bool]]) -> None:
    alerts, now = Alerts(), 0.0
    for pause, is_there in looks:
        now += pause
        alerts.look(now, *([SLOW] if is_there else []))
    told = [it for it in alerts.steps if it in (Step.RAISE, Step.CLEAR)]
    assert told == [Step.RAISE, Step.CLEAR] * (len(told) // 2) + [Step.RAISE] * (len(told) % 2)
