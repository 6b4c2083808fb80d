"""DICOM files below files and folders, found by their head."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from console.errors import WrongUsage
from gateway_client import FileMeta, NotPart10, read_meta

_DIRECTORY = "1.2.840.10008.1.3.10"


@dataclass(frozen=True, slots=True)
class Found:
    """A DICOM file: what its head says, and the bytes of its data set."""

    path: Path
    meta: FileMeta
    size: int


@dataclass(slots=True)
class Search:
    """The objects that were found so far, and the files that were passed over, by the reason."""

    found: list[Found] = field(default_factory=list)
    passed: dict[str, list[Path]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The bytes of all data sets."""
        return sum(one.size for one in self.found)

    @property
    def skipped(self) -> dict[str, int]:
        """How many files were passed over, by the reason, the most usual first."""
        return dict(Counter({why: len(files) for why, files in self.passed.items()}).most_common())

    @property
    def passed_over(self) -> str:
        """What was passed over, to be put behind a sentence; "" for nothing."""
        told = ", ".join(f"{count} {why}" for why, count in self.skipped.items())
        return f"; passed over: {told}" if told else ""

    def look_into(self, paths: Iterable[Path], *, recursive: bool = True) -> None:
        """Look at files and into folders, in the order of the names there; a file that is named twice counts once.

        Raises WrongUsage for a path where there is nothing.
        """
        seen = set()
        for file in (file for path in paths for file in _files(path, recursive=recursive)):
            if file not in seen:
                seen.add(file)
                self._look(file)

    def _look(self, path: Path) -> None:
        try:
            meta = read_meta(path)
            size = path.stat().st_size - meta.offset
        except NotPart10:
            self._pass(path, "no DICOM file")
        except OSError:
            self._pass(path, "cannot be read")
        else:
            if meta.sop_class_uid == _DIRECTORY:
                self._pass(path, "a DICOMDIR")
            else:
                self.found.append(Found(path, meta, size))

    def _pass(self, path: Path, why: str) -> None:
        self.passed.setdefault(why, []).append(path)


def _files(path: Path, *, recursive: bool) -> Iterator[Path]:
    if not path.exists():
        raise WrongUsage(f"{path} does not exist.")
    if not path.is_dir():
        yield path
        return
    for folder, below, names in os.walk(path):
        below.sort()
        if not recursive:
            below.clear()
        yield from (file for file in (Path(folder, name) for name in sorted(names)) if file.is_file())
