"""REQUEST of MAGB QUERY and MAGB RETRIEVE: one JSON object, in as many elements as it takes, read and checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from rpcs.archive.attributes import Level
from rpcs.archive.errors import BadQuestion, TooMuch
from rpcs.call import Call
from rpcs.numbers import LARGEST, entry_number
from xwb import LocalArray

#: Characters of REQUEST, matches of one answer, and keys.
MOST_CHARACTERS, MOST_MATCHES, MOST_KEYS = 4_000_000, 1000, 500

Keys = Mapping[str, list[str]]


def read_request(elements: LocalArray[str]) -> dict[str, Any]:
    """Read the object that a request is. Raises BadQuestion, and TooMuch."""
    texts = elements.values()
    if sum(map(len, texts)) > MOST_CHARACTERS:
        raise TooMuch(f"REQUEST has more than {MOST_CHARACTERS} characters.")
    try:
        request = json.loads("".join(texts))
    except (ValueError, RecursionError):
        raise BadQuestion("REQUEST is no JSON text.") from None
    if not isinstance(request, dict):
        raise BadQuestion("REQUEST is no JSON object.")
    return request


def read_level(request: Mapping[str, Any]) -> Level:
    """Read the level of a request. Raises BadQuestion."""
    try:
        return Level[str(request.get("level"))]
    except KeyError:
        raise BadQuestion(f"There is no level {str(request.get('level'))[:20]!r}.") from None


def read_keys(request: Mapping[str, Any]) -> Keys:
    """Read the keys of a request: lists of texts by tag. Raises BadQuestion, and TooMuch."""
    keys = request.get("keys")
    if not isinstance(keys, dict):
        raise BadQuestion("REQUEST has no keys.")
    if len(keys) > MOST_KEYS:
        raise TooMuch(f"REQUEST has more than {MOST_KEYS} keys.")
    for tag, values in keys.items():
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise BadQuestion(f"The values of {tag[:40]!r} are no list of texts.")
    return keys


def flag(request: Mapping[str, Any], name: str) -> bool:
    """Read a flag of a request, false where there is none. Raises BadQuestion."""
    value = request.get(name, False)
    if not isinstance(value, bool):
        raise BadQuestion(f"{name} is neither true nor false.")
    return value


def paged(call: Call, *, newest: bool = False) -> dict[str, object]:
    """Read AFTER and COUNT; one row more than is answered tells whether there are more. The newest are before any number."""
    after = entry_number(call.text(1))
    return {"after": LARGEST if newest and not after else after, "most": page_size(call) + 1}


def page_size(call: Call) -> int:
    """Read COUNT: how many matches one answer has at most."""
    return min(entry_number(call.text(2)) or MOST_MATCHES, MOST_MATCHES)


def answered(work: Callable[[Call], list[str]], call: Call) -> list[str]:
    """Answer a question, or say in one line why not."""
    try:
        return work(call)
    except BadQuestion as bad:
        return [json.dumps({"error": str(bad), "status": bad.status})]
