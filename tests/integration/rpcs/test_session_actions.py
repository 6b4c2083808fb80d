"""Managers see who is signed on at whichever broker, who was, and end sessions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import insert, select

from console.real_broker import signed_on_client
from fileman import SiteKey, Store, to_fileman
from fileman.files import Lease, SessionEnd, SignOnLog
from rpcs.actions import NotAllowed, NotFound
from runtime import FixedClock
from tests.integration.rpcs.conftest import MakeBroker
from tests.integration.rpcs.managed import CONTEXT, SITE, Managed
from tests.integration.rpcs.two_users import MAY, UNA
from tests.support.broker import RunningBroker
from tests.support.query_plans import statements_of
from tests.support.waiting import until
from xwb import BrokerClient, ConnectionLost

#: Entries of the log that tests put there have numbers from here.
FIRST = 100


@pytest.fixture
def site(make_broker: MakeBroker, clock: FixedClock) -> Iterator[Managed]:
    managed = Managed(make_broker(more=SITE), clock)
    yield managed
    managed.leave()


def signed_off(site: Managed, ien: int) -> str:
    chosen = select(SignOnLog.signed_off).where(SignOnLog.ien == ien)
    return str(site.store.read(lambda it: it.execute(chosen).scalar_one()))


def is_lost(client: BrokerClient) -> bool:
    try:
        client.call("XWB IM HERE")
    except ConnectionLost:
        return True
    return False


def fill_log(site: Managed, *rows: dict[str, object]) -> None:
    """Put entries into the log; those without a broker are of one that is gone."""
    common = {"duz": UNA.duz, "signed_on": "3261118.1", "signed_off": "", "broker": "broker gone 1 x"}
    site.store.transact(
        lambda it: it.execute(insert(SignOnLog), [{**common, "ien": FIRST + n, **row} for n, row in enumerate(rows)])
    )


def test_who_is_signed_on_is_told_with_since_when_and_from_where(site: Managed) -> None:
    site.client(UNA)
    fill_log(site, {})
    hers, mine = site.may("SESSION LIST")["entries"]
    assert [(one["duz"], one["name"]) for one in (hers, mine)] == [(UNA.duz, UNA.name), (MAY.duz, MAY.name)]
    assert (hers["since"], hers["address"], hers["transport"]) == ("2026-11-18 12:00:00", "127.0.0.1", "NS")
    assert site.may("SESSION LIST", limit=1)["next"] == hers["ien"]
    assert [one["ien"] for one in site.may("SESSION LIST", after=hers["ien"])["entries"]] == [mine["ien"]]
    with pytest.raises(NotAllowed):
        site.ask(UNA, "SESSION LIST")


def test_a_session_that_is_ended_loses_its_connection_and_is_signed_off_in_the_log(site: Managed) -> None:
    client = site.client(UNA)
    other = site.broker.client(UNA.access, UNA.verify, CONTEXT)
    (session, _others) = [one["ien"] for one in site.may("SESSION LIST")["entries"] if one["duz"] == UNA.duz]
    site.may("SESSION END", ien=session, dry_run=1)
    assert not is_lost(client), "that was a trial"
    site.may("SESSION END", ien=session)
    until(lambda: is_lost(client), "the connection is closed", seconds=20)
    until(lambda: signed_off(site, session) != "", "the log says so", seconds=20)
    assert not is_lost(other), "another session of the user goes on"
    other.bye()
    asked = select(SessionEnd.sign_on)
    until(lambda: not site.store.read(lambda it: it.execute(asked).all()), "nobody looks for it any more", seconds=20)
    with pytest.raises(NotFound):
        site.may("SESSION END", ien=session)


def test_what_is_no_session_cannot_be_ended(site: Managed) -> None:
    fill_log(site, {}, {"signed_off": "3261118.11", "broker": site.broker.service.hub.dispatcher.environment.broker})
    for ien in (FIRST, FIRST + 1, 999):
        with pytest.raises(NotFound):
            site.may("SESSION END", ien=ien)


def test_sessions_of_the_past_are_told_the_newest_first(site: Managed) -> None:
    mine = {"broker": site.broker.service.hub.dispatcher.environment.broker}  # one that is gone is signed off before long
    fill_log(site, {"signed_off": "3261118.113005"}, {"duz": 1, **mine}, mine)
    told = site.may("SESSION HISTORY")
    assert [one["ien"] for one in told["entries"]][:3] == [FIRST + 2, FIRST + 1, FIRST]
    assert [one["until"] for one in told["entries"]][:3] == [None, None, "2026-11-18 11:30:05"]
    assert [one["ien"] for one in site.may("SESSION HISTORY", duz=UNA.duz)["entries"]] == [FIRST + 2, FIRST]
    page = site.may("SESSION HISTORY", duz=UNA.duz, limit=1)
    assert ([one["ien"] for one in page["entries"]], page["next"]) == ([FIRST + 2], FIRST + 2)
    assert [one["ien"] for one in site.may("SESSION HISTORY", duz=UNA.duz, before=page["next"])["entries"]] == [FIRST]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sessions_are_found_by_indexes(site: Managed) -> None:
    now = to_fileman(site.clock.now())
    fill_log(site, *[{"signed_off": now} for _ in range(500)])
    site.store.transact(lambda it: it.execute(insert(Lease).values(name="broker x 1 y", holder="x", expires_at=9e9)))
    with statements_of(site.store) as statements:
        for name, asked in (("LIST", {}), ("HISTORY", {}), ("HISTORY", {"duz": UNA.duz})):
            site.may(f"SESSION {name}", **asked)
    plans = {text: steps for text, steps in statements.plans(site.store).items() if "FROM sign_on_log" in text}
    assert len(plans) == 3
    steps = [step for steps in plans.values() for step in steps]
    assert not [step for step in steps if step.startswith("SCAN sign_on_log") or "TEMP B-TREE FOR ORDER" in step], plans


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_session_is_ended_at_whichever_broker_it_is(site: Managed, site_key: SiteKey, clock: FixedClock) -> None:
    store = Store(site.store.url)
    other = RunningBroker(store, site_key, clock=clock)
    try:
        there = signed_on_client(other.port, UNA.access, UNA.verify, CONTEXT)
        here = site.client(UNA)

        def of_una() -> list[int]:
            return [one["ien"] for one in site.may("SESSION LIST")["entries"] if one["duz"] == UNA.duz]

        until(lambda: len(of_una()) == 2, "both brokers are known to live", seconds=20)
        ended, stays = of_una()
        site.may("SESSION END", ien=ended)
        until(lambda: is_lost(there), "the other broker closes the connection", seconds=20)
        until(lambda: of_una() == [stays], "the log says so", seconds=20)
        assert not is_lost(here)
    finally:
        other.stop()
        store.close()
