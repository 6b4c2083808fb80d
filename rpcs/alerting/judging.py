"""When a condition raises its alert, and when it is cleared: decided from what is known and what was found, without I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from fileman import AlertData
from rpcs.alerting.finding import Finding, Key

#: Seconds after which it is noted again that a condition is still there, or that its text is another.
NOTED_EVERY = 60.0


class Step(Enum):
    """What becomes of an alert."""

    WATCH = "watch"
    FORGET = "forget"
    RAISE = "raise"
    NOTE = "note"
    WELL = "well"
    ILL_AGAIN = "ill again"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Decision:
    """A step, with what was found, and the alert that there is."""

    step: Step
    finding: Finding | None
    known: AlertData | None


def judge(
    known: Mapping[Key, AlertData], found: Sequence[Finding], unknown: frozenset[str], now: float, clear_seconds: float
) -> list[Decision]:
    """Decide what becomes of each alert; kinds that are `unknown`, as they could not be looked at, stay as they are.

    A condition raises its alert once it has lasted as long as it says, and clears it once it was gone for `clear_seconds`: one
    that comes and goes within that is one alert.
    """
    by_key = {finding.key: finding for finding in found if finding.kind not in unknown}
    decisions = [_found(finding, known.get(key), now) for key, finding in by_key.items()]
    gone = (it for key, it in known.items() if key not in by_key and it.kind not in unknown)
    return [it for it in (*decisions, *_gone(gone, now, clear_seconds)) if it is not None]


def _found(finding: Finding, alert: AlertData | None, now: float) -> Decision | None:
    if alert is None:
        return Decision(Step.RAISE if finding.hold <= 0 else Step.WATCH, finding, None)
    if alert.raised_at is None:
        return Decision(Step.RAISE, finding, alert) if now - alert.since_at >= finding.hold else None
    if alert.well_at is not None:
        return Decision(Step.ILL_AGAIN, finding, alert)
    return Decision(Step.NOTE, finding, alert) if now - alert.seen_at >= NOTED_EVERY else None


def _gone(alerts: Iterator[AlertData], now: float, clear_seconds: float) -> Iterator[Decision]:
    for alert in alerts:
        if alert.raised_at is None:
            yield Decision(Step.FORGET, None, alert)
        elif alert.well_at is None and clear_seconds > 0:
            yield Decision(Step.WELL, None, alert)
        elif alert.well_at is None or now - alert.well_at >= clear_seconds:
            yield Decision(Step.CLEAR, None, alert)
