"""A web service beside a broker on a small site, with a manager and a user without keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from console.reactor_thread import in_reactor, reactor
from console.web import WebService, web_service
from fileman import SiteKey, Store, apply_site, parse_site
from rpcs.actions import ACTIONS
from runtime import FixedClock
from tests.integration.rpcs.conftest import BASE, NOON
from tests.integration.rpcs.two_users import User, site_of_two_users
from tests.support.broker import RunningBroker
from tests.support.http import Web

SITE = (
    site_of_two_users("MAGB GATEWAY", ACTIONS, "MAG SYSTEM", "ZTMQ", "XUMGR")
    + """
[[context]]
name = "MAGB TASKMAN"
rpcs = ["MAGB TASK LIST", "MAGB TASK START"]

[[transmit_destination]]
ien = 1
name = "ARCHIVE"
ae_title = "ARCHIVE"
host = "127.0.0.1"
port = 11113
location = 660
"""
)


@dataclass
class Served:
    """A broker, its web service, and ways to ask it."""

    broker: RunningBroker
    service: WebService
    data: Path
    store: Store
    clock: FixedClock

    @property
    def nobody(self) -> Web:
        """Ask without a token."""
        return Web(self.service.ports["web"])

    @property
    def owner(self) -> Web:
        """Ask as the owner of the data directory."""
        return Web(directory=self.data)

    def user(self, user: User) -> Web:
        """Sign a user on and ask as him."""
        signed = self.nobody.post("/api/sign-on", access=user.access, verify=user.verify)
        return Web(self.service.ports["web"], token=signed.body["token"])


Serve = Callable[[], Served]


@pytest.fixture
def served(store: Store, site_key: SiteKey, tmp_path: Path) -> Iterator[Served]:
    """Serve the site on a free port and on the socket of a deep data directory."""
    text = BASE.format(settings="signon_attempts = 3\nlock_addresses = true", user="", context="", more=SITE)
    clock = FixedClock(NOON)
    store.transact(lambda connection: apply_site(connection, parse_site(text), site_key, clock.now()))
    data = tmp_path / ("deep" * 20) / ("deeper" * 10)
    data.mkdir(parents=True)
    broker = RunningBroker(store, site_key, clock=clock)
    service = web_service(broker.service.hub, reactor, data, 0)
    in_reactor(service.start)
    yield Served(broker, service, data, store, clock)
    in_reactor(service.stop)
    broker.stop()
