"""The two readings of the rules, modules behind one protocol."""

from rules.judging.reading import Verdict
from rules.judging.semantics import documented, vista
from rules.judging.semantics.base import Dealt, Semantics, Test

SEMANTICS: dict[str, Semantics] = {"documented": documented, "vista": vista}

__all__ = ["SEMANTICS", "Dealt", "Semantics", "Test", "Verdict"]
