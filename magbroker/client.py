"""Clients of an RPC broker, ours or a real VistA's: blocking, and as a Twisted protocol."""

from xwb import (
    BrokerClient,
    BrokerProtocol,
    Cipher,
    GlobalParameter,
    ListParameter,
    Literal,
    Reference,
    Response,
    SignOn,
    XWBError,
    connect_broker,
)

__all__ = [
    "BrokerClient",
    "BrokerProtocol",
    "Cipher",
    "GlobalParameter",
    "ListParameter",
    "Literal",
    "Reference",
    "Response",
    "SignOn",
    "XWBError",
    "connect_broker",
]
