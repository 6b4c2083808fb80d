r"""The text transport says the same as the wire, in lines that people can type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.xwb.feeding import CUTS, cut_anywhere, feed, subscripts
from xwb import (
    AnswerBroken,
    AnswerReceived,
    ByeRequested,
    CallRequested,
    CannotEncode,
    CaretAnswerDecoder,
    CaretDecoder,
    ContextRequested,
    Empty,
    ErrorKind,
    ErrorReceived,
    GlobalParameter,
    ListParameter,
    Literal,
    Reference,
    RequestRefused,
    SignOnRequested,
    answer_lines,
    encode_caret_call,
    encode_error,
    encode_ok,
    encode_request,
    format_subscripts,
)


def call(name, *of):
    return CallRequested(name, of)


REQUESTS = [
    (SignOnRequested(b"FAKEDOC1", b"1DOC!@#$"), b"SIGNON^FAKEDOC1^1DOC!@#$\n"),
    (SignOnRequested(b"@", b"a^b"), b"SIGNON^\\a^a\\cb\n"),
    (ContextRequested(b"MAG WINDOWS"), b"CONTEXT^MAG WINDOWS\n"),
    (ContextRequested(b""), b"CONTEXT^\n"),
    (ByeRequested(), b"BYE\n"),
    (call(b"XWB IM HERE"), b"XWB IM HERE\n"),
    (call(b"P", Literal(b"a"), Literal(b""), Literal(b"c=d")), b"P^a^^c=d\n"),
    (call(b"P", Literal(b"@"), Literal(b"a@b")), b"P^\\a^a@b\n"),
    (call(b"P", Literal(b"^\\\r\n")), b"P^\\c\\\\\\r\\n\n"),
    (call(b"P", ListParameter()), b"P^@\n\n"),
    (
        call(b"P", ListParameter(((b"1", b"a^b=c"), (b'"X",2', b"")))),
        b'P^@\n1=a^b=c\n"X",2=\n\n',
    ),
    (
        call(b"P", ListParameter(((b'"A=B"', b"1\r\n2\\"),)), Literal(b"x"), ListParameter(((b"1", b""),))),
        b'P^@^x^@\n"A\\eB"=1\\r\\n2\\\\\n\n1=\n\n',
    ),
]


@pytest.mark.parametrize(("request_", "text"), REQUESTS)
def test_a_request_is_written_as_documented(request_, text):
    assert encode_request(request_) == text


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
@pytest.mark.parametrize(("request_", "text"), REQUESTS)
def test_a_request_is_read_however_it_is_cut_and_whatever_ends_its_lines(request_, text, ends, cut):
    decoder = CaretDecoder()
    assert feed(decoder, cut((text + b"\n" + text).replace(b"\n", ends) + b"BY")) == [request_, request_]
    assert decoder.mid_request
    assert feed(decoder, [b"E\n"]) == [ByeRequested()]
    assert not decoder.mid_request


pairs = st.lists(st.tuples(subscripts.map(format_subscripts), st.binary()), max_size=5).map(tuple)
names = st.binary(min_size=1).filter(lambda name: name not in (b"SIGNON", b"CONTEXT", b"BYE"))
calls = st.builds(
    CallRequested,
    names,
    st.lists(st.builds(Literal, st.binary()) | st.builds(ListParameter, pairs), max_size=5).map(tuple),
)


@given(st.data(), st.lists(calls | st.builds(SignOnRequested, st.binary(), st.binary()), max_size=4))
def test_requests_round_trip(data, of):
    pieces = data.draw(cut_anywhere(b"".join(map(encode_request, of))))
    assert feed(CaretDecoder(), pieces) == of


def syntax(text):
    return RequestRefused(ErrorKind.SYNTAX, text)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"SIGNON^only\n", "Expected SIGNON^access^verify."),
        (b"SIGNON\n", "Expected SIGNON^access^verify."),
        (b"CONTEXT\n", "Expected CONTEXT^name."),
        (b"CONTEXT^a^b\n", "Expected CONTEXT^name."),
        (b"BYE^now\n", "Expected BYE alone."),
        (b"^a\n", "Expected a procedure name, SIGNON, CONTEXT or BYE before the first caret."),
        (b"^@\n1=a\n\n", "Expected a procedure name, SIGNON, CONTEXT or BYE before the first caret."),
        (b"P^a\\qb\n", r"\q is no escape; expected \c \e \a \r \n or \\ ."),
        (b"P^a\\\n", "\\ is no escape; expected \\c \\e \\a \\r \\n or \\\\ ."),
        (b"P^@\nno value\n1=a\n\n", "Expected subscript=value, or an empty line to end the list."),
        (b"P^@^@\n1=\\z\n\n\n", r"\z is no escape; expected \c \e \a \r \n or \\ ."),
        (
            b"P^@\nABC=1\nalso bad\n\n",
            "A list subscript is neither a number nor a quoted string. It reads 'ABC'.",
        ),
    ],
)
def test_a_fault_is_explained_and_the_next_request_understood(text, said, cut):
    assert feed(CaretDecoder(), cut(text + b"BYE\n")) == [syntax(said), ByeRequested()]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"x" * 31, "Expected a line of at most 30 bytes."),
        (b"x" * 31 + b"\n", "Expected a line of at most 30 bytes."),
        (b"P^@\n1=a\n2=b\n3=c\n4=d\n", "Expected lists of at most 3 lines."),
        (b"P^@^@^@^@\n\n\n\n\n", "Expected lists of at most 3 lines."),
        (b"P^@\n" + b"1=" + b"x" * 28 + b"\n2=" + b"x" * 28 + b"\n", "Expected a request of at most 60 bytes."),
    ],
)
def test_a_request_over_a_bound_is_refused_for_good(text, said, cut):
    decoder = CaretDecoder(limit_line=30, limit_lines=3, limit_bytes=60)
    assert feed(decoder, cut(text + b"\nBYE\n")) == [RequestRefused(ErrorKind.LIMIT, said, fatal=True)]
    assert decoder.held == 0


def test_too_many_arguments_are_refused_for_good():
    assert feed(CaretDecoder(), [b"P" + b"^" * 1000 + b"\n"]) == [call(b"P", *[Literal(b"")] * 1000)]
    (refused,) = feed(CaretDecoder(), [b"P" + b"^" * 1001 + b"\n"])
    assert refused == RequestRefused(ErrorKind.LIMIT, "Expected at most 1000 arguments.", fatal=True)


def test_a_line_of_the_limit_is_taken():
    assert feed(CaretDecoder(limit_line=30), [b"x" * 30 + b"\r\n"]) == [call(b"x" * 30)]


@pytest.mark.parametrize("parameter", [Reference(b"DUZ"), GlobalParameter(), Empty()])
def test_only_literals_and_lists_can_be_written(parameter):
    with pytest.raises(CannotEncode):
        encode_caret_call(b"P", [parameter])


@pytest.mark.parametrize("name", [b"", b"BYE", b"SIGNON", b"CONTEXT"])
def test_a_keyword_cannot_be_called(name):
    with pytest.raises(CannotEncode):
        encode_caret_call(name, [])


ANSWERS = [
    (AnswerReceived(()), encode_ok(), b"OK 0\n"),
    (AnswerReceived((b"1",)), encode_ok([b"1"]), b"OK 1\n1\n"),
    (AnswerReceived((b"a^b", b"", b"c\r\n\\")), encode_ok([b"a^b", b"", b"c\r\n\\"]), b"OK 3\na^b\n\nc\\r\\n\\\\\n"),
    (ErrorReceived("M", b"a\nb"), encode_error(ErrorKind.M, b"a\nb"), b"ERROR M a\\nb\n"),
    (ErrorReceived("SECURITY", b""), encode_error(ErrorKind.SECURITY, b""), b"ERROR SECURITY \n"),
]


@pytest.mark.parametrize(("answer", "written", "text"), ANSWERS)
def test_an_answer_is_written_as_documented(answer, written, text):
    assert written == text


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(("answer", "written", "text"), ANSWERS)
def test_an_answer_is_read_however_it_is_cut(answer, written, text, cut):
    assert feed(CaretAnswerDecoder(), cut(text + text + b"OK 1\n")) == [answer, answer]


@given(st.data(), st.lists(st.lists(st.binary()), max_size=4))
def test_answers_round_trip(data, of):
    pieces = data.draw(cut_anywhere(b"".join(map(encode_ok, of))))
    assert feed(CaretAnswerDecoder(), pieces) == [AnswerReceived(tuple(lines)) for lines in of]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"HELLO\n", "Expected OK and a number, or ERROR."),
        (b"OK many\n", "Expected OK and a number, or ERROR."),
        (b"OK 999999999\n", "Expected OK and a number, or ERROR."),
        (b"OK 1\n\\q\n", r"\q is no escape; expected \c \e \a \r \n or \\ ."),
        (b"OK 9\n" + b"x" * 40 + b"\n" + b"y" * 40 + b"\n", "An answer is too long."),
        (b"x" * 80, "An answer is too long."),
    ],
)
def test_what_is_no_answer_ends_the_reading(text, reason):
    assert feed(CaretAnswerDecoder(limit_bytes=64), [text, b"OK 0\n"]) == [AnswerBroken(reason)]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"1", [b"1"]),
        (b"a\r\n\r\nb\r\n", [b"a", b"", b"b"]),
        (b"a\r\nb", [b"a", b"b"]),
        (b"a\nb", [b"a\nb"]),
        (b"\r\n", [b""]),
    ],
)
def test_a_result_becomes_lines(data, lines):
    assert answer_lines(data) == lines
