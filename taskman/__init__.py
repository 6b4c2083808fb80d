"""TaskMan: task records, routines, and the engine that runs them."""

from taskman.engine import Engine
from taskman.errors import BadFrequency, EngineDown, TaskManError, UnknownRoutine
from taskman.recurrence import Frequency, parse_frequency
from taskman.routines import Routine, TaskContext, find_routine, routine
from taskman.tasks import Status, TaskRecord

__all__ = [
    "BadFrequency",
    "Engine",
    "EngineDown",
    "Frequency",
    "Routine",
    "Status",
    "TaskContext",
    "TaskManError",
    "TaskRecord",
    "UnknownRoutine",
    "find_routine",
    "parse_frequency",
    "routine",
]
