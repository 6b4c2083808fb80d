"""`make bench`: measure the hot paths on this machine and print a table."""

from __future__ import annotations

import sys
import tempfile
from importlib import resources
from pathlib import Path

from rich.console import Console
from rich.progress import track

from bench.administration import measure_administration
from bench.alerting import measure_alerting
from bench.evaluator_step import measure_evaluator_step
from bench.figures import Figure, table
from bench.filing import measure_filing
from bench.finding import measure_finding
from bench.kit import measure_kit
from bench.moving import measure_moving
from bench.peers import MissingPeer
from bench.querying import measure_querying
from bench.queues import measure_queues
from bench.receiving import measure_archiving, measure_receiving
from bench.road import measure_road
from bench.routing import measure_routing
from bench.rule_evaluation import measure_rules
from bench.rule_replay import measure_replay
from bench.sending import measure_sending
from bench.sessions import measure_sessions
from bench.taskman import measure_taskman
from bench.worklist import measure_worklist

out = Console(width=140)


def main() -> None:
    """Measure everything, or the parts named (sessions, filing, queues, rules, ...), with synthetic images on loopback."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder, resources.as_file(resources.files("magbroker_data") / "demo.toml") as site:
        directory = Path(folder)
        parts = {
            "sessions": lambda: measure_sessions(directory / "sessions", site),
            "filing": lambda: measure_filing(directory / "filing", site),
            "queues": lambda: measure_queues(directory / "queues", site),
            "rules": measure_rules,
            "evaluator": lambda: measure_evaluator_step(directory / "evaluator", site),
            "replay": lambda: measure_replay(directory / "replay", site),
            "taskman": lambda: measure_taskman(directory / "taskman", site),
            "finding": measure_finding,
            "querying": lambda: measure_querying(directory / "querying", site),
            "worklist": lambda: measure_worklist(directory / "worklist"),
            "kit": lambda: measure_kit(directory / "kit", site),
            "administration": lambda: measure_administration(directory / "administration", site),
            "alerting": lambda: measure_alerting(directory / "alerting"),
            "road": lambda: measure_road(directory / "road", site),
            "receiving": lambda: measure_receiving(directory / "receiving"),
            "archiving": lambda: measure_archiving(directory / "archiving", site),
            "sending": lambda: measure_sending(directory / "sending", site),
            "moving": lambda: measure_moving(directory / "moving", site),
            "routing": lambda: measure_routing(directory / "routing", site),
        }
        wanted = {name: parts[name] for name in sys.argv[1:] or parts}
        for name, measure in track(wanted.items(), description="measuring", console=Console(stderr=True), transient=True):
            out.print(f"[dim]{name} ...[/]")
            try:
                figures.extend(measure())
            except MissingPeer as missing:
                out.print(f"[red]{name} is left out: {missing}[/]")
    out.print(table(figures), highlight=False)


if __name__ == "__main__":
    main()
