"""Routines: Python callables under `TAG^ROUTINE`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from taskman.context import TaskContext
from taskman.endings import Ending
from taskman.errors import UnknownRoutine

Body = Callable[[TaskContext], Ending]


@dataclass(frozen=True, slots=True)
class Routine:
    """A registered routine.

    With `subject` at most one task runs per subject, for example per location; `busy` is called instead of the body when
    another task has the subject. A `lasting` one runs until it is stopped, and takes none of its worker's slots. A routine
    with an `option` name can be scheduled under it (#19.2), or started by a person: `frequency` is how often that is
    proposed, `label` what it does in a few words. `variables` are the numbers that a schedule may set for it, with what they
    are otherwise.
    """

    entry_point: str
    body: Body
    subject: Callable[[Mapping[str, Any]], str] | None = None
    busy: Body | None = None
    lasting: bool = False
    option: str = ""
    label: str = ""
    frequency: str = ""
    variables: Mapping[str, float] = field(default_factory=dict)


_ROUTINES: dict[str, Routine] = {}
_OPTIONS: dict[str, Routine] = {}


def routine(
    entry_point: str,
    *,
    subject: Callable[[Mapping[str, Any]], str] | None = None,
    busy: Body | None = None,
    lasting: bool = False,
    option: str = "",
    frequency: str = "",
    variables: Mapping[str, float] | None = None,
) -> Callable[[Body], Body]:
    """Register the decorated function; see `Routine`. The label is the first line of its docstring."""

    def register(body: Body) -> Body:
        label = (body.__doc__ or "").strip().partition("\n")[0].rstrip(".")
        made = Routine(entry_point, body, subject, busy, lasting, option, label, frequency, dict(variables or {}))
        _ROUTINES[entry_point] = made
        if option:
            _OPTIONS[option] = made
        return body

    return register


def lasting_entry_points() -> list[str]:
    """Name the routines that run until they are stopped."""
    return [one.entry_point for one in _ROUTINES.values() if one.lasting]


def find_routine(entry_point: str) -> Routine:
    """Give the routine of an entry point. Raises UnknownRoutine."""
    try:
        return _ROUTINES[entry_point]
    except KeyError:
        raise UnknownRoutine(entry_point) from None


def find_option(option: str) -> Routine:
    """Give the routine that an option runs. Raises UnknownRoutine."""
    try:
        return _OPTIONS[option]
    except KeyError:
        raise UnknownRoutine(option) from None


def options() -> Iterator[Routine]:
    """Give the routines that can be scheduled, by option name."""
    return iter([_OPTIONS[name] for name in sorted(_OPTIONS)])
