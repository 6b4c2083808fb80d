"""What the process that transcodes is asked for and what it answers, as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path


def encode_request(source: Path, target: Path, syntaxes: Sequence[str]) -> bytes:
    """Write a request: bring a file into the first of some transfer syntaxes for which it is fit."""
    return json.dumps([str(source), str(target), list(syntaxes)]).encode() + b"\n"


def decode_request(line: bytes) -> tuple[Path, Path, list[str]]:
    """Read a request."""
    source, target, syntaxes = json.loads(line)
    return Path(source), Path(target), syntaxes


def encode_answer(reason: str) -> bytes:
    """Write an answer: nothing, or why it could not be done."""
    return json.dumps(reason).encode() + b"\n"


def decode_answer(line: bytes) -> str:
    """Read an answer."""
    return str(json.loads(line))
