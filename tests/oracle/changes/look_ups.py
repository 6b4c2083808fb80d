"""Changes of state in d3: machines, workstations, names, pointers, site parameters."""

from __future__ import annotations

from tests.oracle.changes import Change

LOOK_UPS: dict[str, Change] = {}
