"""Everything that tasks may run: whoever runs or schedules tasks imports this module, which registers it."""

from rpcs import text_corrections
from rpcs.look_ups import find_studies
from rules import evaluator
from taskman import system

__all__ = ["evaluator", "find_studies", "system", "text_corrections"]
