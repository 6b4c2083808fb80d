"""TaskMan: task records, routines, and the engine that runs them."""

from taskman.engine import Engine
from taskman.errors import EngineDown, TaskManError, UnknownRoutine
from taskman.routines import Routine, TaskContext, find_routine, routine
from taskman.tasks import Status, TaskRecord

__all__ = [
    "Engine",
    "EngineDown",
    "Routine",
    "Status",
    "TaskContext",
    "TaskManError",
    "TaskRecord",
    "UnknownRoutine",
    "find_routine",
    "routine",
]
