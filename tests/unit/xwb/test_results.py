"""Results are rendered as their return type wants them, and read back by a client."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.xwb.feeding import CUTS, feed
from xwb import (
    LocalArray,
    ResponseDecoder,
    ResponseReceived,
    ResultType,
    UndefinedNode,
    encode_m_error,
    encode_response,
    render,
)

LINES = [b"one", b"", b"three"]
TREE = LocalArray.from_mapping({1: b"g1", 2: b"", (3, 0): b"g3.0", 4: b"\r\n"}, root=b"top")
FLAT = LocalArray.from_mapping({"x": b"last", 2: b"two", 10: b"ten"}, root=b"top")

# Return type, word wrap, value, data.
RENDERED = [
    (1, False, b"abc", b"abc"),
    (1, True, b"abc", b"abc"),
    (1, False, LINES, b""),
    (1, False, FLAT, b"top"),
    (1, False, LocalArray(), b""),
    (2, False, LINES, b"one\r\n\r\nthree\r\n"),
    (2, False, FLAT, b"two\r\nten\r\nlast\r\n"),
    (2, False, [], b""),
    (2, False, b"no subscripts", b""),
    (3, True, LINES, b"one\r\n\r\nthree\r\n"),
    (3, False, LINES, b"onethree"),
    (3, False, [b"x", b"\r\n"], b"x\r\n"),
    (3, False, b"no subscripts", b""),
    (4, True, LINES, b"one\r\n\r\nthree\r\n"),
    (4, False, LINES, b"onethree"),
    (4, True, TREE, b"top\r\ng1\r\n\r\ng3.0\r\n\r\n"),
    (4, False, TREE, b"topg1g3.0\r\n"),
    (4, True, LocalArray(b"root alone"), b""),
    (4, True, LocalArray(b"", {("1",): b"x"}), b"x\r\n"),
    (4, True, b"no name of a global", b""),
    (5, False, b"instance", b"instance"),
    (5, True, LINES, b""),
    (6, False, [b"abc", b"", b"x" * 255], b"\x03abc\x00\xff" + b"x" * 255),
    (6, False, [b"x" * 256], b"x" * 256),
    (6, False, b"no subscripts", b""),
    # one node is cut at 99 999 bytes, its CR LF stays
    (1, False, b"y" * 100_001, b"y" * 99_999),
    (2, False, [b"y" * 100_001, b"z"], b"y" * 99_999 + b"\r\nz\r\n"),
    (4, True, [b"y" * 100_001], b"y" * 99_999 + b"\r\n"),
    (4, False, [b"y" * 100_001], b"y" * 99_999),
]


@pytest.mark.parametrize(("result_type", "word_wrap", "value", "data"), RENDERED)
def test_a_value_is_rendered_by_its_return_type(result_type, word_wrap, value, data):
    assert render(ResultType(result_type), word_wrap, value) == data


@pytest.mark.parametrize("result_type", [2, 3, 6])
def test_a_first_level_node_without_a_value_is_an_error(result_type):
    with pytest.raises(UndefinedNode) as caught:
        render(ResultType(result_type), True, TREE)
    assert caught.value.subscript == "3"


@pytest.mark.parametrize("unknown", [0, 7, -1, None])
def test_an_unknown_return_type_is_a_single_value(unknown):
    assert ResultType(unknown) is ResultType.SINGLE_VALUE


# Response, bytes.
WRITTEN = [
    (ResponseReceived(b"", b"", b"accept"), encode_response(b"accept"), b"\0\0accept\x04"),
    (ResponseReceived(b"", b"", b""), encode_response(b""), b"\0\0\x04"),
    (
        ResponseReceived(b"No RPC sent", b"", b""),
        encode_response(b"", security=b"No RPC sent"),
        b"\x0bNo RPC sent\0\x04",
    ),
    (
        ResponseReceived(b"", b"bad", b"data"),
        encode_response(b"data", application=b"bad"),
        b"\0\x03baddata\x04",
    ),
    (
        ResponseReceived(b"s" * 255, b"a" * 255, b"data"),
        encode_response(b"data", b"s" * 300, b"a" * 256),
        b"\xff" + b"s" * 255 + b"\xff" + b"a" * 255 + b"data\x04",
    ),
    (
        ResponseReceived(b"", b"", b"\x18M  ERROR=X^Y, text\r\nLAST REF=^Z(1)"),
        encode_m_error(b"X^Y, text", b"^Z(1)"),
        b"\0\0\x18M  ERROR=X^Y, text\r\nLAST REF=^Z(1)\x04\x04",
    ),
    (
        ResponseReceived(b"", b"", b"\x18M  ERROR=" + b"e" * 200 + b"\r\nLAST REF="),
        encode_m_error(b"e" * 300),
        b"\0\0\x18M  ERROR=" + b"e" * 200 + b"\r\nLAST REF=\x04\x04",
    ),
    # four is the length of a text here, and no end
    (ResponseReceived(b"four", b"", b""), encode_response(b"", security=b"four"), b"\x04four\0\x04"),
    (ResponseReceived(b"", b"four", b""), encode_response(b"", application=b"four"), b"\0\x04four\x04"),
]


@pytest.mark.parametrize(("response", "written", "data"), WRITTEN)
def test_a_response_is_written_as_vista_writes_it(response, written, data):
    assert written == data


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(("response", "written", "data"), WRITTEN)
def test_a_response_is_read_however_it_is_cut(response, written, data, cut):
    decoder = ResponseDecoder()
    assert feed(decoder, cut(data)) == [response]
    assert feed(decoder, cut(data)) == [response]
    assert decoder.held == 0


@pytest.mark.parametrize(("response", "written", "data"), WRITTEN)
def test_a_response_is_not_given_before_its_end(response, written, data):
    assert feed(ResponseDecoder(), [data[:-1]]) == []


@given(st.binary(), st.binary(max_size=300), st.binary(max_size=300))
def test_a_response_round_trips_even_with_eot_in_its_data(data, security, application):
    decoded = feed(ResponseDecoder(), [encode_response(data, security, application)])
    assert decoded == [ResponseReceived(security[:255], application[:255], data)]


def test_an_eot_inside_the_data_does_not_end_it_while_more_is_there():
    assert feed(ResponseDecoder(), [b"\0\0ab\x04c", b"d\x04"]) == [ResponseReceived(b"", b"", b"ab\x04cd")]


def test_an_m_error_tells_its_text_and_the_last_reference():
    (response,) = feed(ResponseDecoder(), [encode_m_error(b"ERROR^X, text", b'^Z("A")')])
    assert response.m_error == (b"ERROR^X, text", b'^Z("A")')
    assert ResponseReceived(b"", b"", b"M  ERROR=").m_error is None


def test_an_answer_over_the_limit_is_dropped():
    decoder = ResponseDecoder(limit_bytes=10)
    assert feed(decoder, [b"\0\0" + b"x" * 9, b"x\x04"]) == []
    assert decoder.overflowed
    assert decoder.held == 0


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\r" not in line and b"\n" not in line)))
def test_lines_rendered_as_an_array_are_the_lines_a_client_splits(lines):
    data = render(ResultType.ARRAY, False, lines)
    assert data.split(b"\r\n")[:-1] == lines
