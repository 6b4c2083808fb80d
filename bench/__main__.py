"""`make bench`: measure the hot paths on this machine and print a table."""

from __future__ import annotations

import tempfile
from importlib import resources
from pathlib import Path

from rich.console import Console
from rich.progress import track

from bench.broker import measure_broker
from bench.figures import Figure, table
from bench.road import measure_road
from bench.rule_evaluation import measure_rules

out = Console(width=140)


def main() -> None:
    """Measure everything, with synthetic images on loopback."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder, resources.as_file(resources.files("magbroker_data") / "demo.toml") as site:
        directory = Path(folder)
        parts = {
            "broker": lambda: measure_broker(directory / "broker", site),
            "rules": measure_rules,
            "road": lambda: measure_road(directory / "road", site),
        }
        for name, measure in track(parts.items(), description="measuring", console=Console(stderr=True), transient=True):
            out.print(f"[dim]{name} ...[/]")
            figures.extend(measure())
    out.print(table(figures), highlight=False)


if __name__ == "__main__":
    main()
