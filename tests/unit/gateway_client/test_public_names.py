"""What the pages and docstrings name, a program can import from `magbroker.gateway`."""

from __future__ import annotations

import builtins
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from magbroker import gateway

PAGES = Path(__file__).parents[3] / "docs" / "how-to"
#: A class's name, as ours are written: with a small letter, and no part of a word or a path.
NAME = re.compile(r"(?<![\w./\"=-])[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*\b(?![/-])")
CODE = re.compile(r"```python\n(.*?)```|(?<!`)`([^`\n]+)`(?!`)", re.DOTALL)
#: What is named of others, or is no class.
OTHERS = {"Asking", "Dataset", "Path", "VistA"} | {*dir(builtins)}


def names_in_code(page: str) -> set[str]:
    """List the classes that a page names in back-quotes and Python."""
    code = ("".join(found) for found in CODE.findall((PAGES / page).read_text(encoding="utf-8")))
    return {name for piece in code for name in NAME.findall(piece)}


def docstrings(public: object) -> Iterator[str]:
    """Give those of a name and its public methods."""
    yield inspect.getdoc(public) or ""
    if inspect.isclass(public):
        for _name, method in inspect.getmembers(public, lambda it: inspect.isfunction(it) or inspect.ismethod(it)):
            if not method.__module__.startswith("pydantic"):
                yield method.__doc__ or ""


@pytest.mark.parametrize(
    ("page", "among"),
    [
        ("receive-in-a-program.md", {"Configuration", "Listener", "NoAssociation", "PlacementError"}),
        ("storage-commitment.md", {"CommitmentSCU", "NoCommitmentResult"}),
    ],
)
def test_what_a_page_on_programs_names_can_be_imported(page: str, among: set[str]) -> None:
    named = names_in_code(page) - OTHERS
    assert among <= named
    assert named <= {*gateway.__all__}


@pytest.mark.parametrize("name", gateway.__all__)
def test_what_is_raised_can_be_imported(name: str) -> None:
    said = [
        raised
        for text in docstrings(getattr(gateway, name))
        for sentence in re.findall(r"\braises\b([^.]*)\.", text, re.IGNORECASE)
        for raised in NAME.findall(sentence)
    ]
    assert {*said} <= {*gateway.__all__} | OTHERS
