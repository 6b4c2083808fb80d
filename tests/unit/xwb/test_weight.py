"""What decoders say that an unfinished request takes is what it takes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from xwb import ITEM_BYTES, CaretDecoder, ListParameter, NSDecoder, encode_call
from xwb.old import OldDecoder, encode_old_call

PAIRS = tuple((b"%d" % number, b"x") for number in range(1, 50_001))


@pytest.mark.parametrize(
    ("make", "request_"),
    [
        (NSDecoder, encode_call(b"X", (ListParameter(PAIRS),))[:-2]),
        (lambda: OldDecoder(10_000_000), encode_old_call(b"X", (ListParameter(PAIRS),))[:-2]),
        (CaretDecoder, b"X^@\n" + b"".join(b"%b=%b\n" % pair for pair in PAIRS)),
    ],
    ids=["[XWB]", "{XWB}", "text"],
)
@pytest.mark.parametrize("piece", [1500, 60_000])
def test_an_unfinished_list_weighs_what_it_takes(make: Callable[[], Any], request_: bytes, piece: int) -> None:
    tracemalloc.start()
    try:
        decoder = make()
        before = tracemalloc.get_traced_memory()[0]
        for start in range(0, len(request_), piece):
            decoder.receive_data(request_[start : start + piece])
            assert decoder.next_event() is None
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert decoder.items >= len(PAIRS) - 2
    weight = decoder.retained + ITEM_BYTES * decoder.items
    assert taken <= 1.25 * weight
    assert weight <= 2.5 * taken
