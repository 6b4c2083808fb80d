"""DCMTK's worklist server, wlmscpfs, with worklist files that dump2dcm makes; and queries that come with DCMTK."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from pydicom import Dataset, dcmread

from fileman.worklist_attributes import ATTRIBUTES, BY_COLUMN, STEP
from runtime import free_port
from tests.support.dicom import NO_DELAY
from tests.support.waiting import until

#: Where Debian's package has DCMTK's samples: a worklist of ten steps, and thirteen queries.
SAMPLES = Path("/usr/share/doc/dcmtk/examples")
TITLE = "WLM"
#: Specific Character Set, which each server words for itself, and the status of a step, which wlmscpfs does not know.
_UNTOLD = (0x00080005, 0x00400020)


@dataclass
class Wlmscpfs:
    """Serves the worklist files of a directory, within `with`, to who calls TITLE."""

    directory: Path
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Wlmscpfs:
        """Listen."""
        self.directory.mkdir(parents=True, exist_ok=True)
        command = ["wlmscpfs", "-q", "-s", "-dfr", "-csk", "-dfp", str(self.directory), str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=NO_DELAY)
        until(self._listens, "wlmscpfs listens")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def hold(self, dumps: Iterable[tuple[str, str]]) -> list[Path]:
        """Make worklist files of dumps, by their names; give them."""
        folder = self.directory / TITLE
        folder.mkdir(parents=True)
        (folder / "lockfile").touch()
        return [dicom_of(text, folder / f"{name}.wl") for name, text in dumps]


def dicom_of(dump: str, file: Path) -> Path:
    """Have dump2dcm make a file of a dump."""
    source = file.with_suffix(".dump")
    source.write_text(dump, encoding="utf-8")
    subprocess.run(["dump2dcm", "-q", "-g", str(source), str(file)], check=True, env=NO_DELAY)
    return file


def dump_of(entry: Mapping[str, object]) -> str:
    """Write an entry of the worklist as a dump."""
    elements: dict[str, str] = {"00080005": "(0008,0005) CS [ISO_IR 100]"}
    inside: dict[str, str] = {}
    for attribute in ATTRIBUTES:
        *sequences, tag = attribute.path.split(">")
        place = {(): elements, (STEP,): inside}.get(tuple(sequences))
        if place is not None:
            place[tag] = f"({tag[:4]},{tag[4:]}) {attribute.vr} [{entry[attribute.column]}]"
    item = [inside[tag] for tag in sorted(inside)]
    elements[STEP] = "\n".join(["(0040,0100) SQ", "(fffe,e000) -", *item, "(fffe,e00d) -", "(fffe,e0dd) -"])
    return "\n".join(elements[tag] for tag in sorted(elements)) + "\n"


def entry_of(file: Path) -> dict[str, Any]:
    """Give the entry that a worklist file tells of, by its columns."""
    found, given = dcmread(file, force=True), {"source": "CSV"}
    for attribute in BY_COLUMN.values():
        *sequences, tag = attribute.path.split(">")
        item: Dataset | None = found
        for sequence in sequences:
            items = item.get(int(sequence, 16)) if item is not None else None
            item = items.value[0] if items is not None and items.value else None
        element = item.get(int(tag, 16)) if item is not None else None
        if element is not None and element.VM:
            given[attribute.column] = "\\".join(map(str, element.value)) if element.VM > 1 else str(element.value)
    return given


def said(matches: Sequence[Dataset]) -> list[str]:
    """Give what matches say, in an order that does not depend on who says it; what says nothing is left out."""
    return sorted(repr(_said(match)) for match in matches)


def _said(item: Dataset) -> dict[str, Any]:
    told = {}
    for element in item:
        if element.VR == "SQ":
            value: Any = [said_of for one in element.value if (said_of := _said(one))]
        else:
            value = str(element.value) if element.VM and element.tag not in _UNTOLD else ""
        if value:
            told[str(element.tag)] = value
    return told
