"""The levels of the Query/Retrieve information models, and the unique key of each (PS3.4 C.6)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dul import RequestRefused
from dul.status import IDENTIFIER_DOES_NOT_MATCH

#: Query/Retrieve Level (0008,0052).
LEVEL = "00080052"
#: The unique key of each level, from above.
UNIQUE_KEYS: Mapping[str, str] = {"PATIENT": "00100020", "STUDY": "0020000D", "SERIES": "0020000E", "IMAGE": "00080018"}
UNIQUE_KEY_NAMES: Mapping[str, str] = {
    "PATIENT": "Patient ID",
    "STUDY": "Study Instance UID",
    "SERIES": "Series Instance UID",
    "IMAGE": "SOP Instance UID",
}
#: What matches everything, besides a key without a value (PS3.4 C.2.2.2.3, C.2.2.2.4).
_UNIVERSAL = frozenset(("", "*"))


@dataclass(frozen=True, slots=True)
class Model:
    """An information model: how the archive calls it, and its levels from above."""

    root: str
    levels: tuple[str, ...]


#: By what the UIDs of their SOP classes begin with; .1, .2 and .3 follow, for C-FIND, C-MOVE and C-GET.
MODELS: Mapping[str, Model] = {
    "1.2.840.10008.5.1.4.1.2.1.": Model("PATIENT", ("PATIENT", "STUDY", "SERIES", "IMAGE")),
    "1.2.840.10008.5.1.4.1.2.2.": Model("STUDY", ("STUDY", "SERIES", "IMAGE")),
    "1.2.840.10008.5.1.4.1.2.3.": Model("PATIENT/STUDY", ("PATIENT", "STUDY")),
}


def model_of(sop_class: str) -> Model:
    """Give the information model of a SOP class of Query/Retrieve. Raises RequestRefused for one of another service."""
    for start, model in MODELS.items():
        if sop_class.startswith(start):
            return model
    raise unfit("The SOP class has no information model")


def level_of(identifier: Mapping[str, Sequence[Any]], model: Model, answered: Collection[str]) -> str:
    """Give the level of a request, which is one of its model and of those that an entity answers. Raises RequestRefused."""
    values = identifier.get(LEVEL, ())
    if len(values) != 1:
        raise unfit("Query/Retrieve Level is missing" if not values else "Query/Retrieve Level has several values")
    (level,) = values
    allowed = [one for one in model.levels if one in answered]
    if level not in allowed:
        raise unfit(f"{level} is no level here: {', '.join(allowed) or 'there is none'}")
    return str(level)


def check_hierarchy(identifier: Mapping[str, Sequence[Any]], model: Model, level: str) -> None:
    """See to it that each level above has its unique key, with one value: a query may not leave it out unless it is relational.

    PS3.4 C.4.1.2.1 and C.4.1.3.1.1. Raises RequestRefused.
    """
    for above in model.levels[: model.levels.index(level)]:
        values = identifier.get(UNIQUE_KEYS[above], ())
        if is_universal(values):
            raise unfit(f"{UNIQUE_KEY_NAMES[above]} is missing, of the level above")
        if len(values) > 1 or "*" in values[0] or "?" in values[0]:
            raise unfit(f"{UNIQUE_KEY_NAMES[above]} has to have one value above the level")


def is_universal(values: Sequence[Any]) -> bool:
    """Tell whether a key matches everything, and so is only to be told."""
    return all(isinstance(value, str) and value in _UNIVERSAL for value in values)


def unfit(comment: str) -> RequestRefused:
    """Make the failure of an identifier that its SOP class does not have (A900)."""
    return RequestRefused(IDENTIFIER_DOES_NOT_MATCH, comment)
