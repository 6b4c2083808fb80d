"""Changes of state in d2: the send queue, copies, network locations."""

from __future__ import annotations

from tests.oracle.changes import Change

ROUTING: dict[str, Change] = {}
