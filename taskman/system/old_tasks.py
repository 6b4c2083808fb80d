"""Records of tasks that are over, and the engine's rows of them, go after a week (QCLEAN^ZTMCLEAN)."""

from __future__ import annotations

from taskman import engine, managers, tasks
from taskman.context import TaskContext
from taskman.routines import routine
from taskman.system.batches import BATCH, in_batches
from taskman.system.days import seconds_ago
from taskman.variables import read_variables

#: `days`: how long a record stays after its task's end.
VARIABLES = {"days": 7.0}


@routine(
    "QCLEAN^MAGBSYS",
    subject=lambda _arguments: "QCLEAN^MAGBSYS",
    option="MAGB CLEAN UP TASKS",
    frequency="D@00:30,E@00:30",
    variables=VARIABLES,
)
def clean_up_tasks(task: TaskContext) -> None:
    """Delete records of tasks that ended a week ago, and what the engine remembers of them.

    A record that is to be kept until a time (ZTKIL) stays until then.
    """
    before, now = seconds_ago(task.clock, read_variables(VARIABLES, task.arguments)["days"]), task.clock.seconds()
    records = in_batches(task, lambda connection: tasks.delete_old_tasks(connection, before, now, BATCH))
    rows = (
        0
        if task.stop_requested()
        else engine.trim(before, task.store.read(lambda connection: managers.alive(connection, before)))
    )
    task.say(f"{records} records of tasks deleted, and {rows} rows of the engine")
