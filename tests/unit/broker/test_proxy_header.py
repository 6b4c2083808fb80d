"""PROXY headers tell whom a connection comes from; what is none is refused at its first wrong byte, and none is endless."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.proxy_header import LONGEST_LINE, MOST_ADDED, BadProxyHeader, ProxyHeader, read_proxy_header
from tests.support.proxy_headers import LOCAL, SIGNATURE, UNKNOWN, first_version, header, second_version

IPV6 = ("2001:db8::7", "2001:db8::1")
GOOD = {
    "a line": (first_version("192.0.2.7"), ("192.0.2.7", 51234)),
    "a line of IPv6": (first_version(*IPV6), ("2001:db8::7", 51234)),
    "a line of IPv4 in IPv6": (first_version("::ffff:192.0.2.7", "2001:db8::1"), ("192.0.2.7", 51234)),
    "the longest address": (first_version("2001:0db8:0000:0000:0000:0000:0000:0007", IPV6[1]), ("2001:db8::7", 51234)),
    "a line of a proxy for itself": (UNKNOWN, None),
    "a line that says more than UNKNOWN": (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
    "binary": (second_version("192.0.2.7"), ("192.0.2.7", 51234)),
    "binary of IPv6": (second_version(*IPV6), ("2001:db8::7", 51234)),
    "binary of IPv4 in IPv6": (second_version("::ffff:192.0.2.7", "2001:db8::1"), ("192.0.2.7", 51234)),
    "binary with more after the addresses": (second_version("192.0.2.7", added=b"\x04\x00\x01\x00"), ("192.0.2.7", 51234)),
    "the longest": (second_version("192.0.2.7", added=b"\x04" * (MOST_ADDED - 12)), ("192.0.2.7", 51234)),
    "binary of a proxy for itself": (LOCAL, None),
    "a proxy for itself, with addresses": (header(0x20, 0x11, b"\x7f" * 12), None),
    "binary of no family": (header(0x21, 0x00), None),
}
BAD = {
    "a broker's message": b"[XWB]10304\nTCPConnect",
    "TLS": b"\x16\x03\x01\x02\x00",
    "another word": b"PROXX TCP4 192.0.2.7 192.0.2.1 1 2\r\n",
    "a protocol that is not TCP": b"PROXY UDP4 192.0.2.7 192.0.2.1 1 2\r\n",
    "a word for an address": b"PROXY TCP4 localhost 192.0.2.1 1 2\r\n",
    "bytes for an address": b"PROXY TCP4 \xff\xfe 192.0.2.1 1 2\r\n",
    "the other version's address": b"PROXY TCP4 2001:db8::7 192.0.2.1 1 2\r\n",
    "the destination's is the other version's": b"PROXY TCP4 192.0.2.7 2001:db8::7 1 2\r\n",
    "no ports": b"PROXY TCP4 192.0.2.7 192.0.2.1\r\n",
    "a port too high": b"PROXY TCP4 192.0.2.7 192.0.2.1 65536 2\r\n",
    "a port that is no number": b"PROXY TCP4 192.0.2.7 192.0.2.1 1 -2\r\n",
    "a word too many": b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2 3\r\n",
    "nothing": b"PROXY \r\n",
    "an endless line": b"PROXY TCP4 " + b"1" * LONGEST_LINE,
    "a signature that ends otherwise": SIGNATURE[:-1] + b"\r",
    "version 1 in binary": header(0x11, 0x11, b"\x7f" * 12),
    "version 3": header(0x31, 0x11, b"\x7f" * 12),
    "no command": header(0x22, 0x11, b"\x7f" * 12),
    "addresses cut short": header(0x21, 0x11, b"\x7f" * 11),
    "addresses of IPv6 cut short": header(0x21, 0x21, b"\x7f" * 35),
    "a datagram": header(0x21, 0x12, b"\x7f" * 12),
    "a file system's socket": header(0x21, 0x31, b"\x7f" * 216),
    "more than is taken": header(0x21, 0x11)[:-2] + struct.pack("!H", MOST_ADDED + 1),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_header_tells_the_client_and_where_it_ends(case: str) -> None:
    data, client = GOOD[case]
    expected = ProxyHeader(client, len(data))
    assert read_proxy_header(data) == expected
    assert read_proxy_header(data + b"[XWB]10304\nTCPConnect" * 100) == expected


@pytest.mark.parametrize("case", GOOD)
def test_a_header_is_waited_for_until_its_last_byte(case: str) -> None:
    data, _client = GOOD[case]
    assert {read_proxy_header(data[:length]) for length in range(len(data))} == {None}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_header_is_refused(case: str) -> None:
    with pytest.raises(BadProxyHeader):
        read_proxy_header(BAD[case])


def test_nothing_more_is_waited_for_than_the_bounds() -> None:
    for beginning in (b"PROXY TCP4 ", SIGNATURE + b"\x21\x11", SIGNATURE + b"\x20\x00"):
        endless = beginning + b"\xff" * (len(SIGNATURE) + 4 + MOST_ADDED)
        with pytest.raises(BadProxyHeader):
            read_proxy_header(endless)


@given(st.ip_addresses(), st.ip_addresses(), st.binary(max_size=50))
def test_every_address_comes_through_in_both_versions(one: object, other: object, rest: bytes) -> None:
    source, destination = str(one), str(other)
    mapped = getattr(ip_address(source), "ipv4_mapped", None)
    same = ip_address(source).version == ip_address(destination).version
    for write in (first_version, second_version):
        data = write(source, destination if same else source)
        assert read_proxy_header(data + rest) == ProxyHeader((str(mapped or ip_address(source)), 51234), len(data))
