"""Identifiers read and written, against pydicom, in each transfer syntax that queries may have."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from gateway_client.archive.identifiers import (
    MOST_ELEMENTS,
    MOST_VALUES,
    NESTING,
    Encoder,
    decode_identifier,
    vr_of_attribute,
)
from gateway_client.errors import BadIdentifier, IdentifierTooLarge

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
SYNTAXES = pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
CREATOR = "SIEMENS MEDCOM HEADER"

#: Attributes by their tags, and the terms of Specific Character Set that a peer writes them in.
ROWS: list[tuple[dict[str, list[Any]], list[str]]] = [
    ({}, []),
    ({"00100010": ["DOE^J*"], "00100020": [], "00080052": ["STUDY"]}, []),
    ({"0020000D": ["1.2.3", "1.2.4", "1.2.5.6"], "00080018": []}, []),  # a list of UIDs
    ({"00080020": ["20200101-20201231"], "00080030": ["-1200"], "00201208": []}, []),
    ({"00280010": ["512"], "00280011": [], "00280008": ["12"]}, []),  # numbers that are binary, and that are not
    ({"00280009": ["00181063"]}, []),  # AT
    ({"00081030": ["Schädel"], "00100010": ["MÜLLER^JÖRG"]}, ["ISO_IR 100"]),
    ({"00100010": ["Wang^XiaoDong=王^小東"]}, ["ISO_IR 192"]),
    ({"00100010": ["Wang^XiaoDong=王^小东"]}, ["GB18030"]),
    ({"00100010": ["Yamada^Tarou=山田^太郎=やまだ^たろう"]}, ["", "ISO 2022 IR 87"]),  # PS3.5 H.3
    ({"00100010": ["ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"]}, ["ISO 2022 IR 13", "ISO 2022 IR 87"]),
    ({"00100010": ["Hong^Gildong=洪^吉洞=홍^길동"]}, ["", "ISO 2022 IR 149"]),  # PS3.5 I.2
    ({"00100010": ["Люкceмбypг"]}, ["ISO_IR 144"]),
    ({"00400275": []}, []),  # a sequence without items
    ({"00400275": [{}]}, []),
    ({"00400275": [{"00401001": ["RP1"], "00400009": []}], "0020000E": ["1.2"]}, []),
    ({"00400275": [{"00400008": [{"00080100": ["CODE"]}, {"00080104": ["Füße"]}]}, {}]}, ["ISO_IR 100"]),
    ({"00101000": ["A1", "B2"]}, []),  # several values
    ({"0040A160": ["one\\two is one value"]}, []),  # UT
]  # fmt: skip


def written(attributes: dict[str, list[Any]], terms: list[str], syntax: str, undefined: bool = False) -> bytes:
    """Have pydicom write attributes; sequences and items have an undefined length where that is wanted."""
    made, data = data_set(attributes, undefined), DicomBytesIO()
    if terms:
        made.SpecificCharacterSet = terms if len(terms) > 1 else terms[0]
    uid = UID(syntax)
    data.is_little_endian, data.is_implicit_VR = uid.is_little_endian, uid.is_implicit_VR
    write_dataset(data, made, parent_encoding="iso8859")
    return bytes(data.getvalue())


def data_set(attributes: dict[str, list[Any]], undefined: bool) -> Dataset:
    """Make pydicom's form of attributes."""
    made = Dataset()
    made.is_undefined_length_sequence_item = undefined
    for tag, values in attributes.items():
        vr = vr_of_attribute(tag)
        value: Any = values
        if vr == "SQ":
            value = Sequence([data_set(item, undefined) for item in values])
            value.is_undefined_length = undefined
        elif vr in ("US", "UL"):
            value = [int(text) for text in values]
        elif vr == "AT":
            value = [int(text, 16) for text in values]
        elif len(values) == 1:
            (value,) = values
        elif not values:
            value = None
        made.add_new(int(tag, 16), vr, value)
        if vr == "SQ":
            made[int(tag, 16)].is_undefined_length = undefined
    return made


def read(data: bytes, syntax: str) -> dict[str, list[Any]]:
    """Have pydicom read attributes."""
    uid = UID(syntax)
    return texts(read_dataset(BytesIO(data), uid.is_implicit_VR, uid.is_little_endian))


def texts(found: Dataset) -> dict[str, list[Any]]:
    """Give the attributes of a data set of pydicom's."""
    found.decode()
    attributes: dict[str, list[Any]] = {}
    for element in found:
        values = element.value
        if element.VR == "SQ":
            attributes[f"{element.tag:08X}"] = [texts(item) for item in values]
        elif element.VR == "AT":
            attributes[f"{element.tag:08X}"] = [f"{int(values):08X}"]
        elif values is None or values == "":
            attributes[f"{element.tag:08X}"] = []
        else:
            several = element.VM > 1
            attributes[f"{element.tag:08X}"] = [str(value) for value in (values if several else [values])]
    return attributes


@SYNTAXES
@pytest.mark.parametrize("undefined", [False, True], ids=("lengths", "delimiters"))
@pytest.mark.parametrize(("attributes", "terms"), ROWS)
def test_what_pydicom_writes_is_read(attributes: dict[str, list[Any]], terms: list[str], undefined: bool, syntax: str) -> None:
    found = decode_identifier(written(attributes, terms, syntax, undefined), syntax)
    found.pop("00080005", None)
    assert found == attributes


@SYNTAXES
@pytest.mark.parametrize(("attributes", "terms"), ROWS)
def test_what_is_written_is_read_by_pydicom_and_here(attributes: dict[str, list[Any]], terms: list[str], syntax: str) -> None:
    data = Encoder(syntax).encode(attributes)
    fits = not terms or terms == ["ISO_IR 100"]
    expected = {**attributes, "00080005": ["ISO_IR 100" if fits else "ISO_IR 192"]}
    assert read(data, syntax) == expected
    assert decode_identifier(data, syntax) == expected


@SYNTAXES
def test_elements_are_written_in_the_order_of_their_tags(syntax: str) -> None:
    data = Encoder(syntax).encode({"0020000D": ["1.2"], "00100010": ["DOE"], "00080052": ["STUDY"]})
    assert list(decode_identifier(data, syntax)) == ["00080005", "00080052", "00100010", "0020000D"]


@SYNTAXES
def test_private_elements_are_written_with_the_vrs_that_they_are_given(syntax: str) -> None:
    encoder = Encoder(syntax, {"00291053": "CS"})
    found = read_dataset(
        BytesIO(encoder.encode({"00290010": [CREATOR], "00291053": ["ONLINE"]})),
        UID(syntax).is_implicit_VR,
        UID(syntax).is_little_endian,
    )
    assert found[0x0029, 0x0010].value == CREATOR
    assert found.private_block(0x0029, CREATOR)[0x53].value in ("ONLINE", b"ONLINE")


@SYNTAXES
def test_the_creators_of_private_keys_are_read_and_their_values_are_not(syntax: str) -> None:
    data = Encoder(syntax, {"00291053": "CS"}).encode({"00290010": [CREATOR], "00291053": []})
    assert decode_identifier(data, syntax) == {"00080005": ["ISO_IR 100"], "00290010": [CREATOR], "00291053": []}


@SYNTAXES
def test_an_identifier_that_is_cut_off_within_an_element_is_refused(syntax: str) -> None:
    data = written({"00100010": ["DOE"], "00400275": [{"00401001": ["RP1"]}]}, [], syntax, undefined=True)
    whole = {len(written({"00100010": ["DOE"]}, [], syntax)), 0}
    for end in range(len(data)):
        if end not in whole:
            with pytest.raises(BadIdentifier):
                decode_identifier(data[:end], syntax)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (struct.pack("<HHI", 0xFFFE, 0xE0DD, 0), "delimiter"),
        (struct.pack("<HH2sH", 0x10, 0x10, b"ZZ", 0), "no VR"),
        (struct.pack("<HH2sHI", 0x40, 0x275, b"SQ", 0, 8) + struct.pack("<HH2sH", 0x10, 0x10, b"PN", 0), "no item"),
        (struct.pack("<HH2sHI", 0x40, 0x275, b"SQ", 0, 0xFFFFFFFF), "does not end"),
        (struct.pack("<HH2sHI", 0x40, 0x275, b"SQ", 0, 8) + struct.pack("<HHI", 0xFFFE, 0xE000, 9), "within a value"),
        (struct.pack("<HH2sH", 0x10, 0x10, b"PN", 0xFFFF), "within a value"),
        (struct.pack("<HH2sH", 0x40, 0xA160, b"UT", 0), "within an element"),
    ],
)  # fmt: skip
def test_an_identifier_that_is_not_well_formed_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(BadIdentifier, match=why):
        decode_identifier(data, EXPLICIT)


def nested(depth: int) -> dict[str, list[Any]]:
    """Make sequences in one another."""
    return {"00400275": [nested(depth - 1)] if depth else []}


@pytest.mark.parametrize(
    ("attributes", "taken"),
    [
        ({"0020000D": ["1.2"] * MOST_VALUES}, True),
        ({"0020000D": ["1.2"] * (MOST_VALUES + 1)}, False),
        ({"0020000D": ["1.2.840.113619.2.5.1762583153.215519.978957063.78"] * 2000}, True),  # longer than 64 KiB
        ({"00101000": ["A"] * 40_000}, False),
        (nested(NESTING - 1), True),
        (nested(NESTING), False),
        ({f"0018{number:04X}": [] for number in range(0x1000, 0x1000 + MOST_ELEMENTS)}, True),
        ({f"0018{number:04X}": [] for number in range(0x1000, 0x1001 + MOST_ELEMENTS)}, False),
    ],
)  # fmt: skip
def test_an_identifier_is_bounded(attributes: dict[str, list[Any]], taken: bool) -> None:
    data = written(attributes, [], IMPLICIT)
    if taken:
        assert decode_identifier(data, IMPLICIT) == attributes
    else:
        with pytest.raises(IdentifierTooLarge):
            decode_identifier(data, IMPLICIT)


def test_a_long_list_of_uids_is_written_as_un_where_its_vr_has_a_short_length() -> None:
    uids = ["1.2.840.113619.2.5.1762583153.215519.978957063.78"] * 2000
    data = Encoder(EXPLICIT).encode({"0020000D": uids})
    assert decode_identifier(data, EXPLICIT)["0020000D"] == uids


@pytest.mark.parametrize(("tag", "values"), [("00280010", ["wide"]), ("00280010", ["70000"]), ("00280010", ["-1"])])
def test_a_number_that_its_vr_cannot_have_is_left_out(tag: str, values: list[str]) -> None:
    assert decode_identifier(Encoder(EXPLICIT).encode({tag: values}), EXPLICIT)[tag] == []


def test_group_lengths_are_passed_over_and_nuls_do_not_get_into_text() -> None:
    data = struct.pack("<HHII", 0x10, 0, 4, 12) + struct.pack("<HHI4s", 0x10, 0x20, 4, b"A\0B ")
    assert decode_identifier(data, IMPLICIT) == {"00100020": ["A\ufffdB"]}


ATTRIBUTES = st.dictionaries(
    st.sampled_from(["00100010", "00100020", "00081030", "00400275", "0020000E"]),
    st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\\ \u00a0"), min_size=1), max_size=3),
)


@SYNTAXES
@given(attributes=ATTRIBUTES, item=ATTRIBUTES)
def test_what_is_written_is_read_again(attributes: dict[str, list[str]], item: dict[str, list[str]], syntax: str) -> None:
    def legal(values: dict[str, list[str]]) -> dict[str, list[Any]]:
        return {tag: ["1.2"] if tag == "0020000E" else texts for tag, texts in values.items() if tag != "00400275"}

    asked: dict[str, list[Any]] = legal(attributes)
    if "00400275" in attributes:
        asked["00400275"] = [legal(item)]
    found = decode_identifier(Encoder(syntax).encode(asked), syntax)
    del found["00080005"]
    assert found == asked


@SYNTAXES
@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes, syntax: str) -> None:
    try:
        found = decode_identifier(data, syntax)
    except BadIdentifier:
        return
    assert all(len(tag) == 8 for tag in found)
