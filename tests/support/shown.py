"""What a page shows: its code blocks, the sessions in them, and whether a command says what stands below it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks_of(page: Path) -> list[tuple[str, str]]:
    """Give language and text of a page's code blocks."""
    return [(match[1], match[2]) for match in _BLOCK.finditer(page.read_text(encoding="utf-8"))]


def commands_in(session: str) -> Iterator[tuple[str, list[str]]]:
    """Give each command of a session (`$ ...`) with the lines that are shown to follow it."""
    for text in session.split("$ ")[1:]:
        command, *shown = text.rstrip("\n").split("\n")
        yield command, shown


def shows(shown: list[str], said: str) -> bool:
    """Tell whether a page shows all that a command says, columns' widths aside.

    A line that is cut begins or ends with `...`; alone it stands for any number of lines.
    """
    expected = ""
    for line in (" ".join(line.split()) for line in shown):
        if line == "...":
            expected += r"(.*\n)*"
            continue
        begins, ends = ".*" * line.startswith("... "), ".*" * line.endswith("...")
        expected += begins + re.escape(line.removeprefix("... ").removesuffix("...")) + ends + r"\n"
    lines = [" ".join(line.split()) for line in said.rstrip().splitlines()]
    return re.fullmatch(expected, "".join(f"{line}\n" for line in lines)) is not None
