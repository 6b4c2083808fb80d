"""What a C-MOVE or C-GET asks for: unique keys of the hierarchy, by the rules of PS3.4 C.4.2.2."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dul import RequestRefused
from dul.status import CANNOT_UNDERSTAND
from gateway_client.archive.levels import UNIQUE_KEY_NAMES, UNIQUE_KEYS, level_of, model_of, unfit

#: UIDs as peers write them, some with components that begin with a zero (PS3.5 9.1).
_UID = re.compile(r"[0-9.]{1,64}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Entities of one level, by unique keys; several values of a key are a list, any of which may match."""

    level: str
    keys: Mapping[str, Sequence[str]]

    @property
    def request(self) -> dict[str, Any]:
        """Give it as MAGB RETRIEVE takes it."""
        return {"level": self.level, "relational": True, "keys": {tag: list(it) for tag, it in self.keys.items()}}


def read_wanted(sop_class: str, identifier: Mapping[str, Sequence[Any]], levels: Collection[str]) -> Wanted:
    """Read the identifier of a request to a SOP class, at an entity that answers some levels.

    The unique key of the level has one value or is a list of UIDs. Those of the levels above have one value each or are missing:
    retrievals are relational (PS3.4 C.4.2.2.2; MagicStore, DICOM conformance statement 2.3.4.3), whatever queries are. Other keys
    than the unique ones do not narrow a retrieval, but for Patient ID.
    Raises RequestRefused.
    """
    model = model_of(sop_class)
    level = level_of(identifier, model, levels)
    keys: dict[str, tuple[str, ...]] = {}
    for above in model.levels[: model.levels.index(level)]:
        values = _values(identifier, above)
        if len(values) > 1:
            raise unfit(f"{UNIQUE_KEY_NAMES[above]} has several values above the level")
        if values:
            keys[UNIQUE_KEYS[above]] = values
    values = _values(identifier, level)
    if not values:
        raise unfit(f"{UNIQUE_KEY_NAMES[level]} is missing")
    if level == "PATIENT" and len(values) > 1:
        raise unfit("Patient ID has several values")
    keys[UNIQUE_KEYS[level]] = values
    if "PATIENT" not in model.levels and len(patients := _values(identifier, "PATIENT")) == 1:
        keys[UNIQUE_KEYS["PATIENT"]] = patients
    return Wanted(level, keys)


def _values(identifier: Mapping[str, Sequence[Any]], level: str) -> tuple[str, ...]:
    """Give the values of the unique key of a level, each once."""
    found = identifier.get(UNIQUE_KEYS[level], ())
    if not all(isinstance(value, str) for value in found):
        raise RequestRefused(CANNOT_UNDERSTAND, f"{UNIQUE_KEY_NAMES[level]} is a sequence")
    values = tuple(dict.fromkeys(text for value in found if (text := value.strip(" \0"))))
    for value in values:
        if level == "PATIENT" and ("*" in value or "?" in value):
            raise unfit("Patient ID has a wildcard")
        if level != "PATIENT" and not _UID.fullmatch(value):
            raise unfit(f"{UNIQUE_KEY_NAMES[level]} has a value that is no UID")
    return values
