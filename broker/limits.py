"""The bounds on everything that a client can push on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one broker.

    `message_bytes` bounds one request, `ahead_bytes` what a client may send ahead of its answers before it is not read any
    more, `held_bytes` the unfinished and waiting requests of all connections together: over it those who hold most are cut.
    `sessions` bounds the connections at one time (MAX SIGNED ON of a volume set), `sessions_per_address` those of one
    address, `connections_per_second` how fast an address may come with new ones, after a burst of ten seconds' worth.
    `call_back` allows the old style `{XWB}`, in which the broker connects to a port that the client names. `hl7_message_bytes`
    bounds one HL7 message.
    """

    message_bytes: int = 32 * 1024 * 1024
    ahead_bytes: int = 1024 * 1024
    held_bytes: int = 256 * 1024 * 1024
    sessions: int = 2500
    sessions_per_address: int = 2500
    connections_per_second: float = 200.0
    call_back: bool = True
    hl7_message_bytes: int = 1024 * 1024
