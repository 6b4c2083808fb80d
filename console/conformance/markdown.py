"""Markdown as the statement needs it: headings that number themselves by their depth, tables, lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from textwrap import wrap

WIDTH = 130


@dataclass(slots=True)
class Page:
    """A page that is written from above; sections are numbered as PS3.2 numbers them."""

    lines: list[str] = field(default_factory=list)
    _numbers: list[int] = field(default_factory=list)
    _chapters: list[str] = field(default_factory=list)
    _contents: int | None = None

    def title(self, text: str) -> None:
        """Begin the page."""
        self.lines += [f"# {text}", ""]

    def section(self, depth: int, text: str) -> None:
        """Begin a section, of depth 1 for a chapter."""
        self._numbers = [*self._numbers[:depth], *[0] * (depth - len(self._numbers))]
        self._numbers[-1] += 1
        number = ".".join(map(str, self._numbers))
        self.lines += [f"{'#' * (depth + 1)} {number} {text}", ""]
        if depth == 1:
            self._chapters.append(f"{number} {text}")

    def contents(self) -> None:
        """Name the chapters here, those that are still to come too."""
        self._contents = len(self.lines)

    def say(self, *paragraphs: str) -> None:
        """Write paragraphs, in lines as long as ours are."""
        for paragraph in paragraphs:
            self.lines += [*wrap(paragraph, WIDTH, break_long_words=False, break_on_hyphens=False), ""]

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Write a table; a bar in a cell is written so that it stays one."""
        self.lines += [_row(headings), "|" + "---|" * len(headings), *map(_row, rows), ""]

    def text(self) -> str:
        """Give the page."""
        lines = list(self.lines)
        if self._contents is not None:
            lines[self._contents : self._contents] = [*(f"* [{it}](#{_anchor(it)})" for it in self._chapters), ""]
        return "\n".join(lines).rstrip("\n") + "\n"


def _anchor(heading: str) -> str:
    return heading.lower().replace(" ", "-").replace(":", "")


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
