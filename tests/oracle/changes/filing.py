"""Changes of state in the b files: failed filings, locks, corrections, pointers."""

from __future__ import annotations

from tests.oracle.changes import Change

FILING: dict[str, Change] = {}
