"""A broker whose routing is tested: the recorded site with the recorded images, and a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from fileman import SiteKey, Store, bump_site_version, to_fileman
from fileman.files import ImageEvent, NetworkLocation, SendQueue
from rules.evaluator.queueing import Copies, Origin, queue_copies
from runtime import FixedClock
from tests.integration.rules.recorded_site import fill_recorded_images
from tests.support.broker import RunningBroker
from xwb import BrokerClient

LOCATION, OTHER_LOCATION = 660, 688
#: Routers' network locations: one that takes four file types, one that takes the full file only, and one that is off line.
FOUR, ONE, OFFLINE = 14, 15, 16


@dataclass
class Routing:
    """A signed-on client of a broker, and what the test puts into the queues and finds there."""

    broker: RunningBroker
    store: Store
    clock: FixedClock
    client: BrokerClient

    def call(self, name: str, *arguments: Any) -> str:
        """Call a procedure of one value."""
        return self.client.call(f"MAG DICOM {name}", *arguments).text

    def lines(self, name: str, *arguments: Any) -> list[str]:
        """Call a procedure of several lines."""
        return list(self.client.call(f"MAG DICOM {name}", *arguments).lines)

    def send(
        self, image: int, destination: int, priority: int = 500, *kinds: str, origin: int = LOCATION, transaction: str = ""
    ) -> list[int]:
        """Put an image's files into the send queue, the full one if not told."""
        copies = Copies(destination, priority, kinds or ("FULL",), transaction)
        where = Origin(origin, to_fileman(self.clock.now()), self.clock.seconds())
        return self.store.transact(lambda connection: queue_copies(connection, image, copies, where))

    def next_file(self, *served: int, going_on: tuple[int, int] | None = None, location: int = LOCATION) -> list[str]:
        """Ask for the next file."""
        destination, priority = going_on or ("", "")
        return self.lines("ROUTE NEXT FILE", str(location), str(destination), str(priority), "1", [f"1^{ien}" for ien in served])

    def statuses(self) -> dict[int, str]:
        """Give the send queue's entries."""
        return {row.ien: row.status for row in self.all(select(SendQueue.ien, SendQueue.status).order_by(SendQueue.ien))}

    def all(self, statement: Any) -> list[Any]:
        """Read rows."""
        return list(self.store.read(lambda connection: connection.execute(statement).all()))

    def stories(self, image: int) -> list[str]:
        """Give what the story of an image says of sending."""
        wanted = select(ImageEvent.outcome).where(ImageEvent.image == image, ImageEvent.stage == "SEND").order_by(ImageEvent.ien)
        return [row.outcome for row in self.all(wanted)]

    def set_location(self, ien: int, **values: Any) -> None:
        """Change a network location."""

        def change(connection: Connection) -> None:
            connection.execute(update(NetworkLocation).where(NetworkLocation.ien == ien).values(values))
            bump_site_version(connection)

        self.store.transact(change)


@contextmanager
def run_routing(store: Store, key: SiteKey, clock: FixedClock) -> Iterator[Routing]:
    """Run a broker on the recorded site with the recorded images, its queues empty."""
    store.transact(fill_recorded_images)
    broker = RunningBroker(store, key, clock=clock)
    try:
        with broker.client("FAKEPRG1", "1PRG!@#$") as client:
            yield Routing(broker, store, clock, client)
    finally:
        broker.stop()
