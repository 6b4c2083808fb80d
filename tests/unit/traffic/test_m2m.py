"""M-to-M documents in a recording: cut, decoded, masked in place, played again."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.traffic import Blanks, Conversation, Exchange, Masker, Part, Playback, Pseudonyms, error_of, read_recording, to_json
from console.traffic.wires import WIRES
from tests.oracle.records import HERE
from tests.unit.traffic.test_masking import CIPHER, PATIENT, STORE, STORED, everything, masker
from tests.unit.xwb.feeding import cut_anywhere
from tests.unit.xwb.test_m2m_again import parameters, spellings, without
from xwb import (
    Empty,
    ListParameter,
    Literal,
    LocalArray,
    M2MAnswerDecoder,
    Parameter,
    ResultType,
    Transport,
    Trouble,
    encode_call,
    encode_m2m_call,
    encode_m2m_result,
    encode_response,
    encode_rpc_error,
    encode_trouble,
)
from xwb.m2m import CLOSE, CLOSED

IM_HERE = encode_m2m_call(b"XWB IM HERE")


def result(*lines: str) -> bytes:
    """Write an array."""
    nodes = [(b"%d" % number, line.encode("latin-1")) for number, line in enumerate(lines)]
    return encode_m2m_result(ResultType.ARRAY, True, LocalArray.from_pairs(nodes))


def exchange(rpc: str, *of: Parameter, answer: bytes = b"", sent: bytes = b"") -> Exchange:
    return Exchange(1, 1, rpc, sent or encode_m2m_call(rpc.encode(), of), answer or result("1"), transport=Transport.M2M)


def given_in(it: Exchange) -> tuple[Parameter, ...]:
    assert it.request is not None
    return it.request.parameters


def text_of(it: Exchange) -> str:
    assert it.answer is not None
    return it.answer.texts[0].decode("latin-1")


answers = st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20), max_size=4).map(
    lambda lines: result(*lines)
)


@given(st.lists(st.tuples(parameters.map(lambda of: encode_m2m_call(b"A", of)), answers), max_size=5), st.booleans(), st.data())
def test_each_document_keeps_its_answer_in_any_cut(pairs: list[tuple[bytes, bytes]], ahead: bool, data: st.DataObject) -> None:
    conversation, seen = Conversation(1), []
    for batch in [pairs] if ahead else [[pair] for pair in pairs]:
        for piece in data.draw(cut_anywhere(b"".join(request for request, _ in batch))):
            seen += conversation.client_sent(piece, 0.0)
        for piece in data.draw(cut_anywhere(b"".join(answer for _, answer in batch))):
            seen += conversation.server_sent(piece, 0.0)
    seen += conversation.ended(0.0, by_server=False)
    assert [(it.rpc, it.sent, it.received, it.transport) for it in seen] == [("A", *pair, Transport.M2M) for pair in pairs]


def test_an_eot_in_a_record_does_not_end_an_answer() -> None:
    records = encode_m2m_result(ResultType.VARIABLE_LENGTH, False, [b"\x04\x04", b"x"])
    conversation = Conversation(1)
    conversation.client_sent(IM_HERE, 0.0)
    conversation.server_sent(records[: records.index(b"\4") + 1], 0.0)
    assert not conversation.settled
    conversation.server_sent(records[records.index(b"\4") + 1 :], 0.0)
    assert conversation.settled
    (it,) = conversation.quiet(0.0)
    assert it.received == records


@pytest.mark.parametrize(
    ("sent", "rpc"),
    [
        (CLOSE, "(command) close socket"),
        (encode_m2m_call(b""), ""),
        (IM_HERE.replace(b"></rpc></vistalink>", b">"), "XWB IM HERE"),
        (b'<?xml version="1.0" ?><other type="x" ></other>\4', "(raw)"),
        (IM_HERE.replace(b"</rpc>", b"<param/></rpc>"), "(raw)"),
    ],
)
def test_a_document_is_named(sent: bytes, rpc: str) -> None:
    conversation = Conversation(1)
    conversation.client_sent(sent, 0.0)
    conversation.server_sent(CLOSED, 0.0)
    (it,) = conversation.quiet(0.0)
    assert (it.rpc, it.received) == (rpc, CLOSED)


def test_a_record_has_the_fields_of_others_and_its_transport(tmp_path: Path) -> None:
    of = (Literal(b"a & b"), ListParameter(((b"1", b"one"), (b'"X"', b"two"))), Empty())
    it = exchange("ECHO", *of, answer=result("P1", "<P2>"))
    record = json.loads(to_json(it, CIPHER))
    assert record["transport"] == "M2M"
    assert record["params"] == [
        {"type": "literal", "value": "a & b"},
        {"type": "list", "value": [["1", "one"], ["X", "two"]]},
        {"type": "empty", "value": ""},
    ]
    assert record["result"] == {"data": "P1\n<P2>\n", "lines": ["P1", "<P2>"]}
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps(record) + "\n")
    assert read_recording(path) == [it]
    del record["transport"]  # as in recordings that do not tell it
    path.write_text(json.dumps(record) + "\n")
    assert read_recording(path) == [it]


@pytest.mark.parametrize(
    ("received", "word", "shown"),
    [
        (encode_rpc_error(2, b"X", b"no"), "error", {"error": {"kind": "rpc", "code": 2, "text": "no"}}),
        (encode_trouble(Trouble.SECURITY, b"no"), "refused", {"error": {"kind": "security", "code": 2, "text": "no"}}),
        (encode_trouble(Trouble.SYSTEM, b"<no>"), "M error", {"error": {"kind": "system", "code": 1, "text": "<no>"}}),
        (encode_m2m_result(ResultType.SINGLE_VALUE, False, b"a"), "", {"data": "a"}),
        (CLOSED, "", {"data": ""}),
    ],
)
def test_an_answer_is_shown_and_its_failure_told(received: bytes, word: str, shown: object) -> None:
    it = exchange("X", answer=received)
    assert error_of(it) == word
    assert json.loads(to_json(it, CIPHER))["result"] == shown


personal = st.sampled_from(
    [
        "IMAGPATIENT,ONE M",
        "O'BRIEN,SEAN",
        "666-00-0001",
        "1000000001V401987",
        STORE,
        STORED,
        "<DOB: 01/15/1950>",
        "a & b",
        "[x]",
    ]
).map(str.encode)
personal_parameters = st.lists(
    st.builds(Literal, personal)
    | st.lists(personal, min_size=1, max_size=4).map(
        lambda of: ListParameter(tuple((b"%d" % number, value) for number, value in enumerate(of, 1)), root=None)
    )
    | st.just(ListParameter(((b'"IMAGPATIENT,ONE"', b"x"),), root=None)),
    max_size=4,
).map(tuple)


@given(personal_parameters, spellings)
def test_a_masked_document_says_what_the_masked_parameters_say_and_keeps_its_spelling(
    of: tuple[Parameter, ...], spelling: object
) -> None:
    rpc = "MAG DICOM IMAGE PROCESSING"
    sent = spelling(encode_m2m_call(rpc.encode(), of))
    it = exchange(rpc, sent=sent)
    plain = Exchange(1, 1, rpc, encode_call(rpc.encode(), given_in(it)), encode_response(b"1"))
    masked, expected = masker().mask(it), masker().mask(plain)
    rooted = [replace(each, root=None) if isinstance(each, ListParameter) else each for each in given_in(expected)]
    assert list(given_in(masked)) == rooted
    assert masked.masked == expected.masked
    names = rb'(<index name=")[^"]*'
    assert re.sub(names, rb"\1", without(masked.sent)) == re.sub(names, rb"\1", without(it.sent))


@given(st.lists(personal.map(bytes.decode), max_size=5))
def test_a_masked_answer_says_what_the_same_answer_of_the_other_transport_says(lines: list[str]) -> None:
    text = "".join(f"{line}\r\n" for line in lines)
    masked = masker().mask(exchange("ZZ OTHER", answer=result(*lines)))
    other = masker().mask(Exchange(1, 1, "ZZ OTHER", encode_call(b"ZZ OTHER"), encode_response(text.encode())))
    assert other.answer is not None
    assert text_of(masked).encode() == other.answer.texts[2]
    assert (masked.received or b"").startswith(result().partition(b"]]>")[0])


def test_the_fields_of_known_procedures_are_masked_in_documents_too() -> None:
    lines = PATIENT.split("\r\n")[:-1]
    masked = masker().mask(exchange("MAG DICOM GET PATIENT", Literal(b"1"), answer=result(*lines)))
    assert masked.replaced(Part.REQUEST) == {"DFN"}
    assert masked.replaced(Part.ANSWER) == {"name", "SSN", "birth date", "ICN", "DFN"}
    assert text_of(masked).startswith("11\r\nDEM^1^")


@pytest.mark.parametrize(
    ("rpc", "asked", "answered"),
    [
        pytest.param("XUS AV CODE", CIPHER.encipher(b"XWBAS123;XWBAS123x").decode("latin-1"), "", id="codes"),
        ("XUS AV CODE", "~1XWBAS123", ""),
        ("XUS AV CODE", "<?xml version='1.0'?><saml>XWBAS123</saml>", ""),
        pytest.param("XUS CVC", "^".join([CIPHER.encipher(b"XWBAS123").decode("latin-1")] * 2), "", id="new codes"),
        ("XUS SIGNON SETUP", "-35^XWBAS123", ""),
        ("XUS GET TOKEN", "", "~1XWBAS123"),
        ("MAG GET NETLOC", "", "1^\\\\a\\b^MAG^1^XWBAS123^XWBAS123pw^1"),
        ("MAGGUSER2", "", "1^X\nXWBAS123^XWBAS123pw"),
    ],
)
def test_credentials_are_never_kept(rpc: str, asked: str, answered: str) -> None:
    it = exchange(rpc, Literal(asked.encode("latin-1")), answer=result(*answered.split("\n")))
    assert "XWBAS123" in everything(it)
    masked = masker(keep_phi=True).mask(it)
    assert "XWBAS123" not in everything(masked)
    assert masked.request is not None
    assert masked.answer is not None


def test_an_error_s_text_is_masked() -> None:
    masked = masker().mask(exchange("X", answer=encode_trouble(Trouble.SYSTEM, b"no IMAGPATIENT,ONE & co")))
    assert error_of(masked) == "M error"
    assert "IMAGPATIENT" not in everything(masked)
    assert text_of(masked).endswith(" & co")


SECRET = b"O&#39;SECRET,ANN"
CALL = encode_m2m_call(b"ZZ OTHER", [Literal(b"v")])


@pytest.mark.parametrize(
    "sent",
    [
        CALL.replace(b"<params>", b"<params><!-- %b -->" % SECRET),
        CALL.replace(b"<params>", b"<params>%b" % SECRET),
        CALL.replace(b"<rpc", b'<session id="%b" /><rpc' % SECRET),
        CALL.replace(b"<param ", b'<param x="%b" ' % SECRET),
        CALL.replace(b"<params>", b'<params><param type="string" position="1" >%b</param>' % SECRET),
        CALL.replace(b"<params>", b'<params><param type="date" position="2" >%b</param>' % SECRET),
        CALL[:-1] + SECRET + b"\4",
        CALL.replace(b">v</param></params>", b">" + SECRET),
        CALL.replace(b' position="1"', b"").replace(b">v<", b">%b<" % SECRET),
        b'<?xml version="1.0" ?><other>%b</other>\4' % SECRET,
        b"<?xml %b" % SECRET,
    ],
)
def test_of_a_document_with_more_than_parameters_nothing_is_kept(sent: bytes) -> None:
    masked = masker().mask(exchange("ZZ OTHER", sent=sent))
    assert masked.sent == b"WITHHELD"
    assert masked.replaced(Part.REQUEST) == {"withheld"}
    assert masker(keep_phi=True).mask(exchange("ZZ OTHER", sent=sent)).sent == sent
    signing = sent.replace(b"ZZ OTHER", b"XUS AV CODE")
    kept = masker(keep_phi=True).mask(exchange("XUS AV CODE", sent=signing)).sent
    assert SECRET not in kept or b"XUS AV CODE" not in signing


@pytest.mark.parametrize(
    "answer",
    [
        b"%b\4" % SECRET,
        result("1").replace(b"<results", b"<!-- %b --><results" % SECRET),
        result("1").replace(b"<results", b'<results id="%b"' % SECRET),
        result("1") + result("O'SECRET,ANN"),
        encode_rpc_error(2, b"X", b"no").replace(b"<errors>", b"<errors>%b" % SECRET),
        result("1")[:-1].replace(b"1", SECRET),
    ],
)
def test_of_an_answer_that_is_no_broker_s_nothing_is_kept(answer: bytes) -> None:
    masked = masker().mask(exchange("ZZ OTHER", answer=answer))
    assert b"SECRET" not in (masked.received or b"")


def test_of_a_cut_answer_the_whole_lines_are_kept() -> None:
    whole = result("one", "two", "O'SECRET,ANN")
    it = replace(exchange("ZZ OTHER", answer=whole[: whole.index(b"SEC") + 2]), cut=True)
    assert text_of(masker().mask(it)) == "one\r\ntwo\r\n"


def test_the_recorded_vista_s_documents_are_all_decoded_and_played() -> None:
    exchanges = read_recording(HERE / "a8_m2m.jsonl")
    assert {it.transport for it in exchanges} == {Transport.M2M}
    raw = [it.sent for it in exchanges if it.request is None]
    assert raw == [b'<?xml version="1.0" ?><other type="x" ></other>\x04']
    masking = masker()
    played = Playback([masking.mask(it) for it in exchanges], CIPHER)
    client = played.new_client(Transport.M2M)
    for it in exchanges:
        if it.conn == 1 and it.received and it.request:
            assert client.answer(it.request).recorded


def test_an_answer_is_found_by_its_transport() -> None:
    newer = Exchange(1, 1, "ECHO", encode_call(b"ECHO"), encode_response(b"newer"))
    older = replace(exchange("ECHO", answer=result("older")), conn=2)
    played = Playback([newer, older], CIPHER)
    assert older.request is not None
    assert played.new_client(Transport.M2M).answer(older.request).answer == older.received
    assert played.new_client().answer(older.request).answer == newer.received
    assert played.unservable == 0


def test_a_mode_tells_calls_apart() -> None:
    single = encode_m2m_call(b"ECHO").replace(b"RPCBroker", b"singleton")
    refused = exchange("ECHO", sent=single, answer=encode_trouble(Trouble.SECURITY, b"no"))
    session = Playback([refused, exchange("ECHO", answer=result("1"))], CIPHER).new_client(Transport.M2M)
    assert refused.request is not None
    assert session.answer(refused.request).answer == refused.received
    wire = WIRES[Transport.M2M]
    assert not Playback([refused], CIPHER).new_client(Transport.M2M).answer(exchange("ECHO").request or refused.request).recorded
    assert wire.courtesy(refused.request) is None


def test_masked_codes_match_any_and_what_was_not_recorded_is_named() -> None:
    signing = exchange("XUS AV CODE", Literal(CIPHER.encipher(b"FAKEGW1;1GWY!@#$")), answer=result("9002"))
    session = Playback([Masker(Pseudonyms(b"k"), CIPHER).mask(signing)], CIPHER).new_client(Transport.M2M)
    assert signing.request is not None
    assert session.answer(signing.request).answer == result("9002")
    unknown = session.answer(exchange("ZZ <NEW>").request or signing.request)
    decoder = M2MAnswerDecoder()
    decoder.receive_data(unknown.answer)
    told = decoder.next_event()
    assert told is not None
    assert (told.error, told.text) == (b"rpc", b"The recording does not hold ZZ <NEW> at all.")
    assert not unknown.recorded


def test_a_close_is_answered_though_it_was_not_recorded() -> None:
    closing = exchange("(command) close socket", sent=CLOSE)
    assert closing.request is not None
    played = Playback([], CIPHER).new_client(Transport.M2M).answer(closing.request)
    assert (played.answer, played.close, played.recorded) == (CLOSED, True, True)


def test_blanks_make_answers_of_different_pseudonyms_equal() -> None:
    it = exchange("MAG DICOM GET PATIENT", Literal(b"1"), answer=result(*PATIENT.split("\r\n")[:-1]))
    blank = [Masker(Blanks(), CIPHER).mask(masker(key).mask(it)).received for key in (b"one", b"two")]
    assert blank[0] == blank[1] == Masker(Blanks(), CIPHER).mask(it).received
