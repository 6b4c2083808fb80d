"""The two readings of the rules, modules behind one protocol."""

from rules.semantics import documented, vista
from rules.semantics.base import Semantics, Test, Verdict

SEMANTICS: dict[str, Semantics] = {"documented": documented, "vista": vista}

__all__ = ["SEMANTICS", "Semantics", "Test", "Verdict"]
