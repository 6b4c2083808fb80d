"""An M-to-M document with other values: they are read back, and every byte around them stays."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xwb import (
    CannotEncode,
    Empty,
    ListParameter,
    Literal,
    LocalArray,
    M2MAnswer,
    Parameter,
    Reference,
    ResultType,
    Trouble,
    encode_m2m_answer_again,
    encode_m2m_call,
    encode_m2m_call_again,
    encode_m2m_result,
    encode_rpc_error,
    encode_trouble,
    format_subscripts,
    is_plain_call,
)
from xwb.m2m import CLOSE, CLOSED, parse_request
from xwb.m2m_answer import parse_answer

values = st.binary(min_size=1, max_size=30).map(lambda it: re.sub(rb"[\x00-\x1f]", b".", it))
names = st.text(st.characters(min_codepoint=32, max_codepoint=255), min_size=1, max_size=8) | st.integers(0, 99).map(str)
arrays = st.dictionaries(names.map(lambda it: format_subscripts((it,))), values, min_size=1, max_size=4).map(
    lambda of: ListParameter(tuple(of.items()), root=None)
)
parameters = st.lists(st.builds(Literal, values) | st.builds(Reference, values) | arrays, max_size=4).map(tuple)
#: What clients put between tags without changing what is read.
spellings = st.sampled_from(
    [
        lambda document: document,
        lambda document: document.replace(b"><", b">\n<"),
        lambda document: document.replace(b'"1.0"', b"'1.0'").replace(b' method=""', b""),
        lambda document: document.replace(b"</param>", b"</param>  "),
        lambda document: document.replace(b" >", b"\n>"),
    ]
)


@st.composite
def changes(draw: st.DrawFn, of: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    """Choose other values for some of the parameters and nodes."""
    changed: list[Parameter] = []
    for parameter in of:
        if draw(st.booleans()):
            changed.append(parameter)
        elif isinstance(parameter, ListParameter):
            pairs = [(key, draw(values) if draw(st.booleans()) else value) for key, value in parameter.pairs]
            changed.append(ListParameter(tuple(pairs), root=None))
        else:
            changed.append(type(parameter)(draw(values)))  # a literal or a reference
    return tuple(changed)


def without(document: bytes) -> bytes:
    """Give a document without what stands in parameters and nodes."""
    return re.sub(rb"(<(?:param|index) [^>]*>)[^<]*", rb"\1", document)


@given(parameters, spellings, st.data())
def test_a_call_is_read_with_its_new_values_and_nothing_else_changes(
    of: tuple[Parameter, ...], spelling: object, data: st.DataObject
) -> None:
    message = spelling(encode_m2m_call(b"A", of))
    was = parse_request(message[:-1]).parameters
    wanted = data.draw(changes(was))
    made = encode_m2m_call_again(message, wanted)
    assert parse_request(made[:-1]).parameters == wanted
    assert without(made) == without(message)
    assert encode_m2m_call_again(message, was) == message
    assert is_plain_call(message)


def test_text_in_parts_is_replaced_whole() -> None:
    message = encode_m2m_call(b"A", [Literal(b"x")]).replace(b">x<", b">a\n<!-- c --><![CDATA[<b>]]>&amp;<")
    assert parse_request(message[:-1]).parameters == (Literal(b"a<b>&"),)
    made = encode_m2m_call_again(message, [Literal(b"[new]")])
    assert made == message.replace(b"a\n", b"&#91;new&#93;\n").replace(b"<![CDATA[<b>]]>&amp;", b"")


def test_the_name_of_a_node_is_replaced_where_it_stands() -> None:
    message = encode_m2m_call(b"A", [ListParameter(((b'"O\'K"', b"v"), (b"2", b"w")))]).replace(b'name="2"', b"name = '2'")
    made = encode_m2m_call_again(message, [ListParameter(((b'"N""W"', b"v"), (b"3", b"w")), root=None)])
    assert made == message.replace(b"O&apos;K", b"N&quot;W").replace(b"'2'", b"'3'")


@pytest.mark.parametrize("key", [b"NAME", b'"A",1', b'"A'])
def test_a_node_cannot_be_renamed_to_what_is_no_single_subscript(key: bytes) -> None:
    with pytest.raises(CannotEncode):
        encode_m2m_call_again(PLAIN, [Literal(b"v"), ListParameter(((key, b"w"),), root=None)])


@pytest.mark.parametrize(
    "parameters",
    [
        (),
        (Literal(b""), Empty()),
        (Reference(b"a"), Empty()),
        (Empty(), Empty()),
        (Literal(b"a"), Literal(b"x")),
        (Literal(b"a\nb"), Empty()),
    ],
)
def test_what_the_document_cannot_hold_is_not_written(parameters: tuple[Parameter, ...]) -> None:
    with pytest.raises(CannotEncode):
        encode_m2m_call_again(encode_m2m_call(b"A", [Literal(b"a"), Empty()]), parameters)


PLAIN = encode_m2m_call(b"A", [Literal(b"v"), ListParameter(((b'"K"', b"w"),))])


@pytest.mark.parametrize(
    "message",
    [
        PLAIN.replace(b"<params>", b"<params><!-- v -->"),
        PLAIN.replace(b"<params>", b"<params>v"),
        PLAIN.replace(b"<rpc", b'<session id="v" /><rpc'),
        PLAIN.replace(b' method=""', b' method="" token="v"'),
        PLAIN.replace(b"<params", b'<params uri="v"'),
        PLAIN.replace(b' method=""', b' method="&#118;"'),
        PLAIN.replace(b'position="1"', b'position="2"'),
        PLAIN.replace(b'type="string"', b'type="date"'),
        PLAIN.replace(b">w<", b"><"),
        PLAIN.replace(b">w<", b"><![CDATA[&#119;]]><"),
        PLAIN.replace(b"</params>", b""),
        PLAIN.replace(b"<?xml", b"<?other v?><?xml"),
        PLAIN[:-1] + b"v\x04",
        PLAIN.replace(b"RPC.Request", b"RPC.Other"),
    ],
)
def test_what_stands_outside_of_the_parameters_is_noticed(message: bytes) -> None:
    assert is_plain_call(PLAIN)
    assert is_plain_call(CLOSE)
    assert not is_plain_call(message)


@given(st.lists(values, max_size=5), st.data())
def test_an_answer_is_read_with_its_new_lines_and_the_others_keep_their_bytes(of: list[bytes], data: st.DataObject) -> None:
    message = encode_m2m_result(ResultType.ARRAY, True, LocalArray.from_pairs([(b"%d" % n, it) for n, it in enumerate(of)]))
    message = message.replace(b"&quot;", b'"')
    was = parse_answer(message[:-1])
    lines = tuple(data.draw(values) if data.draw(st.booleans()) else line for line in was.lines)
    made = encode_m2m_answer_again(message, M2MAnswer(was.type, lines))
    assert parse_answer(made[:-1]) == M2MAnswer(was.type, lines)
    before, after = message.split(b"\n"), made.split(b"\n")
    assert len(before) == len(after)
    assert [new for new, line, old in zip(after[1:], lines[1:], was.lines[1:], strict=False) if line == old] == [
        old_bytes for old_bytes, line, old in zip(before[1:], lines[1:], was.lines[1:], strict=False) if line == old
    ]


@pytest.mark.parametrize(
    "message", [encode_rpc_error(2, b"X", b"no X'Y"), *(encode_trouble(trouble, b"no <X>") for trouble in Trouble)]
)
def test_an_error_is_read_with_its_new_text(message: bytes) -> None:
    was = parse_answer(message[:-1])
    wanted = M2MAnswer(was.type, (), was.error, was.code, b"other & <text>")
    made = encode_m2m_answer_again(message, wanted)
    assert parse_answer(made[:-1]) == wanted
    assert made.partition(b"<msg>")[0] == message.partition(b"<msg>")[0]


@given(st.tuples(st.binary(max_size=20), st.binary(max_size=20)).map(b"\n".join))
def test_an_answer_that_would_be_read_otherwise_is_not_written(line: bytes) -> None:
    message = encode_m2m_result(ResultType.SINGLE_VALUE, False, b"x")
    wanted = M2MAnswer(b"Gov.VA.Med.RPC.Response", (line,))
    with pytest.raises(CannotEncode):
        encode_m2m_answer_again(message, wanted)
    with pytest.raises(CannotEncode):
        encode_m2m_answer_again(CLOSED, wanted)
