"""What the shell writes: a screen at a time where somebody reads along; what would steer a terminal is written out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, RenderableType
from rich.markup import escape

#: Lines of a screen that are left for the prompt.
FRAME = 2


def readable(text: str) -> str:
    """Write out what would steer a terminal; line ends and tabs stay."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else repr(char)[1:-1] for char in text)


def readable_values(value: Any) -> Any:
    """Write out what would steer a terminal in all the texts of a JSON value."""
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, Mapping):
        return {name: readable_values(it) for name, it in value.items()}
    return [readable_values(it) for it in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Screen:
    """Writes to the terminal; `more` is asked between two screens, and tells whether to go on. Without it nothing stops."""

    more: Callable[[], bool] | None = None
    console: Console = field(default_factory=lambda: Console(highlight=False))

    def say(self, text: str = "", style: str = "") -> None:
        """Write a line of text as it is."""
        self.console.print(escape(readable(text)), style=style or None, soft_wrap=True)

    def complain(self, text: str) -> None:
        """Write why something was not done."""
        self.say(text, "red")

    def show(self, shown: RenderableType) -> bool:
        """Write something that may be long; False when the reader had enough of it."""
        with self.console.capture() as captured:
            self.console.print(shown, soft_wrap=isinstance(shown, str))
        return self.lines(captured.get().splitlines())

    def lines(self, lines: list[str]) -> bool:
        """Write lines as they are; False when the reader had enough of them."""
        room = max(1, len(lines) if self.more is None else self.console.height - FRAME)
        for at in range(0, len(lines), room):
            if at and self.more is not None and not self.more():
                return False
            self.console.file.write("".join(f"{line.rstrip()}\n" for line in lines[at : at + room]))
        self.console.file.flush()
        return True
