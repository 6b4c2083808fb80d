"""The heartbeats of TaskMan's workers (the RUN node of ^%ZTSCH): a row per executor."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, select

from fileman import insert_into
from fileman.files import TaskManager

_FRESH = select(TaskManager.executor).where(TaskManager.heartbeat_at > bindparam("since"))
_FORGET = delete(TaskManager).where(TaskManager.heartbeat_at <= bindparam("before"))
_FORGET_ONE = delete(TaskManager).where(TaskManager.executor == bindparam("executor_"))
_LIST = select(
    TaskManager.executor,
    TaskManager.host,
    TaskManager.pid,
    TaskManager.slots,
    TaskManager.running,
    TaskManager.started_at,
    TaskManager.heartbeat_at,
).order_by(TaskManager.started_at)


@dataclass(frozen=True, slots=True)
class Manager:
    """A worker as its heartbeat tells it. Times are seconds since the epoch."""

    executor: str
    host: str
    pid: int
    slots: int
    running: int
    started_at: float
    heartbeat_at: float


def beat(connection: Connection, executor: str, slots: int, running: int, now: float) -> None:
    """Give a sign of life."""
    row = {"host": socket.gethostname(), "pid": os.getpid(), "slots": slots, "started_at": now}
    signs = {"running": running, "heartbeat_at": now}
    statement = insert_into(connection, TaskManager).values(executor=executor, **row, **signs)
    connection.execute(statement.on_conflict_do_update(index_elements=[TaskManager.executor], set_=signs))


def alive(connection: Connection, since: float) -> set[str]:
    """Name the executors that gave a sign after a time."""
    return set(connection.execute(_FRESH, {"since": since}).scalars())


def forget(connection: Connection, executor: str) -> None:
    """Take a worker's heartbeat away, because it ends."""
    connection.execute(_FORGET_ONE, {"executor_": executor})


def forget_old(connection: Connection, before: float) -> None:
    """Take away the heartbeats of workers that are long gone."""
    connection.execute(_FORGET, {"before": before})


def list_managers(connection: Connection) -> list[Manager]:
    """List the workers, those that are gone too as long as their heartbeats are kept."""
    return [Manager(*row) for row in connection.execute(_LIST)]
