"""Sync flags (#14.8): tasks that share one run one after the other, on the same device; one that fails keeps the flag.

As in VistA the tasks that wait for a flag go on only when its holder ended well, or when somebody clears it.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, bindparam, delete, or_, select, update

from fileman import insert_into
from fileman.files import Task, TaskSyncFlag
from taskman.devices import device_name
from taskman.record import PREPARED, QUEUED, RUNNING, SCHEDULED

#: What stands in a flag whose task failed (ZTSTAT in %ZTMS3).
FAILED = "1 General error"
#: Tasks that wait for flags and are looked at in one go.
MOST = 1000

_HELD = select(TaskSyncFlag.name, TaskSyncFlag.task, TaskSyncFlag.status).order_by(TaskSyncFlag.name)
_OF_TASK = select(TaskSyncFlag.name).where(TaskSyncFlag.task == bindparam("task_"))
_MARK = update(TaskSyncFlag).where(TaskSyncFlag.task == bindparam("task_")).values(status=bindparam("status_"))
_CLEAR = delete(TaskSyncFlag).where(TaskSyncFlag.name == bindparam("name_"))
_WAITING = (
    select(Task.number, Task.device)
    .where(Task.sync_flag == bindparam("flag"), Task.status == PREPARED, Task.executor == "")
    .order_by(Task.scheduled_at, Task.number)
)
_ALL_WAITING = (
    select(Task.number, Task.sync_flag, Task.device)
    .where(Task.sync_flag != "", Task.status == PREPARED, Task.executor == "")
    .order_by(Task.scheduled_at, Task.number)
    .limit(MOST)
)
#: Flags of tasks that are gone, or over, though they never failed.
_LEFT = (
    select(TaskSyncFlag.name)
    .join(Task, Task.number == TaskSyncFlag.task, isouter=True)
    .where(TaskSyncFlag.status == "")
    .where(or_(Task.number.is_(None), and_(Task.status.not_in([*QUEUED, PREPARED, RUNNING]), Task.executor == "")))
)
_WAKE = (
    update(Task)
    .where(Task.number == bindparam("number_"), Task.status == PREPARED, Task.executor == "")
    .values(status=SCHEDULED, attempt=Task.attempt + 1, message="")
)


def flag_name(flag: str, device: str) -> str:
    """Give the name under which #14.8 keeps a flag: flag~device."""
    return f"{flag}~{device_name(device)}"


def take(connection: Connection, flag: str, device: str, task: int) -> bool:
    """Take a flag for a task; false while another one has it. A task that begins again has it still."""
    statement = (
        insert_into(connection, TaskSyncFlag)
        .values(name=flag_name(flag, device), task=task, status="")
        .on_conflict_do_update(index_elements=[TaskSyncFlag.name], set_={"status": ""}, where=TaskSyncFlag.task == task)
        .returning(TaskSyncFlag.task)
    )
    return connection.execute(statement).first() is not None


def release(connection: Connection, task: int) -> None:
    """Give up the flag that a task has, and let the next task that waits for it go on."""
    for name in connection.execute(_OF_TASK, {"task_": task}).scalars().all():
        clear(connection, name)


def keep(connection: Connection, task: int) -> None:
    """Leave the flag with a task that failed."""
    connection.execute(_MARK, {"task_": task, "status_": FAILED})


def clear(connection: Connection, name: str) -> bool:
    """Free a flag, whoever has it, and let the next task go on; false when nobody has it."""
    if connection.execute(_CLEAR, {"name_": name}).rowcount != 1:
        return False
    flag, _, device = name.rpartition("~")
    for waiting in connection.execute(_WAITING, {"flag": flag}):
        if device_name(waiting.device) == device:
            connection.execute(_WAKE, {"number_": waiting.number})
            break
    return True


def mend(connection: Connection) -> bool:
    """Free the flags of tasks that gave up their turn, and let those go on that wait for a free one; tell whether any does.

    A task that was stopped, dequeued or deleted before its turn tells nobody.
    """
    for name in connection.execute(_LEFT).scalars().all():
        clear(connection, name)
    taken = set(connection.execute(select(TaskSyncFlag.name)).scalars())
    woken = False
    for waiting in connection.execute(_ALL_WAITING).all():
        name = flag_name(waiting.sync_flag, waiting.device)
        if name not in taken:
            taken.add(name)  # one goes on; the others wait for it
            woken |= connection.execute(_WAKE, {"number_": waiting.number}).rowcount == 1
    return woken


def held_flags(connection: Connection) -> list[tuple[str, int, str]]:
    """List the flags that are taken: name, task, and what became of a failed one."""
    return [(row.name, row.task, row.status) for row in connection.execute(_HELD)]
