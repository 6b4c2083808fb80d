"""The RESULT list of IMAGE PROCESSING, and VistA's message blocks in it (ERROR^MAGDIR8, MAGDIRVE)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

PROCESSING_ERROR = "DICOM IMAGE PROCESSING ERROR"
_DETECTED = "Problem detected by routine"
_HALT = (
    "",
    "          This is a VERY SERIOUS ERROR.  Image processing",
    "              will be halted until it is resolved.",
    "",
    "Call IRM and the National VistA Support Help Desk (888) 596-HELP",
    "",
)


@dataclass(slots=True)
class Messages:
    """The lines, title and CRITICAL flag of an error (the MSG array).

    One lives as long as a call: what an error leaves is there until the next begins anew, so that a refusal that only adds to
    it (a locked exam) shows it once more.
    """

    lines: list[str] = field(default_factory=list)
    title: str = ""
    critical: str = ""

    def begin(self, *lines: str) -> None:
        """Forget what was there and begin with some lines."""
        self.lines, self.title, self.critical = list(lines), "", ""

    def local_error(self, routine: str) -> None:
        """Finish an error that is the site's own affair (CRITICAL 0)."""
        self.lines += [f"{_DETECTED} {routine}.", ""]
        self.title, self.critical = PROCESSING_ERROR, "0"

    def critical_error(self, routine: str, gateway: str, title: str = "") -> None:
        """Finish an error that halts image processing until somebody resolves it (CRITICAL 1)."""
        self.lines += [f'Gateway: "{gateway}"', *_HALT, f"{_DETECTED} {routine}.", ""]
        self.title, self.critical = f"{PROCESSING_ERROR} - {title}" if title else PROCESSING_ERROR, "1"

    def encountered(self, routine: str, code: str) -> None:
        """Say which routine gave up (ERRCHECK^MAGDIR81): in place of the first line, of an error that is finished."""
        line = f'A problem was encountered by routine {routine}     Error Code: "{code}"'
        if self.title and self.lines:
            self.lines[0] = line
        else:
            self.lines.append(line)

    def block(self, opcode: str, code: str, routine: str) -> list[str]:
        """Make an error element and its MSG elements, of which the last says END."""
        self.lines = [f'{line}     Error Code: "{code}"' if line.startswith(_DETECTED) else line for line in self.lines]
        told = self.lines or [f'Error Code: "{code}"  (no further information is available)']
        elements = [f"{opcode}|{code}|{self.title}|{routine}|{self.critical}"]
        elements.extend(f"MSG||{line}" for line in told[:-1])
        elements.append(f"MSG|END|{told[-1]}")
        return elements


@dataclass(slots=True)
class Results:
    """Collects the elements of RESULT; the first element of the answer is the subscript of the last."""

    lines: list[str] = field(default_factory=list)
    messages: Messages = field(default_factory=Messages)

    def add(self, opcode: str, arguments: str) -> None:
        """Add one element."""
        self.lines.append(f"{opcode}|{arguments}")

    def error(self, opcode: str, code: str, routine: str, messages: Messages | None = None) -> None:
        """Add an error and its messages: those of the call unless others are given."""
        self.extend((self.messages if messages is None else messages).block(opcode, code, routine))

    def extend(self, lines: Sequence[str]) -> None:
        """Add several elements."""
        self.lines.extend(lines)

    def answer(self) -> list[str]:
        """Give the array to answer; nothing at all when nothing was added."""
        return [str(len(self.lines) + 1), *self.lines] if self.lines else []
