"""What HL7 tells of patients (ADT^A08, ADT^A40), done by the very actions that people use, and audited as those are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import Connection

from fileman import Person, persons_known_by, survivor_of
from rpcs.actions.action import ACTIONS, Act, Caller, carry_out
from rpcs.actions.patients import ssn_of
from rpcs.numbers import subscript
from rpcs.worklist.hl7_fields import NULL, OrderError, Segment, segments_of
from runtime import Clock

#: Types of identifiers in PID-3 and MRG-1 (HL7 table 0203): by what a patient of whom they tell is looked for. A DFN is PI at VA.
_NUMBERS = {"SS": "ssn", "MR": "ssn", "PT": "ssn", "": "ssn", "NI": "icn", "PI": "dfn"}
#: Those by which a patient's own numbers are told.
_OWN = {"SS": "SSN", "NI": "ICN"}
_SEXES = {"M": "M", "F": "F", "O": "O", "A": "O"}
#: Identifiers of a patient that are looked at.
MOST_IDENTIFIERS = 20


class _Unread(Exception):
    """The message cannot be carried out. The argument says why."""


def take_adt(connection: Connection, segments: str, clock: Clock, address: str) -> str:
    """Do what a message says of patients; give why it cannot be done, "" when it is, and for any other message.

    A message that says nothing new does nothing. Of one that names several patients those before the one who cannot be changed
    are.
    """
    try:
        found = list(segments_of(segments))
        header = found[0] if found else None
        if header is None or header.text(9, 1) != "ADT" or (event := header.text(9, 2)) not in _EVENTS:
            return ""
        sender = f"HL7 {header.text(3) or address}"[:64]
        caller = Caller(0, sender, owner=True, via="HL7", address=address)
        for name, request in _EVENTS[event](connection, found[1:]):
            done = carry_out(ACTIONS[name], Act(connection, caller, clock, request))
            if done.refused is not None:
                return str(done.refused)
    except (OrderError, _Unread) as error:
        return str(error)
    return ""


_Asked = Iterator[tuple[str, dict[str, str]]]


def _updates(connection: Connection, segments: list[Segment]) -> _Asked:
    """Read ADT^A08. Raises _Unread and OrderError."""
    for pid in _named(segments, "PID"):
        person = _patient(connection, pid, 3)
        given = {"NAME": _name(pid), "BIRTH DATE": _day(pid), "SEX": _SEXES.get(pid.text(8).upper(), "")}
        given |= {_OWN[it.type]: it.value for it in _identifiers(pid, 3) if it.type in _OWN and not _known(connection, it)}
        if told := {name: value for name, value in given.items() if value}:
            yield "MAGB PATIENT UPDATE", {"DFN": str(person.dfn), **told}


def _merges(connection: Connection, segments: list[Segment]) -> _Asked:
    """Read ADT^A40: each PID is the survivor of the MRG behind it. Raises _Unread."""
    wanted = [it for it in segments if it.name in ("PID", "MRG")]
    pairs = [(pid, mrg) for pid, mrg in pairwise(wanted) if (pid.name, mrg.name) == ("PID", "MRG")]
    if not pairs or len(pairs) * 2 != len(wanted):
        raise _Unread("ADT^A40 is to have a PID with an MRG behind it")
    for pid, mrg in pairs:
        survivor, person = _patient(connection, pid, 3), _patient(connection, mrg, 1)
        if survivor.dfn != person.dfn:
            yield "MAGB PATIENT MERGE", {"DFN": str(person.dfn), "INTO": str(survivor.dfn)}
        elif not _was_merged(connection, mrg, survivor):
            raise _Unread("PID-3 and MRG-1 name the same patient")


_EVENTS = {"A08": _updates, "A40": _merges}


def _named(segments: list[Segment], name: str) -> list[Segment]:
    found = [it for it in segments if it.name == name]
    if not found:
        raise _Unread(f"there is no {name} segment")
    return found


@dataclass(frozen=True, slots=True)
class _Identifier:
    """One number of a patient."""

    type: str
    value: str


def _identifiers(segment: Segment, field: int) -> list[_Identifier]:
    """Give a patient's numbers, of the types that are known here."""
    told = segment.repetitions(field)[:MOST_IDENTIFIERS]
    found = [_Identifier(segment.of(it, 5), segment.of(it, 1)) for it in told]
    return [it for it in found if it.type in _NUMBERS and it.value not in ("", NULL)]


def _known(connection: Connection, identifier: _Identifier) -> list[Person]:
    """Give the patients whom a number names, or who were merged with the one whom it did."""
    kind = _NUMBERS[identifier.type]
    if kind == "dfn" and (person := survivor_of(connection, subscript(identifier.value))) is not None:
        return [person]
    if kind == "icn":
        return persons_known_by(connection, kind, identifier.value)
    return persons_known_by(connection, "ssn", ssn_of(identifier.value))


def _patient(connection: Connection, segment: Segment, field: int) -> Person:
    """Find the one patient whom identifiers name. Raises _Unread."""
    where, identifiers = f"{segment.name}-{field}", _identifiers(segment, field)
    found = {person.dfn: person for it in identifiers for person in _known(connection, it)}
    if not found:
        told = ", ".join(it.value for it in identifiers)[:60]
        raise _Unread(f"{where}: there is no patient {told}" if told else f"{where} is to say which patient is meant")
    if len(found) > 1:
        raise _Unread(f"{where} names several patients: {', '.join(map(str, sorted(found)))}")
    return next(iter(found.values()))


def _was_merged(connection: Connection, mrg: Segment, survivor: Person) -> bool:
    """Tell whether all that MRG names was merged into a patient before."""
    own = {str(survivor.dfn), survivor.ssn, survivor.icn}
    return not any((ssn_of(it.value) if _NUMBERS[it.type] == "ssn" else it.value) in own for it in _identifiers(mrg, 1))


def _name(pid: Segment) -> str:
    """Give the name as VistA writes it, of the alphabetic representation (XPN-8)."""
    repetitions = pid.repetitions(5)
    said = next((it for it in repetitions if pid.of(it, 8) in ("A", "")), repetitions[0] if repetitions else "")
    family, given, middle, suffix = (pid.of(said, component) for component in (1, 2, 3, 4))
    others = " ".join(filter(None, (given, middle, suffix)))
    return f"{family},{others}" if family and others and NULL not in (family, given) else ""


def _day(pid: Segment) -> str:
    day, _clock = pid.moment(7)
    return f"{day[:4]}-{day[4:6]}-{day[6:]}" if day and day != NULL else ""
