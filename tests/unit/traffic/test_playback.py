"""A recording answers what was asked, in its order."""

from __future__ import annotations

import pytest

from console.traffic import Exchange, Masker, Playback, Pseudonyms, decode_request
from console.traffic.playback import Played, PlayedSession
from xwb import (
    Cipher,
    ListParameter,
    Literal,
    Parameter,
    encode_bye,
    encode_call,
    encode_connect,
    encode_response,
)

CIPHER = Cipher.standard()


def recorded(conn: int, name: str, answer: str, *of: Parameter, closed: bool = False) -> Exchange:
    return Exchange(conn, 1, name, encode_call(name.encode(), of), encode_response(answer.encode()), closed=closed)


def playback(*exchanges: Exchange) -> Playback:
    return Playback(exchanges, CIPHER)


def ask(session: PlayedSession, name: str, *of: Parameter) -> Played:
    return send(session, encode_call(name.encode(), of))


def send(session: PlayedSession, message: bytes) -> Played:
    request = decode_request(message)
    assert request is not None
    return session.answer(request)


def answers(session: PlayedSession, name: str, *of: Parameter, times: int = 1) -> list[str]:
    return [ask(session, name, *of).answer[2:-1].decode() for _ in range(times)]


def test_answers_to_the_same_request_come_in_order_and_the_last_one_stays() -> None:
    session = playback(recorded(1, "POLL", "a"), recorded(1, "POLL", "b")).new_client()
    assert answers(session, "POLL", times=4) == ["a", "b", "b", "b"]


def test_parameters_tell_requests_apart() -> None:
    session = playback(recorded(1, "ECHO", "1", Literal(b"one")), recorded(1, "ECHO", "2", Literal(b"two"))).new_client()
    assert answers(session, "ECHO", Literal(b"two")) == ["2"]
    assert answers(session, "ECHO", Literal(b"one")) == ["1"]


def test_the_order_of_a_list_does_not_matter_nor_how_empty_values_are_sent() -> None:
    pairs = ((b"1", b"a"), (b"2", b"\x01"), (b'"X"', b"c"))
    session = playback(recorded(1, "LIST", "ok", ListParameter(pairs))).new_client()
    assert answers(session, "LIST", ListParameter(((b'"X"', b"c"), (b"2", b""), (b"1", b"a")))) == ["ok"]
    assert not ask(session, "LIST", ListParameter(((b"1", b"a"),))).recorded


def test_the_cipher_s_rows_do_not_matter() -> None:
    name = b"MAG DICOM GATEWAY FULL"
    session = playback(recorded(1, "XWB CREATE CONTEXT", "1", Literal(CIPHER.encipher(name, 3, 4)))).new_client()
    assert answers(session, "XWB CREATE CONTEXT", Literal(CIPHER.encipher(name, 7, 12))) == ["1"]
    assert not ask(session, "XWB CREATE CONTEXT", Literal(CIPHER.encipher(b"OTHER", 7, 12))).recorded


def test_masked_codes_match_any() -> None:
    sign_on = recorded(1, "XUS AV CODE", "9001\r\n", Literal(CIPHER.encipher(b"FAKEDOC1;1DOC!@#$")))
    masked = Masker(Pseudonyms(b"key"), CIPHER).mask(sign_on)
    assert answers(playback(masked).new_client(), "XUS AV CODE", Literal(CIPHER.encipher(b"ANY;BODY"))) == ["9001\r\n"]
    assert not ask(playback(sign_on).new_client(), "XUS AV CODE", Literal(CIPHER.encipher(b"ANY;BODY"))).recorded


def test_each_client_begins_the_recording_anew_and_follows_its_own_connection() -> None:
    played = playback(recorded(5, "WHO", "first"), recorded(8, "WHO", "second"), recorded(8, "ONLY", "there"))
    one, two, three = (played.new_client() for _ in range(3))
    assert answers(one, "WHO") == ["first"]
    assert answers(two, "WHO") == ["second"]
    assert answers(three, "WHO") == ["first"]
    assert answers(one, "ONLY") == ["there"]


def test_what_was_not_recorded_is_an_application_error_that_names_it() -> None:
    session = playback(recorded(1, "ECHO", "1", Literal(b"one"))).new_client()
    other, unknown = ask(session, "ECHO", Literal(b"two")), ask(session, "ZZ NEW")
    assert not other.recorded
    assert not unknown.recorded
    assert b"does not hold ECHO with these parameters" in other.answer
    assert b"does not hold ZZ NEW at all" in unknown.answer
    assert other.answer[0] == 0
    assert other.answer[1] > 0


def test_a_recorded_close_closes_and_so_does_a_bye() -> None:
    session = playback(recorded(1, "CRASH", "", closed=True)).new_client()
    assert ask(session, "CRASH").close
    assert send(session, encode_bye()) == Played(encode_response(b"#BYE#"), close=True)


@pytest.mark.parametrize(("silence", "closes"), [(0.01, True), (180.0, False)])
def test_a_server_that_closed_soon_after_an_answer_does_so_again(silence: float, closes: bool) -> None:
    end = Exchange(1, 2, "(read)", b"", b"", silence, closed=True)
    assert ask(playback(recorded(1, "LAST", "1"), end).new_client(), "LAST").close is closes


def test_a_client_is_greeted_whatever_its_address() -> None:
    greeting = Exchange(1, 1, "(command) TCPConnect", encode_connect(b"10.0.0.1", b"a"), encode_response(b"reject"), closed=True)
    assert send(playback(greeting).new_client(), encode_connect(b"127.0.0.1", b"b")) == Played(
        encode_response(b"reject"), close=True
    )
    assert send(playback().new_client(), encode_connect(b"127.0.0.1", b"b")).answer == encode_response(b"accept")


def test_a_call_that_wants_no_answer_gets_none_though_it_is_unknown() -> None:
    silent = encode_call(b"ZZ NEW").replace(b"[XWB]1130", b"[XWB]1131")
    assert send(playback().new_client(), silent) == Played(b"", recorded=False)


def test_what_cannot_be_asked_for_is_counted() -> None:
    raw = Exchange(1, 1, "(raw)", b"junk", b"")
    kept_back = Exchange(1, 2, "X", encode_call(b"X"), None)
    assert playback(raw, kept_back, recorded(1, "ECHO", "1")).unservable == 2
