"""The list of what could not be sent, as the provider of a retrieval writes it."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom.filereader import read_dataset

from dul.retrieval import _failed_list
from tests.unit.dul.feeding import EXPLICIT, IMPLICIT


@pytest.mark.parametrize("count", [1, 2, 5000])
@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_what_failed_is_read_back(syntax: str, count: int) -> None:
    """A list beyond the two bytes that explicit UI has for its length is UN there."""
    uids = [f"1.2.840.{number}" for number in range(count)]
    data = _failed_list(uids, syntax)
    assert data is not None
    assert len(data) % 2 == 0
    element = read_dataset(BytesIO(data), syntax == IMPLICIT, True)[0x0008, 0x0058]
    value = element.value
    assert ([str(value)] if count == 1 else list(value)) == uids


def test_in_a_syntax_that_queries_do_not_have_there_is_no_list() -> None:
    assert _failed_list(["1.2.3"], "1.2.840.10008.1.2.2") is None
