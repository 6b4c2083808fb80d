"""Recorded changes of state, by theme: what the M text did to VistA, done to the broker's database."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from fileman import SiteKey
from runtime import Clock, SystemClock

#: By which changes of state are made; a test puts the recorded day in its place.
CLOCK: Clock = SystemClock()

Change = Callable[[Connection, SiteKey], None]
