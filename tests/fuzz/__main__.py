"""Fuzz a parser: `python -m tests.fuzz [TARGET ...] [--inputs N] [--seed S]`, or with `--atheris` under coverage guidance.

Without a target all are fuzzed, and the seed is printed. atheris comes with the extra `fuzz`; what follows `--` is its own.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

from rich.progress import track

from tests.fuzz.run import fuzz
from tests.fuzz.targets import TARGETS


def under_atheris(name: str, arguments: list[str]) -> None:
    """Let atheris find inputs; it ends the process itself, at a finding or when its own options say so."""
    import atheris  # only with the extra

    atheris.instrument_all()
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(TARGETS[name].corpus()):
            (Path(folder) / str(number)).write_bytes(data)
        atheris.Setup([sys.argv[0], *arguments, folder], TARGETS[name].target)
        atheris.Fuzz()


def main() -> None:
    """Fuzz what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="*", choices=[*TARGETS, []], help="a parser; all of them unless named")
    parser.add_argument("--inputs", type=int, default=20_000, help="how many inputs a target gets")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--atheris", action="store_true", help="coverage-guided, one target; options of its own after --")
    options, rest = parser.parse_known_args()
    names = options.target or list(TARGETS)
    if options.atheris:
        under_atheris(names[0], rest)
        return
    print(f"seed {options.seed}")
    for name in track(names, description="fuzzing"):
        fuzz(name, options.inputs, options.seed)
    print(f"{len(names)} targets, {options.inputs} inputs each: no finding")


if __name__ == "__main__":
    main()
