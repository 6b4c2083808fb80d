"""What an audit message has to look like: the structure of PS3.15 A.5.1 as a table, and a check of it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from xml.etree.ElementTree import Element, fromstring

#: How often a child may stand there: once, at most once, any number, at least once.
Many = Literal["1", "?", "*", "+"]
_BOUNDS: Mapping[Many, tuple[int, float]] = {
    "1": (1, 1),
    "?": (0, 1),
    "*": (0, float("inf")),
    "+": (1, float("inf")),
}
_TOKEN, _BOOLEAN, _NUMBER = r"\S(?:.*\S)?", "true|false|0|1", r"\d+"
_UID_OR_NONE = r"unknown|[0-2](\.(0|[1-9]\d*))*"


@dataclass(frozen=True)
class Shape:
    """An element: attributes that it has to have and may have, with patterns, children in their order, and its text's pattern."""

    needs: Mapping[str, str] = field(default_factory=dict)
    may: Mapping[str, str] = field(default_factory=dict)
    children: tuple[tuple[str, Many], ...] = ()
    text: str = ""


_CODED = Shape({"csd-code": _TOKEN, "codeSystemName": _TOKEN, "originalText": _TOKEN}, {"displayName": _TOKEN})
SHAPES: Mapping[str, Shape] = {
    "AuditMessage": Shape(
        children=(
            ("EventIdentification", "1"),
            ("ActiveParticipant", "+"),
            ("AuditSourceIdentification", "1"),
            ("ParticipantObjectIdentification", "*"),
        )
    ),
    "EventIdentification": Shape(
        {"EventDateTime": _TOKEN, "EventOutcomeIndicator": "0|4|8|12"},
        {"EventActionCode": "[CRUDE]"},
        (("EventID", "1"), ("EventTypeCode", "*"), ("EventOutcomeDescription", "?")),
    ),
    "EventID": _CODED,
    "EventTypeCode": _CODED,
    "EventOutcomeDescription": Shape(text=".*"),
    "ActiveParticipant": Shape(
        {"UserID": ".*", "UserIsRequestor": _BOOLEAN},
        {"AlternativeUserID": ".*", "UserName": ".*", "NetworkAccessPointID": _TOKEN, "NetworkAccessPointTypeCode": "[1-5]"},
        (("RoleIDCode", "*"), ("MediaIdentifier", "?")),
    ),
    "RoleIDCode": _CODED,
    "AuditSourceIdentification": Shape(
        {"AuditSourceID": _TOKEN}, {"AuditEnterpriseSiteID": _TOKEN}, (("AuditSourceTypeCode", "*"),)
    ),
    "AuditSourceTypeCode": Shape({"csd-code": "[1-9]"}, {"codeSystemName": _TOKEN, "originalText": _TOKEN}),
    "ParticipantObjectIdentification": Shape(
        {"ParticipantObjectID": _TOKEN},
        {
            "ParticipantObjectTypeCode": "[1-4]",
            "ParticipantObjectTypeCodeRole": "[1-9]|1[0-9]|2[0-6]",
            "ParticipantObjectDataLifeCycle": "[1-9]|1[0-5]",
            "ParticipantObjectSensitivity": _TOKEN,
        },
        (
            ("ParticipantObjectIDTypeCode", "1"),
            ("ParticipantObjectName", "1"),
            ("ParticipantObjectDetail", "*"),
            ("ParticipantObjectDescription", "*"),
        ),
    ),
    "ParticipantObjectIDTypeCode": _CODED,
    "ParticipantObjectName": Shape(text=".*"),
    "ParticipantObjectDetail": Shape({"type": _TOKEN, "value": ".*"}),
    "ParticipantObjectDescription": Shape(
        children=(
            ("MPPS", "*"),
            ("Accession", "*"),
            ("SOPClass", "*"),
            ("ParticipantObjectContainsStudy", "?"),
            ("Encrypted", "?"),
            ("Anonymized", "?"),
        )
    ),
    "Accession": Shape({"Number": _TOKEN}),
    "SOPClass": Shape({"NumberOfInstances": _NUMBER}, {"UID": _UID_OR_NONE}, (("Instance", "*"),)),
    "Instance": Shape({"UID": _UID_OR_NONE}),
}


def faults(text: bytes) -> list[str]:
    """Tell what is wrong with a message; nothing, where it is as the standard has it."""
    root = fromstring(text)
    if root.tag != "AuditMessage":
        return [f"the root is {root.tag}"]
    return list(_faults(root))


def _faults(element: Element) -> Iterator[str]:
    shape = SHAPES.get(element.tag)
    if shape is None:
        yield f"{element.tag} is no element of the schema"
        return
    for name in shape.needs.keys() - element.attrib.keys():
        yield f"{element.tag} lacks {name}"
    patterns = {**shape.needs, **shape.may}
    for name, value in element.attrib.items():
        if name not in patterns:
            yield f"{element.tag} has {name}"
        elif re.fullmatch(patterns[name], value, re.DOTALL) is None:
            yield f"{name} of {element.tag} is {value!r}"
    if (element.text or "").strip() and not shape.text:
        yield f"{element.tag} has text {element.text!r}"
    yield from _order(element, shape)
    yield from _values(element)
    for child in element:
        yield from _faults(child)


def _order(element: Element, shape: Shape) -> Iterator[str]:
    tags = [child.tag for child in element]
    for name, many in shape.children:
        count = 0
        while tags and tags[0] == name:
            tags.pop(0)
            count += 1
        least, most = _BOUNDS[many]
        if not least <= count <= most:
            yield f"{element.tag} has {count} {name}"
    if tags:
        yield f"{element.tag} has {tags} where they may not be"


def _values(element: Element) -> Iterator[str]:
    """Check values that a pattern cannot."""
    if (moment := element.get("EventDateTime")) is not None and datetime.fromisoformat(moment).tzinfo is None:
        yield f"{moment} has no zone"
    if element.tag == "ParticipantObjectDetail":
        base64.b64decode(element.attrib["value"], validate=True)
    if element.get("NetworkAccessPointID") is not None and element.get("NetworkAccessPointTypeCode") is None:
        yield "a network access point is of no kind"
