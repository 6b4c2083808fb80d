"""Orders of HL7 (ORM^O01 and OMI^O23) read as what they say of the worklist, by the mapping of IHE's RAD-4. No database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from fileman.worklist import ORDER_LIMIT, Order
from fileman.worklist_attributes import BACKSLASH, BY_COLUMN, LIMITS
from rpcs.worklist.hl7_fields import NULL, OrderError, Segment, segments_of

#: The messages that are orders, by MSH-9.
MESSAGES = frozenset({("ORM", "O01"), ("OMI", "O23")})


class Action(Enum):
    """What becomes of the entries of an order."""

    PUT = "put"
    CANCEL = "cancel"
    COMPLETE = "complete"
    NONE = "none"


#: ORC-1 (HL7 table 0119).
_CONTROLS = {
    **dict.fromkeys(("NW", "CH", "PA", "RO", "SN", "XO", "XX", "XR", "SC"), Action.PUT),
    **dict.fromkeys(("CA", "OC", "CR", "DC", "OD", "DR", "RP"), Action.CANCEL),
    **dict.fromkeys(("OK", "NA", "UC", "UD", "UX", "UA", "DE"), Action.NONE),
}
#: ORC-5 (HL7 table 0038) where it says more than the control.
_ENDS = {"CA": Action.CANCEL, "DC": Action.CANCEL, "CM": Action.COMPLETE}
#: TQ-6, TQ1-9 (HL7 table 0485) as Requested Procedure Priority.
_PRIORITIES = {"S": "STAT", "A": "HIGH", "P": "HIGH", "C": "HIGH", "R": "ROUTINE", "T": "MEDIUM"}
_SEXES = {"M": "M", "F": "F", "O": "O", "A": "O", NULL: NULL}
#: Types of identifiers in PID-3 (HL7 table 0203), the preferred one first: VistA knows patients by their SSN.
_ID_TYPES = ("SS", "MR", "PI", "PT")
#: PV1-15 (HL7 table 0009): pregnant.
_PREGNANT = "B6"
#: OBX-3 (LOINC), and what a unit (OBX-6) is of metres and kilograms.
_HEIGHTS, _WEIGHTS = frozenset({"8302-2", "8301-4", "3137-7"}), frozenset({"29463-7", "3141-9", "3142-7"})
_UNITS = {
    "size": {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "[in_i]": 0.0254},
    "weight": {"kg": 1.0, "g": 0.001, "lb": 0.45359237, "[lb_av]": 0.45359237},
}
#: No patient is as tall or as heavy.
_LARGEST = 10_000.0
_EVENTS = {"ORM": "O01", "OMI": "O23"}
#: Texts that are cut where DICOM allows fewer characters; anything else that is too long is an error.
_CUT = frozenset(
    (
        "step_description",
        "procedure_description",
        "protocol_meaning",
        "procedure_meaning",
        "reason",
        "transport",
        "patient_state",
        "special_needs",
        "current_location",
        "diagnoses",
        "medical_alerts",
        "allergies",
        "step_comments",
    )
)


@dataclass(frozen=True, slots=True)
class OrderedStep:
    """What an order says of one step. `given` are columns with their values, those that it says nothing of left out.

    Without an accession number or a step ID those of the entry that the order's numbers find are meant.
    """

    action: Action
    order: Order
    given: dict[str, str]
    facility: str = ""


@dataclass(slots=True)
class _Group:
    """The segments of one order."""

    orc: Segment
    others: list[Segment] = field(default_factory=list)

    def all(self, name: str) -> list[Segment]:
        return [segment for segment in self.others if segment.name == name]

    def one(self, name: str) -> Segment:
        """Give the first segment of a name, or an empty one."""
        return next(iter(self.all(name)), Segment(name, (), self.orc.separators))


def read_orders(text: str) -> list[OrderedStep]:
    """Read a message whose segments are apart by CR; one without an order is an empty list. Raises OrderError.

    A message that holds no order, or another kind of message, has nothing to say of the worklist.
    """
    found = list(segments_of(text))
    if not found:
        return []
    header, *segments = found
    kind = header.text(9, 1)
    if (kind, header.text(9, 2) or _EVENTS.get(kind)) not in MESSAGES:
        return []
    first = next((place for place, segment in enumerate(segments) if segment.name == "ORC"), len(segments))
    person = _Group(header, segments[:first])
    groups: list[_Group] = []
    for segment in segments[first:]:
        if segment.name == "ORC":
            groups.append(_Group(segment))
        else:
            groups[-1].others.append(segment)
    if not groups:
        return []
    patient = _patient(person) | _measures(segments)
    studies = [it.text(1) for it in segments if it.name == "ZDS" and it.text(1)]
    return [step for group in groups for step in _steps(header, group, patient, studies)]


def _patient(person: _Group) -> dict[str, str]:
    """Read what stands before the first order: patient, visit, allergies. Raises OrderError."""
    pid, visit = person.one("PID"), person.one("PV1")
    told = {
        "patient_id": _patient_id(pid),
        "patient_name": _patient_name(pid),
        "birth_date": _day(pid, 7),
        "sex": _SEXES.get(pid.text(8).upper(), ""),
        "referring_physician": _physician(visit, 8),
        "current_location": " ".join(filter(None, (visit.text(3, component) for component in (1, 2, 3)))),
        "admission_id": visit.text(19) or pid.text(18),
        "confidentiality": visit.text(16),
        "special_needs": " ".join(visit.repetitions(15)),
        "pregnancy": "3" if _PREGNANT in visit.repetitions(15) else "",
        "allergies": BACKSLASH.join(filter(None, (it.first((3, 2), (3, 1)) for it in person.all("AL1")))),
        "diagnoses": _diagnoses(person),
    }
    if not told["patient_id"] or not told["patient_name"]:
        raise OrderError("PID-3 and PID-5 are to say whose order it is")
    return told


def _patient_id(pid: Segment) -> str:
    found = {pid.of(one, 5): pid.of(one, 1) for one in reversed(pid.repetitions(3))}
    preferred = next((found[kind] for kind in _ID_TYPES if found.get(kind)), "")
    return preferred or pid.text(3) or pid.text(2)


def _patient_name(pid: Segment) -> str:
    """Give the name, its ideographic and phonetic representations (XPN-8) as component groups."""
    repetitions = pid.repetitions(5)
    groups = {pid.of(one, 8): _name(pid, one, 1, (2, 3, 5, 4)) for one in reversed(repetitions)}
    alphabetic = groups.get("A") or (_name(pid, repetitions[0], 1, (2, 3, 5, 4)) if repetitions else "")
    return "=".join((alphabetic, groups.get("I", ""), groups.get("P", ""))).rstrip("=")


def _name(segment: Segment, repetition: str, family: int, others: Sequence[int]) -> str:
    """Write a name as DICOM does: family, given, middle, prefix, suffix."""
    told = [segment.of(repetition, family), *(segment.of(repetition, it) for it in others)]
    return "^".join(told).rstrip("^")


def _physician(segment: Segment, number: int) -> str:
    """Write the first person of a field (XCN) as DICOM does."""
    repetitions = segment.repetitions(number)
    return _name(segment, repetitions[0], 2, (3, 4, 6, 5)) if repetitions else segment.raw(number)


def _day(segment: Segment, number: int) -> str:
    day, _ = segment.moment(number)
    return day


def _diagnoses(group: _Group) -> str:
    told = (it.text(4) or it.first((3, 2), (3, 1)) for it in group.all("DG1"))
    return BACKSLASH.join(filter(None, told))


def _measures(segments: Sequence[Segment]) -> dict[str, str]:
    """Give size and weight out of observations. Raises OrderError for a unit that nobody knows."""
    found = {}
    for segment in segments:
        kind = _measured(segment.text(3)) if segment.name == "OBX" else ""
        if kind and segment.text(5):
            unit = _UNITS[kind].get(segment.text(6).lower())
            try:
                number = float(segment.text(5)) * (unit or 0.0)
            except ValueError:
                number = 0.0
            if not 0 < number < _LARGEST:
                raise OrderError(f'OBX-5, OBX-6: "{segment.text(5)[:16]} {segment.text(6)[:16]}" is no {kind}')
            found[kind] = f"{number:.6g}"
    return found


def _measured(code: str) -> str:
    return "size" if code in _HEIGHTS else "weight" if code in _WEIGHTS else ""


def _steps(header: Segment, group: _Group, patient: dict[str, str], studies: Sequence[str]) -> Iterator[OrderedStep]:
    """Read one order: a step, or one for each IPC segment of it. Raises OrderError."""
    orc, obr = group.orc, group.one("OBR")
    control = orc.text(1)
    if control not in _CONTROLS:
        raise OrderError(f'ORC-1: "{control[:8]}" is no order control that is known here')
    action = _ENDS.get(orc.text(5), _CONTROLS[control]) if _CONTROLS[control] is Action.PUT else _CONTROLS[control]
    if action is Action.NONE:
        return
    placer, filler = orc.text(2) or obr.text(2), orc.text(3) or obr.text(3)
    own = [it.text(1) for it in group.all("ZDS") if it.text(1)]
    common = patient | _of_order(header, group) | {"study_uid": (own or (studies if len(set(studies)) == 1 else [""]))[0]}
    imagings: list[Segment | None] = [*group.all("IPC")] or [None]
    for imaging in imagings:
        given = common | (_of_imaging(imaging) if imaging is not None else _of_request(obr))
        given |= {"placer_order": placer, "filler_order": filler}
        order = Order(placer, filler, given["accession"])
        if not order.known:
            raise OrderError("ORC-2, ORC-3: an order without a number cannot be told from others")
        facility = header.text(4)
        yield OrderedStep(action, order, {name: _fitting(name, told) for name, told in given.items() if told}, facility)


def _of_order(header: Segment, group: _Group) -> dict[str, str]:
    """Read what ORC, TQ1 and OBR say in either message. Raises OrderError."""
    orc, obr, timing = group.orc, group.one("OBR"), group.one("TQ1")
    day, clock = next(
        (moment for moment in (timing.moment(7), orc.moment(7, 4), obr.moment(27, 4), obr.moment(36)) if moment[0]), ("", "")
    )
    priority = timing.text(9) or orc.text(7, 6) or obr.text(27, 6)
    reasons = [obr.of(it, 2) or obr.of(it, 1) for it in obr.repetitions(31)]
    return {
        "start_date": day,
        "start_time": clock,
        "priority": _PRIORITIES.get(priority, priority),
        "requesting_physician": _physician(obr, 16) or _physician(orc, 12),
        "performing_physician": _technician(obr),
        "procedure_description": obr.first((44, 2), (4, 2), (4, 1)),
        "procedure_code": obr.first((44, 1), (4, 1)),
        "procedure_meaning": obr.text(44, 2) if obr.text(44, 1) else obr.text(4, 2),
        "procedure_scheme": obr.text(44, 3) if obr.text(44, 1) else obr.text(4, 3),
        "protocol_code": obr.text(4, 4),
        "protocol_meaning": obr.text(4, 5),
        "protocol_scheme": obr.text(4, 6),
        "step_description": obr.first((4, 5), (4, 2)),
        "patient_state": obr.first((12, 2), (12, 1)),
        "medical_alerts": obr.whole(13),
        "transport": obr.text(30),
        "reason": "; ".join(filter(None, reasons)),
        "institution_name": orc.text(21),
        "diagnoses": _diagnoses(group),
        "step_comments": " ".join(filter(None, (it.whole(3) for it in group.all("NTE")))),
    }


def _technician(obr: Segment) -> str:
    """Give the performing physician out of OBR-34 (NDL), whose first component is a person in parts."""
    return "^".join((obr.text(34, 1, 2), obr.text(34, 1, 3), obr.text(34, 1, 4))).rstrip("^")


def _of_request(obr: Segment) -> dict[str, str]:
    """Read the numbers of an ORM message, where IHE puts them (RAD-4, table 4.4-2)."""
    return {
        "accession": obr.text(18),
        "procedure_id": obr.text(19),
        "step_id": obr.text(20),
        "station_ae_titles": BACKSLASH.join(obr.of(it, 1) for it in obr.repetitions(21)),
        "modality": obr.text(24),
    }


def _of_imaging(ipc: Segment) -> dict[str, str]:
    """Read an IPC segment of an OMI message (HL7 4.5.6)."""
    return {
        "accession": ipc.text(1),
        "procedure_id": ipc.text(2),
        "study_uid": ipc.text(3),
        "step_id": ipc.text(4),
        "modality": ipc.text(5),
        "protocol_code": ipc.text(6, 1),
        "protocol_meaning": ipc.text(6, 2),
        "protocol_scheme": ipc.text(6, 3),
        **({"step_description": ipc.text(6, 2)} if ipc.text(6, 2) else {}),
        "station_name": ipc.text(7),
        "step_location": ipc.first((8, 2), (8, 1)),
        "station_ae_titles": BACKSLASH.join(ipc.of(it, 1) for it in ipc.repetitions(9)),
    }


def _fitting(column: str, told: str) -> str:
    """Give what a column is to hold: nothing for a NULL, not more of a description than DICOM has room for. Raises OrderError."""
    if told == NULL:
        return ""
    attribute = BY_COLUMN.get(column)
    if attribute is None:
        if len(told) > ORDER_LIMIT:
            raise OrderError(f"ORC-2, ORC-3: an order number is longer than {ORDER_LIMIT} characters")
        if not told.isprintable():
            raise OrderError("ORC-2, ORC-3: an order number has characters that none has")
        return told
    limit = LIMITS.get(attribute.vr)
    if column not in _CUT or limit is None:
        return told
    plain = " ".join(told.split()) if attribute.vr == "LO" else told
    if attribute.multiple:
        return BACKSLASH.join(part[:limit].rstrip() for part in plain.split(BACKSLASH))
    return plain.replace(BACKSLASH, "/")[:limit].rstrip()
