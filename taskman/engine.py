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
from dbos import error as dbos_error
from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import SQLAlchemyError

from fileman import FileManError, Store
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
#: A task that the engine was given and did not begin is looked after this often.
STUCK_AFTER = 5.0
#: Seconds for which the heartbeat of a worker that is gone stays to be read.
HEARTBEAT_KEPT = 86400.0
SHUTDOWN_SECONDS = 10
#: What the engine may raise; none of it leaves this module.
_ENGINE_ERRORS = (dbos_error.DBOSException, SQLAlchemyError, sqlite3.Error, OSError)
#: States of a workflow that will not begin any more.
_ENDED = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")

_FRESH = select(TaskManager.executor).where(TaskManager.heartbeat_at > bindparam("since"))
_FORGET = delete(TaskManager).where(TaskManager.heartbeat_at <= bindparam("before"))
_FORGET_ONE = delete(TaskManager).where(TaskManager.executor == bindparam("executor_"))


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
        self._handed: dict[tuple[int, int], float] = {}
        self._beaten_at = 0.0
        self._down = Event()
        self._workflow: Callable[[int, int], None] = self.worker.run

    def launch(self) -> None:
        """Start the engine; tasks that a dead process left running begin again. Raises EngineDown."""
        try:
            if self._runs_tasks:
                self._launch_worker()
            else:
                self._client = DBOSClient(system_database_url=self._url, lazy=True, retry_connection_errors=False)
        except _ENGINE_ERRORS as error:
            raise EngineDown(f"The task engine did not start: {error}") from error
        self._launched = True
        if self._runs_tasks:
            self._reconcile()
            self._thread = Thread(target=self._watch, name="taskman-reconciler", daemon=True)
            self._thread.start()

    def _launch_worker(self) -> None:
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
        self.store.transact(self._clean)
        self._beat()

    def _clean(self, connection: Connection) -> None:
        """Forget what dead processes left: on SQLite, where a starting process is the only one, leases too."""
        if self.store.sqlite:
            subjects.release_all(connection)
        kept = 0.0 if self.store.sqlite else HEARTBEAT_KEPT
        connection.execute(_FORGET, {"before": self.clock.seconds() - kept})

    def accepting(self) -> bool:
        """Tell whether tasks are taken now: launched, not stopping, and a worker's heartbeat fresh."""
        if not self._launched or self._down.is_set():
            return False
        since = self.clock.seconds() - DEAD_AFTER
        if self._runs_tasks:
            return self._beaten_at > since
        try:
            return self.store.read(lambda connection: connection.execute(_FRESH, {"since": since}).first()) is not None
        except FileManError:
            return False

    def enqueue(self, task_number: int, attempt: int) -> None:
        """Hand an attempt over; handing it over twice is handing it over once. Raises EngineDown."""
        if not self._launched or self._down.is_set():
            raise EngineDown
        workflow_id = _workflow_id(task_number, attempt)
        try:
            if self._client is not None:
                options: EnqueueOptions = {
                    "queue_name": QUEUE,
                    "workflow_name": WORKFLOW,
                    "workflow_id": workflow_id,
                    "app_version": APPLICATION_VERSION,
                }
                self._client.enqueue(options, task_number, attempt)
            else:
                with SetWorkflowID(workflow_id):
                    DBOS.enqueue_workflow(QUEUE, self._workflow, task_number, attempt)
                self._handed[task_number, attempt] = self.clock.monotonic()
        except _ENGINE_ERRORS as error:
            raise EngineDown(f"The task engine did not take task {task_number}: {error}") from error

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
        if self._client is not None:
            self._client.destroy()
            return
        if self._thread is not None:
            self._thread.join(SHUTDOWN_SECONDS)
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=SHUTDOWN_SECONDS)
        try:
            self.store.transact(lambda connection: connection.execute(_FORGET_ONE, {"executor_": self.executor}))
        except FileManError:
            log.warning("the heartbeat of this worker stays: the database did not take its end")

    def _watch(self) -> None:
        """Beat and reconcile until the engine goes down."""
        while not self._down.wait(RECONCILE_SECONDS):
            try:
                if self.clock.seconds() - self._beaten_at >= HEARTBEAT_SECONDS:
                    self._beat()
                self._reconcile()
            except (FileManError, EngineDown) as error:
                if not self._down.is_set():
                    log.warning("TaskMan could not reconcile: %s", error)
            except Exception:  # whatever it is, tasks that run keep their leases only while this thread lives
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
        self._beaten_at = now

    def _reconcile(self) -> None:
        """Take over what dead executors ran, and hand over what is due and the engine lacks."""
        now = self.clock.seconds()
        running = self.store.read(tasks.running_tasks)
        lost = [task for task in running if not self._runs(task)]
        if lost:
            alive = self._alive(now)
            for task in lost:
                if task.executor not in alive or task.executor == self.executor:
                    self._again(task, "it was left undone" if task.executor == self.executor else "its executor died")
        due = self.store.read(lambda connection: tasks.due_tasks(connection, now))
        waiting = {(task.number, task.attempt) for task in due}
        self._handed = {key: at for key, at in self._handed.copy().items() if key in waiting}
        for task in due:
            handed = self._handed.get((task.number, task.attempt))
            if handed is None:
                self.enqueue(task.number, task.attempt)
            elif self.clock.monotonic() - handed > STUCK_AFTER:
                self._look_after(task, now)

    def _runs(self, task: tasks.Attempt) -> bool:
        return task.executor == self.executor and self.worker.runs(task.number)

    def _alive(self, now: float) -> set[str]:
        if self.store.sqlite:
            return {self.executor}
        return set(self.store.read(lambda connection: connection.execute(_FRESH, {"since": now - DEAD_AFTER}).scalars().all()))

    def _look_after(self, task: tasks.Attempt, now: float) -> None:
        """Begin another attempt when the engine will not begin this one: its executor died between taking and claiming it."""
        try:
            status = DBOS.get_workflow_status(_workflow_id(task.number, task.attempt))
        except _ENGINE_ERRORS as error:
            raise EngineDown(f"The task engine does not answer: {error}") from error
        if status is None:
            self._handed.pop((task.number, task.attempt), None)
            return
        gone = status.status == "PENDING" and status.executor_id not in self._alive(now)
        if gone or status.status in _ENDED:
            self._again(task, "the engine did not begin it")
        else:
            self._handed[task.number, task.attempt] = self.clock.monotonic()

    def _again(self, task: tasks.Attempt, why: str) -> None:
        now = self.clock.seconds()
        if self.store.transact(lambda connection: tasks.schedule_again(connection, task, now, why)):
            log.warning("task %d: %s; attempt %d follows", task.number, why, task.attempt + 1)


def _workflow_id(task_number: int, attempt: int) -> str:
    return f"task-{task_number}-{attempt}"


def _entry(worker: Worker) -> Callable[[int, int], None]:
    """Make the function that the engine calls; DBOS wants a plain function, not a method."""

    def task(number: int, attempt: int) -> None:
        worker.run(number, attempt)

    return task
