"""A recorded session, replayed, compares clean: the mock with what the client saw, the recording with its broker."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path

import pytest

from console.errors import ConsoleError
from console.traffic import (
    Codes,
    Compared,
    Comparison,
    Exchange,
    Masker,
    Part,
    Pseudonyms,
    Verdict,
    decode_request,
    read_recording,
)
from tests.integration.traffic.sockets import recording, serving
from tests.oracle import replay
from tests.oracle.records import HERE
from tests.support.broker import RunningBroker
from xwb import (
    ApplicationError,
    BrokerClient,
    Cipher,
    MError,
    SecurityRefused,
    SignOnRefused,
    XWBError,
    encode_call,
    encode_response,
)

ACCESS, VERIFY = "FAKEDOC1", "1DOC!@#$"
CODES = Codes(ACCESS, VERIFY)
CONTEXT = "ZZ ORACLE TEST"
#: Ten procedures, answers of every type, and every way to fail.
CALLS: list[tuple[str, tuple[object, ...]]] = [
    ("XWB IM HERE", ()),
    ("XUS GET USER INFO", ()),
    ("XWB GET BROKER INFO", ()),
    ("ZZ ORACLE SINGLE", ("one\4two",)),
    ("ZZ ORACLE ARRAY", ("x",)),
    ("ZZ ORACLE WP", ("x" * 3000,)),
    ("ZZ ORACLE GLOBAL", ("DEMO,PATIENT ONE",)),
    ("ZZ ORACLE PARAMS", ({1: "a", "B": "666-00-0001", ("C", 2): ""}, "b")),
    ("ZZ ORACLE APPERR", ()),
    ("ZZ ORACLE ERROR", ()),
    ("NO SUCH RPC", ()),
    ("ZZ ORACLE SINGLE", ("again",)),
]


def call(client: BrokerClient, name: str, arguments: tuple[object, ...]) -> tuple[str, object]:
    """Call, and give what a client sees: data, or the error and its text."""
    try:
        return "data", client.call(name, *arguments).data
    except (SecurityRefused, ApplicationError, MError) as error:
        return type(error).__name__, error.text


def session(port: int) -> list[tuple[str, object]]:
    """Sign on, at the second attempt, and call; give everything that came back."""
    seen: list[tuple[str, object]] = []
    with BrokerClient("127.0.0.1", port, name="recorded") as client:
        seen.append(("setup", client.call("XUS SIGNON SETUP").lines))
        try:
            client.sign_on(ACCESS, "WRONG1!X")
        except SignOnRefused as error:
            seen.append(("refused", error.text))
        seen.append(("duz", client.sign_on(ACCESS, VERIFY).duz))
        client.create_context(CONTEXT)
        seen += [call(client, name, arguments) for name, arguments in CALLS]
    return seen


@pytest.fixture(scope="module")
def recorded(broker: RunningBroker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record a session; give its file."""
    path = tmp_path_factory.mktemp("recorded") / "session.jsonl"
    with recording(broker.port, path) as proxy:
        session(proxy.port)
    return path


def compare(exchanges: list[Exchange], port: int, codes: Codes | None = CODES) -> tuple[bool, list[Compared]]:
    with Comparison(exchanges, ("127.0.0.1", port), Cipher.standard(), codes, timeout=5) as comparison:
        compared = list(comparison.run())
        return comparison.equal, compared


def unequal(compared: list[Compared]) -> list[tuple[str, str, tuple[str, str]]]:
    return [(it.exchange.rpc, it.verdict, it.difference) for it in compared if it.verdict is not Verdict.EQUAL]


def test_a_recording_compares_clean_with_its_own_broker(broker: RunningBroker, recorded: Path) -> None:
    exchanges = read_recording(recorded)
    equal, compared = compare(exchanges, broker.port)
    skipped = [it.exchange.rpc for it in compared if it.verdict is Verdict.SKIPPED]
    assert skipped == ["ZZ ORACLE GLOBAL", "ZZ ORACLE PARAMS"]
    assert [it for it in unequal(compared) if it[1] != Verdict.SKIPPED] == []
    assert equal


def test_a_recording_with_its_patients_compares_clean_and_whole(broker: RunningBroker, tmp_path: Path) -> None:
    with recording(broker.port, tmp_path / "r.jsonl", keep_phi=True) as proxy:
        session(proxy.port)
    exchanges = read_recording(tmp_path / "r.jsonl")
    equal, compared = compare(exchanges, broker.port)
    assert unequal(compared) == []
    assert equal
    assert len([it for it in compared if it.exchange.rpc != "(read)"]) == len(CALLS) + 8


def test_a_mock_answers_a_client_as_the_recorded_broker_did(broker: RunningBroker, tmp_path: Path) -> None:
    with recording(broker.port, tmp_path / "r.jsonl", keep_phi=True) as proxy:
        seen = session(proxy.port)
    missed: list[str] = []
    with serving(read_recording(tmp_path / "r.jsonl"), missed.append) as port:
        assert session(port) == seen
        assert session(port) == seen
    assert missed == []


def test_a_recording_compares_clean_with_its_mock_pseudonyms_and_all(recorded: Path) -> None:
    exchanges = read_recording(recorded)
    with serving(exchanges) as port:
        unmasked = [replace(it, masked=()) for it in exchanges]
        equal, compared = compare(unmasked, port, None)
    assert unequal(compared) == []
    assert equal


def test_no_credential_and_no_patient_is_in_the_file(recorded: Path) -> None:
    exchanges = read_recording(recorded)
    cipher = Cipher.standard()
    clear = [recorded.read_text(encoding="utf-8")]
    for it in exchanges:
        clear += [it.sent.decode("latin-1"), (it.received or b"").decode("latin-1")]
        request = decode_request(it.sent)
        values = [getattr(parameter, "value", b"") for parameter in request.parameters] if request else []
        clear += [cipher.decipher(value).decode("latin-1") for value in values]
    text = "\n".join(clear)
    for secret in (
        ACCESS,
        VERIFY,
        "WRONG1!X",
        "DEMO,PATIENT ONE",
        "666-00-0001",
        "ALEXANDER,ROBERT",
        "Robert",
        "Good morning ROB",
    ):
        assert secret not in text
    assert "MASKED-" in text
    assert "ZZ ORACLE TEST" in text


def test_the_same_value_has_the_same_pseudonym_in_request_and_answer(recorded: Path) -> None:
    (asked,) = [it for it in read_recording(recorded) if it.rpc == "ZZ ORACLE GLOBAL"]
    name = re.search(rb"[A-Z]{4},[A-Z]{7} [A-Z]{3}", asked.sent)
    assert name is not None
    assert name[0] in (asked.received or b"")
    assert asked.replaced(Part.REQUEST) == asked.replaced(Part.ANSWER) == {"name"}


def test_a_broker_that_answers_otherwise_is_found_out(broker: RunningBroker, recorded: Path) -> None:
    exchanges = read_recording(recorded)
    changed = [
        replace(it, received=it.received.replace(b"again", b"other")) if it.rpc == "ZZ ORACLE SINGLE" and it.received else it
        for it in exchanges
    ]
    equal, compared = compare(changed, broker.port)
    assert not equal
    assert [(it.exchange.seq, it.difference) for it in compared if it.verdict is Verdict.DIFFERENT] == [
        (len(CALLS) + 7, ("[other]", "[again]"))
    ]


def test_what_one_answer_shows_to_be_a_name_or_a_birth_date_is_compared_in_later_ones(tmp_path: Path) -> None:
    """The recorder has it from the first answer, and replaces it in the others."""

    def pair(seq: int, rpc: str, answer: str) -> Exchange:
        return Exchange(1, seq, rpc, encode_call(rpc.encode()), encode_response(answer.encode()))

    clear = [
        pair(1, "ZZ ONE", "DEMO,PATIENT^DOB: JAN 31,1950"),
        pair(2, "ZZ TWO", "2500131^DEMO^PATIENT"),
        pair(3, "ZZ THREE", "nobody"),
        pair(4, "ZZ FOUR", "2500131"),
    ]
    masker = Masker(Pseudonyms(b"key"), Cipher.standard())
    masked = [masker.mask(it) for it in clear]
    assert b"2500131" not in (masked[3].received or b"")
    with serving(clear) as port:
        equal, compared = compare(masked, port, None)
    assert unequal(compared) == []
    assert equal
    with serving([*clear[:3], pair(4, "ZZ FOUR", "2500130")]) as port:
        _, compared = compare(masked, port, None)
    assert [rpc for rpc, *_ in unequal(compared)] == ["ZZ FOUR"]


def test_a_broker_that_closes_where_it_did_not_is_found_out(recorded: Path) -> None:
    exchanges = read_recording(recorded)
    closing = [replace(it, closed=True) if it.rpc == "XWB IM HERE" else it for it in exchanges]
    with serving(closing) as port:
        equal, compared = compare([replace(it, masked=()) for it in exchanges], port, None)
    assert not equal
    names = [it.exchange.rpc for it in compared]
    here = names.index("XWB IM HERE") + 1
    assert {it.verdict for it in compared[:here]} == {Verdict.EQUAL}
    assert {it.verdict for it in compared[here:-1]} == {Verdict.CLOSED}


def test_masked_codes_must_be_given(recorded: Path, broker: RunningBroker) -> None:
    with pytest.raises(ConsoleError, match=r"codes of 1 sign-ons are masked.*--access"):
        compare(read_recording(recorded), broker.port, None)


def test_wrong_codes_in_their_place_are_a_difference(recorded: Path, broker: RunningBroker) -> None:
    equal, compared = compare(read_recording(recorded), broker.port, Codes(ACCESS, "NOT#THE1CODE"))
    assert not equal
    assert "XUS AV CODE" in [it.exchange.rpc for it in compared if it.verdict is Verdict.DIFFERENT]


@pytest.mark.parametrize("theme", ["a3_context", "a4_rpc_errors", "a6_return_types", "b1_store", "b4_names"])
def test_a_mock_of_the_recorded_vista_compares_clean_with_its_recording(theme: str) -> None:
    exchanges = [it for it in read_recording(HERE / f"{theme}.jsonl") if not it.rpc.startswith("(r")]
    with serving(exchanges) as port:
        equal, compared = compare(exchanges, port, None)
    assert [it for it in unequal(compared) if it[1] != Verdict.SKIPPED] == []
    assert equal
    assert len(compared) > 10


def test_other_tools_read_a_recording(broker: RunningBroker, tmp_path: Path) -> None:
    """The program that replays the recorded VistA takes ours as well."""
    path = tmp_path / "r.jsonl"
    with recording(broker.port, path, keep_phi=True) as proxy, BrokerClient("127.0.0.1", proxy.port) as client:
        client.call("XUS SIGNON SETUP")
        client.call("XUS INTRO MSG")
    options = argparse.Namespace(host="127.0.0.1", port=broker.port, state_hook=None, stage=None, ids=False, show=5)
    counts = replay.replay(path, options)
    assert counts["different"] == counts["kept back"] == counts["skipped"] == 0
    assert counts["equal"] >= 4


def test_a_session_that_the_recording_does_not_know_hears_so(recorded: Path) -> None:
    missed: list[str] = []
    with serving(read_recording(recorded), missed.append) as port, BrokerClient("127.0.0.1", port) as client:
        with pytest.raises(ApplicationError, match="does not hold MAG DICOM GET DOMAIN at all"):
            client.call("MAG DICOM GET DOMAIN")
        assert client.call("XWB IM HERE").text == "1"
    assert missed == ["MAG DICOM GET DOMAIN"]


def test_a_mock_closes_on_what_is_no_message(recorded: Path) -> None:
    with serving(read_recording(recorded)) as port:
        client = BrokerClient("127.0.0.1", port)
        client.connect()
        with pytest.raises(XWBError):
            client.call("X" * 40, "y" * 5_000_000)
        client.close()
