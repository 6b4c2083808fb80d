"""What clients sent to a recorded VistA is decoded to the parameters that were meant, and VistA's answers to theirs."""

import json
import re
from pathlib import Path

import pytest

from tests.unit.xwb.feeding import CUTS, decode, feed
from xwb import (
    CallReceived,
    Cipher,
    CommandReceived,
    GlobalParameter,
    ListParameter,
    Literal,
    Reference,
    ResponseDecoder,
    encode_call,
    encode_response,
)

RECORDS = Path(__file__).resolve().parents[2] / "oracle"
FILES = ["a1_connect_signon", "a3_context", "a4_rpc_errors", "a5_protocol", "a6_return_types"]
KINDS = {"literal": Literal, "reference": Reference, "list": ListParameter, "global": GlobalParameter}
COMMAND = "(command) "
MALFORMED = {
    "a5_protocol-049": "cut off in the middle",
    "a5_protocol-250": "an empty subscript, which ends a list, with a value",
}
ENCIPHERED = {"XUS AV CODE": re.compile(rb"[^;]*;.*", re.DOTALL), "XWB CREATE CONTEXT": re.compile(rb"[A-Za-z /-]*")}


def records():
    for name in FILES:
        for line in (RECORDS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if "sent_hex" in record:
                yield record


def well_formed():
    for record in records():
        if not record["rpc"].startswith(("(raw)", "(read)")) and record["id"] not in MALFORMED:
            yield record


def subscript(key):
    """Write a recorded subscript as its client did: numbers bare, M text after an equals sign, others in quotes."""
    if key.startswith("="):
        return key[1:].encode("iso-8859-1")
    if re.fullmatch(r"-?[0-9.]+", key):
        return key.encode("ascii")
    return ('"' + key.replace('"', '""') + '"').encode("iso-8859-1")


def meant(record):
    """Give the parameters that a record says, an empty one adding none."""
    of = []
    for parameter in record["params"]:
        kind, value = parameter["type"], parameter["value"]
        if kind in ("list", "global"):
            pairs = ((subscript(key), item.encode("iso-8859-1") or b"\x01") for key, item in value)
            of.append(KINDS[kind](tuple(pairs)))
        elif kind != "empty":
            of.append(KINDS[kind](value.encode("iso-8859-1")))
    return tuple(of)


def test_there_are_records_of_every_kind():
    kinds = {parameter["type"] for record in well_formed() for parameter in record["params"]}
    assert kinds == {"literal", "reference", "list", "global", "empty"}
    assert sum(1 for _ in well_formed()) > 300


def test_recorded_requests_that_are_cut_off_or_broken_give_nothing():
    broken = [bytes.fromhex(record["sent_hex"]) for record in records() if record["id"] in MALFORMED]
    assert [decode(sent) for sent in broken] == [[], []]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", FILES)
def test_recorded_requests_decode_to_what_was_meant(name, cut):
    for record in well_formed():
        sent = bytes.fromhex(record["sent_hex"])
        if not record["id"].startswith(name) or (cut is not CUTS[0] and len(sent) > 2000):
            continue
        (event,) = decode(sent, cut, limit_value=2**21)  # one record has a value that VistA does not take
        if record["rpc"].startswith(COMMAND):
            expected = record["rpc"].removeprefix(COMMAND).encode("ascii")
            assert isinstance(event, CommandReceived), record["id"]
        else:
            expected = record["rpc"].encode("ascii")
            assert isinstance(event, CallReceived), record["id"]
        assert (event.name, event.parameters) == (expected, meant(record)), record["id"]


def test_recorded_calls_are_encoded_byte_for_byte():
    compared = 0
    for record in well_formed():
        sent = bytes.fromhex(record["sent_hex"])
        if not record["rpc"].startswith(COMMAND) and not any(p["type"] == "empty" for p in record["params"]):
            width = sent[7] - 48
            if width:
                assert encode_call(record["rpc"].encode("ascii"), meant(record), width=width) == sent, record["id"]
                compared += 1
    assert compared > 200


def test_recorded_answers_decode_to_their_segments_and_encode_again():
    compared = 0
    for record in records():
        received = bytes.fromhex(record.get("received_hex") or "")
        if not received or received.count(b"\x04") > 2:
            continue
        events = feed(ResponseDecoder(), [received])
        result = record["result"]
        if received.endswith(b"\x04\x04") and events[0].m_error:
            assert events[0].m_error[0].decode("iso-8859-1") in result["data"], record["id"]
            continue
        (response,) = events
        segments = (response.security, response.application, response.data)
        expected = tuple(result[key].encode("iso-8859-1") for key in ("security", "app_error", "data"))
        assert segments == expected, record["id"]
        assert encode_response(response.data, response.security, response.application) == received
        compared += 1
    assert compared > 150


def test_recorded_codes_are_deciphered():
    seen = set()
    cipher = Cipher.standard()
    for record in records():
        shape = ENCIPHERED.get(record["rpc"])
        if shape is None or not record.get("setup"):
            continue
        text = record["params"][0]["value"].encode("iso-8859-1")
        clear = cipher.decipher(text)
        assert shape.fullmatch(clear), record["id"]
        assert cipher.encipher(clear, identifier=text[0] - 31, associator=text[-1] - 31) == text
        seen.add(clear)
    assert {b"FAKEDOC1;1DOC!@#$", b"ZZ ORACLE TEST"} <= seen
