"""multipart/related read and written: whole, one byte at a time, with what stands before and behind, and wrong in all ways."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.web.dicomweb.multipart import (
    MOST_HEADERS,
    MOST_PADDING,
    MOST_PREAMBLE,
    BadMultipart,
    MultipartReader,
    PartBegins,
    PartData,
    PartEnds,
    content_type,
    encode_end,
    encode_part_head,
    new_boundary,
)

B = "b0undary"

Part = tuple[dict[str, str], bytes]

#: A message, and its parts.
CASES: list[tuple[bytes, list[Part]]] = [
    (b"--b0undary\r\nA: b\r\n\r\ndata\r\n--b0undary--", [({"a": "b"}, b"data")]),
    (b"\r\n--b0undary\r\nA: b\r\n\r\ndata\r\n--b0undary--\r\n", [({"a": "b"}, b"data")]),
    (b"--b0undary\r\n\r\ndata\r\n--b0undary--", [({}, b"data")]),  # without headers
    (b"--b0undary\r\nA: b\r\n\r\n\r\n--b0undary--", [({"a": "b"}, b"")]),  # without data
    (b"--b0undary\r\nA: b\r\n\r\n\r\n\r\n--b0undary--", [({"a": "b"}, b"\r\n")]),
    (b"--b0undary\r\n\r\n1\r\n--b0undary\r\n\r\n2\r\n--b0undary--", [({}, b"1"), ({}, b"2")]),
    (b"--b0undary \t \r\n\r\n1\r\n--b0undary--", [({}, b"1")]),  # white space behind a boundary
    (b"--b0undary\r\nA: b\r\n c\r\nD:\r\n\r\n1\r\n--b0undary--", [({"a": "b c", "d": ""}, b"1")]),  # a folded header
    (b"for old readers\r\n--b0undary\r\n\r\n1\r\n--b0undary--", [({}, b"1")]),
    (b"--b0undary\r\n\r\n1\r\n--b0undary--\r\n--b0undary\r\n\r\nbehind the end", [({}, b"1")]),
    (b"--b0undary\r\n\r\n\r\n--b0und\r\n--b0undaryX\r\n-\r\n--b0undary--", [({}, b"\r\n--b0und\r\n--b0undaryX\r\n-")]),
    (b"--b0undary--", []),
]


def read(pieces: Iterable[bytes]) -> list[Part]:
    reader, parts, whole = MultipartReader(B), list[Part](), 0
    for piece in pieces:
        for event in reader.receive(piece):
            if isinstance(event, PartBegins):
                parts.append((dict(event.headers), b""))
            elif isinstance(event, PartData):
                parts[-1] = (parts[-1][0], parts[-1][1] + event.data)
            else:
                assert isinstance(event, PartEnds)
                whole += 1
    reader.close()
    assert whole == len(parts)
    return parts


def one_by_one(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize(("message", "parts"), CASES)
def test_a_message_is_read_whole_and_one_byte_at_a_time(message: bytes, parts: list[Part]) -> None:
    assert read([message]) == read(one_by_one(message)) == parts
    assert read([message, b"more", b"and more"]) == parts


@given(
    st.lists(st.tuples(st.dictionaries(st.sampled_from(["a", "b-c"]), st.from_regex(r"[!-~]{0,9}", fullmatch=True)), st.binary()))
)
def test_what_is_written_is_read(parts: list[Part]) -> None:
    boundary = B
    message = b"".join(encode_part_head(boundary, headers) + data for headers, data in parts) + encode_end(boundary)
    assert read([message]) == parts


@pytest.mark.parametrize("end", range(1, len(CASES[1][0]) - 2))
def test_a_message_that_is_cut_off_is_no_message(end: int) -> None:
    with pytest.raises(BadMultipart, match="The body ends"):
        read([CASES[1][0][:end]])


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"x" * (MOST_PREAMBLE + 100), "No part begins"),
        (b"--b0undary\r\nA: " + b"x" * MOST_HEADERS, "longer than"),
        (b"--b0undary\r\nA: " + b"x" * MOST_HEADERS + b"\r\n\r\n", "longer than"),
        (b"--b0undary\r\nno header\r\n\r\n", "no header"),
        (b"--b0undary" + b" " * (MOST_PADDING + 1), "does not end"),
    ],
)
def test_what_is_no_message_is_refused_however_it_comes(message: bytes, said: str) -> None:
    for pieces in ([message], one_by_one(message)):
        with pytest.raises(BadMultipart, match=said):
            read(pieces)


@pytest.mark.parametrize("boundary", ["", "x" * 71, "ends with a blank ", "ü", "a\r\nb", 'quo"ted'])
def test_what_can_be_no_boundary_is_refused(boundary: str) -> None:
    with pytest.raises(BadMultipart, match="boundary"):
        MultipartReader(boundary)


def test_data_are_handed_on_as_they_come() -> None:
    reader = MultipartReader(B)
    head = [*reader.receive(b"--b0undary\r\n\r\n" + bytes(1000))]
    assert isinstance(head[0], PartBegins)
    assert sum(len(event.data) for event in head if isinstance(event, PartData)) > 950
    assert len(reader._held) < 20


def test_a_content_type_names_what_its_parts_are() -> None:
    boundary = new_boundary()
    assert content_type("application/dicom", boundary) == f'multipart/related; type="application/dicom"; boundary={boundary}'
    assert MultipartReader(boundary) is not None
