"""The server's decoder reads what VistA reads, and stops where VistA stops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.xwb.feeding import CUTS, cut_anywhere, decode, drain, feed, parameters, whole, widths
from xwb import (
    BYE,
    CallReceived,
    Checked,
    ChunkRefused,
    CommandReceived,
    Empty,
    GlobalParameter,
    HeaderSkipped,
    ListParameter,
    Literal,
    NSDecoder,
    ParameterFailed,
    Pending,
    Reference,
    Transport,
    Violated,
    encode_bye,
    encode_call,
    encode_command,
    encode_connect,
    first_five,
)

RPC = b"\x051.108\x10ZZ ORACLE SINGLE"
NAME = b"ZZ ORACLE SINGLE"
IM_HERE = b"[XWB]11302\x051.108\x0bXWB IM HERE54f\x04"
HERE = CallReceived(b"XWB IM HERE", b"1.108")


def call(*of, **more):
    return CallReceived(NAME, b"1.108", of, **more)


# Bytes and event, both ways: the event's bytes are these, and the bytes' event is this.
WRITTEN = [
    (encode_call(b"XWB IM HERE"), IM_HERE, HERE),
    (encode_call(NAME, [Literal(b"abc")]), b"[XWB]11302" + RPC + b"50003abcf\x04", call(Literal(b"abc"))),
    (encode_call(NAME, [Literal(b"")]), b"[XWB]11302" + RPC + b"50000f\x04", call(Literal(b""))),
    (encode_call(NAME, [Literal(b"abc")], width=1), b"[XWB]11102" + RPC + b"503abcf\x04", call(Literal(b"abc"))),
    (
        encode_call(NAME, [Literal(b"abc")], width=9),
        b"[XWB]11902" + RPC + b"50000000003abcf\x04",
        call(Literal(b"abc")),
    ),
    (
        encode_call(NAME, [Literal(b"y" * 1000)]),
        b"[XWB]11502" + RPC + b"5001000" + b"y" * 1000 + b"f\x04",
        call(Literal(b"y" * 1000)),
    ),
    (encode_call(NAME, [Reference(b"DUZ")]), b"[XWB]11302" + RPC + b"51003DUZf\x04", call(Reference(b"DUZ"))),
    (
        encode_call(NAME, [ListParameter(((b"1", b"one"), (b'"TEXT",1,0', b"")))]),
        b"[XWB]11302" + RPC + b'520011003onet010"TEXT",1,0000f\x04',
        call(ListParameter(((b"1", b"one"), (b'"TEXT",1,0', b"")))),
    ),
    (encode_call(NAME, [ListParameter()]), b"[XWB]11302" + RPC + b"52000f\x04", call(ListParameter())),
    (
        encode_call(NAME, [GlobalParameter(((b"1", b"g"),)), Literal(b"a")]),
        b"[XWB]11302" + RPC + b"530011001gf0001af\x04",
        call(GlobalParameter(((b"1", b"g"),)), Literal(b"a")),
    ),
    (
        encode_call(NAME, [Literal(b"a"), Empty(), Literal(b"c")]),
        b"[XWB]11302" + RPC + b"50001af4f0001cf\x04",
        call(Literal(b"a"), Literal(b"c")),
    ),
    (
        encode_call(NAME, [Literal(b"ab\x04cd")]),
        b"[XWB]11302" + RPC + b"50005ab\x04cdf\x04",
        call(Literal(b"ab\x04cd")),
    ),
    (
        encode_connect(b"127.0.0.1", b"me"),
        b"[XWB]10304\nTCPConnect50009127.0.0.1f00010f0002mef\x04",
        CommandReceived(b"TCPConnect", (Literal(b"127.0.0.1"), Literal(b"0"), Literal(b"me"))),
    ),
    (encode_bye(), b"[XWB]10304\x05#BYE#\x04", CommandReceived(BYE, has_parameter_chunk=False)),
    (
        encode_command(b"FOO", [Literal(b"x")], width=5),
        b"[XWB]10504\x03FOO5000001xf\x04",
        CommandReceived(b"FOO", (Literal(b"x"),)),
    ),
]

# What clients send, or might, and what VistA makes of it.
READ = [
    (b"#BYE#", CommandReceived(BYE, has_parameter_chunk=False)),
    (b"[XWB]10304\x05#BYE#54f\x04", CommandReceived(BYE)),
    (b"[XWB]11304\nTCPConnect50001af\x04", CommandReceived(b"TCPConnect", (Literal(b"a"),))),
    # no envelope width, or none that is a digit: three
    (b"[XWB]11002" + RPC + b"50003abcf\x04", call(Literal(b"abc"))),
    (b"[XWB]11x02" + RPC + b"50003abcf\x04", call(Literal(b"abc"))),
    # version and type are never looked at; a return digit asks for silence
    (b"[XWB]29302" + RPC + b"54f\x04", call()),
    (b"[XWB]11312" + RPC + b"50003abcf\x04", call(Literal(b"abc"), reply=False)),
    (b"[XWB]113x2" + RPC + b"54f\x04", call()),
    (b"[XWB]11302\x00\x0bXWB IM HERE5\x04", CallReceived(b"XWB IM HERE", b"")),
    # chunks
    (b"[XWB]11301\x011\x0112" + RPC + b"50003abcf\x04", call(Literal(b"abc"))),
    (b"[XWB]11302" + RPC + b"350003abcf\x04", call(Literal(b"abc"))),
    (b"[XWB]113050003abcf\x04", CallReceived(b"", b"", (Literal(b"abc"),))),
    (b"[XWB]11302" + RPC + b"\x04", call(has_parameter_chunk=False)),
    (b"[XWB]1130\x04", ChunkRefused(b"\x04")),
    (b"[XWB]11309", ChunkRefused(b"9")),
    (b"[XWB]10304\nTCPConnect\x04", CommandReceived(b"TCPConnect", has_parameter_chunk=False)),
    (b"[XWB]11302" + RPC + b"4\x03FOO54f\x04", call(command=b"FOO")),
    # lengths are M numbers: their leading number counts
    (b"[XWB]11302" + RPC + b"50   f\x04", call(Literal(b""))),
    (b"[XWB]11302" + RPC + b"502xxabf\x04", call(Literal(b"ab"))),
    (b"[XWB]11302" + RPC + b"50+02abf\x04", call(Literal(b"ab"))),
    (b"[XWB]11302" + RPC + b"50-02f\x04", call(Literal(b""))),
    (b"[XWB]11302" + RPC + b"501E1abcdefghijf\x04", call(Literal(b"abcdefghij"))),
    (b"[XWB]11302" + RPC + b"502.9abf\x04", call(Literal(b"ab"))),
    # an unknown type, and the stream that was never written, have no body: everything up to an f is passed over
    (b"[XWB]11302" + RPC + b"57003abcf\x04", call()),
    (b"[XWB]11302" + RPC + b"55003xyzf0001af\x04", call(Literal(b"a"))),
    # after anything but f the type is not read again
    (b"[XWB]11302" + RPC + b"50001ax001bf\x04", call(Literal(b"a"), Literal(b"b"))),
    (
        b"[XWB]11302" + RPC + b"520011001xz0012001yf\x04",
        call(ListParameter(((b"1", b"x"),)), ListParameter(((b"2", b"y"),))),
    ),
    # literals joined by t keep one value, the last
    (b"[XWB]11302" + RPC + b"50001at001bf0001cf\x04", call(Literal(b"b"), Literal(b"b"), Literal(b"c"))),
    # lists
    (b"[XWB]11302" + RPC + b"52000t0011001xf\x04", call(ListParameter(((b"1", b"x"),)))),
    (
        b"[XWB]11302" + RPC + b"520011001af20011001bf\x04",
        call(ListParameter(((b"1", b"a"),)), ListParameter(((b"1", b"b"),))),
    ),
]


@pytest.mark.parametrize(("written", "data", "event"), WRITTEN)
def test_what_a_client_writes_is_what_vista_clients_write(written, data, event):
    assert written == data


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(("data", "event"), [(data, event) for _, data, event in WRITTEN] + READ)
def test_a_message_gives_its_event_however_it_is_cut(data, event, cut):
    assert decode(data, cut) == [event]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(("data", "event"), [(data, event) for _, data, event in WRITTEN] + READ)
def test_what_follows_a_message_is_left_for_the_next(data, event, cut):
    assert decode(data + IM_HERE + b"[XW", cut) == [event, HERE]


@given(st.data())
def test_a_call_that_was_encoded_is_decoded_as_it_was(data):
    of = data.draw(parameters)
    name = data.draw(st.binary(min_size=1, max_size=255))
    request = encode_call(name, of, version=b"1", width=data.draw(widths(of)))
    pieces = data.draw(cut_anywhere(request + IM_HERE))
    assert feed(NSDecoder(), pieces) == [CallReceived(name, b"1", of), HERE]


@pytest.mark.parametrize(
    ("data", "skipped", "then"),
    [
        (b"HELLO WORL" + IM_HERE, [b"HELLO", b" WORL"], [HERE]),
        (b"[xwb]" + IM_HERE, [b"[xwb]"], [HERE]),
        (b"HELLO WORLD\x04" + b"xyz" + IM_HERE, [b"HELLO", b" WORL", b"D\x04xyz"], [HERE]),
    ],
)
@pytest.mark.parametrize("cut", CUTS)
def test_junk_is_passed_over_five_bytes_at_a_time(data, skipped, then, cut):
    assert decode(data, cut) == [HeaderSkipped(five, 5 * place) for place, five in enumerate(skipped)] + then


# What leaves a read short, and whether that read holds an EOT (VistA gives up sooner then).
SHORT = [
    (b"[XW", Pending.REST, "the header [XWB] or #BYE#, got b'[XW'. At byte 0"),
    (b"[XWB]11", Pending.REST, "the four digits of the header, got b'11'. At byte 5"),
    (b"[XWB]\x04", Pending.CUT, "the four digits of the header, got b'\\x04'. At byte 5"),
    (b"LO\x04", Pending.CUT, "the header [XWB] or #BYE#, got b'LO\\x04'. At byte 0"),
    (b"[XWB]11302" + RPC + b"50003abcf", Pending.REST, "a parameter type or EOT, got nothing. At byte 42"),
    (b"[XWB]11302" + RPC + b"50010abcf\x04", Pending.CUT, "a value of 10 bytes, got b'abcf\\x04'. At byte 38"),
    (b"[XWB]11302" + RPC + b"500x3abcf\x04", Pending.REST, "a length of 3 digits, got nothing. At byte 43"),
    (b"[XWB]11302" + RPC + b"50003abcx\x04", Pending.CUT, "a length of 3 digits, got b'\\x04'. At byte 42"),
    (b"[XWB]11302(ZZ ORACLE SINGLE50003abcf\x04", Pending.CUT, "40 bytes of a name or version, got b'ZZ ORACLE SINGLE5000"),
    (b"[XWB]11302\x04", Pending.REST, "4 bytes of a name or version, got nothing. At byte 11"),  # a length byte of four is no EOT
    (b"[XWB]11302\x04abc", Pending.REST, "4 bytes of a name or version, got b'abc'. At byte 11"),
    (b"[XWB]11302" + RPC + b"52000001vf\x04", Pending.CUT, "a length of 3 digits, got b'\\x04'. At byte 43"),
    (b"[XWB]11302" + RPC + b"57abc\x04", Pending.REST, "an f to end a parameter of unknown type, got nothing. At byte 39"),
]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(("data", "pending", "wanted"), SHORT)
def test_a_short_read_waits_and_silence_ends_the_session_with_the_place(data, pending, wanted, cut):
    decoder = NSDecoder()
    for piece in cut(data):
        decoder.receive_data(piece)
        assert decoder.next_event() is None
        assert decoder.pending is not Pending.MESSAGE
    assert decoder.pending is pending
    violated = decoder.receive_silence()
    assert isinstance(violated, Violated)
    assert violated.reason.startswith(f"Expected {wanted}")
    decoder.receive_data(IM_HERE)
    assert decoder.next_event() is None
    assert decoder.held == 0


def test_silence_between_messages_is_no_violation():
    decoder = NSDecoder()
    assert feed(decoder, [IM_HERE]) == [HERE]
    assert decoder.pending is Pending.MESSAGE
    assert decoder.receive_silence() is None
    assert feed(decoder, [IM_HERE]) == [HERE]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    "data",
    [
        b"[XWB]11902" + RPC + b"50000000200",  # announced
        b"[XWB]11302" + RPC + b"501E9",
        b"[XWB]11302" + RPC + b"520011200",
        b"[XWB]11302" + RPC + b"5" + b"0001a" + b"t001a" * 20 + b"f\x04",  # summed up
        b"[XWB]1130" + b"3" * 200,
        b"[XWB]11302" + RPC + b"57" + b"x" * 200,
        b"[XWB]11302\x051.108\xff" + b"n" * 255 + b"54f\x04",
    ],
)
def test_a_message_over_the_limit_is_a_violation_at_once(data, cut):
    decoder = NSDecoder(limit_bytes=100)
    events = feed(decoder, cut(data))
    assert events == [Violated("A message is longer than 100 bytes.")]
    assert decoder.held == 0


def test_a_value_longer_than_any_string_of_vista_is_a_violation():
    assert decode(encode_call(NAME, [Literal(b"x" * 1_048_576)], width=7)) == [call(Literal(b"x" * 1_048_576))]
    (violated,) = decode(encode_call(NAME, [Literal(b"x" * 1_048_577)], width=7))
    assert violated == Violated("A value of 1048577 bytes is longer than 1048576.")


def test_a_message_of_the_limit_is_taken():
    request = encode_call(NAME, [Literal(b"x" * 100)])
    assert decode(request, limit_bytes=len(request)) == [call(Literal(b"x" * 100))]
    assert decode(request, limit_bytes=len(request) - 1) == [Violated(f"A message is longer than {len(request) - 1} bytes.")]


def test_the_limit_is_for_each_message_not_for_the_stream():
    assert decode(IM_HERE * 50, limit_bytes=len(IM_HERE)) == [HERE] * 50


def test_too_many_pairs_are_a_violation():
    pairs = tuple((b"%d" % number, b"") for number in range(11))
    assert decode(encode_call(NAME, [ListParameter(pairs[:10])]), limit_items=10) == [call(ListParameter(pairs[:10]))]
    assert decode(encode_call(NAME, [ListParameter(pairs)]), limit_items=10) == [
        Violated("A message has more than 10 parameters and pairs.")
    ]


def test_the_unread_rest_can_be_seen_and_thrown_away_through_the_next_eot():
    decoder = NSDecoder()
    decoder.receive_data(b"[XWB]11309" + IM_HERE + IM_HERE)
    assert decoder.next_event() == ChunkRefused(b"9")
    assert decoder.unread == IM_HERE * 2
    assert decoder.discard_through_eot()
    assert decoder.unread == IM_HERE
    assert list(drain(decoder)) == [HERE]
    decoder.receive_data(b"no end of it")
    assert not decoder.discard_through_eot()
    assert decoder.held == 0
    assert feed(decoder, [IM_HERE]) == [HERE]


def refuse_abc(what, text):
    return f"{what.value} undefined" if text == b"ABC" else None


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    ("body", "rest", "reason"),
    [
        (b"520011001at003ABC001bf0001cf\x04", b"f0001cf\x04", "subscript undefined"),
        (b"51003ABCf\x04", b"f\x04", "reference undefined"),
        (b"53003ABC001bt0011001bf\x04", b"t0011001bf\x04", "subscript undefined"),
    ],
)
def test_a_refused_subscript_or_reference_leaves_the_rest_of_the_message_unread(body, rest, reason, cut):
    decoder = NSDecoder(check=refuse_abc)
    events = []
    for piece in cut(b"[XWB]11302" + RPC + body):
        decoder.receive_data(piece)
        if event := decoder.next_event():
            events.append(event)
            break
    assert events == [ParameterFailed(NAME, b"ABC", reason)]
    if cut is whole:
        assert decoder.unread == rest
        assert decoder.discard_through_eot()
        assert feed(decoder, [IM_HERE]) == [HERE]


def test_a_check_sees_references_and_subscripts_but_no_literals():
    seen = []
    body = [Literal(b"l"), Reference(b"r"), ListParameter(((b"1", b"v"),)), GlobalParameter(((b"2", b"v"),))]
    decode(encode_call(NAME, body), check=lambda *what: seen.append(what))
    assert seen == [(Checked.REFERENCE, b"r"), (Checked.SUBSCRIPT, b"1"), (Checked.SUBSCRIPT, b"2")]


def test_a_long_message_in_small_pieces_costs_no_more_than_its_bytes(monkeypatch):
    """Counted, not timed: how often the decoder starts over, and how many bytes it copies when it does."""
    joined = []
    original = NSDecoder._join

    def counting(self):
        if self._tail:
            joined.append(self.held)
        original(self)

    monkeypatch.setattr(NSDecoder, "_join", counting)
    pairs = tuple((b"%d" % number, b"v" * 40) for number in range(1, 5000))
    request = encode_call(NAME, [Literal(b"z" * 2_000_000), ListParameter(pairs)])
    pieces = [request[start : start + 4096] for start in range(0, len(request), 4096)]
    decoder = NSDecoder(limit_value=2_000_000)
    events = []
    for piece in pieces:
        decoder.receive_data(piece)
        assert decoder.pending in (Pending.REST, Pending.CUT)
        events += drain(decoder)
    assert events == [call(Literal(b"z" * 2_000_000), ListParameter(pairs))]
    assert sum(joined) < 2 * len(request)


@pytest.mark.parametrize(
    ("first", "transport"),
    [
        (b"[XWB]", Transport.NS),
        (b"{XWB}00044|", Transport.OLD),
        (b"<?xml version", Transport.M2M),
        (b"~BSE~", Transport.BSE),
        (b"~EAC~", Transport.STUB),
        (b"~SVR~", Transport.STUB),
        (b"[xwb]", Transport.UNKNOWN),
        (b"GET / HTTP/1.0", Transport.UNKNOWN),
        (b"[XWB", None),
        (b"", None),
    ],
)
def test_the_first_five_bytes_tell_the_transport(first, transport):
    assert first_five(first) is transport
    assert first_five(bytearray(first)) is transport


def test_nothing_of_a_message_is_kept_once_it_is_decoded():
    decoder = NSDecoder()
    (event,) = feed(decoder, [encode_call(NAME, [Literal(b"z" * 1_000_000)])])
    assert len(event.parameters[0].value) == 1_000_000
    assert decoder._data == decoder._tail == b""
