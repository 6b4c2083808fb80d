"""The two readings of the rules, modules behind one protocol."""

from rules.judging.semantics import documented, vista
from rules.judging.semantics.base import Semantics, Test, Verdict

SEMANTICS: dict[str, Semantics] = {"documented": documented, "vista": vista}

__all__ = ["SEMANTICS", "Semantics", "Test", "Verdict"]
