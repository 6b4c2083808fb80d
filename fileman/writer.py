"""The writers: one group-committing thread on SQLite, a pool of transactions on PostgreSQL."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from fileman.errors import StoreClosed, StoreFailed, is_of_values, refusal
from fileman.waking import Sleepers, to_be_woken

T = TypeVar("T")
Work = Callable[[Connection], T]

#: One transaction takes at most this many requests, and goes on taking them for at most this long.
BATCH_REQUESTS = 64
BATCH_SECONDS = 0.020
#: Serialization failure and deadlock, which PostgreSQL asks to be tried again.
TRY_AGAIN = {"40001", "40P01"}
TRIES = 5


class Writer(Protocol):
    """Runs writing work in transactions."""

    def submit(self, work: Work[T]) -> Future[T]:
        """Run the work in a transaction; the future resolves after the commit."""

    def run(self, work: Work[T]) -> T:
        """Run the work in a transaction and wait for the commit."""

    def close(self) -> None:
        """Finish what was submitted and stop."""


@dataclass(slots=True)
class _Request:
    work: Work[Any]
    future: Future[Any]
    result: Any = None
    error: BaseException | None = None


@dataclass(slots=True)
class GroupCommitWriter:
    """The only writer of a SQLite database: one thread, one connection, a savepoint per request.

    Requests that wait while a commit is on its way to the disk share the next one, so that the cost of `synchronous=FULL`
    is paid once per batch. An exception rolls back its own request only; a failed commit fails the whole batch.
    """

    engine: Engine
    sleepers: Sleepers
    _queue: queue.SimpleQueue[_Request | None] = field(default_factory=queue.SimpleQueue)
    _thread: threading.Thread = field(init=False)
    _guard: threading.Lock = field(default_factory=threading.Lock)  # nothing is queued behind the request to stop
    _closed: bool = False

    def __post_init__(self) -> None:
        """Start the writer thread."""
        self._thread = threading.Thread(target=self._run, name="group-commit-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Work[T]) -> Future[T]:
        """Queue the work; see `Writer`."""
        future: Future[T] = Future()
        with self._guard:
            if self._closed:
                raise StoreClosed
            self._queue.put(_Request(work, future))
        return future

    def run(self, work: Work[T]) -> T:
        """Queue the work and wait; see `Writer`."""
        return self.submit(work).result()

    def close(self) -> None:
        """Commit what is queued and end the thread."""
        with self._guard:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        with self.engine.connect() as connection:
            stopping = False
            while not stopping:
                first = self._queue.get()
                if first is None:
                    break
                batch: list[_Request] = []
                try:
                    with connection.begin():
                        stopping = self._fill(connection, first, batch)
                        topics = to_be_woken(connection)
                except SQLAlchemyError as error:
                    connection.invalidate()  # after a refused COMMIT the transaction would stay open
                    _fail(batch or [first], error)
                else:
                    _settle(batch)
                    if topics:
                        self.sleepers.wake(topics)

    def _fill(self, connection: Connection, first: _Request, batch: list[_Request]) -> bool:
        """Run requests into the open transaction until none waits or a bound is reached; True when asked to close."""
        until = time.monotonic() + BATCH_SECONDS
        request: _Request | None = first
        while request is not None:
            batch.append(request)
            if request.future.set_running_or_notify_cancel():
                _run_in_savepoint(connection, request)
            else:
                request.error = StoreClosed()
            if len(batch) >= BATCH_REQUESTS or time.monotonic() > until:
                return False
            try:
                request = self._queue.get_nowait()
            except queue.Empty:
                return False
        return True


def _run_in_savepoint(connection: Connection, request: _Request) -> None:
    connection.exec_driver_sql("SAVEPOINT request")
    try:
        request.result = request.work(connection)
    except Exception as error:  # whatever the work raises belongs to its caller
        connection.exec_driver_sql("ROLLBACK TO request")
        request.error = _refused(error) if isinstance(error, SQLAlchemyError) else error
    connection.exec_driver_sql("RELEASE request")


def _settle(batch: list[_Request]) -> None:
    for request in batch:
        if request.future.cancelled():
            continue
        if request.error is not None:
            request.future.set_exception(request.error)
        else:
            request.future.set_result(request.result)


def _fail(batch: list[_Request], error: SQLAlchemyError) -> None:
    failed = _refused(error)
    for request in batch:
        if request.future.cancelled():
            continue
        request.future.set_exception(request.error or failed)


def _refused(error: SQLAlchemyError) -> StoreFailed:
    why = f"The database refused the transaction; nothing of it was written: {refusal(error)}"
    failed = StoreFailed(why, for_what_it_held=is_of_values(error))
    failed.__cause__ = error
    return failed


class PooledWriter:
    """The writers of a PostgreSQL database: each request is a transaction of its own, so many at a time at most.

    What is waited for runs on the thread that waits, the rest on a pool. A serialization failure, a deadlock or a connection that
    was lost before its COMMIT is tried again, whole.
    """

    def __init__(self, engine: Engine, sleepers: Sleepers, at_a_time: int = 8) -> None:
        self._engine = engine
        self._sleepers = sleepers
        self._pool = ThreadPoolExecutor(at_a_time, thread_name_prefix="writer")
        self._turns = threading.Semaphore(at_a_time)
        self._at_a_time = at_a_time
        self._closed = False

    def submit(self, work: Work[T]) -> Future[T]:
        """Run the work on a thread of the pool; see `Writer`."""
        if self._closed:
            raise StoreClosed
        try:
            return self._pool.submit(self._transact, work)
        except RuntimeError as error:  # closed meanwhile
            raise StoreClosed from error

    def run(self, work: Work[T]) -> T:
        """Run the work on this thread; see `Writer`."""
        return self._transact(work, own=True)

    def close(self) -> None:
        """Finish what was submitted, and what runs."""
        self._closed = True
        self._pool.shutdown()
        for _ in range(self._at_a_time):
            self._turns.acquire()
        self._turns.release(self._at_a_time)

    def _transact(self, work: Work[T], *, own: bool = False) -> T:
        with self._turns:
            if own and self._closed:
                raise StoreClosed
            for attempt in range(1, TRIES + 1):
                committing = False
                try:
                    with self._engine.begin() as connection:
                        result = work(connection)
                        topics = to_be_woken(connection)
                        committing = True
                    if topics:
                        self._sleepers.wake(topics)
                    return result
                except SQLAlchemyError as error:
                    if attempt < TRIES and isinstance(error, DBAPIError):
                        lost = error.connection_invalidated and not committing  # the server undid what it had of it
                        if lost or getattr(error.orig, "sqlstate", None) in TRY_AGAIN:
                            continue
                    raise _refused(error) from error
            raise StoreFailed
