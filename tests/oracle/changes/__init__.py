"""Recorded changes of state, by theme: what the M text did to VistA, done to the broker's database."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from fileman import SiteKey

Change = Callable[[Connection, SiteKey], None]
