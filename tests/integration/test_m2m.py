"""An M-to-M session over a real port, as a gateway has it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from broker import Limits
from fileman import SiteKey, Store
from tests.oracle.state_hook import setting
from tests.support.broker import RunningBroker
from tests.support.m2m_gateway import Gateway
from xwb import Cipher, ListParameter, Literal, Reference, encode_m2m_call
from xwb.m2m import CLOSE, CLOSED

STORE = (
    b"STORE1||660|GWA|RAD|CT1|C:\\X.DCM|666000001|IMAGPATIENT^ONE^M|061024-101|061024-101|20240610|093000|0|CR||<DICOM>|1|1|660|0|GW|",
    b"STORE2|1.2.3.1|1.2.3.1.1|1.2.3.1.1.1|1.2.840.10008.5.1.4.1.1.1|0|1|ACME|X1|3240610.0931|V||",
)


@pytest.fixture
def broker(oracle_store: Store, site_key: SiteKey) -> Iterator[RunningBroker]:
    oracle_store.transact(lambda connection: setting(timing="prompt", m2m_context_check=True)(connection, site_key))
    broker = RunningBroker(oracle_store, site_key)
    yield broker
    broker.stop()


@pytest.fixture
def lax(broker: RunningBroker, oracle_store: Store, site_key: SiteKey) -> None:
    """Ask for no contexts, as VistA does on this wire."""
    oracle_store.transact(lambda connection: setting(m2m_context_check=False)(connection, site_key))


@pytest.fixture
def gateway(broker: RunningBroker) -> Iterator[Gateway]:
    gateway = Gateway(broker.port)
    yield gateway
    gateway.socket.close()


def test_a_gateway_signs_on_enters_its_context_files_an_image_and_leaves(gateway: Gateway) -> None:
    assert gateway.sign_on().lines[0] == b"9002"
    assert gateway.enter("MAG DICOM GATEWAY FULL").lines == (b"1",)
    nodes = ((b"1", b"3"), (b"2", STORE[0]), (b"3", STORE[1]))
    stored = gateway.call("MAG DICOM IMAGE PROCESSING", ListParameter(nodes))
    assert stored.lines[1].startswith(b"STORE|0|")
    gateway.socket.sendall(CLOSE)
    assert gateway.socket.recv(1000) == CLOSED
    assert gateway.is_closed()


def test_contexts_are_enforced_unless_the_site_says_otherwise(
    gateway: Gateway, broker: RunningBroker, oracle_store: Store, site_key: SiteKey
) -> None:
    gateway.sign_on()
    refused = gateway.call("MAG DICOM GET DOMAIN")
    assert (refused.error, refused.code, refused.text) == (b"rpc", 5, b"Application context has not been created!")
    gateway.enter("MAG DICOM GATEWAY FULL")
    refused = gateway.call("XWB EXAMPLE ECHO STRING", Literal(b"x"))
    assert (refused.code, refused.text[:22]) == (0, b"The remote procedure X")
    oracle_store.transact(lambda connection: setting(m2m_context_check=False)(connection, site_key))
    assert gateway.call("XWB EXAMPLE ECHO STRING", Literal(b"x")).lines == (b"x",)


def test_who_does_not_sign_on_within_two_calls_is_closed(broker: RunningBroker) -> None:
    first = Gateway(broker.port)
    assert first.call("MAG DICOM GET DOMAIN").error == b"security"
    assert first.is_closed()
    second = Gateway(broker.port)
    assert second.sign_on("WRONG").lines[0] == b"0"
    assert second.is_closed()
    third = Gateway(broker.port)
    third.call("XUS SIGNON SETUP")
    third.socket.sendall(encode_m2m_call(b"XUS SIGNON SETUP"))
    assert third.is_closed()


def test_a_document_before_the_sign_on_is_bounded_more_narrowly(broker: RunningBroker) -> None:
    beginning = encode_m2m_call(b"XUS SIGNON SETUP", [Literal(b"x" * 70_000)])[:-1]
    peer = Gateway(broker.port)
    peer.socket.sendall(beginning)
    assert peer.is_closed()
    peer = Gateway(broker.port)
    peer.sign_on()
    assert peer.call("XWB IM HERE", Literal(b"x" * 70_000)).error == b"system"  # it takes no parameters
    assert peer.is_closed()


def test_more_sessions_than_allowed_are_closed(oracle_store: Store, site_key: SiteKey) -> None:
    broker = RunningBroker(oracle_store, site_key, limits=Limits(sessions=1))
    first = Gateway(broker.port)
    assert first.sign_on().lines[0] == b"9002"
    second = Gateway(broker.port)
    second.socket.sendall(encode_m2m_call(b"XUS SIGNON SETUP"))
    assert second.is_closed()
    first.socket.sendall(CLOSE)
    assert first.socket.recv(1000) == CLOSED
    assert first.is_closed()
    broker.stop()


def test_a_session_stays_when_its_user_is_lost(gateway: Gateway) -> None:
    gateway.sign_on()
    wrong = gateway.call("XUS AV CODE", Literal(Cipher.standard().encipher(b"FAKEGW1;WRONG", 3, 9)))
    assert wrong.lines[0] == b"0"
    assert gateway.call("XUS GET USER INFO").lines[:2] == (b"0", b"unk")
    assert gateway.call("MAG DICOM GET DOMAIN").code == 5


@pytest.mark.parametrize(("mode", "stays"), [(b"singleton", True), (b"single call", False)])
def test_calls_in_other_modes_are_refused(gateway: Gateway, mode: bytes, stays: bool) -> None:
    gateway.sign_on()
    refused = gateway.ask(encode_m2m_call(b"XWB IM HERE").replace(b"RPCBroker", mode))
    assert (refused.error, refused.code) == (b"security", 2)
    if stays:
        assert gateway.call("XWB IM HERE").lines == (b"1",)
    else:
        assert gateway.is_closed()


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (encode_m2m_call(b"XWB GET VARIABLE VALUE", [Reference(b"$P")]), b"Variable expected"),
        (encode_m2m_call(b"XWB GET VARIABLE VALUE", [Reference(b"NOSUCH")]), b"Undefined local variable: NOSUCH"),
        (encode_m2m_call(b"X").replace(b'<rpc uri="X" method="" ></rpc>', b""), b"Undefined local variable: XWBDATA"),
        (encode_m2m_call(b"X", [Literal(b"x")]).replace(b' position="1"', b""), b"Undefined local variable: ATR"),
    ],
    ids=["an expression as reference", "an unknown variable", "no rpc", "no position"],
)
@pytest.mark.usefixtures("lax")
def test_what_fails_in_reading_is_an_m_error(gateway: Gateway, document: bytes, text: bytes) -> None:
    gateway.sign_on()
    failed = gateway.ask(document)
    assert failed.error == b"system"
    assert text in failed.text
    assert gateway.is_closed()


@pytest.mark.usefixtures("lax")
def test_parameters_arrive_as_what_they_are(gateway: Gateway) -> None:
    gateway.sign_on()
    nodes = ListParameter(((b"2", b"<two>"), (b'"K"', b"[k]"), (b"1", b"one")))
    arrived = gateway.call("ZZ ORACLE PARAMS", Reference(b"DUZ"), nodes, Literal(b""))
    assert arrived.lines == (b"P1=9002", b"P2(1)=one", b"P2(2)=<two>", b'P2("K")=[k]', b"P3 undefined")


def test_an_m_error_is_told_and_ends_the_connection(gateway: Gateway) -> None:
    gateway.sign_on()
    gateway.enter("MAG DICOM GATEWAY FULL")
    crash = gateway.call("MAG DICOM IMAGE PROCESSING", ListParameter(((b"1", b"2"), (b"2", b"CRASH"))))
    assert crash.error == b"system"
    assert b"divide by zero" in crash.text
    assert gateway.is_closed()


def test_documents_that_come_together_are_answered_in_order(gateway: Gateway) -> None:
    gateway.sign_on()
    gateway.socket.sendall(encode_m2m_call(b"XWB IM HERE") * 50 + CLOSE)
    received = b""
    while data := gateway.socket.recv(65536):
        received += data
    assert received.count(b"<![CDATA[1]]>") == 50
    assert received.endswith(CLOSED)
