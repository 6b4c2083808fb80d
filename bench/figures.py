"""A figure of a benchmark, and the table of all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: what was measured, how many per second (or another unit), and a word about how."""

    subject: str
    value: float
    note: str = ""
    unit: str = "/s"
    digits: int = 0


def table(figures: Iterable[Figure]) -> Table:
    """Lay the figures out."""
    table = Table(box=None, padding=(0, 2), header_style="bold")
    table.add_column("what")
    table.add_column("measured", justify="right")
    table.add_column("how")
    for figure in figures:
        table.add_row(figure.subject, f"{figure.value:,.{figure.digits}f} {figure.unit}", figure.note)
    return table
