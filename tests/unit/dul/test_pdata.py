"""P-DATA-TFs are written and read as pynetdicom does; fragments are told as they arrive, and not copied."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom import pdu
from pynetdicom.pdu_items import PresentationDataValueItem

from dul import DEFAULT_MAXIMUM, AbortReason, Event, Fragment, PeerViolation
from dul.pdata import FragmentReader, fragment_size, pdv_header, split, split_fragments
from dul.pdus import PDU_LIMIT
from tests.unit.dul.feeding import CUTS, byte_by_byte, merged, whole

CONTEXTS = range(1, 256, 2)
VALUES = st.tuples(st.sampled_from(CONTEXTS), st.booleans(), st.booleans(), st.binary(max_size=40))


def _theirs(values: list[tuple[int, bool, bool, bytes]]) -> bytes:
    """Write the values as one PDU, by pynetdicom."""
    theirs = pdu.P_DATA_TF()
    for context_id, command, last, data in values:
        item = PresentationDataValueItem()
        item.presentation_context_id = context_id
        item.presentation_data_value = bytes((command | last << 1,)) + data
        theirs.presentation_data_value_items.append(item)
    return bytes(theirs.encode())


def _read(encoded: bytes, cut: Callable[[bytes], list[bytes]] = whole) -> list[Event]:
    """Read one PDU, its header left aside."""
    reader = FragmentReader()
    reader.left = len(encoded) - 6
    events: list[Event] = []
    position = 6
    for piece in cut(encoded[6:]):
        assert reader.read(memoryview(piece), 0, events, CONTEXTS, position) == len(piece)
        position += len(piece)
        assert reader.held < 6
    assert reader.left == 0
    return events


@pytest.mark.parametrize("cut", CUTS)
@given(values=st.lists(VALUES, min_size=1, max_size=5))
def test_values_are_read_as_pynetdicom_writes_them(
    cut: Callable[[bytes], list[bytes]], values: list[tuple[int, bool, bool, bytes]]
) -> None:
    expected = merged(Fragment(*kind, memoryview(data)) for *kind, data in values)
    assert merged(_read(_theirs(values), cut)) == expected


@given(st.sampled_from(CONTEXTS), st.binary(max_size=700), st.booleans(), st.booleans(), st.integers(128, 400))
def test_fragments_are_read_by_pynetdicom_as_they_are_written(
    context_id: int, data: bytes, command: bool, last: bool, maximum: int
) -> None:
    buffers = split_fragments(context_id, data, maximum, command=command, last=last)
    joined = bytearray()
    for header, body in zip(buffers[::2], buffers[1::2], strict=True):
        theirs = pdu.P_DATA_TF()
        theirs.decode(bytes(header) + bytes(body))
        assert theirs.pdu_length <= maximum
        (item,) = theirs.presentation_data_value_items
        control, value = item.presentation_data_value[0], item.presentation_data_value[1:]
        joined += value
        assert item.presentation_context_id == context_id
        ends = last and len(joined) == len(data)
        assert control == command + 2 * ends
        assert len(value) % 2 == 0 or len(joined) == len(data)
    assert joined == data


@pytest.mark.parametrize("maximum", [0, 128, 16384, DEFAULT_MAXIMUM])
@pytest.mark.parametrize("data", [None, b"", b"x" * 100, b"x" * 40_000])
def test_a_message_is_command_and_data_set_in_pdus_apart(data: bytes | None, maximum: int) -> None:
    encoded = b"".join(split(5, b"c" * 70, data, maximum))
    found = []
    while encoded:
        length = 6 + int.from_bytes(encoded[2:6], "big")
        assert length - 6 <= (maximum or DEFAULT_MAXIMUM)
        found += _read(encoded[:length])
        encoded = encoded[length:]
    assert merged(found) == [(5, True, True, b"c" * 70), *([] if data is None else [(5, False, True, data)])]


def test_a_data_set_is_not_copied() -> None:
    data = bytes(500_000)
    buffers = split(1, b"command", data, DEFAULT_MAXIMUM)
    views = [buffer for buffer in buffers if isinstance(buffer, memoryview)]
    assert all(view.obj is data for view in views)
    assert sum(map(len, views)) == len(data)
    assert len(buffers) == 8, "a header, or the command with it, and a body for each of four PDUs"


def test_what_arrives_is_not_copied() -> None:
    body = b"\0\0\3\xea\1\2" + bytes(1000)
    reader = FragmentReader()
    reader.left = len(body)
    events: list[Event] = []
    reader.read(memoryview(body), 0, events, CONTEXTS, 0)
    (fragment,) = events
    assert isinstance(fragment, Fragment)
    assert fragment.data.obj is body
    assert fragment.data.nbytes == 1000


def test_a_fragment_comes_in_as_many_pieces_as_it_arrives_in() -> None:
    pieces = _read(pdv_header(1, 1000, command=False, last=True) + bytes(1000), byte_by_byte)
    assert [piece.last for piece in pieces if isinstance(piece, Fragment)] == [False] * 999 + [True]


def test_fragments_of_odd_length_are_taken() -> None:
    assert merged(_read(_theirs([(1, False, False, b"abc"), (1, False, True, b"d")]))) == [(1, False, True, b"abcd")]


def test_other_bits_of_the_control_header_are_not_looked_at() -> None:
    encoded = bytearray(_theirs([(1, True, False, b"ab")]))
    encoded[11] |= 0xFC
    assert merged(_read(bytes(encoded))) == [(1, True, False, b"ab")]


@pytest.mark.parametrize("maximum", [0, 128, 129, 16384])
def test_a_fragment_fits_the_maximum_and_is_even(maximum: int) -> None:
    size = fragment_size(maximum)
    assert size % 2 == 0
    assert 0 <= (maximum or DEFAULT_MAXIMUM) - 6 - size < 2


@pytest.mark.parametrize("maximum", [PDU_LIMIT + 2, 2**31, 2**32 - 1])
def test_a_peer_that_takes_more_gets_no_longer_pdus_than_we_would_take(maximum: int) -> None:
    assert fragment_size(maximum) == PDU_LIMIT - 6


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    ("body", "position", "told"),
    [
        (b"\0\0\0\1\1\0", 6, 0),  # no room for the message control header
        (b"\0\0\0\0\1\0", 6, 0),
        (b"\0\0\0\4\1\0a", 6, 0),  # longer than its PDU
        (b"\xff\xff\xff\xff\1\0ab", 6, 0),
        (b"\0\0\0\4\2\0ab", 6, 0),  # an even presentation context
        (b"\0\0\0\4\1\0ab\0\0\0", 14, 1),  # the next header is not whole
        (b"\0\0\0\4\1\0ab\0\0\0\1\1\2", 14, 1),
    ],
)
def test_a_value_that_cannot_be_is_a_violation(
    cut: Callable[[bytes], list[bytes]], body: bytes, position: int, told: int
) -> None:
    reader = FragmentReader()
    reader.left = len(body)
    events: list[Event] = []
    at = 6

    def feed() -> None:
        nonlocal at
        for piece in cut(body):
            reader.read(memoryview(piece), 0, events, CONTEXTS, at)
            at += len(piece)

    with pytest.raises(PeerViolation) as raised:
        feed()
    assert raised.value.reason == AbortReason.INVALID_PARAMETER
    assert raised.value.position == position
    assert len(merged(events)) == told
    assert reader.held == 0
