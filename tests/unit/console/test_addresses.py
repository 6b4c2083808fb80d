"""Addresses are read as people write them."""

from __future__ import annotations

import pytest
from twisted.internet.protocol import ServerFactory
from twisted.internet.testing import MemoryReactorClock

from console.addresses import BadAddress, listen, parse_address
from console.errors import ConsoleError
from runtime import format_address

GOOD = [("127.0.0.1:9430", ("127.0.0.1", 9430)), ("vista.example:1", ("vista.example", 1)), ("[::1]:65535", ("::1", 65535))]


@pytest.mark.parametrize(("text", "address"), GOOD)
def test_an_address_is_read_and_written_again(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address
    assert format_address(*address) == text


@pytest.mark.parametrize(
    "text", ["", "9430", ":9430", "host:", "host:x", "host:0", "host:65536", "::1:9430", "host:-1", "host:٣"]
)
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadAddress, match=r"127\.0\.0\.1:9430"):
        parse_address(text)


@pytest.mark.parametrize("port", [-1, 65536, 99999])
def test_a_port_that_is_none_cannot_be_listened_on(port: int) -> None:
    with pytest.raises(ConsoleError, match=f"{port} is no port"):
        listen(MemoryReactorClock(), port, ServerFactory(), "127.0.0.1")
