"""Two brokers on one PostgreSQL: what both are asked for at the same moment happens once, as with VistA's LOCKs."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import Connection, Select, make_url, select, text

from fileman import (
    GROUP_OBJECT_TYPE,
    SiteKey,
    Store,
    forget_leases,
    lock_for_transaction,
    renew_leases,
    seconds_ahead,
    take_lease,
)
from fileman.files import AcquisitionDevice, DicomFailedImage, Exam, FailedAccess, Image, Lease, Report
from fileman.locks import FORGOTTEN_AFTER
from rpcs import living_brokers
from runtime import FixedClock, SystemClock
from tests.oracle.state_hook import setting
from tests.support.broker import RunningBroker
from tests.support.postgres import PostgresCluster
from tests.support.waiting import until
from xwb import BrokerClient, Cipher, ConnectionRejected, MError, SignOnRefused

_WAITING = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")

Ask = Callable[[BrokerClient], object]


@pytest.fixture(params=["postgresql"])
def database_url(request: pytest.FixtureRequest, postgres: PostgresCluster) -> Iterator[str]:
    """Only there may brokers share a database."""
    name, url = postgres.new_database()
    yield url
    postgres.drop_database(name)


@dataclass(frozen=True)
class Two:
    """Two brokers, each with a store of its own on one database."""

    brokers: tuple[RunningBroker, RunningBroker]
    store: Store

    clients: tuple[BrokerClient, BrokerClient]

    def ask_both(self, held: str, *asks: Ask) -> list[object]:
        """Ask both while a name is held, so that both stand where they wait for it; let it go; give what both answer."""
        with ThreadPoolExecutor(2) as pool:
            with self.holding(held):
                answers: list[Future[object]] = [pool.submit(ask, client) for ask, client in zip(asks, self.clients, strict=True)]
                until(lambda: self.store.read(_waiting) == 2, f"both wait for {held}", seconds=20)
            return [answer.result(30) for answer in answers]

    @contextmanager
    def holding(self, name: str) -> Iterator[None]:
        with self.store._writing.begin() as connection:
            lock_for_transaction(connection, name)
            yield

    def count(self, entries: Select[tuple[int]]) -> int:
        """Count entries."""
        return len(self.store.read(lambda connection: connection.execute(entries).all()))


def _waiting(connection: Connection) -> int:
    return int(connection.execute(_WAITING).scalar_one())


@pytest.fixture
def two(oracle_store: Store, site_key: SiteKey) -> Iterator[Two]:
    oracle_store.transact(lambda connection: setting(timing="prompt")(connection, site_key))
    with ExitStack() as opened:
        brokers, clients = [], []
        for _ in range(2):
            store = Store(oracle_store.url)
            opened.callback(store.close)
            broker = RunningBroker(store, site_key)
            opened.callback(broker.stop)
            brokers.append(broker)
            clients.append(opened.enter_context(BrokerClient("127.0.0.1", broker.port, name="GWA")))
        yield Two((brokers[0], brokers[1]), oracle_store, (clients[0], clients[1]))


@pytest.fixture
def signed_on(two: Two) -> Two:
    for client in two.clients:
        client.sign_on("FAKEGW1", "1GWY!@#$")
        client.create_context("MAG DICOM GATEWAY FULL")
    return two


def store_request(
    number: int,
    *before: str,
    gateway: str = "GWA",
    maker: str = "ACME",
    accession: str = "061024-101",
    study: str = "1.2.3.1",
) -> dict[int, str]:
    lines = [
        *before,
        f"STORE1||660|{gateway}|RAD|CT1|C:\\X{number}.DCM|666000001|IMAGPATIENT^ONE^M|{accession}|{accession}|20240610|093000|0|CR"
        f"||<DICOM>|1|{number}|660|0|GW|",
        f"STORE2|{study}|{study}.1|{study}.1.{number}|1.2.840.10008.5.1.4.1.1.1|0|1|{maker}|X1|3240610.0931|V||",
    ]
    return {1: str(len(lines) + 1), **dict(enumerate(lines, 2))}


def storing(number: int, *before: str, **facts: str) -> Ask:
    return lambda client: client.call("MAG DICOM IMAGE PROCESSING", store_request(number, *before, **facts)).lines[1:]


def filed(answers: list[object]) -> bool:
    return all(str(answer).startswith("['STORE|0|") for answer in answers)


@pytest.fixture
def known_gateways(signed_on: Two) -> Two:
    """Let two gateways be known, with an image each of another exam."""
    asks = [
        storing(number, gateway=gateway, accession="061124-102", study="1.2.9") for number, gateway in ((1, "GWA"), (2, "GWB"))
    ]
    assert filed([ask(signed_on.clients[0]) for ask in asks])
    return signed_on


def exam_of(two: Two, accession: str) -> int:
    found = select(Exam.ien).where(Exam.accession == accession)
    return int(two.store.read(lambda connection: connection.execute(found).scalar_one()))


def test_the_first_images_of_an_exam_make_one_report_and_one_group(known_gateways: Two) -> None:
    two = known_gateways
    exam = exam_of(two, "061024-101")
    assert filed(two.ask_both(f"exam:{exam}", storing(1, gateway="GWA"), storing(2, gateway="GWB")))
    assert two.count(select(Report.ien).where(Report.exam == exam)) == 1
    assert two.count(select(Image.ien).where(Image.object_type == GROUP_OBJECT_TYPE, Image.uid == "1.2.3.1")) == 1


def test_entries_of_a_file_are_changed_and_deleted_one_after_the_other_by_whatever_procedure(two: Two) -> None:
    for client in two.clients:
        client.sign_on("FAKEPRG1", "1PRG!@#$")
    answers = two.ask_both(
        "transmit_destination",
        lambda client: client.call("DDR FILER", "", ["2006.587^4^1,^11999"]).lines[0],
        lambda client: client.call("DDR DELETE ENTRY", {"FILE": "2006.587", "IENS": "1,"}).text,
    )
    assert answers[0] == "[Data]"


def test_the_first_two_images_of_a_gateway_are_both_filed(signed_on: Two) -> None:
    assert filed(signed_on.ask_both("current image:GWA", storing(1), storing(2, accession="061124-102")))


def test_a_device_that_two_gateways_bring_at_once_is_entered_once(known_gateways: Two) -> None:
    two = known_gateways
    one = storing(1, gateway="GWA", maker="NEWCO")
    other = storing(2, gateway="GWB", maker="NEWCO", accession="061124-102")
    assert filed(two.ask_both("device:NEWCO (X1)", one, other))
    assert two.count(select(AcquisitionDevice.ien).where(AcquisitionDevice.name == "NEWCO (X1)")) == 1


def test_a_request_that_comes_again_at_the_other_broker_is_carried_out_once(signed_on: Two) -> None:
    request = storing(1, "REQUEST|0b7a")
    one, other = signed_on.ask_both("request:GWA:0b7a", request, request)
    assert one == other
    assert filed([one])


def test_images_of_nobody_hang_on_the_correct_list_under_the_first_of_their_study(known_gateways: Two) -> None:
    one, other = (storing(number, gateway=gateway, accession="NONE-1") for number, gateway in ((1, "GWA"), (2, "GWB")))
    known_gateways.ask_both("correct:1.2.3.1", one, other)
    related = select(DicomFailedImage.ien, DicomFailedImage.related_to).order_by(DicomFailedImage.ien)
    first, second = known_gateways.store.read(lambda connection: connection.execute(related).all())
    assert (first.related_to, second.related_to) == (None, first.ien)


def refusal(client: BrokerClient, access: str, verify: str) -> str:
    try:
        client.sign_on(access, verify)
    except SignOnRefused as refused:
        return str(refused)
    return ""


def test_wrong_codes_at_both_brokers_are_counted_together(two: Two) -> None:
    def fail(client: BrokerClient) -> str:
        return refusal(client, "NOBODY1", "WRONG!@#1")

    assert two.ask_both("address:127.0.0.1", fail, fail) == ["Not a valid ACCESS CODE/VERIFY CODE pair."] * 2
    attempts = two.store.read(lambda connection: connection.execute(select(FailedAccess.attempts)).scalars().all())
    assert attempts == [2]


def test_who_may_sign_on_once_signs_on_at_one_broker(two: Two, site_key: SiteKey) -> None:
    two.store.transact(lambda connection: setting(multiple_sign_on=False)(connection, site_key))

    def sign_on(client: BrokerClient) -> str:
        return refusal(client, "FAKEGW1", "1GWY!@#$")

    assert sorted(map(str, two.ask_both("user:9002", sign_on, sign_on))) == ["", "*** MULTIPLE SIGNONS NOT ALLOWED ***"]


def test_a_token_signs_on_at_one_broker(two: Two, site_key: SiteKey) -> None:
    with two.brokers[0].client() as client:
        token = client.call("XUS GET TOKEN").text
    enciphered = Cipher.standard().encipher(f"~~TOK~~{token}".encode()).decode("iso-8859-1")

    def sign_on(client: BrokerClient) -> str:
        client.call("XUS SIGNON SETUP")
        return client.call("XUS AV CODE", enciphered).lines[0]

    answers = two.ask_both(f"token:{site_key.access_hash(token.removeprefix('~1'))}", sign_on, sign_on)
    assert sorted(map(str, answers)) == ["0", "9002"]


def test_a_lock_taken_at_one_broker_is_taken_at_the_other(signed_on: Two) -> None:
    one, other = signed_on.clients

    def lock(client: BrokerClient, taken: str = "1") -> str:
        return client.call("MAG DICOM ROUTE LOCK TRANSMIT", "12", "660", taken).text

    assert (lock(one), lock(other)) == ("1", "0")
    assert lock(one, "0") == "2"
    assert lock(other) == "1"
    held = select(Lease.holder).where(Lease.name.startswith("ROUTE"))
    (holder,) = signed_on.store.read(lambda connection: connection.execute(held).scalars().all())
    assert holder.startswith(signed_on.brokers[1].service.hub.dispatcher.environment.broker)
    other.bye()
    until(lambda: lock(one) == "1", "the end of its session gives it back", seconds=20)


def test_a_broker_is_known_to_live_until_it_ends(two: Two) -> None:
    def living() -> list[str]:
        return two.store.read(lambda connection: living_brokers(connection, SystemClock().seconds()))

    until(lambda: len(living()) == 2, "both live", seconds=20)
    assert set(living()) == {f"{socket.gethostname()} {os.getpid()}"}
    two.brokers[0].stop()
    until(lambda: len(living()) == 1, "one lives", seconds=20)


@contextmanager
def away(store: Store) -> Iterator[None]:
    """Let nobody be connected to the database for a while."""
    url = make_url(store.url)
    shut = f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS {{}}'
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    with psycopg.connect(host=url.host, port=url.port, user=url.username, dbname="postgres", autocommit=True) as connection:
        connection.execute(shut.format("false"))  # a text that psycopg has not seen
        connection.execute(cut, [url.database])
        try:
            yield
        finally:
            connection.execute(shut.format("true"))


def test_sessions_outlive_a_database_that_is_away_for_a_while(signed_on: Two) -> None:
    client, other = signed_on.clients
    with away(signed_on.store):
        for call in (("MAG DICOM GET DOMAIN",), ("MAG DICOM ROUTE LOCK TRANSMIT", "12", "660", "1")):
            with pytest.raises(MError, match="StoreFailed"):
                client.call(*call)
        refused = client.call("MAG DICOM ROUTE EVAL START", "660", {"1": "1^ACTION^SEND"}).text
        assert refused == "-4,TaskMan did not Accept Request"
        with pytest.raises(ConnectionRejected):
            BrokerClient("127.0.0.1", signed_on.brokers[0].port).connect()
    assert client.call("MAG DICOM GET DOMAIN").text == "ORACLE.DOMAIN.EXT"
    assert client.call("MAG DICOM ROUTE LOCK TRANSMIT", "12", "660", "1").text == "1"
    assert other.call("MAG DICOM ROUTE LOCK TRANSMIT", "12", "660", "1").text == "0"


def test_leases_that_nobody_took_over_are_forgotten_after_a_day_and_not_before(store: Store) -> None:
    now = 1_000_000.0
    for name, seconds in (("living", 90.0), ("just expired", -90.0), ("long gone", -FORGOTTEN_AFTER)):
        store.transact(lambda connection, name=name, seconds=seconds: take_lease(connection, name, name, seconds, now))
    store.transact(lambda connection: forget_leases(connection, now))
    names = store.read(lambda connection: connection.execute(select(Lease.name).order_by(Lease.name)).scalars().all())
    assert names == ["just expired", "living"]
    store.transact(lambda connection: renew_leases(connection, ["just expired"], now + 90))
    assert not store.transact(lambda connection: take_lease(connection, "just expired", "another", 90, now))


def test_a_clock_that_is_not_the_databases_is_noticed(store: Store) -> None:
    clock = SystemClock()
    assert abs(store.read(lambda connection: seconds_ahead(connection, clock.seconds()))) < 5
    wrong = FixedClock(clock.now() + timedelta(seconds=300))
    assert store.read(lambda connection: seconds_ahead(connection, wrong.seconds())) == pytest.approx(300, abs=60)
