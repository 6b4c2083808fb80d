# The public names; see runtime/late_names.py.

from taskman.context import TaskContext
from taskman.devices import Destination
from taskman.endings import Deleted, Ending, Requeued, Stopped
from taskman.engine import Engine
from taskman.errors import BadFrequency, BadSchedule, EngineDown, Refused, TaskLost, TaskManError, UnknownRoutine
from taskman.pace import Pace
from taskman.record import Status, TaskRecord
from taskman.recurrence import Frequency, parse_frequency
from taskman.routines import Routine, find_option, find_routine, options, routine
from taskman.variables import BadVariables, read_variables

__all__ = [
    "BadFrequency",
    "BadSchedule",
    "BadVariables",
    "Deleted",
    "Destination",
    "Ending",
    "Engine",
    "EngineDown",
    "Frequency",
    "Pace",
    "Refused",
    "Requeued",
    "Routine",
    "Status",
    "Stopped",
    "TaskContext",
    "TaskLost",
    "TaskManError",
    "TaskRecord",
    "UnknownRoutine",
    "find_option",
    "find_routine",
    "options",
    "parse_frequency",
    "read_variables",
    "routine",
]
