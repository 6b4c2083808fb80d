"""The RESULT list of IMAGE PROCESSING, and VistA's message blocks in it (ERROR^MAGDIR8, MAGDIRVE)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

PROCESSING_ERROR = "DICOM IMAGE PROCESSING ERROR"


@dataclass(slots=True)
class Results:
    """Collects the elements of RESULT; the first element of the answer is the subscript of the last."""

    lines: list[str] = field(default_factory=list)

    def add(self, opcode: str, arguments: str) -> None:
        """Add one element."""
        self.lines.append(f"{opcode}|{arguments}")

    def extend(self, lines: Sequence[str]) -> None:
        """Add the elements of a block."""
        self.lines.extend(lines)

    def answer(self) -> list[str]:
        """Give the array to answer; nothing at all when nothing was added."""
        return [str(len(self.lines) + 1), *self.lines] if self.lines else []


def block(opcode: str, code: str, title: str, routine: str, critical: str, messages: Sequence[str]) -> list[str]:
    """Make an error element and its MSG elements, of which the last says END."""
    lines = [f"{opcode}|{code}|{title}|{routine}|{critical}"]
    lines.extend(f"MSG||{message}" for message in messages[:-1])
    lines.append(f"MSG|END|{messages[-1]}")
    return lines


def plain_error(opcode: str, code: str, routine: str, messages: Sequence[str]) -> list[str]:
    """Make the block of a refusal that has no title: duplicates, association problems, locks."""
    return block(opcode, code, "", routine, "", messages)


def local_error(opcode: str, code: str, routine: str, messages: Sequence[str], detected_by: str = "") -> list[str]:
    """Make the block of an error that is the site's own affair (CRITICAL 0)."""
    problem = f'Problem detected by routine {detected_by or routine}.     Error Code: "{code}"'
    return block(opcode, code, PROCESSING_ERROR, routine, "0", [*messages, problem, ""])


def critical_error(
    opcode: str, code: str, routine: str, detected_by: str, gateway: str, messages: Sequence[str], title: str = ""
) -> list[str]:
    """Make the block of an error that halts image processing until somebody resolves it (CRITICAL 1)."""
    heading = f"{PROCESSING_ERROR} - {title}" if title else PROCESSING_ERROR
    lines = [
        f'A problem was encountered by routine {detected_by}     Error Code: "{code}"',
        *messages,
        f'Gateway: "{gateway}"',
        "",
        "          This is a VERY SERIOUS ERROR.  Image processing",
        "              will be halted until it is resolved.",
        "",
        "Call IRM and the National VistA Support Help Desk (888) 596-HELP",
        "",
        f'Problem detected by routine {detected_by}.     Error Code: "{code}"',
        "",
    ]
    return block(opcode, code, heading, routine, "1", lines)
