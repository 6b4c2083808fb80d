"""Fuzz a parser: `python -m tests.fuzz [TARGET ...] [--inputs N] [--seed S]`, or with `--atheris` under coverage guidance.

Without a target all are fuzzed, and the seed is printed. atheris comes with the extra `fuzz`; what follows `--` is its own.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import track

if TYPE_CHECKING:
    from tests.fuzz.targets import Fuzzed

#: The packages whose coverage guides atheris; to follow all that they import would take minutes.
GUIDING = ["xwb", "rules", "fileman", "taskman"]


def targets(*, guided: bool) -> dict[str, Fuzzed]:
    """Import the targets late: atheris has to see the import of all that it follows."""
    if not guided:
        from tests.fuzz.targets import TARGETS

        return TARGETS
    import atheris  # only with the extra

    with atheris.instrument_imports(include=GUIDING):
        from tests.fuzz.targets import TARGETS
    return TARGETS


def by_chance(names: list[str], count: int, seed: int) -> None:
    """Give every target so many inputs made from a seed."""
    from tests.fuzz.run import fuzz

    print(f"seed {seed}")
    for name in track(names, description="fuzzing"):
        fuzz(name, count, seed)
    print(f"{len(names)} targets, {count} inputs each: no finding")


def under_atheris(target: Fuzzed, arguments: list[str]) -> None:
    """Let atheris find inputs; it ends the process itself, at a finding or when its own options say so."""
    import atheris

    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(target.corpus()):
            (Path(folder) / str(number)).write_bytes(data)
        atheris.Setup([sys.argv[0], *arguments, folder], target.target)
        atheris.Fuzz()


def main() -> None:
    """Fuzz what the command line names."""
    arguments = sys.argv[1:]
    end = arguments.index("--") if "--" in arguments else len(arguments)
    known = targets(guided="--atheris" in arguments[:end])
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__, allow_abbrev=False)
    names = ", ".join(known)

    def target(name: str) -> str:  # argparse's own choices do not bear that none is named
        if name not in known:
            raise argparse.ArgumentTypeError(f"there is no {name!r}; there are: {names}")
        return name

    parser.add_argument("target", nargs="*", type=target, help=f"of these parsers; all of them unless named: {names}")
    parser.add_argument("--inputs", type=int, default=20_000, help="how many inputs a target gets")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--atheris", action="store_true", help="coverage-guided, one target; options of its own after --")
    options = parser.parse_args(arguments[:end])
    if options.atheris:
        if len(options.target) != 1:
            parser.error("atheris takes one target at a time")
        under_atheris(known[options.target[0]], arguments[end + 1 :])
    else:
        by_chance(options.target or list(known), options.inputs, options.seed)


if __name__ == "__main__":
    main()
