"""Faults that a tester sets strike a running broker's clients, and stop when they are spent or cleared."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from fileman import Fault, SiteKey, Store, clear_faults, read_faults, set_fault
from fileman.files import Image, SignOnLog
from tests.support.broker import RunningBroker
from tests.support.waiting import until
from xwb import ConnectionLost, ConnectionRejected

PROCESSING = "MAG DICOM IMAGE PROCESSING"
PACE = 20.0


@pytest.fixture
def broker(oracle_store: Store, site_key: SiteKey) -> Iterator[RunningBroker]:
    broker = RunningBroker(oracle_store, site_key, pace=PACE)
    yield broker
    broker.stop()


def put(broker: RunningBroker, kind: str, **facts: str) -> None:
    """Set a fault as another process does."""
    broker.store.transact(lambda connection: set_fault(connection, Fault.parse(kind, facts)))


def clear(broker: RunningBroker, kind: str = "") -> None:
    broker.store.transact(lambda connection: clear_faults(connection, kind))


def left(broker: RunningBroker) -> list[Fault]:
    return broker.store.read(read_faults)


def storing(uid: str) -> dict[int, str]:
    """Give a request to file an image of an exam of the recorded site."""
    first = (
        "STORE1||660|GWA|RAD|CT1|F1|666000001|IMAGPATIENT^ONE^M|061024-101|061024-101|20240610|093000|0|CR||<DICOM>|1|1|660|0|GW|"
    )
    return {1: "3", 2: first, 3: f"STORE2|1.2.3.1|1.2.3.1.1|{uid}|1.2.840.10008.5.1.4.1.1.1|0|1|ACME|X1|3240610.0931|V||"}


def test_a_locked_exam_takes_no_image_until_the_fault_is_spent(broker: RunningBroker) -> None:
    put(broker, "locked-exam", accession="061024-101", times="2")
    with broker.client() as client:
        answers = [client.call(PROCESSING, storing(uid)).lines for uid in ("5.1", "5.1", "5.1", "5.2")]
        assert [answer[1].split("|")[1] for answer in answers[:2]] == ["-399^radiology exam locked"] * 2
        assert answers[0][2] == (
            'MSG|END|A problem was encountered by routine MAGDIR9A     Error Code: "-399^radiology exam locked"'
        )
        assert [answer[1].split("|")[1] for answer in answers[2:]] == ["0", "0"]
        assert left(broker) == []
        put(broker, "locked-exam", accession="061024-101")
        assert client.call(PROCESSING, storing("5.3")).lines[1].startswith("STORE|-399"), "an exam with images, too"
        clear(broker)
        assert client.call(PROCESSING, storing("5.3")).lines[1].startswith("STORE|0")


def test_a_slow_answer_waits_and_other_procedures_do_not(broker: RunningBroker) -> None:
    clock = broker.service.hub.clock
    with broker.client() as client:
        put(broker, "slow-answer", rpc="MAG DICOM GET DOMAIN", seconds="4", times="1")
        began = clock.seconds()
        assert client.call("MAG DICOM GET DOMAIN").text == "ORACLE.DOMAIN.EXT"
        assert clock.seconds() - began >= 4
        assert left(broker) == [], "it struck once"
        put(broker, "slow-answer", rpc="MAG DICOM GET DOMAIN", seconds="3600")
        assert client.call("MAG DICOM GET MACHINE ID", "HOST").text


def test_a_dropped_answer_closes_after_the_procedure_has_committed(broker: RunningBroker) -> None:
    put(broker, "dropped-answer", rpc=PROCESSING, times="1")
    client = broker.client()
    with pytest.raises(ConnectionLost):
        client.call(PROCESSING, storing("5.9"))
    client.close()
    count = select(func.count()).select_from(Image).where(Image.uid == "5.9")
    assert broker.store.read(lambda connection: connection.execute(count).scalar()) == 1
    open_sessions = select(func.count()).select_from(SignOnLog).where(SignOnLog.signed_off == "")
    until(lambda: broker.store.read(lambda it: it.execute(open_sessions).scalar()) == 0, "signed off")
    with broker.client() as again:
        assert again.call(PROCESSING, storing("5.9")).lines[1].startswith("STORE|1 Image partially")


def test_an_answer_dropped_at_sign_on_leaves_no_session_behind(broker: RunningBroker) -> None:
    put(broker, "dropped-answer", rpc="XUS AV CODE")
    with pytest.raises(ConnectionLost):
        broker.client()
    signed = select(func.count()).select_from(SignOnLog)
    assert broker.store.read(lambda connection: connection.execute(signed).scalar()) == 1, "the procedure ran"
    open_sessions = signed.where(SignOnLog.signed_off == "")
    until(lambda: broker.store.read(lambda it: it.execute(open_sessions).scalar()) == 0, "signed off")


def test_an_answer_is_dropped_on_the_text_transport_too(broker: RunningBroker) -> None:
    put(broker, "dropped-answer", rpc="MAG DICOM GET DOMAIN")
    with (
        socket.create_connection(("127.0.0.1", broker.text_port), timeout=20) as connection,
        connection.makefile("rb") as answers,
    ):
        connection.sendall(b"SIGNON^FAKEGW1^1GWY!@#$\nCONTEXT^MAG DICOM GATEWAY FULL\nMAG DICOM GET DOMAIN\n")
        assert [line[:4] for line in answers][-1:] == [b"OK 0"], "the last answer is the context's; then the end"


def test_faults_reach_procedures_that_never_look_at_the_site(broker: RunningBroker) -> None:
    """XWB IM HERE is answered from what was read last; the broker looks for a change every second."""
    with broker.client() as client:
        put(broker, "dropped-answer", rpc="XWB IM HERE")

        def answers() -> None:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                assert client.call("XWB IM HERE").text == "1"

        with pytest.raises(ConnectionLost):
            answers()


def test_inhibited_logons_reject_connections_and_leave_sessions_alone(broker: RunningBroker) -> None:
    with broker.client() as client:
        put(broker, "inhibited-logons")
        with pytest.raises(ConnectionRejected):
            broker.client()
        assert client.call("MAG DICOM GET DOMAIN").text == "ORACLE.DOMAIN.EXT"
        clear(broker, "inhibited-logons")
        broker.client().close()
