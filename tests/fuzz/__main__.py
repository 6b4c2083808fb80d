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

#: The packages whose coverage guides atheris; to follow all that they import would take minutes.
GUIDING = ["xwb", "rules", "fileman"]


def by_chance(names: list[str], count: int, seed: int) -> None:
    """Give every target so many inputs made from a seed."""
    from tests.fuzz.run import fuzz  # late, as for atheris
    from tests.fuzz.targets import TARGETS

    print(f"seed {seed}")
    for name in track(names or list(TARGETS), description="fuzzing"):
        fuzz(name, count, seed)
    print(f"{len(names or TARGETS)} targets, {count} inputs each: no finding")


def under_atheris(name: str, arguments: list[str]) -> None:
    """Let atheris find inputs; it ends the process itself, at a finding or when its own options say so."""
    import atheris  # only with the extra

    with atheris.instrument_imports(include=GUIDING):
        from tests.fuzz.targets import TARGETS
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(TARGETS[name].corpus()):
            (Path(folder) / str(number)).write_bytes(data)
        atheris.Setup([sys.argv[0], *arguments, folder], TARGETS[name].target)
        atheris.Fuzz()


def main() -> None:
    """Fuzz what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="*", help="a parser; all of them unless named")
    parser.add_argument("--inputs", type=int, default=20_000, help="how many inputs a target gets")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--atheris", action="store_true", help="coverage-guided, one target; options of its own after --")
    arguments = sys.argv[1:]
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:end])
    if options.atheris:
        if len(options.target) != 1:
            parser.error("atheris takes one target at a time")
        under_atheris(options.target[0], arguments[end + 1 :])
    else:
        by_chance(options.target, options.inputs, options.seed)


if __name__ == "__main__":
    main()
