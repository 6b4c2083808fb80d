"""A TaskMan worker as a process of its own, with leases of a second, until it is killed or ends on SIGTERM.

Usage: python -m tests.support.task_worker URL DIRECTORY. It runs rule evaluators and `STEPS^ZZKILL`. Whoever runs beside
another evaluator of the same location leaves a line in DIRECTORY/beside.
"""

from __future__ import annotations

import fcntl
import signal
import sys
import threading
from pathlib import Path

from sqlalchemy import Connection, insert

from fileman import Store
from fileman.files import ImageEvent
from rules.evaluator import Evaluator
from runtime import SystemClock
from taskman import Engine, Pace, TaskContext, routine

#: Signs and leases of a test: takeover within two seconds.
QUICK = Pace(slots=4, reconcile=0.1, heartbeat=0.25, lease=1.0, dead_after=1.0, deaths=100)
STEPPED = "STEPS^ZZKILL"
#: The stage under which each step leaves its mark.
STAGE = "STEP"


@routine(STEPPED)
def in_steps(task: TaskContext) -> None:
    """Leave a mark in the database in each step, and a line in a file with every tenth, outside of it."""
    outside = Path(str(task.arguments["directory"])) / "outside"
    for number in range(int(task.arguments["steps"])):
        if task.stop_requested():
            return
        if task.arguments["pause"]:
            task.pause(task.arguments["pause"])

        def mark(connection: Connection, number: int = number) -> None:
            facts = {"uid": f"{task.number}.{number}", "stage": STAGE, "at": task.clock.seconds()}
            connection.execute(insert(ImageEvent).values(**facts))

        task.step(f"mark {number}", mark)
        if number % 10 == 0:
            task.act(f"outside {number}", lambda number=number: append(outside, f"{task.number}.{number}"))


def append(file: Path, line: str) -> None:
    """Add a line to a file."""
    with file.open("a") as out:
        out.write(f"{line}\n")


def watch_evaluators(directory: Path) -> None:
    """Let every evaluator hold a file lock of its location while it works; a process that is killed drops its own."""
    run = Evaluator.run

    def alone(evaluator: Evaluator, parsed: object) -> None:
        with (directory / f"evaluator-{evaluator.location}").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                append(directory / "beside", f"task {evaluator.task.number} attempt {evaluator.task.attempt}")
            run(evaluator, parsed)  # what the routine gave it

    Evaluator.run = alone


def main() -> None:
    """Run tasks until killed, or until asked to end."""
    directory, asked = Path(sys.argv[2]), threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: asked.set())
    watch_evaluators(directory)
    store = Store(sys.argv[1])
    engine = Engine(store, SystemClock(), directory, pace=QUICK)
    engine.launch()
    sys.stdout.write("runs\n")
    sys.stdout.flush()
    asked.wait()
    engine.shutdown()
    store.close()


if __name__ == "__main__":
    main()
