"""A crowd of sessions at a broker of its own, judged by the model."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert

from fileman import SiteKey, Store, bump_site_version
from fileman.files import SendQueue, UserKey
from runtime import FixedClock
from tests.integration.concurrency.crowd import FILING_AND_SENDING, REQUEUEING, TAKING_BACK, Crowd
from tests.integration.concurrency.model import Found, differences, requeueing_differences
from tests.support.broker import RunningBroker

#: The user of the recorded site as whom the crowd signs on.
PROGRAMMER = 9009
#: A moment of the recorded site's day, so that no day ends while sessions count.
NOON = datetime.fromisoformat("2026-11-21T12:00")


def _let_route(connection: Connection) -> None:
    """Give the crowd's user the key with which images may be routed on demand."""
    connection.execute(insert(UserKey), [{"duz": PROGRAMMER, "key": "MAGJ DEMAND ROUTE", "position": 50}])
    bump_site_version(connection)


def crowd_together(store: Store, key: SiteKey, sessions: int, calls: int, seed: int) -> list[str]:
    """Let sessions do so many random things each, then take files that others let wait again; give what is wrong.

    The database holds the recorded site and no image yet.
    """
    store.transact(_let_route)
    broker = RunningBroker(store, key, clock=FixedClock(NOON))
    try:
        with Crowd(broker, sessions, seed) as crowd:
            notes = crowd.run(FILING_AND_SENDING, calls // 2)
            notes.add(crowd.run(TAKING_BACK, 4))
            notes.add(crowd.run(FILING_AND_SENDING, calls - calls // 2))
            did = (notes.stored, notes.deleted, notes.refused, notes.for_jukebox, notes.statuses, notes.exported, notes.taken_out)
            assert all(did), f"the sessions hardly did anything: {[len(one) for one in did]}"
            wrong = differences(store, notes)
            before = Found.read(store)[SendQueue]
            again = crowd.run(REQUEUEING, calls)
            assert again.requeued > 0, "nothing was let wait again"
            return wrong + requeueing_differences(store, before, again)
    finally:
        broker.stop()
