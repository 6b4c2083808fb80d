"""How many connections one address may have, and how fast it may come with new ones."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field

from twisted.internet.interfaces import IReactorTime

from broker.limits import Limits

log = logging.getLogger(__name__)

#: Addresses whose visits are remembered; beyond it those that came longest ago are forgotten.
REMEMBERED = 10_000
#: Seconds between two log lines about the same address.
QUIET = 60.0


@dataclass(slots=True)
class _Allowance:
    """A bucket of connections that fills up again with time."""

    left: float
    at: float
    told: float = float("-inf")


@dataclass(slots=True)
class Visitors:
    """Admits or refuses connections by address: a bound on those open, and a rate with a burst of ten seconds."""

    limits: Limits
    clock: IReactorTime
    _allowances: dict[str, _Allowance] = field(default_factory=dict)
    _open: Counter[str] = field(default_factory=Counter)

    def arrive(self, address: str) -> bool:
        """Count a connection in, or refuse it (False); who was counted in must be counted out by `leave`."""
        now = self.clock.seconds()
        allowance = self._allowance(address, now)
        allowance.left = min(self._burst, allowance.left + (now - allowance.at) * self.limits.connections_per_second)
        allowance.at = now
        too_many = self._open[address] >= self.limits.sessions_per_address
        if too_many or allowance.left < 1:
            self._tell(address, allowance, now, "too many connections" if too_many else "too many new connections a second")
            return False
        allowance.left -= 1
        self._open[address] += 1
        return True

    def complain(self, address: str, why: str) -> None:
        """Say in the log, at most once a minute for an address, why its connections come to nothing."""
        now = self.clock.seconds()
        self._tell(address, self._allowance(address, now), now, why)

    def leave(self, address: str) -> None:
        """Count a connection out."""
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]

    def _allowance(self, address: str, now: float) -> _Allowance:
        allowance = self._allowances.pop(address, None) or _Allowance(self._burst, now)
        self._allowances[address] = allowance  # the end of the dictionary is who came last
        if len(self._allowances) > REMEMBERED:
            del self._allowances[next(iter(self._allowances))]
        return allowance

    @property
    def _burst(self) -> float:
        return 10.0 * self.limits.connections_per_second

    def _tell(self, address: str, allowance: _Allowance, now: float, why: str) -> None:
        if now - allowance.told >= QUIET:
            allowance.told = now
            log.warning("connections from %s are refused: %s", address, why)
