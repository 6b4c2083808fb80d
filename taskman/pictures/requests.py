"""What a painter is asked for and what it answers, as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Kind(StrEnum):
    """How a file shows the picture: as a JPEG, small or for a page, as a TARGA of full or of reduced size."""

    ABSTRACT = "abstract"
    PAGE = "page"
    FULL = "full"
    REDUCED = "reduced"


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A file that is to be written."""

    kind: Kind
    path: Path


@dataclass(frozen=True, slots=True)
class Painted:
    """What was written: the picture, or placeholders because of `reason`; `failed` says why a file could not be written."""

    reason: str = ""
    failed: str = ""


def encode_request(source: Path, files: Sequence[PictureFile]) -> bytes:
    """Write a request."""
    return json.dumps([str(source), [[file.kind, str(file.path)] for file in files]]).encode() + b"\n"


def decode_request(line: bytes) -> tuple[Path, list[PictureFile]]:
    """Read a request."""
    source, files = json.loads(line)
    return Path(source), [PictureFile(Kind(kind), Path(path)) for kind, path in files]


def encode_answer(painted: Painted) -> bytes:
    """Write an answer."""
    return json.dumps([painted.reason, painted.failed]).encode() + b"\n"


def decode_answer(line: bytes) -> Painted:
    """Read an answer."""
    reason, failed = json.loads(line)
    return Painted(reason, failed)
