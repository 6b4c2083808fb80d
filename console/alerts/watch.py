"""One look after the other: what is found is judged and written down, with what is to be told of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection

from console.alerts.rooms import Rooms
from fileman import (
    EVERY_CHANNEL,
    AlertData,
    Store,
    add_alert,
    add_notices,
    alerts_not_cleared,
    change_alert,
    drop_alert,
    forget_alerts,
    forget_notices,
    lock_alerts,
)
from rpcs.alerting.finding import Finding, Look
from rpcs.alerting.judging import Decision, Step, judge
from rpcs.alerting.looking import Looking
from rpcs.alerting.site import network_paths
from runtime import AlertSettings, Clock

log = logging.getLogger(__name__)

#: Seconds between two times that old alerts are forgotten.
FORGETS_EVERY = 3600.0


@dataclass(slots=True)
class Watch:
    """Looks for what needs a person. `places` are disks of this machine besides network locations, by name."""

    store: Store
    clock: Clock
    settings: AlertSettings
    data: Path
    places: Sequence[tuple[str, Path]] = ()
    host: str = ""
    looking: Looking = field(default_factory=Looking)
    rooms: Rooms = field(default_factory=Rooms)
    _forgot_at: float = 0.0

    def look(self) -> bool:
        """Look, and write down what changed; tell whether anything is to be told. Raises FileManError."""
        now = self.clock.seconds()
        known, found, unknown = self.store.read(lambda connection: self._find(connection, now))
        told = False
        if judge({it.key: it for it in known}, found, unknown, now, self.settings.clear_seconds):
            told = self.store.transact(lambda connection: self._write(connection, found, unknown, now))
        if now - self._forgot_at >= FORGETS_EVERY:
            self._forgot_at = now
            self.store.transact(lambda connection: self._forget(connection, now - self.settings.keep_days * 86400))
        return told

    def _find(self, connection: Connection, now: float) -> tuple[list[AlertData], list[Finding], frozenset[str]]:
        known = alerts_not_cleared(connection)
        paths = [(name, self.data / path) for name, path in network_paths(connection)]
        rooms = self.rooms.latest([*self.places, *paths], now)
        raised = {it.key: it.raised_at for it in known if it.raised_at is not None}
        found, unknown = self.looking.look(Look(connection, now, self.settings, raised, rooms, self.host))
        return known, found, unknown

    def _write(self, connection: Connection, found: Sequence[Finding], unknown: frozenset[str], now: float) -> bool:
        """Judge again, now that nobody else does, and write down what is decided."""
        lock_alerts(connection)
        known = {it.key: it for it in alerts_not_cleared(connection)}
        decisions = judge(known, found, unknown, now, self.settings.clear_seconds)
        for decision in decisions:
            _STEPS[decision.step](connection, decision, now)
        return any(it.step in (Step.RAISE, Step.CLEAR) for it in decisions)

    def _forget(self, connection: Connection, before: float) -> None:
        forget_notices(connection, before)
        if count := forget_alerts(connection, before):
            log.info("%d alerts were forgotten that were cleared %d days ago", count, self.settings.keep_days)


def _found(decision: Decision) -> Finding:
    if decision.finding is None:
        raise RuntimeError(f"{decision.step} is a step of what was found")
    return decision.finding


def _known(decision: Decision) -> AlertData:
    if decision.known is None:
        raise RuntimeError(f"{decision.step} is a step of an alert that there is")
    return decision.known


def _watch(connection: Connection, decision: Decision, now: float) -> None:
    found = _found(decision)
    add_alert(connection, found.kind, found.subject, found.text, now, raised=False)


def _raise(connection: Connection, decision: Decision, now: float) -> None:
    found = _found(decision)
    if decision.known is None:
        ien = add_alert(connection, found.kind, found.subject, found.text, now, raised=True).ien
    else:
        ien = decision.known.ien
        change_alert(connection, ien, raised_at=now, seen_at=now, text=found.text)
    add_notices(connection, [EVERY_CHANNEL], "raised", now, alert=ien)
    log.warning("alert %d: %s", ien, found.text)


def _note(connection: Connection, decision: Decision, now: float) -> None:
    found, known = _found(decision), _known(decision)
    change_alert(connection, known.ien, told=found.text != known.text, seen_at=now, text=found.text)


def _ill_again(connection: Connection, decision: Decision, now: float) -> None:
    change_alert(connection, _known(decision).ien, well_at=None, seen_at=now, text=_found(decision).text)


def _well(connection: Connection, decision: Decision, now: float) -> None:
    change_alert(connection, _known(decision).ien, told=False, well_at=now)


def _clear(connection: Connection, decision: Decision, now: float) -> None:
    known = _known(decision)
    change_alert(connection, known.ien, cleared_at=now, well_at=known.well_at or now)
    add_notices(connection, [EVERY_CHANNEL], "cleared", now, alert=known.ien)
    log.info("alert %d is cleared: %s", known.ien, known.text)


def _forget(connection: Connection, decision: Decision, _now: float) -> None:
    drop_alert(connection, _known(decision).ien)


_STEPS: dict[Step, Callable[[Connection, Decision, float], None]] = {
    Step.WATCH: _watch,
    Step.RAISE: _raise,
    Step.NOTE: _note,
    Step.ILL_AGAIN: _ill_again,
    Step.WELL: _well,
    Step.CLEAR: _clear,
    Step.FORGET: _forget,
}
