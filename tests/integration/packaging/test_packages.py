"""The packages load from a built wheel and from an editable install, with their resources."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
PACKAGES = (
    *("broker", "console", "console.cli.main", "fileman", "gateway_client", "magbroker", "magbroker_data", "rpcs", "rules"),
    *("runtime", "taskman", "xwb", "magbroker.client", "magbroker.fixtures", "magbroker.gateway", "magbroker.rpc_pack"),
    *("magbroker.testing", "dul"),
)
SOURCES = (
    *("broker", "console", "data", "dul", "fileman", "gateway_client", "magbroker", "rpcs", "rules", "runtime", "taskman", "xwb"),
)
#: What an installed copy is asked: where each package comes from, and whether what it reads beside its code is there.
QUESTION = f"""
import importlib, json
from importlib import resources
found = {{name: importlib.import_module(name).__file__ for name in {PACKAGES!r}}}
from fileman import read_site_file
from rules import parse_rules
from xwb import Cipher
with resources.as_file(resources.files("magbroker_data")) as data:
    site = read_site_file(data / "demo.toml")
    rules = parse_rules((data / "demo.rule").read_text(encoding="utf-8"))
Cipher.standard()
examples = resources.files("rules").joinpath("examples")
assert all(parse_rules(example.read_text(encoding="utf-8")) for example in examples.iterdir())
print(json.dumps([found, len(site.patient), len(rules)]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel from a copy of the sources, so that nothing is left behind in them."""
    copy = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        shutil.copytree(PROJECT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, copy / name)
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(copy / "dist"), str(copy)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    (built,) = (copy / "dist").glob("*.whl")
    return built


def _ask(folder: Path, before: str = "") -> tuple[dict[str, str], int, int]:
    """Ask a Python that is started elsewhere, so that the sources are not its current directory."""
    command = [sys.executable, "-c", before + QUESTION]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=folder)
    assert run.returncode == 0, run.stderr
    found, patients, rules = json.loads(run.stdout)
    return found, patients, rules


def test_wheel_has_every_package_and_resource(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    found, patients, rules = _ask(tmp_path, f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n")
    assert all(Path(file).is_relative_to(tmp_path / "site") for file in found.values()), found
    assert patients == 10
    assert rules > 5


def test_wheel_installs_the_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (entry_points,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "magbroker = console.cli.main:main" in archive.read(entry_points).decode()
        assert not [name for name in archive.namelist() if name.startswith(("tests/", "bench/"))]


def test_editable_install_has_every_package_and_resource(tmp_path: Path) -> None:
    found, patients, rules = _ask(tmp_path)
    assert all(Path(file).is_relative_to(PROJECT) for file in found.values()), found
    assert patients == 10
    assert rules > 5


@pytest.mark.parametrize("name", PACKAGES)
def test_imported_packages_are_ours(name: str) -> None:
    assert Path(str(importlib.import_module(name).__file__)).is_relative_to(PROJECT)
