"""The rule evaluator of a location: the task that judges what its gateways filed, and fills the queues."""

from rules.evaluator import restart
from rules.evaluator.evaluator_log import append_log, set_flag
from rules.evaluator.restart import died_by_location
from rules.evaluator.task import ENTRY_POINT, Evaluator, subject_of

__all__ = ["ENTRY_POINT", "Evaluator", "append_log", "died_by_location", "restart", "set_flag", "subject_of"]
