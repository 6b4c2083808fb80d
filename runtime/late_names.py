"""Packages whose public names are imported when they are asked for: no program needs all that a package offers.

Such a package has its names in a stub beside it, `__init__.pyi`, as `from module import name` statements and `__all__`. Type
checkers and people read them there, and so does the package (SPEC 1 of scientific Python's packages).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def late_names(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Give `__getattr__`, `__dir__` and `__all__` for the `__init__.py` of a package (PEP 562), from `__name__` and `__file__`.

    A name must not be that of a module in the package, which would take its place when it is imported.
    """
    where = _where(Path(file).with_suffix(".pyi").read_text(encoding="utf-8"))

    def find(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(where[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *where})

    return find, names, sorted(where)


def _where(stub: str) -> dict[str, str]:
    """Give the module of each name that a stub imports."""
    imports = (statement for statement in ast.parse(stub).body if isinstance(statement, ast.ImportFrom))
    return {alias.name: str(statement.module) for statement in imports for alias in statement.names}
