"""What an action answers as JSON, how its answer is read, and in which context its procedure is called: what a client needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

from tzlocal import get_localzone

from rpcs.actions.errors import KINDS, RefusedAction

#: The options of type B that open procedures: TaskMan's, and that of all others.
TASKMAN, GATEWAY = "MAGB TASKMAN", "MAGB GATEWAY"
#: What holds values of others, to be left as they are.
_OF_OTHERS = {"arguments", "variables", "result"}


def context_of(name: str) -> str:
    """Name the option that opens an action's procedure."""
    return TASKMAN if name.startswith("MAGB TASK ") else GATEWAY


def answer_of(text: str) -> Any:
    """Read what a procedure answered. Raises ActionError as the action did."""
    mark, _, rest = text.partition("^")
    if mark == "1":
        return json.loads(rest)
    kind, _, why = rest.partition("^")
    raise KINDS.get(kind, RefusedAction)(why)


def told(value: Any) -> Any:
    """Turn what an action gives into JSON values; what is named `at` or `..._at` is a time, written in ISO 8601."""
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: _told_under(name, it) for name, it in value.items()}
    return [told(it) for it in value] if isinstance(value, list | tuple) else value


def _told_under(name: str, value: Any) -> Any:
    if name in _OF_OTHERS:
        return value
    return _iso(value) if name == "at" or name.endswith("_at") else told(value)


def _iso(seconds: Any) -> Any:
    if not isinstance(seconds, int | float):
        return seconds
    try:
        return datetime.fromtimestamp(seconds, get_localzone()).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return None
