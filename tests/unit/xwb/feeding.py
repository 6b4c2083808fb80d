"""Ways to feed a decoder, and the strategies that several tests share."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from xwb import (
    CannotEncode,
    Event,
    GlobalParameter,
    ListParameter,
    Literal,
    NSDecoder,
    Reference,
    fitting_width,
    format_subscripts,
)


def whole(data: bytes) -> list[bytes]:
    return [data]


def byte_by_byte(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


def in_threes(data: bytes) -> list[bytes]:
    return [data[index : index + 3] for index in range(0, len(data), 3)]


CUTS: list[Callable[[bytes], list[bytes]]] = [whole, byte_by_byte, in_threes]


def drain(decoder: Any) -> Iterator[Any]:
    """Take every event that a decoder has, until a None."""
    while (event := decoder.next_event()) is not None:
        yield event


def feed(decoder: Any, pieces: Iterable[bytes]) -> list[Any]:
    """Feed pieces one after another, and take the events after each."""
    events: list[Any] = []
    for piece in pieces:
        decoder.receive_data(piece)
        events.extend(drain(decoder))
    return events


def decode(data: bytes, cut: Callable[[bytes], list[bytes]] = whole, **settings: Any) -> list[Event]:
    return feed(NSDecoder(**settings), cut(data))


@st.composite
def cut_anywhere(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Cut some bytes at places that hypothesis chooses."""
    places = sorted(draw(st.sets(st.integers(0, len(data)), max_size=12)) | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


values = st.binary(max_size=60) | st.binary(min_size=990, max_size=1010)
number_subscripts = st.integers(-1000, 100_000).map(str) | st.sampled_from(["-.5", ".25", "1.5", "0"])
text_subscripts = st.text(st.characters(min_codepoint=1, max_codepoint=255), min_size=1, max_size=12)
subscripts = st.lists(number_subscripts | text_subscripts, min_size=1, max_size=3).map(tuple)
pairs = st.lists(st.tuples(subscripts.map(format_subscripts), values), max_size=6).map(tuple)
parameters = st.lists(
    st.builds(Literal, values)
    | st.builds(Reference, values)
    | st.builds(ListParameter, pairs)
    | st.builds(GlobalParameter, pairs),
    max_size=5,
).map(tuple)


@st.composite
def widths(draw: st.DrawFn, of: tuple[Any, ...]) -> int:
    """Choose any width that fits the parameters."""
    try:
        least = fitting_width(of)
    except CannotEncode:
        raise AssertionError("the strategies make no such values") from None
    return draw(st.integers(least, 9))
