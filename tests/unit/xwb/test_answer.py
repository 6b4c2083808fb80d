"""Python values become parameters, responses become answers or errors."""

import pytest

from xwb import (
    ApplicationError,
    BadSubscript,
    Empty,
    GlobalParameter,
    ListParameter,
    Literal,
    LocalArray,
    MError,
    Reference,
    RemoteError,
    Response,
    ResponseReceived,
    SecurityRefused,
    SignOn,
    SignOnRefused,
    XWBError,
    to_parameter,
)
from xwb.answer import interpret, read_sign_on


@pytest.mark.parametrize(
    ("argument", "parameter"),
    [
        ("abc", Literal(b"abc")),
        ("", Literal(b"")),
        ("\xe4\u20ac", Literal(b"\xe4?")),
        (b"\x00\xff", Literal(b"\x00\xff")),
        (42, Literal(b"42")),
        (-1, Literal(b"-1")),
        (True, Literal(b"1")),
        (False, Literal(b"0")),
        ({}, ListParameter()),
        ([], ListParameter()),
        (["a", 2], ListParameter(((b"1", b"a"), (b"2", b"2")))),
        (("a",), ListParameter(((b"1", b"a"),))),
        (
            {1: "one", "A": "two", "q\"q": "three", "01": "four", ("T", 1, 0): "five"},
            ListParameter(((b"1", b"one"), (b'"A"', b"two"), (b'"q""q"', b"three"), (b'"01"', b"four"), (b'"T",1,0', b"five"))),
        ),
        (LocalArray.from_mapping({2: b"b", 1: b"a"}), ListParameter(((b"1", b"a"), (b"2", b"b")))),
        (Reference(b"DUZ"), Reference(b"DUZ")),
        (GlobalParameter(), GlobalParameter()),
        (Empty(), Empty()),
    ],
)  # fmt: skip
def test_a_value_becomes_the_parameter_that_m_wants(argument, parameter):
    assert to_parameter(argument) == parameter


def test_the_character_set_can_be_another():
    assert to_parameter("\u20ac", "cp1252") == Literal(b"\x80")
    assert to_parameter({"\u20ac": "\u20ac"}, "cp1252") == ListParameter(((b'"\x80"', b"\x80"),))
    assert Response(b"\x80", "cp1252").text == "\u20ac"


@pytest.mark.parametrize("empty", [{"": "x"}, {("a", ""): "x"}])
def test_an_empty_subscript_is_refused(empty):
    with pytest.raises(BadSubscript):
        to_parameter(empty)


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"1", ["1"]),
        (b"\r\n", [""]),
        (b"a\r\n\r\n", ["a", ""]),
        (b"a\r\nb", ["a", "b"]),
        (b"\xe4\r\n", ["\xe4"]),
    ],
)
def test_an_answer_has_lines(data, lines):
    assert Response(data).lines == lines


def test_an_answer_without_texts_is_its_data():
    assert interpret(ResponseReceived(b"", b"", b"data")) == Response(b"data")


@pytest.mark.parametrize(
    ("response", "kind", "text", "facts"),
    [
        (ResponseReceived(b"no", b"", b"d"), SecurityRefused, "no", {"data": b"d"}),
        (ResponseReceived(b"", b"bad", b"d"), ApplicationError, "bad", {"data": b"d"}),
        (
            ResponseReceived(b"", b"", b"\x18M  ERROR=X^Y, z\r\nLAST REF=^A"),
            MError,
            "X^Y, z",
            {"last_reference": "^A"},
        ),
    ],
)
def test_an_error_is_raised_with_its_text_and_facts(response, kind, text, facts):
    with pytest.raises(kind) as caught:
        interpret(response)
    assert isinstance(caught.value, RemoteError)
    assert str(caught.value) == caught.value.text == text
    assert {name: getattr(caught.value, name) for name in facts} == facts


def test_a_sign_on_tells_who_it_is_and_greets():
    data = b"9001\r\n0\r\n0\r\n\r\n0\r\n0\r\n\r\nGood morning ROB\r\n     You last signed on today\r\n"
    assert read_sign_on(Response(data)) == SignOn(9001, ("Good morning ROB", "     You last signed on today"))


@pytest.mark.parametrize(
    ("data", "text", "locked", "must_change"),
    [
        (b"0\r\n0\r\n0\r\nNot a valid pair.\r\n0\r\n0\r\n", "Not a valid pair.", False, False),
        (b"0\r\n1\r\n0\r\nLocked.\r\n0\r\n0\r\n", "Locked.", True, False),
        (b"0\r\n0\r\n1\r\nMust be changed.\r\n0\r\n0\r\n", "Must be changed.", False, True),
        (b"", "The broker did not take the access and verify code.", False, False),
        (b"garbage", "The broker did not take the access and verify code.", False, False),
    ],
)
def test_a_refused_sign_on_says_why(data, text, locked, must_change):
    with pytest.raises(SignOnRefused) as caught:
        read_sign_on(Response(data))
    assert (str(caught.value), caught.value.locked, caught.value.verify_must_change) == (text, locked, must_change)


@pytest.mark.parametrize("kind", [SecurityRefused, ApplicationError, MError, SignOnRefused])
def test_an_error_without_a_text_says_what_its_kind_is(kind):
    assert str(kind()) == kind.__doc__.splitlines()[0]
    assert str(XWBError()) == "The RPC Broker conversation failed."
