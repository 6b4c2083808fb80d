"""What a gateway asks of the worklist: a JSON object, in the elements of one list."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rpcs.call import Call

#: Keys in one query, values of one key, and characters of one value: more than any peer has a use for.
MOST_KEYS, MOST_VALUES, MOST_CHARACTERS = 300, 1000, 256
#: Imaging types that a worklist is made of.
MOST_TYPES = 200
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
#: Statuses of PS3.4 table C.4-1 and PS3.7 annex C.
UNABLE_TO_PROCESS, IDENTIFIER_DOES_NOT_MATCH = "C001", "A900"


class BadRequest(Exception):
    """The request cannot be carried out. The argument says why, `status` what the peer is to be told."""

    def __init__(self, why: str, status: str = UNABLE_TO_PROCESS) -> None:
        super().__init__(why)
        self.status = status


def read_object(call: Call, argument: int) -> dict[str, Any]:
    """Put the elements of a list together and read them as a JSON object. Raises BadRequest, also for what no database holds."""
    try:
        found = json.loads("".join(call.list(argument).values()))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadRequest("REQUEST is to be a JSON object, cut into the elements of a list")
    if not all(map(is_storable, _texts(found))):
        raise BadRequest("REQUEST holds a NUL or half a character")
    return found


def is_storable(text: str) -> bool:
    """Tell whether every database can hold a text: no NUL, and no half of a character that JSON can name."""
    return _UNSTORABLE.search(text) is None


def _texts(value: object) -> Iterator[str]:
    """Give every text in a JSON value, however deep."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            left += one.keys()
            left += one.values()
        elif isinstance(one, list):
            left += one


@dataclass(frozen=True, slots=True)
class View:
    """The part of the worklist that an instrument is shown (WORKLIST.DIC). No type and no institution are all of them.

    With `short` its accession numbers are case numbers, the end of the whole ones.
    """

    institution: str = ""
    types: tuple[tuple[str, str, str], ...] = ()
    short: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A query: values by the tags that lead to each key, and whether case and accents of names count."""

    keys: Mapping[str, tuple[str, ...]]
    fold_names: bool
    view: View

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Query:
        """Read a request. Raises BadRequest."""
        keys = given.get("keys")
        if not isinstance(keys, dict):
            raise BadRequest("keys is to be an object of tags with lists of values")
        if len(keys) > MOST_KEYS:
            raise BadRequest(f"the query has more than {MOST_KEYS} keys", IDENTIFIER_DOES_NOT_MATCH)
        return cls(
            {path.upper(): _values(path, values) for path, values in keys.items()},
            given.get("fold_names") is True,
            _view(given.get("view")),
        )


def _values(path: str, values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise BadRequest(f"{path[:40]} is to have a list of texts")
    if len(values) > MOST_VALUES or any(len(value) > MOST_CHARACTERS for value in values):
        why = f"{path[:40]} has more than {MOST_VALUES} values, or one of more than {MOST_CHARACTERS} characters"
        raise BadRequest(why, IDENTIFIER_DOES_NOT_MATCH)
    return tuple(value.strip() for value in values)


def _view(given: object) -> View:
    if given is None:
        return View()
    types = given.get("types", []) if isinstance(given, dict) else None
    if not isinstance(given, dict) or not isinstance(types, list) or len(types) > MOST_TYPES:
        raise BadRequest(f"view is to be an object with institution, types (at most {MOST_TYPES}) and accession")
    if not all(isinstance(it, list) and len(it) == 3 and all(isinstance(part, str) for part in it) for it in types):
        raise BadRequest("each of view.types is to be [service, imaging type, procedure]")
    return View(str(given.get("institution", "")), tuple(map(tuple, types)), given.get("accession") == "SHORT")
