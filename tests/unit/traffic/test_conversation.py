"""Bytes of both directions become exchanges, however the network cuts them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.traffic import Conversation, Exchange, decode_answer
from console.traffic.conversation import PENDING_LIMIT
from tests.unit.xwb.feeding import cut_anywhere, parameters
from xwb import Literal, encode_bye, encode_call, encode_m_error, encode_response

IM_HERE = encode_call(b"XWB IM HERE")
ONE = encode_response(b"1")

calls = st.builds(encode_call, st.sampled_from([b"XWB IM HERE", b"MAG DICOM GET DOMAIN"]), parameters)
answers = st.builds(encode_response, st.binary(max_size=80), st.binary(max_size=20), st.binary(max_size=20)) | st.builds(
    encode_m_error, st.binary(max_size=20).map(lambda text: text.replace(b"\4", b""))
)
plain_answers = st.binary(max_size=80).map(lambda data: encode_response(data.replace(b"\4", b"").replace(b"\x18", b"")))


def told(exchanges: list[Exchange]) -> list[tuple[bytes, bytes | None]]:
    return [(it.sent, it.received) for it in exchanges]


@given(st.lists(st.tuples(calls, answers), max_size=5), st.data())
def test_each_request_keeps_its_answer_in_any_cut(pairs: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    conversation, seen = Conversation(1), []
    for request, answer in pairs:
        for piece in data.draw(cut_anywhere(request)):
            seen += conversation.client_sent(piece, 0.0)
        for piece in data.draw(cut_anywhere(answer)):
            seen += conversation.server_sent(piece, 0.0)
    seen += conversation.ended(0.0, by_server=False)
    assert told(seen) == pairs
    assert [it.seq for it in seen] == list(range(1, len(pairs) + 1))


@given(st.lists(st.tuples(calls, plain_answers), min_size=1, max_size=6), st.data())
def test_requests_sent_ahead_get_their_answers_in_order(pairs: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    conversation, seen = Conversation(1), []
    for piece in data.draw(cut_anywhere(b"".join(request for request, _ in pairs))):
        seen += conversation.client_sent(piece, 0.0)
    for piece in data.draw(cut_anywhere(b"".join(answer for _, answer in pairs))):
        seen += conversation.server_sent(piece, 0.0)
    seen += conversation.ended(0.0, by_server=False)
    assert told(seen) == pairs


chunks = st.binary(max_size=40) | calls | answers | st.sampled_from([b"[XWB]", b"#BYE#", b"\4", b"[XWB]11312"])


@given(st.lists(st.tuples(st.booleans(), chunks), max_size=12), st.booleans())
def test_whatever_passes_is_kept_in_order_and_nothing_twice(moves: list[tuple[bool, bytes]], by_server: bool) -> None:
    conversation, seen = Conversation(1), []
    for from_client, chunk in moves:
        take = conversation.client_sent if from_client else conversation.server_sent
        seen += take(chunk, 0.0)
    seen += conversation.ended(0.0, by_server=by_server)
    seen.sort(key=lambda it: it.seq)
    assert b"".join(it.sent for it in seen) == b"".join(chunk for from_client, chunk in moves if from_client)
    assert b"".join(it.received or b"" for it in seen) == b"".join(chunk for from_client, chunk in moves if not from_client)


def test_an_answer_is_over_when_it_looks_whole_and_nothing_comes_for_a_while() -> None:
    conversation = Conversation(1)
    assert conversation.client_sent(IM_HERE, 10.0) == []
    assert not conversation.settled
    assert conversation.server_sent(ONE[:-1], 10.5) == []
    assert not conversation.settled
    assert conversation.quiet(10.6) == []
    assert conversation.server_sent(ONE[-1:], 11.0) == []
    assert conversation.settled
    (exchange,) = conversation.quiet(12.0)
    assert exchange == Exchange(1, 1, "XWB IM HERE", IM_HERE, ONE, 1.0)


def test_an_m_error_is_whole_at_its_second_eot_only() -> None:
    error = encode_m_error(b"boom")
    conversation = Conversation(1)
    conversation.client_sent(IM_HERE, 0.0)
    conversation.server_sent(error[:-1], 0.0)
    assert not conversation.settled
    conversation.server_sent(error[-1:], 0.0)
    assert conversation.settled


def test_a_server_that_closes_without_an_answer_is_noted_with_the_request() -> None:
    conversation = Conversation(4)
    conversation.client_sent(IM_HERE, 0.0)
    conversation.server_sent(ONE[:-1], 1.0)
    (exchange,) = conversation.ended(2.0, by_server=True)
    assert (exchange.rpc, exchange.received, exchange.closed) == ("XWB IM HERE", ONE[:-1], True)
    assert conversation.ended(3.0, by_server=True) == []


@pytest.mark.parametrize("quiet", [True, False])
def test_a_server_that_closes_after_its_answer_is_noted_by_itself(quiet: bool) -> None:
    conversation = Conversation(1)
    conversation.client_sent(encode_bye(), 0.0)
    seen = conversation.server_sent(encode_response(b"#BYE#"), 10.0)
    seen += conversation.quiet(10.5) if quiet else []
    seen += conversation.ended(190.0, by_server=True)
    assert [(it.rpc, it.closed, it.elapsed) for it in seen] == [("(command) #BYE#", False, 10.0), ("(read)", True, 180.0)]


def test_a_client_that_closes_is_not_noted() -> None:
    conversation = Conversation(1)
    conversation.client_sent(IM_HERE, 0.0)
    conversation.server_sent(ONE, 0.0)
    (exchange,) = conversation.ended(1.0, by_server=False)
    assert not exchange.closed


def test_a_call_that_wants_no_answer_waits_for_none() -> None:
    silent = IM_HERE.replace(b"[XWB]1130", b"[XWB]1131")
    (exchange,) = Conversation(1).client_sent(silent, 0.0)
    assert (exchange.rpc, exchange.received) == ("XWB IM HERE", b"")


@pytest.mark.parametrize("first", [b"~BSE~003abc", b"<?xml version='1.0' ?>\4", b"{XWB}00010", b"~EAC~ 1\r\n"])
def test_other_transports_are_kept_as_they_are(first: bytes) -> None:
    conversation = Conversation(1)
    seen = conversation.client_sent(first[:3], 0.0) + conversation.client_sent(first[3:], 0.0)
    seen += conversation.server_sent(b"answer", 0.0)
    seen += conversation.client_sent(b"more", 0.0)
    seen += conversation.ended(0.0, by_server=False)
    assert [(it.rpc, it.sent, it.received) for it in seen] == [("(raw)", first, b"answer"), ("(raw)", b"more", b"")]


def test_a_broken_message_ends_decoding_but_not_recording() -> None:
    endless = b"[XWB]19302\x010\x03RPC50" + b"999999999"
    conversation = Conversation(1, limit_bytes=1000)
    seen = conversation.client_sent(endless + b"x" * 100, 0.0) + conversation.client_sent(b"y" * 2000, 0.0)
    seen += conversation.ended(0.0, by_server=True)
    (exchange,) = seen
    assert exchange.rpc == "(raw)"
    assert exchange.cut
    assert exchange.closed
    assert len(exchange.sent) == 1000


def test_of_a_long_answer_the_beginning_is_kept() -> None:
    conversation = Conversation(1, limit_bytes=1000)
    conversation.client_sent(IM_HERE, 0.0)
    for _ in range(10):
        conversation.server_sent(b"\0\0" + b"x" * 500, 0.0)
    conversation.server_sent(b"\4", 0.0)
    assert conversation.settled
    (exchange,) = conversation.quiet(0.0)
    assert exchange.cut
    assert len(exchange.received or b"") == 1000


def test_requests_that_nobody_answers_are_bounded() -> None:
    conversation, seen = Conversation(1), []
    for _ in range(PENDING_LIMIT + 5):
        seen += conversation.client_sent(IM_HERE, 0.0)
    assert len(seen) == 5
    many = Conversation(1, limit_bytes=1000)
    big = encode_call(b"RPC", (Literal(b"x" * 900),))
    assert [len(many.client_sent(big, 0.0)) for _ in range(4)] == [0, 0, 1, 1]


def test_answers_that_are_not_whole_decode_to_nothing() -> None:
    assert decode_answer(b"") is None
    assert decode_answer(ONE[:-1]) is None
    assert decode_answer(ONE) is not None
