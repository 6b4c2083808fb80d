"""Which audit message an entry of a log is: tables, and what fills them in. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from console.atna import codes
from console.atna.codes import Code
from console.atna.message import UNKNOWN, Action, Message, Outcome, Participant, Patient, Resource, Study
from fileman import Audited, from_fileman


class Side(Enum):
    """Who an image event's peer is: the sender, the receiver, a medium, or who did it."""

    SENDER = "sender"
    RECEIVER = "receiver"
    MEDIUM = "medium"
    ACTOR = "actor"


@dataclass(frozen=True, slots=True)
class Kind:
    """What an image event is told as."""

    event: Code
    action: Action
    side: Side
    outcome: Outcome = Outcome.SUCCESS


_STORED = (codes.TRANSFERRED, Action.CREATE, Side.SENDER)
_SENT = (codes.TRANSFERRED, Action.READ, Side.RECEIVER)
_COPIED = (codes.EXPORT, Action.READ, Side.MEDIUM)
_CHANGED = (codes.ACCESSED, Action.UPDATE, Side.ACTOR)
_DELETED = (codes.ACCESSED, Action.DELETE, Side.ACTOR)
#: By stage and how the outcome begins; the longest beginning that fits counts. What fits none is no auditor's matter.
IMAGE_EVENTS: Mapping[tuple[str, str], Kind] = {
    ("STORE", "filed"): Kind(*_STORED),
    ("STORE", "correct"): Kind(*_STORED, Outcome.MINOR),
    ("STORE", "refused"): Kind(*_STORED, Outcome.SERIOUS),
    ("SEND", "success"): Kind(*_SENT),
    ("SEND", "fail"): Kind(*_SENT, Outcome.SERIOUS),
    ("SEND", "sent"): Kind(*_COPIED),
    ("SEND", "failed"): Kind(*_COPIED, Outcome.SERIOUS),
    ("MOVE", "sent"): Kind(*_SENT),
    ("GET", "sent"): Kind(*_SENT),
    ("COPY", "copied"): Kind(*_COPIED),
    ("IMPORT", ""): Kind(codes.IMPORT, Action.CREATE, Side.MEDIUM),
    ("CORRECT", "fixed"): Kind(*_CHANGED),
    ("CORRECT", "corrected"): Kind(*_CHANGED),
    ("CORRECT", "deleted"): Kind(*_DELETED),
    ("MOVE EXAM", ""): Kind(*_CHANGED),
    ("REJECT", ""): Kind(*_CHANGED),
    ("RETRACT", ""): Kind(*_CHANGED),
    ("TEXT", ""): Kind(*_CHANGED),
    ("DELETE", ""): Kind(*_DELETED),
    ("ROLLBACK", "deleted"): Kind(*_DELETED),
    ("VIEW", ""): Kind(codes.ACCESSED, Action.READ, Side.ACTOR),
}


@dataclass(frozen=True, slots=True)
class ImageFact:
    """An image event with what is known of its image: patient, study, SOP class, and who sent it."""

    stage: str
    outcome: str
    at: float
    peer: str
    detail: str
    uid: str
    study: str = ""
    sop_class: str = ""
    patient: str = ""
    patient_name: str = ""
    sender: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """What is the same in all messages: this system's name among participants, and its machine."""

    system: str
    host: str

    def us(self, role: Code | None, *, requestor: bool = False) -> Participant:
        """Give this system as a participant."""
        return Participant(self.system, requestor, role, address=self.host)


def kind_of(stage: str, outcome: str) -> Kind | None:
    """Find what an image event is told as; None for what is not told."""
    found = [key for key in IMAGE_EVENTS if key[0] == stage and outcome.startswith(key[1])]
    return IMAGE_EVENTS[max(found, key=lambda key: len(key[1]))] if found else None


def image_messages(facts: Iterable[ImageFact], site: Site) -> list[Message]:
    """Tell image events, those of one study that happened alike as one message."""
    told: dict[tuple[Any, ...], _Group] = {}
    for fact in facts:
        kind = kind_of(fact.stage, fact.outcome)
        if kind is None:
            continue
        other = _other(kind, fact)
        key = (kind, other, fact.study, fact.patient, _reason(kind, fact))
        told.setdefault(key, _Group(kind, other, fact, _reason(kind, fact))).add(fact)
    return [group.message(site) for group in told.values()]


def _other(kind: Kind, fact: ImageFact) -> str:
    """Name the other side: of what was sent the destination, which the event's detail begins with or its peer is."""
    if kind.side is Side.SENDER:
        return fact.sender or fact.peer
    if kind.side is Side.RECEIVER and fact.stage == "SEND":
        return fact.detail.partition(":")[0]
    if kind.side is Side.MEDIUM and fact.stage == "SEND":
        return fact.detail.rpartition(" for ")[2]
    return fact.peer


def _reason(kind: Kind, fact: ImageFact) -> str:
    return fact.detail if kind.outcome is not Outcome.SUCCESS else ""


@dataclass(slots=True)
class _Group:
    """Events that are told together."""

    kind: Kind
    other: str
    first: ImageFact
    reason: str
    instances: dict[str, list[str]] = field(default_factory=dict)

    def add(self, fact: ImageFact) -> None:
        self.instances.setdefault(fact.sop_class, []).append(fact.uid)

    def message(self, site: Site) -> Message:
        first = self.first
        return Message(
            self.kind.event,
            self.kind.action,
            first.at,
            _PARTICIPANTS[self.kind.side](site, self.other or UNKNOWN, self.kind.event),
            self.kind.outcome,
            self.reason,
            patient=Patient(first.patient or UNKNOWN, first.patient_name),
            study=Study(first.study or UNKNOWN, self.instances),
        )


def _received(site: Site, other: str, _event: Code) -> Sequence[Participant]:
    title, _, address = other.partition("@")
    return Participant(title, True, codes.SOURCE, address=address), site.us(codes.DESTINATION)


def _sent(site: Site, other: str, _event: Code) -> Sequence[Participant]:
    return site.us(codes.SOURCE, requestor=True), Participant(other, False, codes.DESTINATION)


def _media(site: Site, other: str, event: Code) -> Sequence[Participant]:
    if event == codes.IMPORT:
        return site.us(codes.DESTINATION, requestor=True), Participant(other, False, codes.SOURCE_MEDIA)
    return site.us(codes.SOURCE, requestor=True), Participant(other, False, codes.DESTINATION_MEDIA)


def _acted(site: Site, other: str, _event: Code) -> Sequence[Participant]:
    return Participant(other, True), site.us(codes.APPLICATION)


_PARTICIPANTS = {Side.SENDER: _received, Side.RECEIVER: _sent, Side.MEDIUM: _media, Side.ACTOR: _acted}

#: What administrative actions are told as, by how their names begin; the longest beginning counts.
ACTIONS: Mapping[str, Code] = {
    "": codes.RESTRICTED_FUNCTION,
    "MAGB USER": codes.ATTRIBUTES_CHANGED,
    "MAGB TOKEN": codes.ATTRIBUTES_CHANGED,
    "MAGB KEY": codes.ROLES_CHANGED,
    "MAGB CONTEXT": codes.ROLES_CHANGED,
    "MAGB DESTINATION": codes.NETWORK_CONFIGURATION,
    "MAGB LOCATION": codes.NETWORK_CONFIGURATION,
    "MAGB ADDRESS": codes.SECURITY_CONFIGURATION,
    "MAGB SESSION": codes.SECURITY_CONFIGURATION,
    "MAGB SITE": codes.SOFTWARE_CONFIGURATION,
    "MAGB RULES": codes.SOFTWARE_CONFIGURATION,
}
_OUTCOMES = {"done": Outcome.SUCCESS, "key": Outcome.SERIOUS}
#: Subjects of changes that a message names.
_MOST_SUBJECTS = 20


def action_message(it: Audited, site: Site) -> Message:
    """Tell an administrative action: as a patient's record where it changed one, otherwise as a security alert."""
    outcome = _OUTCOMES.get(it.outcome, Outcome.MINOR)
    who = Participant(it.name or str(it.duz), True, name=it.name, alternative=str(it.duz or ""), address=it.address)
    people = (who, site.us(codes.APPLICATION))
    subjects = list(dict.fromkeys(change.subject for change in it.changes))[:_MOST_SUBJECTS]
    if it.action.startswith("MAGB PATIENT "):
        number = next((name.removeprefix("patient ") for name in subjects if name.startswith("patient ")), "")
        patient = Patient(number or it.request.get("DFN", "") or UNKNOWN)
        return Message(codes.PATIENT_RECORD, Action.UPDATE, it.at, people, outcome, it.reason, patient=patient)
    kind = ACTIONS[max((begin for begin in ACTIONS if it.action.startswith(begin)), key=len)]
    details = {"Alert Description": f"{it.action}, asked for by {it.via or 'RPC'}: {it.outcome}"}
    resources = [Resource(name, it.action, details) for name in subjects or [it.action]]
    return Message(codes.SECURITY_ALERT, Action.EXECUTE, it.at, people, outcome, it.reason, types=(kind,), resources=resources)


@dataclass(frozen=True, slots=True)
class SignOn:
    """A sign-on or its end: whose, when (a FileMan date), from where."""

    duz: int
    name: str
    moment: str
    address: str
    over: bool


def sign_on_message(it: SignOn, site: Site) -> Message:
    """Tell a sign-on, or its end."""
    who = Participant(it.name or str(it.duz), True, name=it.name, alternative=str(it.duz), address=it.address)
    kind = codes.LOGOUT if it.over else codes.LOGIN
    at = from_fileman(it.moment).timestamp()
    return Message(codes.AUTHENTICATION, Action.EXECUTE, at, (who, site.us(codes.APPLICATION)), types=(kind,))


@dataclass(frozen=True, slots=True)
class Security:
    """A process that began or ended, or a sign-on that failed."""

    at: float
    event: str
    duz: int
    name: str
    address: str
    detail: str


def security_message(it: Security, site: Site) -> Message:
    """Tell one."""
    if it.event == "FAILED":
        user = it.name or (str(it.duz) if it.duz else UNKNOWN)
        people = (Participant(user, True, name=it.name, address=it.address), site.us(codes.APPLICATION))
        return Message(codes.AUTHENTICATION, Action.EXECUTE, it.at, people, Outcome.MINOR, it.detail, types=(codes.LOGIN,))
    kind = codes.START if it.event == "START" else codes.STOP
    process = Participant(it.name or site.system, False, codes.APPLICATION, address=it.address or site.host)
    return Message(codes.ACTIVITY, Action.EXECUTE, it.at, (process,), types=(kind,))
