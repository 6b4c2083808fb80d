"""A package gives each public name when it is asked for, and loads nothing before."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
PACKAGES = sorted(stub.parent.name for stub in PROJECT.glob("*/__init__.pyi"))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_of_the_stub_is_there(package: str) -> None:
    module = import_module(package)
    stub = ast.parse((PROJECT / package / "__init__.pyi").read_text(encoding="utf-8"))
    (listed,) = [statement.value for statement in stub.body if isinstance(statement, ast.Assign)]
    assert sorted(ast.literal_eval(listed)) == module.__all__
    assert set(module.__all__) <= set(dir(module))
    assert all(getattr(module, name) is not None for name in module.__all__)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_name_is_that_of_a_module_of_the_package(package: str) -> None:
    modules = {path.stem for path in (PROJECT / package).iterdir()}
    assert not modules & set(import_module(package).__all__)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_loads_nothing_before_it_is_asked(package: str) -> None:
    script = f"import sys, {package}; print(sorted(name for name in sys.modules if name.startswith('{package}.')))"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=PROJECT).stdout
    assert set(ast.literal_eval(told)) <= {"runtime.late_names"}


def test_what_a_package_lacks_is_said_as_python_says_it() -> None:
    with pytest.raises(AttributeError, match="module 'fileman' has no attribute 'nonesuch'"):
        import_module("fileman").nonesuch  # noqa: B018  the question is the test
    with pytest.raises(ImportError, match="cannot import name 'nonesuch'"):
        exec("from fileman import nonesuch")
