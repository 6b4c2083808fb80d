"""A local array is what M makes of the pairs."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.xwb.feeding import number_subscripts, subscripts, text_subscripts
from xwb import (
    BadSubscript,
    GlobalParameter,
    ListParameter,
    LocalArray,
    collation_key,
    format_subscripts,
    is_canonical,
    parse_subscripts,
)

# Text on the wire, subscripts, and the text that we write for them.
PARSED = [
    (b"1", ("1",), b"1"),
    (b"0", ("0",), b"0"),
    (b"-1", ("-1",), b"-1"),
    (b'"ABC"', ("ABC",), b'"ABC"'),
    (b'"TEXT",1,0', ("TEXT", "1", "0"), b'"TEXT",1,0'),
    (b'"q""q"', ('q"q',), b'"q""q"'),
    (b'"b c"', ("b c",), b'"b c"'),
    (b'","', (",",), b'","'),
    (b'"1"', ("1",), b"1"),  # a quoted canonical number is that number
    (b'"1.5"', ("1.5",), b"1.5"),
    (b'"01"', ("01",), b'"01"'),  # any other stays a text
    (b'"1.50"', ("1.50",), b'"1.50"'),
    (b'"-0"', ("-0",), b'"-0"'),
    (b'"+1"', ("+1",), b'"+1"'),
    (b"1.50", ("1.5",), b"1.5"),
    (b"007", ("7",), b"7"),
    (b"+7", ("7",), b"7"),
    (b"--7", ("7",), b"7"),
    (b"-+7", ("-7",), b"-7"),
    (b"0.5", (".5",), b".5"),
    (b"-0.50", ("-.5",), b"-.5"),
    (b"-0", ("0",), b"0"),
    (b"00", ("0",), b"0"),
    (b"100", ("100",), b"100"),
    (b"1E2", ("100",), b"100"),
    (b"1.5E-1", (".15",), b".15"),
    (b"5.", ("5",), b"5"),
    (b'"\xe4"', ("\xe4",), b'"\xe4"'),
    (b'"1234567890123456789"', ("1234567890123456789",), b'"1234567890123456789"'),  # too long for a number
]


@pytest.mark.parametrize(("text", "parsed", "written"), PARSED)
def test_subscripts_are_read_and_written_as_m_does(text, parsed, written):
    assert parse_subscripts(text) == parsed
    assert format_subscripts(parsed) == written
    assert parse_subscripts(written) == parsed


@pytest.mark.parametrize(
    "text",
    [
        b"ABC",
        b"",
        b'"',
        b'"a',
        b'"a"b',
        b"1,",
        b",1",
        b"1 ",
        b" 1",
        b"$J",
        b"1+1",
        b'""',
        b"1,,2",
        b"1E99",
        b"1E9999",
        b"\xb2",
        b"1" * 200,
    ],
)
def test_an_expression_is_refused_and_named(text):
    with pytest.raises(BadSubscript) as caught:
        parse_subscripts(text)
    assert caught.value.subscript == text
    assert repr(text.decode("iso-8859-1")) in str(caught.value)


@pytest.mark.parametrize("nothing", [(), ("",), ("a", "")])
def test_an_empty_subscript_cannot_be_written(nothing):
    with pytest.raises(BadSubscript):
        format_subscripts(nothing)


@given(subscripts)
def test_what_is_written_is_read_again(of):
    assert parse_subscripts(format_subscripts(of)) == of


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9))
def test_a_number_in_any_form_becomes_canonical_and_keeps_its_value(number):
    (subscript,) = parse_subscripts(format(number, "f").encode())
    assert is_canonical(subscript)
    assert Decimal(subscript) == number


COLLATED = [
    "-10",
    "-2",
    "-1.5",
    "-.5",
    "0",
    ".5",
    "1",
    "1.5",
    "2",
    "10",
    " ",
    "+1",
    "-0",
    "01",
    "1.50",
    "A",
    "AB",
    "a",
    "\xe4",
]


def test_subscripts_collate_numbers_by_value_then_texts_by_byte():
    assert sorted(set(COLLATED), key=collation_key) == COLLATED


@given(st.lists(number_subscripts | text_subscripts, unique=True))
def test_an_array_stands_in_collation_whatever_order_the_pairs_came_in(of):
    array = LocalArray.from_pairs((format_subscripts((subscript,)), b"") for subscript in of)
    assert [subscript for (subscript,) in array] == sorted(of, key=collation_key)
    assert array.last() == (max(of, key=collation_key) if of else None)


def test_a_list_parameter_becomes_an_array_with_an_empty_root():
    array = ListParameter(((b"2", b"two"), (b'"A",1', b"deep"), (b"1", b"\x01"), (b"10", b"ten"), (b"2.0", b"zwei"))).array()
    assert array.root == b""
    assert list(array.items()) == [(("1",), b""), (("2",), b"zwei"), (("10",), b"ten"), (("A", "1"), b"deep")]
    assert array.first_level() == [("1", b""), ("2", b"zwei"), ("10", b"ten"), ("A", None)]
    assert array.last() == "A"
    assert len(array) == 4


@pytest.mark.parametrize("parameter", [ListParameter, GlobalParameter])
def test_an_empty_list_is_an_array_with_its_root_only(parameter):
    array = parameter().array()
    assert (array.root, list(array), array.last(), array.first_level()) == (b"", [], None, [])


@pytest.mark.parametrize("parameter", [ListParameter, GlobalParameter])
def test_a_bad_subscript_of_a_list_is_an_error(parameter):
    with pytest.raises(BadSubscript):
        parameter(((b"1", b"x"), (b"ABC", b"y"))).array()


def test_nodes_are_found_by_number_text_and_tuple():
    array = LocalArray.from_pairs([(b"1", b"one"), (b'"A",2', b"deep")])
    assert array[1] == array["1"] == array[("1",)] == array.get(1) == b"one"
    assert array["A", 2] == array[("A", "2")] == b"deep"
    assert array.get("A") is None
    assert array.get("A", b"none") == b"none"
    assert 1 in array
    assert "A" not in array
    with pytest.raises(KeyError):
        array["A"]


def test_a_node_comes_before_its_descendants():
    array = LocalArray.from_pairs([(b"1,2", b"c"), (b"2", b"d"), (b"1", b"a"), (b"1,1,5", b"b")])
    assert list(array.values()) == [b"a", b"b", b"c", b"d"]


def test_an_array_goes_back_to_the_pairs_of_a_list():
    array = LocalArray.from_mapping({"B C": b"x", 2: b"two", ("T", 1, 0): b"y", 1: b"one"})
    assert array.to_pairs() == ((b"1", b"one"), (b"2", b"two"), (b'"B C"', b"x"), (b'"T",1,0', b"y"))
    assert LocalArray.from_pairs(array.to_pairs(), root=None) == array


def test_an_array_is_decoded_with_the_character_set_of_the_wire():
    array = LocalArray.from_pairs([(b'"\xe4"', b"\xfc"), (b"1", b"\x80")])
    assert array.decoded() == LocalArray("", {("1",): "\x80", ("\xe4",): "\xfc"})
    assert array.decoded("cp1252") == LocalArray("", {("1",): "\u20ac", ("\xe4",): "\xfc"})
    assert LocalArray[bytes]().decoded().root is None
