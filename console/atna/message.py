"""An audit message as a value, and as XML (PS3.15 A.5.1)."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import ip_address
from xml.etree.ElementTree import Element, SubElement, tostring

from console.atna.codes import NODE, PATIENT_NUMBER, STUDY, Code

#: Instances of a message whose UIDs are told; all are counted.
MOST_INSTANCES = 200
#: On the same line as what follows: some receivers of syslog end a message at the end of a line.
_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'
#: What stands where nobody knows.
UNKNOWN = "unknown"
#: Characters of a text.
TEXT_LIMIT = 500


class Action(StrEnum):
    """What the event did (EventActionCode)."""

    CREATE = "C"
    READ = "R"
    UPDATE = "U"
    DELETE = "D"
    EXECUTE = "E"


class Outcome(StrEnum):
    """How it ended (EventOutcomeIndicator)."""

    SUCCESS = "0"
    MINOR = "4"
    SERIOUS = "8"


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody, or something, that took part; `address` is an IP address or a machine's name."""

    user: str
    requestor: bool = False
    role: Code | None = None
    name: str = ""
    alternative: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient by his number and name."""

    number: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Study:
    """A study by its UID, and instances of it by their SOP class, which may be unknown."""

    uid: str
    instances: Mapping[str, Sequence[str]] = field(default_factory=dict)
    accession: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """Something else that an event is about, by name, with what is said of it."""

    name: str
    title: str
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """One event: what it was, when (seconds since the epoch), how it ended, who took part, what it was about."""

    event: Code
    action: Action
    at: float
    participants: Sequence[Participant]
    outcome: Outcome = Outcome.SUCCESS
    description: str = ""
    types: Sequence[Code] = ()
    patient: Patient | None = None
    study: Study | None = None
    resources: Sequence[Resource] = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """Who reports: AuditSourceID, and the enterprise site, if there is one."""

    source: str
    enterprise_site: str = ""


def written(message: Message, origin: Origin) -> bytes:
    """Write a message as XML."""
    root = Element("AuditMessage")
    _event(root, message)
    for participant in message.participants:
        _participant(root, participant)
    site = {"AuditEnterpriseSiteID": clean(origin.enterprise_site)} if origin.enterprise_site else {}
    source = SubElement(root, "AuditSourceIdentification", {**site, "AuditSourceID": clean(origin.source)})
    SubElement(source, "AuditSourceTypeCode", {"csd-code": "4"})
    if message.study is not None:
        _study(root, message.study)
    if message.patient is not None:
        _patient(root, message.patient)
    for resource in message.resources:
        _resource(root, resource)
    return _DECLARATION + bytes(tostring(root, encoding="UTF-8", xml_declaration=False))


def clean(text: str) -> str:
    """Leave out what XML 1.0 cannot have, blanks that a token cannot have, and what is too long."""
    kept = "".join(it if it.isprintable() else " " for it in text[:TEXT_LIMIT])
    return " ".join(kept.split())


def _coded(parent: Element, name: str, code: Code) -> None:
    SubElement(parent, name, {"csd-code": code.value, "codeSystemName": code.system, "originalText": code.meaning})


def _event(root: Element, message: Message) -> None:
    moment = datetime.fromtimestamp(message.at, UTC).isoformat(timespec="milliseconds")
    facts = {"EventActionCode": message.action.value, "EventDateTime": moment, "EventOutcomeIndicator": message.outcome.value}
    element = SubElement(root, "EventIdentification", facts)
    _coded(element, "EventID", message.event)
    for code in message.types:
        _coded(element, "EventTypeCode", code)
    if message.description:
        SubElement(element, "EventOutcomeDescription").text = clean(message.description)


def _participant(root: Element, it: Participant) -> None:
    facts = {"UserID": clean(it.user)}
    facts |= {"AlternativeUserID": clean(it.alternative)} if it.alternative else {}
    facts |= {"UserName": clean(it.name)} if it.name else {}
    facts["UserIsRequestor"] = str(it.requestor).lower()
    if address := clean(it.address):
        facts |= {"NetworkAccessPointID": address, "NetworkAccessPointTypeCode": _kind_of(address)}
    element = SubElement(root, "ActiveParticipant", facts)
    if it.role is not None:
        _coded(element, "RoleIDCode", it.role)


def _kind_of(address: str) -> str:
    """Tell whether an access point is a machine's name or an IP address."""
    try:
        ip_address(address)
    except ValueError:
        return "1"
    return "2"


def _object(root: Element, number: str, code: Code, name: str, kind: str, role: str) -> Element:
    facts = {
        "ParticipantObjectID": clean(number) or UNKNOWN,
        "ParticipantObjectTypeCode": kind,
        "ParticipantObjectTypeCodeRole": role,
    }
    element = SubElement(root, "ParticipantObjectIdentification", facts)
    _coded(element, "ParticipantObjectIDTypeCode", code)
    SubElement(element, "ParticipantObjectName").text = clean(name)
    return element


def _study(root: Element, study: Study) -> None:
    element = _object(root, study.uid, STUDY, "", "2", "3")
    if not (study.instances or study.accession):
        return
    description = SubElement(element, "ParticipantObjectDescription")
    if study.accession:
        SubElement(description, "Accession", {"Number": clean(study.accession)})
    room = MOST_INSTANCES
    for uid, instances in study.instances.items():
        known = {"UID": uid} if uid else {}
        of_class = SubElement(description, "SOPClass", {**known, "NumberOfInstances": str(len(instances))})
        for instance in filter(None, instances[: max(room, 0)]):
            SubElement(of_class, "Instance", {"UID": clean(instance)})
        room -= len(instances)


def _patient(root: Element, patient: Patient) -> None:
    _object(root, patient.number, PATIENT_NUMBER, patient.name, "1", "1")


def _resource(root: Element, resource: Resource) -> None:
    element = _object(root, resource.name, NODE, resource.title, "2", "13")
    for name, value in resource.details.items():
        encoded = base64.b64encode(value[:TEXT_LIMIT].encode("utf-8", "replace")).decode()
        SubElement(element, "ParticipantObjectDetail", {"type": name, "value": encoded})
