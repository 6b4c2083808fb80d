"""A recording is read as it was written, and a recorded VistA's too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from console.errors import ConsoleError
from console.traffic import BadRecording, Exchange, Part, error_of, read_recording, to_json
from tests.oracle.records import HERE, read_records
from xwb import Cipher, ListParameter, Literal, Reference, encode_call, encode_m_error, encode_response

CIPHER = Cipher.standard()


def written(exchange: Exchange) -> dict[str, object]:
    record = json.loads(to_json(exchange, CIPHER))
    assert isinstance(record, dict)
    return record


@example(Exchange(1, 1, "(raw)", b"<?xml", None, 0.0))
@given(
    st.builds(
        Exchange,
        conn=st.integers(1, 99),
        seq=st.integers(1, 99),
        rpc=st.just("(raw)"),
        sent=st.binary(max_size=50),
        received=st.none() | st.binary(max_size=50),
        elapsed=st.integers(0, 10_000).map(lambda milliseconds: milliseconds / 1000),
        closed=st.booleans(),
        masked=st.sets(st.tuples(st.sampled_from(Part), st.sampled_from(["name", "SSN"]))).map(
            lambda of: tuple(sorted(of, key=lambda it: (list(Part).index(it[0]), it[1])))
        ),
        cut=st.booleans(),
    )
)
def test_a_recording_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, exchange: Exchange) -> None:
    path = tmp_path_factory.mktemp("recording") / "one.jsonl"
    path.write_text(to_json(exchange, CIPHER) + "\n", encoding="utf-8")
    assert read_recording(path) == [exchange]


def test_a_record_has_the_fields_of_the_recorded_vista() -> None:
    pairs = ((b"1", b"one"), (b'"A ""B"""', b"\x01"), (b'"T",1', b"two"))
    request = encode_call(b"ZZ ORACLE PARAMS", (Literal(b"a"), Reference(b"DUZ"), ListParameter(pairs)))
    record = written(Exchange(3, 7, "ZZ ORACLE PARAMS", request, encode_response(b"P1\r\nP2\r\n", b"no"), 0.25, closed=True))
    assert record == {
        "id": "3-007",
        "conn": 3,
        "seq": 7,
        "rpc": "ZZ ORACLE PARAMS",
        "params": [
            {"type": "literal", "value": "a"},
            {"type": "reference", "value": "DUZ"},
            {"type": "list", "value": [["1", "one"], ['A "B"', ""], ['="T",1', "two"]]},
        ],
        "sent_hex": request.hex(),
        "received_hex": encode_response(b"P1\r\nP2\r\n", b"no").hex(),
        "result": {"security": "no", "app_error": "", "data": "P1\r\nP2\r\n", "lines": ["P1", "P2"]},
        "elapsed_s": 0.25,
        "closed": True,
    }


def test_the_name_of_a_context_stands_in_clear_beside_its_cipher() -> None:
    wire = CIPHER.encipher(b"MAG DICOM GATEWAY FULL")
    record = written(Exchange(1, 1, "XWB CREATE CONTEXT", encode_call(b"XWB CREATE CONTEXT", (Literal(wire),)), b"\0\x001\4"))
    assert record["params"] == [{"type": "literal", "value": wire.decode("latin-1"), "clear": "MAG DICOM GATEWAY FULL"}]


@pytest.mark.parametrize("theme", ["a1_connect_signon", "a3_context", "a4_rpc_errors", "a6_return_types", "b1_store"])
def test_recorded_exchanges_of_vista_are_written_with_the_same_fields(theme: str) -> None:
    records = [record for record in read_records(theme) if record.get("sent_hex")]
    exchanges = [it for it in read_recording(HERE / f"{theme}.jsonl") if it.sent]
    assert len(records) == len(exchanges) > 10
    compared = 0
    for record, exchange in zip(records, exchanges, strict=True):
        if exchange.received and "result" in record and not record["rpc"].startswith("("):
            ours = written(exchange)
            assert {name: ours[name] for name in ("conn", "rpc", "sent_hex", "received_hex")} == {
                name: record[name] for name in ("conn", "rpc", "sent_hex", "received_hex")
            }
            assert ours["result"] == record["result"], record["id"]
            compared += 1
    assert compared > 10


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"sent_hex": "zz"}',
        '{"sent_hex": "00", "conn": "x"}',
        '{"sent_hex": 5, "rpc": "x"}',
        '{"sent_hex": "00", "masked": []}',
        '{"sent_hex": "00", "masked": "x"}',
        '{"sent_hex": "00", "masked": null}',
        '{"sent_hex": "00", "masked": {"request": 5}}',
        '{"sent_hex": "00", "conn": Infinity}',
        '{"sent_hex": "00", "seq": NaN}',
        '{"sent_hex": "00", "elapsed_s": []}',
        '{"sent_hex": "00", "elapsed_s": Infinity}',
        '{"sent_hex": "00", "received_hex": 5}',
        '{"sent_hex": "00", "transport": []}',
        "[" * 100_000,
    ],
)
def test_a_line_that_is_no_exchange_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"rpc": "x", "sent_hex": "00"}\n\n' + line + "\n", encoding="utf-8")
    with pytest.raises(BadRecording, match=r"bad\.jsonl, line 3"):
        read_recording(path)


def test_a_last_line_that_is_torn_is_passed_over_and_told(tmp_path: Path) -> None:
    path = tmp_path / "torn.jsonl"
    whole = to_json(Exchange(1, 1, "X", b"[XWB]", b"\0\0\4"), CIPHER)
    for cut in range(1, len(whole)):
        path.write_text(f"{whole}\n{whole[:cut]}", encoding="utf-8")
        told: list[BadRecording] = []
        assert len(read_recording(path, told.append)) == 1
        assert [it.line for it in told] == [2]
    with pytest.raises(BadRecording, match="line 2"):
        read_recording(path)
    path.write_text(f"{whole}\n{whole}", encoding="utf-8")
    assert len(read_recording(path, told.append)) == 2
    path.write_text(f"{whole}\n{whole[:9]}\n{whole}", encoding="utf-8")
    with pytest.raises(BadRecording, match="line 2"):
        read_recording(path, told.append)


def test_a_recording_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConsoleError, match="cannot be read"):
        read_recording(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("received", "word"),
    [
        (encode_response(b"1"), ""),
        (encode_response(b"", b"no"), "refused"),
        (encode_response(b"", b"", b"no"), "error"),
        (encode_m_error(b"boom"), "M error"),
        (b"", ""),
        (b"junk", ""),
    ],
)
def test_a_failed_answer_is_told(received: bytes, word: str) -> None:
    assert error_of(Exchange(1, 1, "X", b"", received)) == word
