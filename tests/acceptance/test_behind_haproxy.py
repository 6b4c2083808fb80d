"""HAProxy in front of two brokers on one PostgreSQL: both work, addresses stay true, and the death of one is survived."""

from __future__ import annotations

import json
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.support.machines import HAProxy, TwoBrokers, Visitor
from tests.support.postgres import PostgresCluster
from tests.support.services import magbroker
from tests.support.waiting import until
from xwb import BrokerClient

#: The shortest that brokers take.
LOCK_SECONDS = 4


@pytest.fixture
def database(postgres: PostgresCluster) -> Iterator[str]:
    name, url = postgres.create_database()
    yield url
    postgres.drop_database(name)


@pytest.fixture
def site(tmp_path: Path, database: str) -> Iterator[tuple[TwoBrokers, HAProxy]]:
    with (
        TwoBrokers(tmp_path, database, LOCK_SECONDS) as brokers,
        HAProxy(tmp_path, brokers.ports, brokers.tls) as haproxy,
    ):
        yield brokers, haproxy


def sign_ons(database: str) -> list[tuple[str, str, str]]:
    """Give broker, address and end of every entry of the sign-on log."""
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        return connection.execute("SELECT broker, address, signed_off FROM sign_on_log ORDER BY ien").fetchall()


def test_sessions_go_to_both_brokers_with_their_clients_addresses(
    site: tuple[TwoBrokers, HAProxy], database: str, tmp_path: Path
) -> None:
    _brokers, haproxy = site
    addresses = [f"127.0.0.{number}" for number in range(11, 17)]
    with ExitStack() as sessions:
        for address in addresses:
            visitor = sessions.enter_context(Visitor(haproxy.port, address)).sign_on()
            assert visitor.call("MAG DICOM GET DOMAIN") == "DEMO.MAGBROKER.EXAMPLE"
        entries = sign_ons(database)
    assert [address for _broker, address, _end in entries] == addresses
    assert sorted(Counter(broker for broker, _address, _end in entries).values()) == [3, 3]
    trusting = ssl.create_default_context(cafile=str(tmp_path / "authority.pem"))
    with BrokerClient("localhost", haproxy.tls_port, tls=trusting) as client:
        assert client.sign_on("DEMOGW1", "1GWY!@#$").duz
        assert client.call("XWB IM HERE").text == "1"
    assert sign_ons(database)[-1][1] == "127.0.0.1"


def test_health_checks_leave_no_trace(site: tuple[TwoBrokers, HAProxy], database: str) -> None:
    brokers, haproxy = site

    def have_been_up(seconds: int) -> bool:
        return all(row["check_status"] == "L7OK" and int(row["lastchg"]) >= seconds for row in haproxy.servers())

    until(lambda: have_been_up(6), "both pass their checks for a while", seconds=60)
    assert sign_ons(database) == []
    loaded = [line for lines in brokers.logs() for line in lines if "procedures that are not known" in line]
    assert len(loaded) == 1, "one of the two has filled the database"
    said = [[line for line in lines if line not in loaded] for lines in brokers.logs()]
    assert [len(lines) for lines in said] == [1, 1], said
    assert all(lines[0].startswith("magbroker serves") for lines in said)


def test_a_broker_that_is_killed_is_passed_over_and_its_locks_are_free_again(
    site: tuple[TwoBrokers, HAProxy], database: str
) -> None:
    brokers, haproxy = site
    with Visitor(haproxy.port, "127.0.0.11").sign_on() as one, Visitor(haproxy.port, "127.0.0.12").sign_on() as other:
        names = [broker for broker, _address, _end in sign_ons(database)]
        assert len(set(names)) == 2
        assert lock_transmit(one) == "1"
        assert lock_transmit(other) == "0"
        brokers.kill(_number_of(brokers, names[0]))
        with pytest.raises(ConnectionError):
            one.call("XWB IM HERE")
        for number in range(20, 26):
            with Visitor(haproxy.port, f"127.0.0.{number}") as newcomer:
                assert newcomer.connect() == "accept"
        until(lambda: lock_transmit(other) == "1", "the lock of the dead session is free", seconds=60)
        until(lambda: all(end for broker, _address, end in sign_ons(database) if broker == names[0]), "its sign-on is closed")
        assert not sign_ons(database)[1][2], "the other's goes on"
        state = json.loads(magbroker("status", "--json", environment={"MAGBROKER_DATABASE": database}).stdout)
        assert len(state["brokers"]) == 1
        until(lambda: "DOWN" in haproxy.states(), "HAProxy has noticed", seconds=30)


def test_brokers_that_inhibit_logons_keep_the_sessions_they_have(
    site: tuple[TwoBrokers, HAProxy], database: str, tmp_path: Path
) -> None:
    _brokers, haproxy = site
    with Visitor(haproxy.port, "127.0.0.11").sign_on() as session:
        settings = {"MAGBROKER_DATABASE": database}
        done = magbroker("fault", "set", "inhibited-logons", "--data", str(tmp_path / "broker1"), environment=settings)
        assert done.returncode == 0, done.stderr
        until(lambda: haproxy.states() == ["DOWN", "DOWN"], "HAProxy sends nobody there", seconds=60)
        with Visitor(haproxy.port, "127.0.0.12") as newcomer, pytest.raises(ConnectionError):
            newcomer.connect()
        assert session.call("XWB IM HERE") == "1"
        done = magbroker("fault", "clear", "--data", str(tmp_path / "broker1"), environment=settings)
        assert done.returncode == 0, done.stderr
        until(lambda: haproxy.states() == ["UP", "UP"], "HAProxy sends clients there again", seconds=60)


def lock_transmit(visitor: Visitor) -> str:
    return visitor.call("MAG DICOM ROUTE LOCK TRANSMIT", "1", "660", "1")


def _number_of(brokers: TwoBrokers, name: str) -> int:
    """Tell which of the two is named so in the sign-on log: a name has the pid in it."""
    pids = [str(child.process.pid) for child in brokers.children if child.process is not None]
    (number,) = [number for number, pid in enumerate(pids) if pid in name.split()]
    return number
