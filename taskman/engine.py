"""The engine under TaskMan: DBOS Transact runs tasks and spreads them over workers. The only importer of dbos.

Its store is disposable: tasks are rows of our own database, and the reconciler hands over what the engine lacks. Stopping a
task is a flag in its row, never a cancellation, which would let the engine forget the task while its step still runs.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import uuid
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

from dbos import DBOS, DBOSConfig, SetWorkflowID
from dbos import error as dbos_error
from sqlalchemy.exc import SQLAlchemyError

from fileman import FileManError, Notices, Probe, Store
from runtime import Clock
from taskman import api, managers, tasks
from taskman.devices import Destination
from taskman.errors import EngineDown
from taskman.pace import Pace
from taskman.reconciler import Reconciler
from taskman.record import Attempt
from taskman.worker import Worker

WORKFLOW = "task"
APPLICATION_VERSION = "1"
SHUTDOWN_SECONDS = 10
#: Seconds between looks for what no task of ours uses: the engine's own messages and streams. A shutdown waits for the next one.
UNUSED_SECONDS = 0.5
#: The engine tries again by itself when a connection is lost, and what a server that fell over forgot is handed over again.
_POSTGRESQL = {"pool_pre_ping": False, "connect_args": {"options": "-c synchronous_commit=off"}}
#: Seconds for which a store that answered is believed to answer, where many attempts begin one after the other.
ANSWERED_WITHIN = 0.5
#: Workflows that one sweep takes out of the engine's store.
TRIM_BATCH = 500
#: What the engine may raise; none of it leaves this module.
_ENGINE_ERRORS = (dbos_error.DBOSException, SQLAlchemyError, sqlite3.Error, OSError)
#: States of a workflow that will not begin any more.
_ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]


class Engine:
    """TaskMan's engine.

    A worker runs tasks in this process. Without `worker` (PostgreSQL only) workers elsewhere are told of them. `url` is
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
        self.worker = Worker(store, clock, self.executor, self.pace, destination or Destination(), directory)
        self.reconciler = Reconciler(store, clock, self.worker, self.pace, self._begin)
        self.worker.ended = self.reconciler.ended
        self._runs_tasks = worker or store.sqlite
        self._url = url or (f"sqlite:///{directory / 'taskman.db'}" if store.sqlite else store.url)
        self._directory = directory
        self._probe = None if self._url.startswith("sqlite") else Probe(self._url)
        self._launched = False
        self._threads: list[Thread] = []
        self._notices: Notices | None = None
        self._down, self._silent = Event(), Event()
        self._workflow: Callable[[int, int], None] = self.worker.run

    def launch(self) -> None:
        """Start the engine; tasks that a dead process left running begin again. Raises EngineDown."""
        try:
            if self._runs_tasks:
                self._answering()
                self._launch_worker()
        except _ENGINE_ERRORS as error:
            raise EngineDown(f"The task engine did not start: {error}") from error
        self._launched = True
        if self._runs_tasks:
            self.reconciler.start()
            self._threads = [
                Thread(target=self.reconciler.watch, args=[self._down], name="taskman-watch", daemon=True),
                Thread(target=self.reconciler.keep_alive, args=[self._silent], name="taskman-keep-alive", daemon=True),
            ]
            for thread in self._threads:
                thread.start()
            if not self.store.sqlite:
                self._notices = Notices(self.store.url, api.CHANNEL, self.reconciler.wake.set)
                self._notices.start()

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
            "max_executor_threads": self.pace.slots * 3,  # those that last, as many again, and the others
            "db_engine_kwargs": {"pool_pre_ping": False} if self._probe is None else _POSTGRESQL,
            "notification_coalesce_sec": UNUSED_SECONDS,
        }
        DBOS(config=config)
        self._workflow = DBOS.workflow(name=WORKFLOW)(_entry(self.worker))
        DBOS.launch()

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

    def enqueue(self, task_number: int) -> None:
        """See to it that a task which was committed begins as soon as its time has come. Raises EngineDown.

        Its record alone would do, a second later; this is also where a broker learns that the engine takes nothing now.
        """
        if not self._launched or self._down.is_set():
            raise EngineDown
        self._answering()
        self.reconciler.wake.set()

    def _answering(self, within: float = 0.0) -> None:
        """Raise EngineDown when the engine's store does not answer; the engine itself would wait for it for ever."""
        try:
            if self._probe is not None:
                self._probe.ask(within)
        except FileManError as error:
            raise EngineDown(f"The task engine does not answer: {error}") from error

    def reject(self, task_number: int, reason: str) -> None:
        """Mark a new task that the engine did not take; one that began meanwhile stays as it is."""
        now = self.clock.seconds()
        self.store.transact(lambda connection: tasks.reject_task(connection, task_number, now, reason))

    def shutdown(self) -> None:
        """Stop taking tasks, let the running ones come to a halt, and end the engine.

        One that does not is left to end with the process; another executor begins it again once this one's sign is old.
        """
        if not self._launched or self._down.is_set():
            return
        self._down.set()
        self.worker.stopping.set()
        self.store.sleepers.wake_all()
        self.reconciler.wake.set()
        if self._notices is not None:
            self._notices.stop()
        if self._runs_tasks:
            watch, keep_alive = self._threads
            watch.join(SHUTDOWN_SECONDS)
            DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=SHUTDOWN_SECONDS)
            self._silent.set()  # until here tasks may be at work, and nobody else is to begin them
            keep_alive.join(SHUTDOWN_SECONDS)
            self.reconciler.end()
        if self._probe is not None:
            self._probe.close()

    def _begin(self, task: Attempt) -> None:
        """Start a workflow for an attempt; of two for one attempt the record lets one begin."""
        self._answering(ANSWERED_WITHIN)
        try:
            with SetWorkflowID(f"task-{task.number}-{task.attempt}-{uuid.uuid4().hex}"):  # numbers begin anew with a site
                DBOS.start_workflow(self._workflow, task.number, task.attempt)
        except _ENGINE_ERRORS as error:
            raise EngineDown(f"The task engine did not take task {task.number}: {error}") from error


def trim(before: float, living: Collection[str]) -> int:
    """Take out of the engine's store what ended before a time, and what executors that are not `living` any more began before.

    Gives how many attempts that were. Raises EngineDown. For a routine: the engine of this process is meant.
    """
    moment = datetime.fromtimestamp(before, UTC).isoformat()
    try:
        return _trim_ended(moment) + _trim_left_behind(moment, living)
    except _ENGINE_ERRORS as error:
        raise EngineDown(f"The task engine does not give up its old rows: {error}") from error


def _trim_ended(moment: str) -> int:
    count = 0
    while True:
        found = DBOS.list_workflows(status=_ENDED, completed_before=moment, limit=TRIM_BATCH, load_input=False, load_output=False)
        if not found:
            return count
        DBOS.delete_workflows([one.workflow_id for one in found])
        count += len(found)


def _trim_left_behind(moment: str, living: Collection[str]) -> int:
    """Take out what a killed process had begun: another attempt did the work long ago."""
    count = kept = 0
    while True:
        found = DBOS.list_workflows(
            status="PENDING", end_time=moment, limit=TRIM_BATCH, offset=kept, load_input=False, load_output=False
        )
        if not found:
            return count
        left = [one.workflow_id for one in found if one.executor_id not in living]
        if left:
            DBOS.delete_workflows(left)
        count += len(left)
        kept += len(found) - len(left)


def _entry(worker: Worker) -> Callable[[int, int], None]:
    """Make the function that the engine calls; DBOS wants a plain function, not a method."""

    def task(number: int, attempt: int) -> None:
        worker.run(number, attempt)

    return task
