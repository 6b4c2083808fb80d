"""What procedures and commands ask of TaskMan (the calls of ^%ZTLOAD); each works in the caller's transaction."""

from __future__ import annotations

from sqlalchemy import Connection

from taskman.subjects import holder
from taskman.tasks import Status, insert_task, read_status, request_stop, request_stop_of_all

load = insert_task
status = read_status
stop = request_stop
stop_all = request_stop_of_all

__all__ = ["Status", "is_running", "load", "status", "stop", "stop_all"]


def is_running(connection: Connection, subject: str, now: float) -> bool:
    """Tell whether a task has a subject now."""
    return holder(connection, subject, now) is not None
