"""What became of objects that were to be stored, as the answer tells it (PS3.18 10.5.3, annex I.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from console.web.dicomweb.archive import Wanted
from dul.status import OUT_OF_RESOURCES
from gateway_client import Outcome, Result

#: Failure Reason (0008,1197): the data set does not match (PS3.4 B.2.3), cannot be understood, SOP class not supported.
DOES_NOT_MATCH, CANNOT_UNDERSTAND, NOT_SUPPORTED = 0xA900, 0xC000, 0x0122
CONFLICT, ACCEPTED, DONE = 409, 202, 200
_SOP_CLASS, _SOP_INSTANCE, _URL = "00081150", "00081155", "00081190"
_WARNING, _FAILURE = "00081196", "00081197"
_FAILED, _STORED, _OTHERS = "00081198", "00081199", "0008119A"


@dataclass(frozen=True, slots=True)
class Part:
    """One object that came, as far as it could be read, and what became of it: nothing where `failure` is 0."""

    sop_class: str = ""
    wanted: Wanted = field(default_factory=Wanted)
    failure: int = 0
    warning: int = 0

    @property
    def stored(self) -> bool:
        """Whether the gateway has it."""
        return not self.failure


def failure_of(outcome: Outcome) -> int:
    """Give the Failure Reason of what was not taken; 0 for what was."""
    if outcome.result is Result.SENT:
        return 0
    if outcome.result is Result.REFUSED:
        return outcome.status or NOT_SUPPORTED
    return OUT_OF_RESOURCES


def status_of(parts: Sequence[Part]) -> int:
    """Give the HTTP status: 200 for all, 202 for some or with warnings, 409 for none (PS3.18 table 10.5.3-1)."""
    if not any(part.stored for part in parts):
        return CONFLICT
    return DONE if all(part.stored and not part.warning for part in parts) else ACCEPTED


def answer_of(parts: Sequence[Part], root: str) -> dict[str, Any]:
    """Tell of each object; `root` is the service's address."""
    told: dict[str, Any] = {}
    studies = {part.wanted.study for part in parts if part.stored}
    if len(studies) == 1:
        told[_URL] = _element("UR", f"{root}/{Wanted(*studies).path}")
    others = [{_FAILURE: _element("US", part.failure)} for part in parts if not part.stored and not part.wanted.instance]
    failed = [_failed(part) for part in parts if not part.stored and part.wanted.instance]
    stored = [_stored(part, root) for part in parts if part.stored]
    for tag, items in ((_FAILED, failed), (_STORED, stored), (_OTHERS, others)):
        if items:
            told[tag] = {"vr": "SQ", "Value": items}
    return told


def _stored(part: Part, root: str) -> dict[str, Any]:
    told = {**_named(part), _URL: _element("UR", f"{root}/{part.wanted.path}")}
    return {**told, _WARNING: _element("US", part.warning)} if part.warning else told


def _failed(part: Part) -> dict[str, Any]:
    return {**_named(part), _FAILURE: _element("US", part.failure)}


def _named(part: Part) -> dict[str, Any]:
    return {_SOP_CLASS: _element("UI", part.sop_class), _SOP_INSTANCE: _element("UI", part.wanted.instance)}


def _element(vr: str, value: str | int) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]}
