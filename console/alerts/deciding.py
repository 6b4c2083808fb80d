"""What is told now, what waits, and what is for nobody any more: decided without I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from fileman import AlertData, AlertNoticeData, Mute, muted_until
from runtime import QuietTime, quiet_until

QUIET, MUTED = "quiet", "muted"


@dataclass(frozen=True, slots=True)
class Plan:
    """Notices to be told together now, to be held until a time and why, and to be skipped."""

    tell: tuple[AlertNoticeData, ...] = ()
    hold: Mapping[int, tuple[float, str]] = field(default_factory=dict)
    skip: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Manners:
    """How a channel is told: when it is quiet, what is critical all the same, and what is muted."""

    quiet: Sequence[QuietTime]
    critical: frozenset[str]
    mutes: Sequence[Mute]

    def wait(self, alert: AlertData, now: float) -> tuple[float, str] | None:
        """Say until when, and why, nothing is told of an alert; None where it is told now."""
        if (muted := muted_until(self.mutes, alert.kind, alert.subject)) is not None:
            return muted, MUTED
        if alert.kind in self.critical:
            return None
        end = quiet_until(self.quiet, datetime.fromtimestamp(now))  # noqa: DTZ006  quiet times are in the site's time
        return None if end is None else (end.timestamp(), QUIET)


def plan(
    due: Sequence[AlertNoticeData],
    others: Sequence[AlertNoticeData],
    alerts: Mapping[int, AlertData],
    manners: Manners,
    now: float,
) -> Plan:
    """Decide what becomes of the notices of a channel that are due, knowing the `others` about the same alerts.

    What went out together once goes out together again. What was muted and is cleared meanwhile is for nobody; what was held by
    a quiet time is told afterwards even so.
    """
    if due and due[0].message:
        return Plan(tell=tuple(due))
    tell: list[AlertNoticeData] = []
    hold: dict[int, tuple[float, str]] = {}
    skip: list[int] = []
    raised = {it.alert: it for it in (*others, *due) if it.event == "raised"}
    for notice in sorted(due, key=lambda it: it.ien):
        alert = None if notice.alert is None else alerts.get(notice.alert)
        if notice.alert is None:
            tell.append(notice)
        elif alert is None or _is_moot(notice, raised.get(notice.alert), alert, skip):
            skip.append(notice.ien)
        elif (wait := manners.wait(alert, now)) is not None:
            hold[notice.ien] = wait
        else:
            tell.append(notice)
    return Plan(tuple(tell), hold, tuple(skip))


def _is_moot(notice: AlertNoticeData, raised: AlertNoticeData | None, alert: AlertData, skipped: Sequence[int]) -> bool:
    """Tell whether nobody needs to hear it: of the beginning what was muted until its end, of the end what nobody heard begin."""
    if notice.event == "raised":
        return notice.held == MUTED and alert.cleared_at is not None
    if raised is None or raised.ien in skipped or raised.state == "SKIPPED":
        return True
    return raised.held == MUTED and raised.state == "WAITING"
