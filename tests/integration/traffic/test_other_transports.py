"""What a proxy makes of the transports besides `[XWB]`: M-to-M and text whole, the old one with call-back not at all."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from console.traffic import Codes, Compared, Comparison, Exchange, Verdict, read_recording
from tests.integration.traffic.sockets import accept, connect, listening, port_of, read, recording, serving
from tests.support.broker import RunningBroker
from tests.support.m2m_gateway import Gateway
from xwb import (
    AnswerReceived,
    BrokerClient,
    CaretAnswerDecoder,
    Cipher,
    ErrorReceived,
    ListParameter,
    Literal,
    M2MAnswer,
    Transport,
    encode_caret_call,
    encode_response,
)
from xwb.m2m import CLOSE
from xwb.old import encode_old_call, encode_old_connect

CIPHER = Cipher.standard()
CODES = Codes("FAKEGW1", "1GWY!@#$")
STORE = (
    b"STORE1||660|GWA|RAD|CT1|C:\\X.DCM|666000001|IMAGPATIENT^ONE^M|061024-101|061024-101|20240610|093000|0|CR||<DICOM>|1|1|660|0|GW|",
    b"STORE2|1.2.3.1|1.2.3.1.1|1.2.3.1.1.1|1.2.840.10008.5.1.4.1.1.1|0|1|ACME|X1|3240610.0931|V||",
)
#: What the session says of persons, in every form.
PERSONAL = re.compile(
    r"IMAGPATIENT|BRIEN|666-?00-?000\d|100000000\dV?\d*|2500115|19500115|JAN 15, ?1950|2450704|JUL 0?4, ?1945"
    r"|GATEWAY,DICOM|Dicom One|FAKEGW1|1GWY!@#\$|WRONG1!X"
)


def session(port: int) -> list[M2MAnswer]:
    """Fail to sign on; sign on, enter a context, ask for patients, file an image, fail in several ways, and leave."""
    wrong = Gateway(port)
    seen = [wrong.sign_on("WRONG1!X")]
    assert wrong.is_closed()
    gateway = Gateway(port)
    seen += [gateway.sign_on(), gateway.enter("MAG DICOM GATEWAY FULL"), gateway.call("XUS GET USER INFO")]
    seen += [gateway.call("MAG DICOM GET PATIENT", Literal(dfn)) for dfn in (b"1", b"3")]
    nodes = ((b"1", b"3"), (b"2", STORE[0]), (b"3", STORE[1]))
    seen += [gateway.call("MAG DICOM IMAGE PROCESSING", ListParameter(nodes)), gateway.call("MAG DICOM GET DOMAIN")]
    seen += [gateway.call("MAG DICOM ROUTE VALID DEST", Literal(b"O'BRIEN,SEAN <&> [666-00-0003]")), gateway.call("NO SUCH RPC")]
    seen.append(gateway.ask(CLOSE))
    assert gateway.is_closed()
    return seen


def compare(exchanges: list[Exchange], port: int, codes: Codes | None = CODES) -> list[Compared]:
    with Comparison(exchanges, ("127.0.0.1", port), CIPHER, codes, timeout=5) as comparison:
        return list(comparison.run())


def unequal(compared: list[Compared]) -> list[tuple[str, str, tuple[str, str]]]:
    return [(it.exchange.rpc, it.verdict, it.difference) for it in compared if it.verdict is not Verdict.EQUAL]


@pytest.fixture
def recorded(make_broker: Callable[..., RunningBroker], tmp_path: Path) -> Callable[[bool], tuple[Path, list[M2MAnswer]]]:
    """Give what records a session with a broker of its own."""

    def record(keep_phi: bool) -> tuple[Path, list[M2MAnswer]]:
        path = tmp_path / f"{keep_phi}.jsonl"
        with recording(make_broker().port, path, keep_phi=keep_phi) as proxy:
            return path, session(proxy.port)

    return record


Record = Callable[[bool], tuple[Path, list[M2MAnswer]]]


def test_a_gateway_s_session_is_recorded_exchange_by_exchange(recorded: Record) -> None:
    exchanges = [it for it in read_recording(recorded(False)[0]) if it.rpc != "(read)"]
    assert [it.rpc for it in exchanges] == [
        *("XUS SIGNON SETUP", "XUS AV CODE", "XUS SIGNON SETUP", "XUS AV CODE", "XWB CREATE CONTEXT", "XUS GET USER INFO"),
        *("MAG DICOM GET PATIENT", "MAG DICOM GET PATIENT", "MAG DICOM IMAGE PROCESSING", "MAG DICOM GET DOMAIN"),
        *("MAG DICOM ROUTE VALID DEST", "NO SUCH RPC", "(command) close socket"),
    ]
    assert {it.transport for it in exchanges} == {Transport.M2M}
    assert all(it.request and it.answer for it in exchanges)


def test_no_person_and_no_code_of_the_session_is_in_the_file(recorded: Record) -> None:
    path, seen = recorded(False)
    spoken = "\n".join(line.decode("latin-1") for answer in seen for line in answer.lines)
    assert len(set(PERSONAL.findall(spoken))) > 8
    file = path.read_text(encoding="utf-8")
    said = [file]
    exchanges = read_recording(path)
    for it in exchanges:
        assert it.request is not None or it.rpc == "(read)"
        said += [it.sent.decode("latin-1"), (it.received or b"").decode("latin-1")]
        said += [text.decode("latin-1") for text in (it.answer.texts if it.answer else ())]
        for parameter in it.request.parameters if it.request else ():
            value = getattr(parameter, "value", b"")
            said += [value.decode("latin-1"), CIPHER.decipher(value).decode("latin-1")]
            said += [text.decode("latin-1") for pair in getattr(parameter, "pairs", ()) for text in pair]
    found = {match[0] for text in said for match in PERSONAL.finditer(text)}
    assert found == set()
    for secret in (b"IMAGPATIENT", b"666000001", b"FAKEGW1", b"BRIEN"):
        assert secret.hex() not in file
    patients = [it for it in exchanges if it.rpc == "MAG DICOM GET PATIENT"]
    for it, dfn in zip(patients, (b"1", b"3"), strict=True):
        assert it.request is not None
        assert it.request.parameters != (Literal(dfn),)
    codes = exchanges[1].request
    assert codes is not None
    assert CIPHER.decipher(getattr(codes.parameters[0], "value", b"")).startswith(b"MASKED-")


def test_a_mock_answers_a_gateway_as_the_recorded_broker_did(recorded: Record) -> None:
    path, seen = recorded(True)
    missed: list[str] = []
    with serving(read_recording(path), missed.append) as port:
        assert session(port) == seen
        assert session(port) == seen
    assert missed == []


def test_a_masked_recording_compares_clean_with_its_mock_pseudonyms_and_all(recorded: Record) -> None:
    exchanges = [replace(it, masked=()) for it in read_recording(recorded(False)[0])]
    with serving(exchanges) as port:
        assert unequal(compare(exchanges, port, None)) == []


def test_a_recording_compares_clean_with_a_broker_of_the_same_site(
    recorded: Record, make_broker: Callable[..., RunningBroker]
) -> None:
    assert unequal(compare(read_recording(recorded(True)[0]), make_broker().port)) == []
    compared = compare(read_recording(recorded(False)[0]), make_broker().port)
    assert [it.exchange.rpc for it in compared if it.verdict is Verdict.SKIPPED] == [
        "MAG DICOM GET PATIENT",
        "MAG DICOM GET PATIENT",
        "MAG DICOM IMAGE PROCESSING",
        "MAG DICOM ROUTE VALID DEST",
    ]
    assert [it for it in unequal(compared) if it[1] is not Verdict.SKIPPED] == []


def test_a_broker_that_answers_otherwise_is_found_out(recorded: Record, make_broker: Callable[..., RunningBroker]) -> None:
    changed = [
        replace(it, received=(it.received or b"").replace(b"IMAGPATIENT,ONE", b"IMAGPATIENT,TEN"))
        for it in read_recording(recorded(True)[0])
    ]
    compared = compare(changed, make_broker().port)
    differing = unequal(compared)
    assert [it[:2] for it in differing] == [
        ("MAG DICOM GET PATIENT", Verdict.DIFFERENT),
        ("MAG DICOM IMAGE PROCESSING", Verdict.DIFFERENT),
    ]
    for _rpc, _verdict, (was, came) in differing:
        assert "IMAGPATIENT,TEN M" in was
        assert was.replace("TEN", "ONE") == came


def test_one_port_of_a_mock_serves_both_transports(make_broker: Callable[..., RunningBroker], tmp_path: Path) -> None:
    path = tmp_path / "both.jsonl"
    with recording(make_broker().port, path) as proxy:
        session(proxy.port)
        with BrokerClient("127.0.0.1", proxy.port) as client:
            assert client.call("XUS SIGNON SETUP").lines
    missed: list[str] = []
    with serving(read_recording(path), missed.append) as port:
        with BrokerClient("127.0.0.1", port) as client:
            assert client.call("XUS SIGNON SETUP").lines[3] == "/dev/null"
        gateway = Gateway(port)
        assert gateway.call("XUS SIGNON SETUP").lines[3] == b"0"
        refused = gateway.call("ZZ NEW")
        assert (refused.error, refused.text) == (b"rpc", b"The recording does not hold ZZ NEW at all.")
        other = gateway.call("MAG DICOM GET PATIENT", Literal(b"1"))
        assert other.text == b"The recording does not hold MAG DICOM GET PATIENT with these parameters."
        gateway.socket.close()
        old = connect(port)
        old.sendall(encode_old_connect(b"127.0.0.1", 1, b"old"))
        assert old.recv(1) == b""
        old.close()
    assert missed == ["ZZ NEW", "MAG DICOM GET PATIENT"]


def test_the_session_of_an_old_client_passes_the_proxy_by(broker: RunningBroker, tmp_path: Path) -> None:
    """The broker calls back the address that it sees, the proxy's: only on one machine that is the client's too."""
    path = tmp_path / "old.jsonl"
    with listening() as back, recording(broker.port, path) as proxy:
        asking = connect(proxy.port)
        asking.sendall(encode_old_connect(b"127.0.0.1", port_of(back), b"old"))
        assert read(asking, len(encode_response(b"accept"))) == encode_response(b"accept")
        called = accept(back)
        called.sendall(encode_old_call(b"XUS SIGNON SETUP"))
        assert called.recv(5) != b""
        assert asking.recv(1) == b""
        for connection in (called, asking):
            connection.close()
    (first, *_) = exchanges = read_recording(path)
    assert (first.rpc, first.transport, first.received) == ("(raw)", Transport.OLD, encode_response(b"accept"))
    assert not any(b"SETUP" in it.sent for it in exchanges)


TYPED = (
    b"SIGNON^FAKEGW1^WRONG1!X\n",
    b"XUS GET TO",
    b"KEN\nSIGNON^FAKEGW1^1GW",
    b"Y!@#$\n",
    b"CONTEXT^MAG DICOM GATEWAY FULL\n",
    b"MAG DICOM GET PATIENT^1\nXUS GET USER INFO\n",
    encode_caret_call(b"MAG DICOM IMAGE PROCESSING", [ListParameter(((b"1", b"3"), (b"2", STORE[0]), (b"3", STORE[1])))]),
    b"ECHO^\\x\n",
    b"BYE\n",
)
ANSWERS = (1, 0, 1, 1, 1, 2, 1, 1, 1)
"""How many answers each piece gets."""


def typed(port: int) -> list[AnswerReceived | ErrorReceived]:
    """Type a session; give its answers."""
    seen: list[AnswerReceived | ErrorReceived] = []
    decoder = CaretAnswerDecoder()
    with connect(port) as client:
        for piece, expected in zip(TYPED, ANSWERS, strict=True):
            client.sendall(piece)
            wanted = len(seen) + expected
            while len(seen) < wanted:
                event = decoder.next_event()
                if event is None:
                    data = client.recv(65536)
                    assert data, seen
                    decoder.receive_data(data)
                else:
                    assert isinstance(event, AnswerReceived | ErrorReceived)
                    seen.append(event)
        assert client.recv(1) == b""
    return seen


@pytest.fixture
def text_recorded(make_broker: Callable[..., RunningBroker], tmp_path: Path) -> Callable[[bool], tuple[Path, list[Any]]]:
    """Give what records a session of the text transport with a broker of its own."""

    def record(keep_phi: bool) -> tuple[Path, list[Any]]:
        path = tmp_path / f"text-{keep_phi}.jsonl"
        with recording(make_broker().text_port, path, keep_phi=keep_phi) as proxy:
            return path, typed(proxy.port)

    return record


RecordText = Callable[[bool], tuple[Path, list[Any]]]


def test_a_text_session_is_recorded_without_its_persons_and_codes(
    text_recorded: RecordText,
) -> None:
    path, seen = text_recorded(False)
    spoken = "\n".join(line.decode("latin-1") for it in seen if isinstance(it, AnswerReceived) for line in it.lines)
    assert len(set(PERSONAL.findall(spoken))) > 5
    exchanges = [it for it in read_recording(path) if it.rpc != "(read)"]
    assert [it.rpc for it in exchanges] == [
        *("(command) SIGNON", "XUS GET TOKEN", "(command) SIGNON", "(command) CONTEXT"),
        *("MAG DICOM GET PATIENT", "XUS GET USER INFO", "MAG DICOM IMAGE PROCESSING", "(raw)", "(command) BYE"),
    ]
    said = [path.read_text(encoding="utf-8")]
    for it in exchanges:
        said += [it.sent.decode("latin-1"), (it.received or b"").decode("latin-1")]
    assert {match[0] for text in said for match in PERSONAL.finditer(text)} == set()


def test_a_text_session_is_served_and_compared(text_recorded: RecordText, make_broker: Callable[..., RunningBroker]) -> None:
    path, seen = text_recorded(True)
    exchanges = read_recording(path)
    with serving(exchanges) as port:
        assert typed(port) == seen
    compared = compare(exchanges, make_broker().text_port)
    assert unequal(compared) == []
    changed = [replace(it, received=(it.received or b"").replace(b"IMAGPATIENT,ONE", b"IMAGPATIENT,TEN")) for it in exchanges]
    differing = [rpc for rpc, *_ in unequal(compare(changed, make_broker().text_port))]
    assert differing == ["MAG DICOM GET PATIENT", "MAG DICOM IMAGE PROCESSING"]
