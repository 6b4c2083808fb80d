"""A worker of the bench, as a process: runs the routines below until its standard input closes.

Usage: python -m bench.task_worker URL DIRECTORY
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from fileman import Store
from runtime import SystemClock
from taskman import Engine, TaskContext, routine

ENTRY_POINT = "TRIVIAL^ZZBENCH"


@routine(ENTRY_POINT)
def trivial(task: TaskContext) -> None:
    """Say when the task began; that is all."""
    if task.arguments.get("tell"):
        task.say(repr(time.time()))


def main() -> None:
    """Run tasks until the parent closes the pipe."""
    store = Store(sys.argv[1])
    engine = Engine(store, SystemClock(), Path(sys.argv[2]))
    engine.launch()
    sys.stdout.write("runs\n")
    sys.stdout.flush()
    for line in sys.stdin:
        answer(store, engine, line.split())
    engine.shutdown()
    store.close()


def answer(store: Store, engine: Engine, words: list[str]) -> None:
    """Do what the parent asks: `load COUNT`, on SQLite, where only this process may write."""


if __name__ == "__main__":
    main()
