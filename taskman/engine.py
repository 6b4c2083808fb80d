"""The engine under TaskMan: DBOS Transact runs tasks and spreads them over workers. The only importer of dbos.

Its store is disposable: tasks are rows of our own database, and the reconciler hands over what the engine lacks. Stopping a
task is a flag in its row, never a cancellation, which would let the engine forget the task while its step still runs.
"""

from __future__ import annotations

import logging
import os
import socket
import sqlite3
import uuid
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions, SetWorkflowID
from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from fileman import Store, StoreClosed, StoreFailed
from fileman.files import TaskManager
from runtime import Clock
from taskman import subjects, tasks
from taskman.errors import EngineDown
from taskman.worker import Worker

log = logging.getLogger(__name__)

QUEUE = "tasks"
WORKFLOW = "task"
APPLICATION_VERSION = "1"
SLOTS = 32
POLL_SECONDS = 0.1
HEARTBEAT_SECONDS = 2.0
RECONCILE_SECONDS = 0.5
#: An executor whose heartbeat is older is dead; its tasks run again elsewhere.
DEAD_AFTER = 15.0

_FRESH = select(TaskManager.executor).where(TaskManager.heartbeat_at > bindparam("since"))


class Engine:
    """TaskMan's engine.

    A worker runs tasks in this process. Without `worker` (PostgreSQL only) tasks are handed to workers elsewhere.
    """

    def __init__(self, store: Store, clock: Clock, directory: Path, *, worker: bool = True) -> None:
        self.store = store
        self.clock = clock
        self.executor = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.worker = Worker(store, clock, self.executor)
        self._runs_tasks = worker or store.sqlite
        self._url = f"sqlite:///{directory / 'taskman.db'}" if store.sqlite else store.url
        self._directory = directory
        self._client: DBOSClient | None = None
        self._launched = False
        self._thread: Thread | None = None
        self._handed: set[tuple[int, int]] = set()
        self._down = Event()
        self._workflow: Callable[[int, int], None] = self.worker.run

    def launch(self) -> None:
        """Start the engine; tasks that a dead process left running begin again."""
        if not self._runs_tasks:
            self._client = DBOSClient(system_database_url=self._url)
            self._launched = True
            return
        if self.store.sqlite:
            self._directory.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._directory / "taskman.db")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.close()
        config: DBOSConfig = {
            "name": "magbroker",
            "system_database_url": self._url,
            "log_level": "WARNING",
            "application_version": APPLICATION_VERSION,
            "executor_id": self.executor,
            "enable_otlp": False,
            "max_executor_threads": SLOTS * 2,
        }
        DBOS(config=config)
        self._workflow = DBOS.workflow(name=WORKFLOW)(_entry(self.worker))
        DBOS.launch()
        DBOS.register_queue(QUEUE, polling_interval_sec=POLL_SECONDS, worker_concurrency=SLOTS)
        if self.store.sqlite:
            self.store.transact(subjects.release_all)
        self._beat()
        self._launched = True
        self._reconcile()
        self._thread = Thread(target=self._watch, name="taskman-reconciler", daemon=True)
        self._thread.start()

    def accepting(self) -> bool:
        """Tell whether tasks are taken now: launched, not stopping, and a worker alive."""
        if not self._launched or self._down.is_set():
            return False
        if self._runs_tasks:
            return True
        since = self.clock.seconds() - DEAD_AFTER
        return self.store.read(lambda connection: connection.execute(_FRESH, {"since": since}).first()) is not None

    def enqueue(self, task_number: int, attempt: int) -> None:
        """Hand an attempt over; handing it over twice is handing it over once. Raises EngineDown."""
        if not self._launched or self._down.is_set():
            raise EngineDown
        workflow_id = f"task-{task_number}-{attempt}"
        if self._client is not None:
            options: EnqueueOptions = {
                "queue_name": QUEUE,
                "workflow_name": WORKFLOW,
                "workflow_id": workflow_id,
                "app_version": APPLICATION_VERSION,
            }
            self._client.enqueue(options, task_number, attempt)
            return
        with SetWorkflowID(workflow_id):
            DBOS.enqueue_workflow(QUEUE, self._workflow, task_number, attempt)
        self._handed.add((task_number, attempt))

    def reject(self, task_number: int, reason: str) -> None:
        """Mark a task that the engine did not take."""
        now = self.clock.seconds()
        self.store.transact(lambda connection: tasks.set_status(connection, task_number, tasks.REJECTED, now, message=reason))

    def shutdown(self) -> None:
        """Stop taking tasks, let the running ones come to a halt, and end the engine."""
        if not self._launched or self._down.is_set():
            return
        self._down.set()
        self.worker.stopping.set()
        if self._client is not None:
            self._client.destroy()
            return
        if self._thread is not None:
            self._thread.join(10)
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=10)

    def _watch(self) -> None:
        """Beat and reconcile until the engine goes down."""
        beats = 0.0
        while not self._down.wait(RECONCILE_SECONDS):
            try:
                beats += RECONCILE_SECONDS
                if beats >= HEARTBEAT_SECONDS:
                    beats = 0.0
                    self._beat()
                self._reconcile()
            except (StoreClosed, StoreFailed):
                log.warning("the database did not take TaskMan's heartbeat", exc_info=True)
            except Exception:  # the watcher outlives whatever the engine's store throws
                log.exception("TaskMan could not reconcile")

    def _beat(self) -> None:
        now = self.clock.seconds()

        def beat(connection: Connection) -> None:
            make = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
            row = {"host": socket.gethostname(), "pid": os.getpid(), "started_at": now, "heartbeat_at": now}
            statement = make(TaskManager).values(executor=self.executor, **row)
            connection.execute(statement.on_conflict_do_update(index_elements=[TaskManager.executor], set_={"heartbeat_at": now}))
            self.worker.renew(connection, now)

        self.store.transact(beat)

    def _reconcile(self) -> None:
        """Take over what dead executors ran, and hand over what is due and the engine lacks."""
        now = self.clock.seconds()
        running = self.store.read(tasks.running_tasks)
        alive = set(self.store.read(lambda connection: connection.execute(_FRESH, {"since": now - DEAD_AFTER}).scalars().all()))
        if self.store.sqlite:
            alive = {self.executor}
        for number, attempt, executor in running:
            if executor not in alive:
                self._restart(number, attempt, now)
        for number, attempt in self.store.read(lambda connection: tasks.due_tasks(connection, now)):
            if (number, attempt) not in self._handed:
                self.enqueue(number, attempt)

    def _restart(self, number: int, attempt: int, now: float) -> None:
        log.warning("task %d lost its executor; attempt %d follows", number, attempt + 1)
        changes = {"attempt": attempt + 1, "executor": "", "message": "its executor died"}
        self.store.transact(lambda connection: tasks.set_status(connection, number, tasks.SCHEDULED, now, **changes))


def _entry(worker: Worker) -> Callable[[int, int], None]:
    """Make the function that the engine calls; DBOS wants a plain function, not a method."""

    def task(number: int, attempt: int) -> None:
        worker.run(number, attempt)

    return task
