"""The engine under TaskMan: DBOS Transact runs tasks and spreads them over workers. The only importer of dbos.

Its store is disposable: tasks are rows of our own database, and the reconciler hands over what the engine lacks. Stopping a
task is a flag in its row, never a cancellation, which would let the engine forget the task while its step still runs.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions, SetEnqueueOptions, SetWorkflowID
from dbos import error as dbos_error
from sqlalchemy.exc import SQLAlchemyError

from fileman import FileManError, Store
from runtime import Clock
from taskman import managers, tasks
from taskman.devices import Destination
from taskman.errors import EngineDown
from taskman.pace import Pace
from taskman.reconciler import Handed, Reconciler
from taskman.record import Attempt
from taskman.worker import Worker

QUEUE = "tasks"
WORKFLOW = "task"
APPLICATION_VERSION = "1"
SHUTDOWN_SECONDS = 10
#: Workflows that one sweep takes out of the engine's store.
TRIM_BATCH = 500
#: The engine's priorities begin at 1, the most urgent; ZTPRI ends at 10, which is that. Without one a task is in the middle.
_PRIORITY = {0: 6, **{ztpri: 11 - ztpri for ztpri in range(1, 11)}}
#: What the engine may raise; none of it leaves this module.
_ENGINE_ERRORS = (dbos_error.DBOSException, SQLAlchemyError, sqlite3.Error, OSError)
#: States of a workflow that will not begin any more.
_ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]


class Engine:
    """TaskMan's engine.

    A worker runs tasks in this process. Without `worker` (PostgreSQL only) tasks are handed to workers elsewhere. `url` is
    the engine's own store: beside the database on SQLite, in it on PostgreSQL, unless another is named.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        directory: Path,
        *,
        worker: bool = True,
        pace: Pace | None = None,
        destination: Destination | None = None,
        url: str = "",
    ) -> None:
        self.store = store
        self.clock = clock
        self.pace = pace or Pace()
        self.executor = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.worker = Worker(store, clock, self.executor, self.pace, destination or Destination())
        self.reconciler = Reconciler(store, clock, self.worker, self.pace, self._hand_over, self._look_up)
        self._runs_tasks = worker or store.sqlite
        self._url = url or (f"sqlite:///{directory / 'taskman.db'}" if store.sqlite else store.url)
        self._directory = directory
        self._client: DBOSClient | None = None
        self._launched = False
        self._thread: Thread | None = None
        self._down = Event()
        self._workflow: Callable[[int, int], None] = self.worker.run

    def launch(self) -> None:
        """Start the engine; tasks that a dead process left running begin again. Raises EngineDown."""
        try:
            if not self.store.sqlite:  # a launched engine waits for its database for ever; this refuses at once
                self._client = DBOSClient(system_database_url=self._url, lazy=True, retry_connection_errors=False)
            if self._runs_tasks:
                self._launch_worker()
        except _ENGINE_ERRORS as error:
            raise EngineDown(f"The task engine did not start: {error}") from error
        self._launched = True
        if self._runs_tasks:
            self.reconciler.start()
            self._thread = Thread(target=self.reconciler.watch, args=[self._down], name="taskman-reconciler", daemon=True)
            self._thread.start()

    def _launch_worker(self) -> None:
        if self._url.startswith("sqlite"):
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
            "max_executor_threads": self.pace.slots * 2,
        }
        DBOS(config=config)
        self._workflow = DBOS.workflow(name=WORKFLOW)(_entry(self.worker))
        DBOS.launch()
        DBOS.register_queue(QUEUE, polling_interval_sec=self.pace.poll, worker_concurrency=self.pace.slots)

    def accepting(self) -> bool:
        """Tell whether tasks are taken now: launched, not stopping, and a worker's heartbeat fresh."""
        if not self._launched or self._down.is_set():
            return False
        since = self.clock.seconds() - max(self.pace.dead_after, self.pace.heartbeat * 3)
        if self._runs_tasks:
            return self.reconciler.beaten_at > since
        try:
            return bool(self.store.read(lambda connection: managers.alive(connection, since)))
        except FileManError:
            return False

    def enqueue(self, task_number: int, attempt: int, priority: int = 0) -> None:
        """Hand an attempt over; handing it over twice is handing it over once. Raises EngineDown."""
        self._hand_over(Attempt(task_number, attempt, "", "", priority))

    def reject(self, task_number: int, reason: str) -> None:
        """Mark a new task that the engine did not take; one that began meanwhile stays as it is."""
        now = self.clock.seconds()
        self.store.transact(lambda connection: tasks.reject_task(connection, task_number, 1, now, reason))

    def shutdown(self) -> None:
        """Stop taking tasks, let the running ones come to a halt, and end the engine."""
        if not self._launched or self._down.is_set():
            return
        self._down.set()
        self.worker.stopping.set()
        if self._thread is not None:
            self._thread.join(SHUTDOWN_SECONDS)
            DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=SHUTDOWN_SECONDS)
            self.reconciler.end()
        if self._client is not None:
            self._client.destroy()

    def _hand_over(self, task: Attempt) -> None:
        if not self._launched or self._down.is_set():
            raise EngineDown
        workflow_id = _workflow_id(task)
        priority = _PRIORITY.get(task.priority, _PRIORITY[0])
        try:
            if self._client is not None:
                options: EnqueueOptions = {
                    "queue_name": QUEUE,
                    "workflow_name": WORKFLOW,
                    "workflow_id": workflow_id,
                    "app_version": APPLICATION_VERSION,
                    "priority": priority,
                }
                self._client.enqueue(options, task.number, task.attempt)
            else:
                with SetWorkflowID(workflow_id), SetEnqueueOptions(priority=priority):
                    DBOS.enqueue_workflow(QUEUE, self._workflow, task.number, task.attempt)
        except _ENGINE_ERRORS as error:
            raise EngineDown(f"The task engine did not take task {task.number}: {error}") from error
        self.reconciler.note(task)

    def _look_up(self, task: Attempt, alive: set[str]) -> Handed:
        try:
            status = DBOS.get_workflow_status(_workflow_id(task))
        except _ENGINE_ERRORS as error:
            raise EngineDown(f"The task engine does not answer: {error}") from error
        if status is None:
            return Handed.UNKNOWN
        gone = status.status == "PENDING" and status.executor_id not in alive
        return Handed.GONE if gone or status.status in _ENDED else Handed.WAITS


def trim(before: float) -> int:
    """Take out of the engine's store what ended before a time; give how many attempts that were. Raises EngineDown.

    For a routine: the engine of this process is meant.
    """
    ended = datetime.fromtimestamp(before, UTC).isoformat()
    count = 0
    try:
        while True:
            found = DBOS.list_workflows(
                status=_ENDED, completed_before=ended, limit=TRIM_BATCH, load_input=False, load_output=False
            )
            if not found:
                return count
            DBOS.delete_workflows([one.workflow_id for one in found])
            count += len(found)
    except _ENGINE_ERRORS as error:
        raise EngineDown(f"The task engine does not give up its old rows: {error}") from error


def _workflow_id(task: Attempt) -> str:
    return f"task-{task.number}-{task.attempt}"


def _entry(worker: Worker) -> Callable[[int, int], None]:
    """Make the function that the engine calls; DBOS wants a plain function, not a method."""

    def task(number: int, attempt: int) -> None:
        worker.run(number, attempt)

    return task
