"""The header with which a proxy says whom a connection comes from: HAProxy's PROXY protocol, versions 1 and 2.

Its text is haproxy.org's proxy-protocol.txt. Twisted's own reader of it (twisted.protocols.haproxy) is not used: it shows a
session the proxy's address until the header has come, wants 16 bytes at once, waits for ever, and takes any text for an
address.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import ip_address

from broker.addresses import read_address
from broker.errors import BrokerError

#: A line of version 1 has no more bytes, its end included.
LONGEST_LINE = 107
#: Bytes after the fixed part of version 2: addresses, and what a proxy adds to them (names, certificates).
MOST_ADDED = 2048

_LINE = b"PROXY "
_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED = struct.Struct("!12sBBH")
_VERSION = 0x20
_LOCAL, _PROXY = 0, 1
_UNKNOWN = 0x00
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """Whom a connection comes from, and how many bytes said so.

    Without a client the proxy speaks for itself, as for its health checks (LOCAL, UNKNOWN).
    """

    client: tuple[str, int] | None
    length: int


class BadProxyHeader(BrokerError):
    """There is no PROXY header, or a damaged one."""


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """Read the header that a connection begins with; None until it is whole.

    Raises BadProxyHeader at the first byte that cannot belong to one; so no more than MOST_ADDED bytes and a few are ever
    wanted.
    """
    for beginning, read in ((_SIGNATURE, _read_second), (_LINE, _read_first)):
        if data.startswith(beginning):
            return read(data)
        if beginning.startswith(data):
            return None
    raise BadProxyHeader("it does not begin with a PROXY header")


def _read_first(data: bytes) -> ProxyHeader | None:
    line, end, _rest = data[:LONGEST_LINE].partition(b"\r\n")
    if not end:
        if len(data) >= LONGEST_LINE:
            raise BadProxyHeader(f"the line of its PROXY header does not end within {LONGEST_LINE} bytes")
        return None
    length = len(line) + len(end)
    if line.split(b" ")[1] == b"UNKNOWN":
        return ProxyHeader(None, length)
    match line.decode("ascii", "replace").split(" "):
        case [_, "TCP4" | "TCP6" as family, source, destination, source_port, destination_port]:
            version = int(family[-1])
            read = [_versioned(text, version) for text in (source, destination)]
            ports = [_port(text) for text in (source_port, destination_port)]
            if read[0] is not None and None not in (*read, *ports):
                return ProxyHeader((read[0], int(source_port)), length)
    raise BadProxyHeader(f"its PROXY header is damaged: {line!r}")


def _versioned(text: str, version: int) -> str | None:
    """Read an address of one version of IP."""
    try:
        if ip_address(text).version != version:
            return None
    except ValueError:
        return None
    return str(read_address(text))


def _port(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= _LAST_PORT else None


#: Families of version 2 that a connection over TCP can have: the bytes of an address, and how an address and a port stand.
_TCP = {0x11: struct.Struct("!4s4sHH"), 0x21: struct.Struct("!16s16sHH")}


def _read_second(data: bytes) -> ProxyHeader | None:
    if len(data) < _FIXED.size:
        return None
    _signature, version_and_command, family, added = _FIXED.unpack_from(data)
    command = version_and_command - _VERSION
    if command not in (_LOCAL, _PROXY):
        raise BadProxyHeader(f"the PROXY header's version and command are 0x{version_and_command:02x}")
    if added > MOST_ADDED:
        raise BadProxyHeader(f"its PROXY header has {added} bytes of addresses and the like; {MOST_ADDED} are taken")
    shape = _TCP.get(family)
    if command == _PROXY and family != _UNKNOWN and (shape is None or added < shape.size):
        raise BadProxyHeader(f"the PROXY header has {added} bytes for addresses of family 0x{family:02x}")
    length = _FIXED.size + added
    if len(data) < length:
        return None
    if command == _LOCAL or shape is None:
        return ProxyHeader(None, length)
    source, _destination, port, _destination_port = shape.unpack_from(data, _FIXED.size)
    return ProxyHeader((str(read_address(str(ip_address(source)))), port), length)
