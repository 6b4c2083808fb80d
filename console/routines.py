"""Everything that tasks may run: whoever runs or schedules tasks imports this module, which registers it."""

from rules import evaluator, restart
from taskman import system

__all__ = ["evaluator", "restart", "system"]
