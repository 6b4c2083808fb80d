"""A worker of the bench, as a process: it runs tasks until its standard input closes, and loads some when it is told to.

Usage: python -m bench.task_worker URL DIRECTORY SLOTS. A line `measure` on its input is answered by a line of JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Connection, func, select

import rules.evaluator  # noqa: F401  registers the evaluator
from fileman import Store
from fileman.files import Task
from runtime import SystemClock
from taskman import Engine, Pace, TaskContext, api, routine

ENTRY_POINT = "TRIVIAL^ZZBENCH"
SINGLE, BURST = 50, 600
_LEFT = select(func.count()).select_from(Task).where(Task.status.in_(["1", "4", "5"]))


@routine(ENTRY_POINT)
def trivial(task: TaskContext) -> None:
    """Say when the task began, if that is wanted; that is all."""
    if task.arguments.get("tell"):
        task.say(repr(time.time()))


@dataclass(frozen=True, slots=True)
class TaskFigures:
    """What was measured: milliseconds from the call until it returned, and from there to the start; tasks per second."""

    enqueue_ms: float
    start_ms: float
    latest_ms: float
    per_second: float


def measure(store: Store, engine: Engine) -> TaskFigures:
    """Load tasks one by one, then many at once."""
    enqueued, started = [], []
    for _ in range(SINGLE):
        began = time.time()
        number = load(store, engine, tell=True)
        handed = time.time()
        enqueued.append(handed - began)
        started.append(_start_of(store, number) - handed)
    began = time.time()
    for _ in range(BURST):
        load(store, engine, tell=False)
    while store.read(lambda connection: connection.execute(_LEFT).scalar_one()):
        threading.Event().wait(0.01)
    per_second = BURST / (time.time() - began)
    return TaskFigures(statistics.median(enqueued) * 1000, statistics.median(started) * 1000, max(started) * 1000, per_second)


def load(store: Store, engine: Engine, *, tell: bool) -> int:
    """Load a task as a procedure does."""

    def work(connection: Connection) -> int:
        return api.load(connection, ENTRY_POINT, {"tell": tell}, "a task of the bench", 1, time.time())

    number = store.transact(work)
    engine.enqueue(number)
    return number


def _start_of(store: Store, number: int) -> float:
    while True:
        status = store.read(lambda connection: api.stat(connection, number))
        if status.said:
            return float(status.said)
        threading.Event().wait(0.005)


def main() -> None:
    """Run tasks until the parent closes the pipe."""
    store = Store(sys.argv[1])
    engine = Engine(store, SystemClock(), Path(sys.argv[2]), pace=Pace(slots=int(sys.argv[3])))
    engine.launch()
    _say("runs")
    for line in sys.stdin:
        if line.strip() == "measure":
            _say(json.dumps(asdict(measure(store, engine))))
    engine.shutdown()
    store.close()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
