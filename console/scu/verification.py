"""C-ECHO: whether a peer answers, how fast, and what it says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dul import VERIFICATION, c_echo
from gateway_client.query_retrieve import SYNTAXES, Peer

#: There is no data set in it, so that whatever a peer takes will do.
BIG_ENDIAN = "1.2.840.10008.1.2.2"
#: The transfer syntaxes that are proposed.
PROPOSED = (*SYNTAXES, BIG_ENDIAN)


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a peer says of itself when it accepts an association, and the seconds that it took for that."""

    seconds: float
    implementation_class_uid: str
    implementation_version_name: str
    maximum_pdu: int


@dataclass(frozen=True, slots=True)
class Echo:
    """The answer to a C-ECHO, and the seconds that it took."""

    seconds: float
    status: int


async def verify(reactor: Any, peer: Peer, count: int, told: Callable[[Greeting | Echo], None]) -> None:
    """Open an association and ask `count` times over it; tell of each answer as it comes. Raises GatewayError."""
    began = reactor.seconds()
    async with peer.association(reactor, [(VERIFICATION, PROPOSED)]) as exchange:
        accept = exchange.accept
        assert accept is not None
        told(
            Greeting(
                reactor.seconds() - began,
                accept.implementation_class_uid,
                accept.implementation_version_name,
                accept.maximum_length,
            )
        )
        peer.syntax_for(exchange, VERIFICATION)
        for _ in range(count):
            began = reactor.seconds()
            response = await c_echo(exchange)
            told(Echo(reactor.seconds() - began, response.command.status or 0))
