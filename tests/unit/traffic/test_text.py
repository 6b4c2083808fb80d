"""Lines of the text transport in a recording: cut, decoded, masked, played again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.traffic import Conversation, Exchange, Masker, Part, Playback, Pseudonyms, decode_request, error_of, to_json
from console.traffic.conversation import LIMIT_BYTES
from console.traffic.text_wire import TextWire
from tests.unit.traffic.test_masking import CIPHER, PATIENT, PERSONAL, everything, masker
from tests.unit.xwb.feeding import cut_anywhere
from xwb import (
    ByeRequested,
    CallRequested,
    CannotEncode,
    ContextRequested,
    ErrorKind,
    ListParameter,
    Literal,
    Parameter,
    SignOnRequested,
    Transport,
    encode_error,
    encode_ok,
    encode_request,
)

WIRE = TextWire()
SIGN_ON = b"SIGNON^FAKEDOC1^1DOC!@#$\n"

plain = st.binary(max_size=20)
subscripts = st.integers(0, 99).map(lambda number: b"%d" % number) | st.just(b'"A=^"')
lists = st.lists(st.tuples(subscripts, plain), max_size=3).map(lambda pairs: ListParameter(tuple(pairs)))
requests = (
    st.builds(SignOnRequested, plain, plain)
    | st.builds(ContextRequested, plain)
    | st.just(ByeRequested())
    | st.builds(CallRequested, st.just(b"XWB IM HERE"), st.lists(plain.map(Literal) | lists, max_size=3).map(tuple))
).map(encode_request)
answers = st.lists(plain, max_size=4).map(encode_ok) | st.builds(encode_error, st.sampled_from(ErrorKind), plain)


def exchange(sent: bytes, answer: bytes = b"OK 0\n") -> Exchange:
    request = decode_request(sent, Transport.UNKNOWN)
    return Exchange(1, 1, request.rpc if request else "(raw)", sent, answer, transport=Transport.UNKNOWN)


def given_in(it: Exchange) -> tuple[Parameter, ...]:
    assert it.request is not None
    return it.request.parameters


@given(st.lists(st.tuples(requests, answers), max_size=5), st.booleans(), st.data())
def test_each_request_keeps_its_answer_in_any_cut(pairs: list[tuple[bytes, bytes]], ahead: bool, data: st.DataObject) -> None:
    pairs = [(encode_request(ContextRequested(b"first")), encode_ok()), *pairs]
    conversation, seen = Conversation(1), []
    for batch in [pairs] if ahead else [[pair] for pair in pairs]:
        for piece in data.draw(cut_anywhere(b"".join(request for request, _ in batch))):
            seen += conversation.client_sent(piece, 0.0)
        for piece in data.draw(cut_anywhere(b"".join(answer for _, answer in batch))):
            seen += conversation.server_sent(piece, 0.0)
    seen += conversation.ended(0.0, by_server=False)
    assert [(it.sent, it.received, it.transport) for it in seen] == [(*pair, Transport.UNKNOWN) for pair in pairs]
    assert all(it.request and it.answer for it in seen)


@given(requests)
def test_a_request_is_written_again_as_it_was(sent: bytes) -> None:
    request = decode_request(sent, Transport.UNKNOWN)
    assert request is not None
    if request.parameters:
        assert WIRE.request_again(sent, request.parameters) == sent


@given(answers)
def test_an_answer_is_written_again_as_it_was_or_not_at_all(received: bytes) -> None:
    answer = WIRE.answer(received)
    assert answer is not None
    try:
        assert answer.again(answer.texts) == received
    except CannotEncode:
        assert rb"\r\n" in received


@given(st.binary(max_size=60))
def test_the_beginning_of_an_answer_is_mended_to_a_whole_one(beginning: bytes) -> None:
    whole = WIRE.mended(encode_ok([b"one", b"two"]) + beginning)
    assert WIRE.is_whole(whole)
    assert WIRE.first_end(whole) == len(whole)


def test_an_answer_is_whole_when_all_its_lines_are_there() -> None:
    assert not WIRE.is_whole(b"OK 2\none\n")
    assert WIRE.is_whole(b"OK 2\none\ntwo\n")
    assert WIRE.first_end(b"OK 2\none\ntwo\nOK 0\n") == 13
    assert WIRE.first_end(b"OK 2\none\n") is None
    assert WIRE.first_end(b"ERROR M no\nOK 0\n") == 11


@pytest.mark.parametrize(
    ("sent", "rpc"),
    [
        (SIGN_ON, "(command) SIGNON"),
        (b"CONTEXT^A\r\n", "(command) CONTEXT"),
        (b"\nBYE\n", "(command) BYE"),
        (b"XWB IM HERE\n", "XWB IM HERE"),
        (b"SIGNON^x\n", "(raw)"),
        (b"GET / HTTP/1.0\n", "(raw)"),
        (b"Authorization: Basic x\n", "(raw)"),
    ],
)
def test_a_request_is_named(sent: bytes, rpc: str) -> None:
    assert exchange(sent).rpc == rpc


def test_a_record_has_the_fields_of_others_and_its_transport() -> None:
    it = exchange(encode_request(CallRequested(b"ECHO", (Literal(b"a^b"),))), encode_ok([b"one", b"t^wo"]))
    record = json.loads(to_json(it, CIPHER))
    assert record["transport"] == "UNKNOWN"
    assert record["params"] == [{"type": "literal", "value": "a^b"}]
    assert record["result"] == {"lines": ["one", "t^wo"]}
    failed = exchange(b"ECHO\n", encode_error(ErrorKind.SECURITY, b"no"))
    assert error_of(failed) == "refused"
    assert json.loads(to_json(failed, CIPHER))["result"] == {"error": {"kind": "SECURITY", "text": "no"}}


@pytest.mark.parametrize("keep_phi", [True, False])
@pytest.mark.parametrize(
    "sent",
    [
        SIGN_ON,
        b"signon^FAKEDOC1^1DOC!@#$\n",
        b"SIGNON FAKEDOC1 1DOC!@#$\n",
        b"signon FAKEDOC1 PASSDOC1\n",
        b"LOGIN FAKEDOC1 PASSDOC1\n",
        b"SIGNON^FAKEDOC1\n",
        b"SIGNON^FAKEDOC1^1DOC!@#$^x\n",
        b"XUS AV CODE^FAKEDOC1;1DOC!@#$\n",
        b"XUS AV CODE FAKEDOC1\n",
        b"xus signon setup^^FAKEDOC1\n",
        b"SIGNON\\cFAKEDOC1\n",
    ],
)
@pytest.mark.parametrize("cut", [0, 6, 11])
def test_codes_are_masked_however_they_are_typed(sent: bytes, cut: int, keep_phi: bool) -> None:
    """An answer to what went before may come between the pieces."""
    conversation, masking = Conversation(1), masker(keep_phi=keep_phi)
    seen = conversation.client_sent(b"XWB IM HERE\n", 0.0)
    seen += conversation.client_sent(sent[:cut], 0.0) + conversation.server_sent(b"OK 1\n1\n", 0.0)
    seen += conversation.client_sent(sent[cut:], 0.0) + conversation.server_sent(b"OK 0\n", 0.0)
    seen += conversation.ended(0.0, by_server=False)
    text = "".join(to_json(masking.mask(it), CIPHER) + it.sent.hex() for it in map(masking.mask, seen))
    for secret in ("FAKEDOC1", "DOC1", "1DOC", "PASSDOC"):
        assert secret not in text
        assert secret.encode().hex() not in text


def test_a_token_is_masked_though_its_request_came_in_pieces() -> None:
    conversation, masking = Conversation(1), masker(keep_phi=True)
    seen = conversation.client_sent(b"XWB IM HERE\nXUS GET TO", 0.0) + conversation.server_sent(b"OK 1\n1\n", 0.0)
    seen += conversation.client_sent(b"KEN\n", 0.0) + conversation.server_sent(b"OK 1\n~1XWBAS123\n", 0.0)
    seen += conversation.ended(0.0, by_server=False)
    masked = [masking.mask(it) for it in seen]
    assert [it.rpc for it in masked] == ["XWB IM HERE", "XUS GET TOKEN"]
    assert not any("XWBAS123" in everything(it) for it in masked)


def test_persons_are_masked_in_requests_names_and_answers() -> None:
    masking = masker()
    lines = [line.encode() for line in PATIENT.split("\r\n")[:-1]]
    masked = masking.mask(exchange(b"MAG DICOM GET PATIENT^1\n", encode_ok(lines)))
    assert masked.replaced(Part.REQUEST) == {"DFN"}
    assert masked.replaced(Part.ANSWER) == {"name", "SSN", "birth date", "ICN", "DFN"}
    assert masked.request is not None
    assert masked.answer is not None
    assert not PERSONAL.search(everything(masked))
    typed = masking.mask(exchange(b"FIND IMAGPATIENT,ONE\n", encode_error(ErrorKind.SECURITY, b"no IMAGPATIENT,ONE")))
    assert (typed.rpc, typed.sent) == ("(raw)", b"WITHHELD")
    assert not PERSONAL.search(everything(typed))


def test_the_greeting_of_a_sign_on_has_no_name() -> None:
    masked = masker().mask(exchange(SIGN_ON, encode_ok([b"Good evening ALEXANDER", b"     You last signed on"])))
    assert "ALEXANDER" not in everything(masked)
    assert masked.replaced(Part.REQUEST) == {"codes"}
    assert all(it.value.startswith(b"MASKED-") for it in given_in(masked) if isinstance(it, Literal))


def test_a_recording_is_played() -> None:
    masking = Masker(Pseudonyms(b"k"), CIPHER)
    recorded = [
        exchange(SIGN_ON, encode_ok([b"hello"])),
        exchange(b"CONTEXT^A\n", encode_ok()),
        exchange(b"ECHO^a\\cb\n", encode_ok([b"a^b"])),
    ]
    session = Playback([masking.mask(it) for it in recorded], CIPHER).new_client(Transport.UNKNOWN)

    def ask(sent: bytes) -> bytes:
        request = decode_request(sent, Transport.UNKNOWN)
        assert request is not None
        return session.answer(request).answer

    assert ask(b"SIGNON^ANY^BODY\n") == b"OK 1\nhello\n"
    assert ask(b"CONTEXT^A\n") == b"OK 0\n"
    assert ask(b"CONTEXT^B\n").startswith(b"ERROR APPLICATION The recording does not hold (command) CONTEXT with these")
    assert ask(b"ECHO^a\\cb\n") == rb"OK 1" + b"\na^b\n"
    assert ask(b"NEW\n").startswith(b"ERROR APPLICATION The recording does not hold NEW at all.")
    assert ask(b"BYE\n") == b"OK 0\n"


def test_a_line_without_an_end_is_bounded() -> None:
    conversation = Conversation(1)
    seen = [it for _ in range(10) for it in conversation.client_sent(b"x" * (LIMIT_BYTES // 4), 0.0)]
    seen += conversation.ended(0.0, by_server=False)
    assert [(it.rpc, it.cut) for it in seen] == [("(raw)", True)]
