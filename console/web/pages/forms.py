"""Forms of actions: what is asked of people, filled from the entry that is changed, and what is asked of the action then."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rpcs.actions import ACTIONS, Action, Kind, Parameter
from rpcs.actions.parameters import DRY_RUN

#: What stands before the name of a field for the value that the form began with.
WAS = "was_"
_TYPES = {Kind.NUMBER: "number", Kind.FLAG: "checkbox", Kind.JSON: "area", Kind.PIECES: "area"}
_HINTS = {Kind.TIME: "NOW, T+1@10:30 or 2026-11-24 10:30", Kind.JSON: '{"name": "value"}'}


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that is asked for. `was` is the value that the form began with: what is as it was is not asked for."""

    parameter: Parameter
    value: str
    was: str | None = None

    @property
    def type(self) -> str:
        """What kind of field it is."""
        if self.parameter.choices:
            return "select"
        return "password" if self.parameter.secret else _TYPES.get(self.parameter.kind, "text")

    @property
    def hint(self) -> str:
        """What stands in the field while it is empty."""
        return self.parameter.default or _HINTS.get(self.parameter.kind, "")

    @property
    def label(self) -> str:
        """What it is called."""
        return self.parameter.name.capitalize()


def before_of(action: Action) -> Action | None:
    """Give the action that shows what an editing one changes; None where the form begins empty."""
    family, _, verb = action.name.rpartition(" ")
    return ACTIONS.get(f"{family} SHOW") if verb == "EDIT" else None


def fields_of(action: Action, given: Mapping[str, str], entry: Mapping[str, Any] | None = None) -> list[Field]:
    """Lay out the fields of an action, with what is given, or else what the entry has."""
    fields = []
    for parameter in action.takes.values():
        if parameter.name == DRY_RUN:
            continue
        key = parameter.key
        has = _told(entry[key]) if entry is not None and key in entry and not parameter.required else None
        fields.append(Field(parameter, given.get(key, has or ""), has))
    return fields


def asked_of(action: Action, values: Mapping[str, str]) -> dict[str, str]:
    """Turn what a form gives into what is asked, by JSON names: fields that were left as they were, or empty, are left out."""
    asked = {}
    for parameter in action.takes.values():
        key = parameter.key
        was = values.get(WAS + key)
        value = values.get(key, "0" if parameter.kind is Kind.FLAG and was is not None else "")
        if value != ("" if was is None else was):
            asked[key] = value
    return asked


def _told(value: Any) -> str:
    """Write a value of an entry as its field takes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, list) and all(isinstance(it, str | int) for it in value):
        return ",".join(str(it) for it in value)
    return value if isinstance(value, str) else json.dumps(value)
