"""The old protocol with call-back, from tables that run both ways, in every cut, and with bytes after them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle.records import read_records
from tests.unit.xwb.feeding import CUTS, cut_anywhere, feed
from xwb import (
    BYE,
    BadHeader,
    CallReceived,
    CannotEncode,
    CommandReceived,
    ConnectAsked,
    Empty,
    GlobalParameter,
    InputMissing,
    ListParameter,
    Literal,
    OldConnectDecoder,
    OldDecoder,
    OldEvent,
    Parameter,
    ParameterFailed,
    Pending,
    ReadDecoder,
    Reference,
    Violated,
    encode_old_action,
    encode_old_bye,
    encode_old_call,
    encode_old_connect,
    format_subscripts,
)
from xwb.old import TEXT_LIMIT

LIMIT = 200_000

#: Messages as the VA's own client builds them, and what they mean.
CALLS: list[tuple[bytes, CallReceived]] = [
    (b"{XWB}00041|\x01000033007XWB;;;;000180XWB IM HERE^00000", CallReceived(b"XWB IM HERE", b"0")),
    (
        b"{XWB}00066|\x051.10800054007XWB;;;;000390XWB EGCHO STRING^000160060hello0041DUZ",
        CallReceived(b"XWB EGCHO STRING", b"1.108", (Literal(b"hello"), Reference(b"DUZ"))),
    ),
    (
        b'{XWB}00081|\x01000050007XWB;;;;000351XWB EGCHO LIST^000140050four0032.x0011003one003"a"001\x01000',
        CallReceived(b"XWB EGCHO LIST", b"0", (Literal(b"four"), ListParameter(((b"1", b"one"), (b'"a"', b"\x01"))))),
    ),
    (
        b"{XWB}00053|\x01000042007XWB;;;;000271XWB EGCHO LIST^000060032.x000",
        CallReceived(b"XWB EGCHO LIST", b"0", (ListParameter(),)),
    ),
    (
        b"{XWB}00048|\x01000040007XWB;;;;000250XWB EGCHO MEMO^000040010",
        CallReceived(b"XWB EGCHO MEMO", b"0", (Literal(b""),)),
    ),
]
CONNECTS = [
    (
        b"{XWB}00055|\x051.10800043TCPconnect^10.5.18.23^2007^solomon-7bqwg65^",
        ConnectAsked(b"TCPconnect", b"10.5.18.23", b"2007", b"solomon-7bqwg65", b"1.108"),
    ),
    (b"{XWB}00021|\x051.10800009TCPdebug^", ConnectAsked(b"TCPdebug", version=b"1.108")),
    (b"{XWB}00025TCPconnect^10.5.18.23^20^", ConnectAsked(b"TCPconnect", b"10.5.18.23", b"20")),
    (b"{XWB}00001x", ConnectAsked(b"x")),
    (b"{XWB}xxxxx|\x0000000", ConnectAsked(b"", version=b"")),
]


def framed(text: bytes, after: bytes = b"") -> bytes:
    """Put a text, right or wrong, into its frame."""
    return b"{XWB}00000|\x010%05d%b%b" % (len(text), text, after)


def request(content: bytes, after: bytes = b"") -> bytes:
    """Put flag, name and parameters into a message."""
    return framed(b"007XWB;;;;%05d%b" % (len(content), content), after)


def undefined(variable: str) -> ParameterFailed:
    """Give the M error for a variable that VistA's parser did not set."""
    return ParameterFailed(b"A", b"", f"PRSB+38^XWBBRK, Undefined local variable: {variable},150373850,-%GTM-E-UNDEF")


def decoded(data: bytes, limit_items: int = 100, limit_bytes: int = LIMIT) -> list[OldEvent]:
    """Decode bytes in every usual cut; the cut must not matter."""
    runs = [feed(OldDecoder(limit_bytes, limit_items), cut(data)) for cut in CUTS]
    assert runs[0] == runs[1] == runs[2]
    return runs[0]


@pytest.mark.parametrize(("data", "event"), CALLS)
def test_a_call_is_read_as_it_is_written(data: bytes, event: CallReceived) -> None:
    assert encode_old_call(event.name, event.parameters, event.version) == data
    assert decoded(data) == [event]
    assert decoded(data + data) == [event, event]


@pytest.mark.parametrize(("data", "event"), CONNECTS)
def test_what_is_said_to_the_listener_is_read_in_both_forms(data: bytes, event: ConnectAsked) -> None:
    for cut in CUTS:
        assert feed(OldConnectDecoder(1000), cut(data + b"what follows")) == [event]


def test_the_listeners_messages_are_written_as_the_vas_client_writes_them() -> None:
    assert encode_old_connect(b"10.5.18.23", 2007, b"solomon-7bqwg65") == CONNECTS[0][0]
    assert encode_old_action(b"TCPdebug") == CONNECTS[1][0]


def test_the_recorded_message_names_no_port_because_its_length_is_too_small() -> None:
    record = next(record for record in read_records("a5_protocol") if record["id"] == "a5_protocol-287")
    [event] = feed(OldConnectDecoder(1000), [bytes.fromhex(record["sent_hex"])])
    assert event == ConnectAsked(b"TCPconnect", b"127.0.0.1", version=b"1.1")


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (encode_old_bye(), [CommandReceived(BYE, has_parameter_chunk=False)]),
        (b"#BYE#", [CommandReceived(BYE, reply=False, has_parameter_chunk=False)]),
        (CALLS[0][0] + b"\x04" + CALLS[1][0], [CALLS[0][1], CALLS[1][1]]),
        (CONNECTS[0][0], [CommandReceived(b"TCPconnect", has_parameter_chunk=False)]),
        (b"[XWB]11302\x051", [BadHeader(b"[XWB]11302\x05")]),
        (framed(b""), [InputMissing()]),
        (framed(b"000no header"), [InputMissing()]),
        (framed(b"007XWB;;;;00000"), [InputMissing()]),
        (framed(b"007XWB;;;;000010"), [InputMissing()]),
        (framed(b"{XWB}007XWB;;;;000180XWB IM HERE^00000"), [CALLS[0][1]]),
        (request(b"1A^00000", b"000"), [undefined("K")]),
        (request(b"0A^00005"), [undefined("K")]),
        (request(b"1A^000040010", b"0011001x000"), [undefined("A")]),
        (request(b"2A^000060032.x", b"0011001x000"), [undefined("A")]),
        (request(b"2A^000060032.x", b"000"), [undefined("REF")]),
        (request(b"0A^000060032.x"), [CallReceived(b"A", b"0", (Literal(b".x"),))]),
        (request(b"1A^000050022x", b"000"), [CallReceived(b"A", b"0", (Literal(b"x"),))]),
        (request(b"0A^00006xxx0yy"), [CallReceived(b"A", b"0", (Literal(b""), Literal(b"")))]),
        (request(b"1A^000060032.x", b"0011000"), [CallReceived(b"A", b"0", (ListParameter(),))]),
        (request(b"1A^000060032.x", b"\x04"), [CallReceived(b"A", b"0", (ListParameter(),))]),
    ],
)
def test_messages_are_read_with_the_faults_of_vista(data: bytes, events: list[OldEvent]) -> None:
    assert decoded(data) == events


def test_only_so_much_of_a_text_is_looked_at() -> None:
    value = b"x" * 600
    [event] = decoded(request(b"0XWB EGCHO STRING^00604601" + b"0" + value))
    assert isinstance(event, CallReceived)
    [literal] = event.parameters
    assert isinstance(literal, Literal)
    header = len(b"007XWB;;;;00000" + b"0XWB EGCHO STRING^00604" + b"6010")
    assert len(literal.value) == TEXT_LIMIT - header


def test_a_list_that_was_left_out_ends_with_a_silence() -> None:
    decoder = OldDecoder(LIMIT)
    assert feed(decoder, [request(b"1A^000060032.x")]) == []
    assert decoder.lenient
    assert decoder.pending is Pending.REST
    assert decoder.receive_silence() == CallReceived(b"A", b"0", (ListParameter(),))
    assert feed(decoder, [CALLS[0][0]]) == [CALLS[0][1]]


def test_a_silence_elsewhere_ends_the_connection_and_the_log_is_told_what_was_missing() -> None:
    decoder = OldDecoder(LIMIT)
    assert decoder.receive_silence() is None
    assert feed(decoder, [CALLS[0][0][:-9]]) == []
    assert decoder.pending is Pending.REST
    violated = decoder.receive_silence()
    assert isinstance(violated, Violated)
    assert violated.reason.startswith("Expected the text, got b'007XWB;;;;000180XWB IM H'.")
    assert feed(decoder, [CALLS[0][0]]) == []
    assert decoder.retained == 0


def test_an_eot_in_a_read_that_stays_short_is_told() -> None:
    decoder = OldDecoder(LIMIT)
    feed(decoder, [CALLS[0][0][:-9] + b"\x04"])
    assert decoder.pending is Pending.CUT


@pytest.mark.parametrize(
    "data",
    [
        b"{XWB}00000|\x0109E9  ",
        request(b"1A^000060032.x", b"9E9"),
        request(b"1A^000060032.x", b"0011003one" * 11),
        request(b"1A^000060032.x", b"0011" + b"999" + b"x" * 999 + (b"0012" + b"999" + b"x" * 999) * 5),
    ],
    ids=["a text", "a value", "the nodes", "the message"],
)
def test_what_is_too_long_is_violated_before_it_is_held(data: bytes) -> None:
    [event] = decoded(data, limit_items=10, limit_bytes=3000)
    assert isinstance(event, Violated)


@pytest.mark.parametrize(
    "parameters",
    [
        (ListParameter(), Literal(b"x")),
        (ListParameter(), ListParameter()),
        (GlobalParameter(),),
        (Empty(),),
        (Literal(b"x" * 480),),
        (Literal(b"x" * 999),),
        (ListParameter(((b"1", b"x" * 1000),)),),
        (ListParameter(((b"", b"x"),)),),
    ],
)
def test_what_has_no_form_is_not_written(parameters: tuple[Parameter, ...]) -> None:
    with pytest.raises(CannotEncode):
        encode_old_call(b"XWB EGCHO STRING", parameters)


names = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ ", min_size=1, max_size=30).map(lambda name: name.encode())
short = st.binary(max_size=40)
nodes = st.lists(st.tuples(st.integers(0, 99999).map(lambda n: b"%d" % n), st.binary(min_size=1, max_size=999)), max_size=8)
text_nodes = st.lists(
    st.tuples(st.text(min_size=1, max_size=20).map(lambda text: format_subscripts((text,))), st.binary(min_size=1, max_size=60)),
    max_size=8,
)


@st.composite
def calls(draw: st.DrawFn) -> CallReceived:
    """Make a call that the old protocol has a form for."""
    parameters: list[Parameter] = draw(st.lists(st.builds(Literal, short) | st.builds(Reference, short), max_size=5))
    if draw(st.booleans()):
        parameters.append(ListParameter(tuple(draw(nodes | text_nodes))))
    return CallReceived(draw(names), draw(st.binary(max_size=10)), tuple(parameters))


@given(st.data(), st.lists(calls(), min_size=1, max_size=3))
def test_calls_come_back_in_any_cut(data: st.DataObject, sent: list[CallReceived]) -> None:
    wire = b"".join(encode_old_call(call.name, call.parameters, call.version) for call in sent)
    decoder = OldDecoder(LIMIT)
    assert feed(decoder, data.draw(cut_anywhere(wire))) == sent
    assert decoder.retained == 0


def test_a_decoder_that_is_done_holds_nothing() -> None:
    decoder: ReadDecoder[OldEvent] = OldDecoder(LIMIT)
    feed(decoder, [b"[XWB]10304\x0aTCPConnect", b"x" * 5000])
    assert decoder.held == 0
