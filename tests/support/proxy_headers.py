"""PROXY headers as proxies write them."""

from __future__ import annotations

import struct
from ipaddress import ip_address

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
PORTS = (51234, 9430)


def first_version(source: str, destination: str = "192.0.2.1") -> bytes:
    """Write a line."""
    family = f"TCP{ip_address(source).version}"
    return f"PROXY {family} {source} {destination} {PORTS[0]} {PORTS[1]}\r\n".encode()


def second_version(source: str, destination: str = "192.0.2.1", added: bytes = b"") -> bytes:
    """Write a binary header; `added` follows its addresses."""
    addresses = ip_address(source).packed + ip_address(destination).packed + struct.pack("!HH", *PORTS)
    return header(0x21, 0x11 if ip_address(source).version == 4 else 0x21, addresses + added)


def header(version_and_command: int, family: int, rest: bytes = b"") -> bytes:
    """Write a binary header with any fields."""
    return SIGNATURE + struct.pack("!BBH", version_and_command, family, len(rest)) + rest


#: What a proxy sends when it connects for itself.
LOCAL = header(0x20, 0x00)
UNKNOWN = b"PROXY UNKNOWN\r\n"
