"""Steps of a task: what is done is written down with its result, and is not done again whatever dies.

The engine's own steps belong to one attempt and its store may be thrown away, so a task's steps are rows of our database.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select

from fileman.files import TaskStep

_RESULT = select(TaskStep.result).where(TaskStep.task == bindparam("task_"), TaskStep.name == bindparam("name_"))
_INSERT = insert(TaskStep)
_DONE = select(TaskStep.name, TaskStep.at, TaskStep.result).where(TaskStep.task == bindparam("task_")).order_by(TaskStep.at)
_COUNT = (
    select(func.count())
    .select_from(TaskStep)
    .where(TaskStep.task == bindparam("task_"), TaskStep.name.startswith(bindparam("prefix")), TaskStep.at >= bindparam("since"))
)

#: A step that was not done; None is a result.
NOT_DONE = object()


def step_result(connection: Connection, task: int, name: str) -> Any:
    """Give what a step gave, or NOT_DONE."""
    text = connection.execute(_RESULT, {"task_": task, "name_": name}).scalar()
    return NOT_DONE if text is None else json.loads(text)


def record_step(connection: Connection, task: int, name: str, result: Any, now: float) -> None:
    """Write down that a step is done; its result is a JSON value."""
    connection.execute(_INSERT, {"task": task, "name": name, "at": now, "result": json.dumps(result)})


def count_steps(connection: Connection, task: int, prefix: str, since: float) -> int:
    """Count the steps whose names begin with something, from a time on."""
    return int(connection.execute(_COUNT, {"task_": task, "prefix": prefix, "since": since}).scalar_one())


def done_steps(connection: Connection, task: int) -> list[tuple[str, float, Any]]:
    """List the steps of a task that are done, with their times and results."""
    return [(row.name, row.at, json.loads(row.result)) for row in connection.execute(_DONE, {"task_": task})]
