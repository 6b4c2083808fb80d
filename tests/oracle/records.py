"""Reading the recorded answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def read_records(theme: str) -> list[dict[str, Any]]:
    """Give the records of a file such as `b1_store`, in order."""
    return [json.loads(line) for line in (HERE / f"{theme}.jsonl").read_text(encoding="utf-8").splitlines()]
