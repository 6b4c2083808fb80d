"""DCMTK's movescu and getscu for tests: what is asked for, and what the final answer was."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.dicom import NO_DELAY

#: How they call the information models.
MODELS = {"patient": "-P", "study": "-S", "patient/study": "-O"}


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The last answer: its status, how many sub-operations remain, were completed, failed, warned of; and all that was said."""

    status: int
    remaining: int
    completed: int
    failed: int
    warning: int
    said: str


def movescu(
    address: tuple[str, int], keys: Sequence[str], destination: str, *, model: str = "study", options: Sequence[str] = ()
) -> Retrieved:
    """Have objects moved: `address` is the AE title and the port that are asked."""
    return _run(["movescu", "-aem", destination, *options], address, keys, model)


def getscu(
    directory: Path, address: tuple[str, int], keys: Sequence[str], *, model: str = "study", options: Sequence[str] = ()
) -> Retrieved:
    """Get objects, which are written bit by bit into a folder."""
    directory.mkdir(parents=True, exist_ok=True)
    return _run(["getscu", "+B", "-od", str(directory), *options], address, keys, model)


def _run(command: Sequence[str], address: tuple[str, int], keys: Sequence[str], model: str) -> Retrieved:
    title, port = address
    words = [word for key in keys for word in ("-k", key)]
    line = [command[0], "-d", MODELS[model], "-aet", "VIEWER", "-aec", title, *command[1:], *words, "127.0.0.1", str(port)]
    done = subprocess.run(line, capture_output=True, text=True, env=NO_DELAY, timeout=120, check=False)
    said = done.stdout + done.stderr
    names = "Remaining", "Completed", "Failed", "Warning"
    remaining, completed, failed, warning = (_last(said, rf"{name} Suboperations\s*: (\w+)") for name in names)
    return Retrieved(_last(said, r"DIMSE Status\s*: 0x([0-9a-f]{4})", 16), remaining, completed, failed, warning, said)


def _last(said: str, pattern: str, base: int = 10) -> int:
    """Give the last number that a pattern finds, 0 where it says none."""
    found = re.findall(pattern, said)
    assert found, said
    return 0 if found[-1] == "none" else int(found[-1], base)
