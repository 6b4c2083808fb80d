"""A broker with a manager, a user without keys, and what they ask over connections that they keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from fileman import Store
from fileman.files import AuditChange, AuditRecord
from rpcs.actions import ACTIONS, answer_of
from runtime import FixedClock
from tests.integration.rpcs.two_users import MAY, User, site_of_two_users
from tests.support.broker import RunningBroker
from xwb import BrokerClient, SignOnRefused

CONTEXT = "MAGB GATEWAY"
SITE = (
    site_of_two_users(CONTEXT, ACTIONS, "XUMGR", "MAG SYSTEM")
    + """
[[network_location]]
ien = 1
name = "RAID1"
physical = '\\\\ARCHIVE\\IMAGE1$\\'
"""
)


@dataclass
class Managed:
    """A running broker, and what its users ask."""

    broker: RunningBroker
    clock: FixedClock
    clients: dict[User, BrokerClient] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        """The broker's database."""
        return self.broker.store

    def client(self, user: User) -> BrokerClient:
        """Give a user's connection; the first time he signs on."""
        if user not in self.clients:
            self.clients[user] = self.broker.client(user.access, user.verify, CONTEXT)
        return self.clients[user]

    def ask(self, user: User, name: str, /, **asked: object) -> Any:
        """Call a procedure as a user; `dry_run` names DRY RUN."""
        request = {key.upper().replace("_", " "): str(value) for key, value in asked.items()}
        return answer_of(self.client(user).call(f"MAGB {name}", request).text)

    def may(self, name: str, /, **asked: object) -> Any:
        """Call a procedure as the manager."""
        return self.ask(MAY, name, **asked)

    def refusal(self, access: str, verify: str) -> str:
        """Sign on over a new connection; give why that is refused, empty where it is not."""
        with BrokerClient("127.0.0.1", self.broker.port) as client:
            try:
                client.sign_on(access, verify)
            except SignOnRefused as refused:
                return str(refused)
        return ""

    def audit(self) -> str:
        """Give all that the audit holds."""
        files = (AuditRecord, AuditChange)
        return str([self.store.read(lambda it, file=file: it.execute(select(file.__table__)).all()) for file in files])

    def leave(self) -> None:
        """Close the connections."""
        for client in self.clients.values():
            if client.connected:
                client.bye()


#: Starts the broker of `SITE`; the arguments are lines that are put into its site file, as `make_broker` takes them.
Manage = Callable[..., Managed]
