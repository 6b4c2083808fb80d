"""Gauges that are set when somebody asks for metrics."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from broker import Hub
from console.web.errors import Away
from console.web.runner import Runner
from fileman import count_alerts
from fileman.files import GatewayStatus
from rpcs.actions.queues import Depth, queue_depths
from rpcs.alerting.kinds import KINDS
from runtime.metrics import ALERTS_OPEN, GATEWAY_HEARD, QUEUE_ENTRIES, SESSIONS

_HEARD = select(GatewayStatus.machine, GatewayStatus.heartbeat_at)


@dataclass(frozen=True, slots=True)
class Gauges:
    """Looks at the broker and its database."""

    runner: Runner
    hub: Hub

    async def set(self) -> None:
        """Set every gauge; those of the database are left out while it is away."""
        SESSIONS.set(len(self.hub.connections))
        QUEUE_ENTRIES.clear()
        GATEWAY_HEARD.clear()
        ALERTS_OPEN.clear()
        try:
            depths, heard, alerts = await self.runner.scan(_look)
        except Away:
            return
        for depth in depths:
            QUEUE_ENTRIES.labels(depth.queue, str(depth.location), depth.status).set(depth.entries)
        now = self.runner.dispatcher.environment.clock.seconds()
        for machine, at in heard.items():
            GATEWAY_HEARD.labels(machine).set(round(now - at, 1))
        for kind in KINDS:
            ALERTS_OPEN.labels(kind).set(alerts.get(kind, 0))


def _look(connection: Connection) -> tuple[list[Depth], dict[str, float], dict[str, int]]:
    heard = {row.machine: row.heartbeat_at for row in connection.execute(_HEARD)}
    return queue_depths(connection), heard, count_alerts(connection)
