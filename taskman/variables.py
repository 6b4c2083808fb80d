"""The variables of an option's schedule (field 10 of #19.2): numbers with a name, each with what it is when none is given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from taskman.errors import TaskManError

#: What a scheduled task is handed besides its variables: field 15.
PARAMETER = "ZTQPARAM"
#: The fewest days for which something may be kept.
LEAST_DAYS = 1


class BadVariables(TaskManError):
    """The option does not know these variables."""


def read_variables(known: Mapping[str, float], given: Mapping[str, Any]) -> dict[str, float]:
    """Give every variable that an option knows with its value.

    Raises BadVariables for a name that it does not know, for what is no number above 0, and for less than a day where days are
    meant, so that a slip empties no log.
    """
    values = dict(known)
    for name, value in given.items():
        if name == PARAMETER:
            continue
        if name not in known:
            there = f"it has {', '.join(sorted(known))}" if known else "it has none"
            raise BadVariables(f"there is no variable {name}: {there}.")
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
            raise BadVariables(f"{name} is {value!r}; it has to be a number above 0.")
        if name.endswith("days") and value < LEAST_DAYS:
            raise BadVariables(f"{name} is {value!r}; it has to be {LEAST_DAYS} or more.")
        values[name] = float(value)
    return values
