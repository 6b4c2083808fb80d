"""The bounds on everything that a client can push on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one broker.

    `message_bytes` bounds one request, `ahead_bytes` what a client may send ahead of its answers before it is not read any
    more, `sessions` the connections at one time (MAX SIGNED ON of a volume set).
    """

    message_bytes: int = 32 * 1024 * 1024
    ahead_bytes: int = 1024 * 1024
    sessions: int = 1000
