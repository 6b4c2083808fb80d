"""The cipher hides and shows what VistA's hides and shows."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xwb import BadCipherTable, Cipher

# What a client sent to a recorded VistA, and what it meant.
RECORDED = [
    (b"2X$2:ipRqfqipRs~8o+", b"FAKEDOC1;1DOC!@#$"),
    (b"+FYsRtxD(:(txD/T])(", b"FAKEDOC1;1DOC!@#$"),
    (b"*@58t>lir/r>li+L;1+", b"FAKEDOC1;1DOC!@#$"),
    (b"&zziul*ATqiGq G-", b"ZZ ORACLE TEST"),
    (b"/--_]s|}Jl_Vl?V*", b"ZZ ORACLE TEST"),
]


@pytest.mark.parametrize(("enciphered", "clear"), RECORDED)
def test_recorded_codes_are_deciphered_and_enciphered_with_the_same_rows(enciphered, clear):
    cipher = Cipher.standard()
    assert cipher.decipher(enciphered) == clear
    assert cipher.encipher(clear, identifier=enciphered[0] - 31, associator=enciphered[-1] - 31) == enciphered


@given(st.binary(min_size=1))
def test_whatever_is_enciphered_is_deciphered(text):
    cipher = Cipher.standard()
    assert cipher.decipher(cipher.encipher(text)) == text


@given(st.integers(0))
def test_two_different_rows_are_drawn_from_the_given_source(seed):
    cipher = Cipher.standard()
    text = cipher.encipher(b"a", random=random.Random(seed))
    assert text == cipher.encipher(b"a", random=random.Random(seed))
    assert text[0] != text[-1]
    assert {text[0] - 31, text[-1] - 31} <= set(range(1, 21))


@pytest.mark.parametrize("given_row", ["identifier", "associator"])
def test_the_other_row_differs_from_the_one_given(given_row):
    for _ in range(200):
        text = Cipher.standard().encipher(b"a", **{given_row: 7})
        assert text[0] != text[-1]


@pytest.mark.parametrize(
    ("enciphered", "clear"),
    [
        (b"", b""),
        (b"a", b""),
        (b"ab", b""),
        (b"ZZ ORACLE TEST", b"Z ORACLE TES"),  # not enciphered: no such rows
        (b" abc ", b"abc"),  # equal rows
        (b"~abc ", b""),  # an unknown identifier with a known associator deletes
        (b" abc~", b"abc"),
        (b"\x00abc\xff", b"abc"),
        (b"!^\xe4 ", b"^\xe4"),  # what is in no row stays
    ],
)
def test_what_was_not_enciphered_is_deciphered_as_translate_does(enciphered, clear):
    assert Cipher.standard().decipher(enciphered) == clear


def test_a_table_of_ones_own_is_read_from_a_file(tmp_path):
    path = tmp_path / "table.json"
    path.write_text(json.dumps({"rows": ["abc", "bca", "cab"]}), encoding="utf-8")
    cipher = Cipher.from_file(path)
    assert cipher.encipher(b"abcd", identifier=1, associator=2) == b" bcad!"
    assert cipher.decipher(b" bcad!") == b"abcd"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"rows": 1}',
        '{"rows": [1, 2]}',
        '{"rows": []}',
        '{"rows": ["ab"]}',
        '{"rows": ["ab", "bc"]}',
        '{"rows": ["aa", "aa"]}',
        '{"rows": ["ab", "abc"]}',
        '{"rows": ["\\u00e4", "\\u00e4"]}',
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, text):
    path = tmp_path / "table.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadCipherTable, match=r"table\.json cannot be used"):
        Cipher.from_file(path)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_table_of_a_system_is_read_from_its_routine(tmp_path, end):
    path = tmp_path / "XUSRB1.m"
    lines = ["XUSRB1 ;cipher", " ;;8.0;KERNEL;", "ENCRYP(S) ;", " Q S", "Z ;;", " ;;a;c", " ;;;ca", "\t;;ca;", " ;", ""]
    path.write_text(end.join(lines), encoding="utf-8", newline="")
    cipher = Cipher.from_file(path)
    assert cipher.encipher(b"a;cd", identifier=1, associator=2) == b" ;cad!"
    assert cipher.decipher(b" ;cad!") == b"a;cd"


@pytest.mark.parametrize(
    "text", ["", "XUSRB1 ;", "Z ;;", "Z ;;\n ;;abc", "Z ;;\n Q\n ;;abc\n ;;bca", "Z ;;\n ;;\u00e4b\n ;;b\u00e4"]
)
def test_a_routine_without_a_table_is_refused(tmp_path, text):
    path = tmp_path / "XUSRB1.m"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadCipherTable, match=r"XUSRB1\.m cannot be used"):
        Cipher.from_file(path)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(BadCipherTable, match="nowhere"):
        Cipher.from_file(tmp_path / "nowhere.json")


def test_the_standard_table_is_read_once():
    assert Cipher.standard() is Cipher.standard()
