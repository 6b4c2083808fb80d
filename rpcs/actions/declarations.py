"""What actions declare, known without what they do: commands are made of it, and need not load the whole broker for that.

`actions.json` in `magbroker_data` has it; `magbroker rpc actions --json` writes that file, and a test compares.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from rpcs.actions.parameters import Kind, Parameter

if TYPE_CHECKING:
    from rpcs.actions.action import Action

_FILE = "actions.json"


@dataclass(frozen=True, slots=True)
class Declaration:
    """An action as its callers know it; see `Action`."""

    name: str
    about: str
    writes: bool
    key: str
    takes: Mapping[str, Parameter]
    lists: Mapping[str, tuple[str, ...]]
    destroys: str


@cache
def declarations() -> Mapping[str, Declaration]:
    """Give what every action declares, by the name of its procedure."""
    text = (resources.files("magbroker_data") / _FILE).read_text(encoding="utf-8")
    return {it["name"]: _read(it) for it in json.loads(text)}


def _read(facts: dict[str, Any]) -> Declaration:
    takes = [
        Parameter(**{"about": "", **it, "kind": Kind(it.get("kind", "text")), "choices": tuple(it.get("choices", ()))})
        for it in facts.pop("takes")
    ]
    lists = {name: tuple(columns) for name, columns in facts.pop("lists").items()}
    return Declaration(**facts, takes={it.name: it for it in takes}, lists=lists)


def written(actions: Mapping[str, Action]) -> str:
    """Write what actions declare as JSON, in the order of their names."""
    return json.dumps([_facts(actions[name]) for name in sorted(actions)], indent=1) + "\n"


def _facts(action: Action) -> dict[str, Any]:
    facts = {name: getattr(action, name) for name in ("name", "about", "writes", "key", "destroys")}
    lists = {name: list(columns) for name, columns in action.lists.items()}
    return {**facts, "takes": [_parameter(it) for it in action.takes.values()], "lists": lists}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    """Give what is said of a parameter besides what holds where nothing is said."""
    usual = asdict(Parameter("", ""))
    facts = {name: value for name, value in asdict(parameter).items() if value != usual[name]}
    return {**facts, "kind": parameter.kind.value} if "kind" in facts else facts
