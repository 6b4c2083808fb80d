"""What people are told, as values: one message has one event, or several that waited for the end of a quiet time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tzlocal import get_localzone

from fileman import AlertData, AlertNoticeData
from rpcs.actions import told
from rpcs.alerting.kinds import KINDS

_WORDS = {"raised": "ALERT", "cleared": "CLEARED", "test": "TEST"}


@dataclass(frozen=True, slots=True)
class Event:
    """An alert that was raised or cleared, or a test, and whether it may not wait; `number` is that of the notice."""

    number: int
    event: str
    at: float
    text: str
    critical: bool = False
    alert: AlertData | None = None

    @classmethod
    def of(cls, notice: AlertNoticeData, alert: AlertData | None, critical: frozenset[str]) -> Event:
        """Put a notice and its alert together."""
        text = notice.text if alert is None else alert.text
        return cls(notice.ien, notice.event, notice.made_at, text, alert is not None and alert.kind in critical, alert)

    @property
    def line(self) -> str:
        """Say it in one line."""
        return f"{_WORDS.get(self.event, self.event.upper())}: {self.text}"

    @property
    def advice(self) -> str:
        """Say what to do."""
        kind = KINDS.get(self.alert.kind) if self.alert is not None and self.event == "raised" else None
        return "" if kind is None or self.alert is None else kind.advise(self.alert.subject)

    def facts(self) -> Mapping[str, Any]:
        """Give it as JSON has it."""
        alert = self.alert
        about: dict[str, Any] = {}
        if alert is not None:
            kind = KINDS.get(alert.kind)
            names = ("ien", "kind", "subject", "since_at", "raised_at", "cleared_at", "acknowledged_by")
            about = {"title": "" if kind is None else kind.title, **{name: getattr(alert, name) for name in names}}
        facts = {"number": self.number, "event": self.event, "at": self.at, "critical": self.critical}
        return dict(told({**facts, "text": self.text, "advice": self.advice, "alert": about or None}))


@dataclass(frozen=True, slots=True)
class Message:
    """Events that are told together, from a site; `id` is the same when it is sent again, which `repeated` says it may be."""

    id: str
    site: str
    events: Sequence[Event]
    sent_at: float
    repeated: bool = False

    @property
    def subject(self) -> str:
        """Say what it is in one line."""
        first = self.events[0].line if self.events else "nothing"
        return first if len(self.events) == 1 else f"{len(self.events)} alerts: {first}"

    def facts(self) -> Mapping[str, Any]:
        """Give it as JSON has it."""
        head = {"id": self.id, "site": self.site, "repeated": self.repeated, "sent_at": self.sent_at}
        return {**told(head), "events": [event.facts() for event in self.events]}

    def text(self) -> str:
        """Write it as people read it."""
        lines = [f"Site: {self.site}", ""]
        for event in self.events:
            moment = datetime.fromtimestamp(event.at, get_localzone())
            lines += [event.line, f"  at {moment:%Y-%m-%d %H:%M:%S %Z}{', critical' if event.critical else ''}"]
            lines += [f"  What to do: {event.advice}"] if event.advice else []
            lines += [f"  It is alert {event.alert.ien}: 'magbroker alerts list' shows it."] if event.alert else []
            lines.append("")
        return "\n".join(lines)
