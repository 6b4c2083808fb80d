"""Other sites ask whose token they were shown."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from datetime import timedelta

import pytest

from runtime import FixedClock
from tests.integration.rpcs.conftest import MakeBroker
from tests.support.broker import RunningBroker, in_reactor
from tests.support.waiting import until
from xwb import BSEAnswerDecoder, encode_token_query, encode_visitor

PACE = 50.0


@contextlib.contextmanager
def asking(broker: RunningBroker, query: bytes) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", broker.port), timeout=15) as connection:
        connection.sendall(query)
        yield connection


def answer(broker: RunningBroker, query: bytes) -> bytes:
    """Give what comes until the broker closes."""
    received = b""
    with asking(broker, query) as connection:
        while data := connection.recv(64):
            received += data
    return received


def token_of(broker: RunningBroker) -> bytes:
    with broker.client("FRED1", "1FRED!@#$", "MAIN") as client:
        return client.call("XUS SET VISITOR").data


def test_a_visitor_is_described_to_the_site_that_shows_the_token(make_broker: MakeBroker, clock: FixedClock) -> None:
    broker = make_broker()
    token = token_of(broker)
    wire = answer(broker, encode_token_query(token))
    decoder = BSEAnswerDecoder()
    decoder.receive_data(wire)
    described = decoder.next_event()
    assert isinstance(described, bytes)
    assert wire == encode_visitor(described)
    assert described.split(b"^")[1:5] == [b"FIRST,FRED", b"SALT LAKE CITY", b"660", b"1"]
    clock.moment += timedelta(days=1)
    assert answer(broker, encode_token_query(token)) == b"000"


@pytest.mark.parametrize(
    "query", [b"~BSE~000", b"~BSE~abc", encode_token_query(b"XUSBSE1-2_3"), encode_token_query(b"\xff" * 999)], ids=repr
)
def test_a_token_that_nobody_has_gets_an_answer_of_no_length(make_broker: MakeBroker, query: bytes) -> None:
    assert answer(make_broker(), query) == b"000"


def test_a_token_to_sign_on_with_tells_nobody_who_has_it(make_broker: MakeBroker) -> None:
    broker = make_broker()
    with broker.client("FRED1", "1FRED!@#$", "MAIN") as client:
        token = client.call("XUS GET TOKEN").data
    assert answer(broker, encode_token_query(token)) == b"000"
    assert answer(broker, encode_token_query(token.removeprefix(b"~1"))) == b"000"


@pytest.mark.parametrize("query", [encode_token_query(b"PUT XUSBSE1-2"), b"~BSE~0123", b"~BSE~", b"~BSE~9E9x"])
def test_what_is_no_query_is_closed_without_a_byte(make_broker: MakeBroker, query: bytes) -> None:
    broker = make_broker(pace=PACE)
    assert answer(broker, query) == b""
    until(lambda: in_reactor(lambda: not broker.service.hub.connections), "nothing is left")


def test_only_the_first_query_of_a_connection_is_answered(make_broker: MakeBroker) -> None:
    assert answer(make_broker(), b"~BSE~000" * 3) == b"000"
