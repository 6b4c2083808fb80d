"""The worklist's entries: put there, changed, taken off; whoever feeds them, an accession number and a step ID name one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from sqlalchemy import BindParameter, Connection, bindparam, delete, insert, or_, select, update

from fileman.dicom_forms import dicom_day, dicom_name, folded
from fileman.errors import FileManError
from fileman.files import PerformedOrder, PerformedSeries, PerformedStep, ScheduledStep, ScheduledValue
from fileman.locks import lock_for_transaction
from fileman.many_rows import ManyRows
from fileman.numbers import next_iens
from fileman.worklist_attributes import ATTRIBUTES, BACKSLASH, BY_COLUMN, NUMBERS, Matching, checked

#: Scheduled Procedure Step Status (PS3.3 C.4.10); what is done or taken off is not on the worklist.
SCHEDULED, STARTED, COMPLETED, CANCELLED = "SCHEDULED", "STARTED", "COMPLETED", "CANCELLED"
STATUSES = {SCHEDULED: True, "ARRIVED": True, "READY": True, STARTED: True, COMPLETED: False, CANCELLED: False}
#: Who feeds entries. Those of the site file, and those made of its exams, go and come with it.
SITE, EXAM, HL7, CSV = "SITE", "EXAM", "HL7", "CSV"
#: Locked while entries change, so that an accession number and a step ID are given once.
WORKLIST_LOCK = "worklist"
#: What an entry has besides attributes.
PLAIN = ("location", "service", "imaging_type", "imaging_procedure", "placer_order", "filler_order")
#: Characters of an order number.
ORDER_LIMIT = 64
#: TYPE OF IMAGING (#79.2): abbreviations by entry.
IMAGING_TYPES = {1: "RAD", 2: "NM", 3: "US", 4: "MRI", 5: "CT", 6: "ANI", 7: "CARD", 8: "VAS", 9: "MAM"}
#: Modalities by imaging types where these say which.
MODALITIES = {"CT": "CT", "MRI": "MR", "US": "US", "NM": "NM", "MAM": "MG", "ANI": "XA", "VAS": "US"}
_TYPES = {"MR": "MRI", "MG": "MAM", "XA": "ANI", "PT": "NM", "CT": "CT", "US": "US", "NM": "NM"}
_STUDIES = UUID("0a4f6f3e-6f0c-4c52-9b0a-2a3bb6b0d2b7")
_MIDNIGHT = "000000"

_COLUMNS = ScheduledStep.__table__.columns
_BY_KEY = select(*_COLUMNS).where(
    ScheduledStep.accession == bindparam("accession_"), ScheduledStep.step_id == bindparam("step_id_")
)
_OF_ACCESSION = select(*_COLUMNS).where(ScheduledStep.accession == bindparam("accession_")).order_by(ScheduledStep.ien)
_OF_ORDER = (
    select(*_COLUMNS)
    .where(
        or_(
            ScheduledStep.placer_order.in_(bindparam("placers", expanding=True)),
            ScheduledStep.filler_order.in_(bindparam("fillers", expanding=True)),
            ScheduledStep.accession.in_(bindparam("accessions", expanding=True)),
        )
    )
    .order_by(ScheduledStep.ien)
)
_OF_PATIENT = select(*_COLUMNS).where(ScheduledStep.patient_id == bindparam("patient_id_")).order_by(ScheduledStep.ien)
_MADE_OF_EXAM = select(ScheduledStep.ien).where(ScheduledStep.accession == bindparam("accession_"), ScheduledStep.source == EXAM)
_OLD = (
    select(ScheduledStep.ien)
    .where(
        ScheduledStep.open.in_([True, False]),  # which the index begins with
        ScheduledStep.start_at < bindparam("before_day"),
        ScheduledStep.start_date != "",
        ScheduledStep.source.not_in((SITE, EXAM)),
    )
    .limit(bindparam("most"))
)
_OLD_PERFORMED = select(PerformedStep.uid).where(PerformedStep.changed_at < bindparam("before")).limit(bindparam("most"))
_UIDS: BindParameter[Any] = bindparam("uids", expanding=True)
_DELETE_PERFORMED = (
    delete(PerformedSeries).where(PerformedSeries.step.in_(_UIDS)),
    delete(PerformedOrder).where(PerformedOrder.step.in_(_UIDS)),
    delete(PerformedStep).where(PerformedStep.uid.in_(_UIDS)),
)
_FED = select(ScheduledStep.ien).where(ScheduledStep.source.not_in((SITE, EXAM)))
_CHANGE = update(ScheduledStep).where(ScheduledStep.ien == bindparam("ien_"))
_SET_STATUS = _CHANGE.values(status=bindparam("status_"), open=bindparam("open_"), changed_at=bindparam("now_"))
_DELETE = delete(ScheduledStep).where(ScheduledStep.ien.in_(bindparam("iens", expanding=True)))
_DELETE_VALUES = delete(ScheduledValue).where(ScheduledValue.step.in_(bindparam("iens", expanding=True)))
_INSERT_STEPS, _INSERT_VALUES = ManyRows(ScheduledStep), ManyRows(ScheduledValue)
#: Entries that are deleted in one statement.
_AT_ONCE = 500
_INSERT = insert(ScheduledStep)

Row = dict[str, Any]


class WorklistError(FileManError):
    """The entry cannot be put on the worklist. `column` names the attribute that is wrong, if it is one."""

    def __init__(self, message: str = "", column: str = "") -> None:
        super().__init__(message)
        self.column = column


class StepKey(NamedTuple):
    """What names an entry."""

    accession: str
    step_id: str


@dataclass(frozen=True, slots=True)
class Order:
    """The numbers that an order is known by; any of them finds its entries, empty ones none."""

    placer: str = ""
    filler: str = ""
    accession: str = ""

    @property
    def known(self) -> bool:
        """Whether it has any number."""
        return bool(self.placer or self.filler or self.accession)


def study_uid_of(accession: str, patient_id: str) -> str:
    """Give the Study Instance UID of an order that was told without one: always the same (PS3.5 B.2)."""
    return f"2.25.{uuid5(_STUDIES, f'{patient_id}{BACKSLASH}{accession}').int}"


def imaging_type_of(modality: str) -> str:
    """Give the imaging type (#79.2) of a modality: general radiology where there is no other."""
    return _TYPES.get(modality, "RAD")


def attributes_of_person(person: Mapping[str, Any]) -> dict[str, str]:
    """Give what PATIENT (#2) says of a patient, nothing for nobody."""
    if not person:
        return {}
    return {
        "patient_name": dicom_name(person["name"]),
        "patient_id": person["ssn"] or str(person["dfn"]),
        "birth_date": dicom_day(person["birth_date"]),
        "sex": person["sex"] if person["sex"] in ("M", "F", "O") else "",
        "size": measure(person["height_cm"] / 100 if person["height_cm"] else None),
        "weight": measure(person["weight_kg"]),
    }


def measure(number: float | None) -> str:
    """Write a size or weight."""
    return f"{number:.10g}" if number else ""


def lock_worklist(connection: Connection) -> None:
    """Let no other transaction change entries; taken before any is looked up to be changed."""
    lock_for_transaction(connection, WORKLIST_LOCK)


def put_step(connection: Connection, source: str, given: Mapping[str, str], now: float) -> int:
    """Put an entry on the worklist, or change the one of its accession number and step ID; give its number.

    What is not given stays as it is. One that was cancelled is on again; one that is done stays done. An entry that was made of
    an exam gives way to those of its order. The caller holds the worklist's lock. Raises WorklistError.
    """
    values = {column: _valid(column, text) for column, text in given.items()}
    key = StepKey(values["accession"], values["step_id"])
    before = find_step(connection, key)
    if before is None:
        drop_steps(connection, connection.execute(_MADE_OF_EXAM, {"accession_": key.accession}).scalars().all())
        row = complete({"source": source, "changed_at": now, **values})
        row["ien"] = next_iens(connection, "scheduled_step", 1)[0]
        connection.execute(_INSERT, row)
    else:
        _same_patient(before, values)
        row = complete({**before, "source": source, "changed_at": now, **values})
        if before["status"] == CANCELLED and "status" not in values:
            row |= {"status": SCHEDULED, "open": True}
        connection.execute(_CHANGE.values({name: value for name, value in row.items() if name != "ien"}), {"ien_": row["ien"]})
        connection.execute(_DELETE_VALUES, {"iens": [row["ien"]]})
    _INSERT_VALUES.write(connection, list(values_apart(row)))
    return int(row["ien"])


def _valid(column: str, text: str) -> Any:
    """Check what is given. Raises WorklistError."""
    if column not in BY_COLUMN:
        return text
    try:
        return checked(column, text)
    except ValueError as error:
        raise WorklistError(f"{column} {error}", column) from error


def _same_patient(before: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    if "patient_id" in values and values["patient_id"] != before["patient_id"]:
        raise WorklistError(f"step {before['step_id']} of {before['accession']} is another patient's", "patient_id")


def complete(row: Mapping[str, Any]) -> Row:
    """Make a whole row of what is given: what follows from other columns is worked out. Raises WorklistError."""
    full: Row = {column.name: "" for column in _COLUMNS if column.name not in _NO_TEXT} | dict(row)
    for column, wanted in _NEEDED.items():
        if not full[column]:
            raise WorklistError(f"{wanted} is missing", column)
    full["status"] = full["status"] or SCHEDULED
    if full["status"] not in STATUSES:
        raise WorklistError(f"there is no status {full['status'][:20]!r}; write one of {', '.join(STATUSES)}", "status")
    full["open"] = STATUSES[full["status"]]
    full["study_uid"] = full["study_uid"] or study_uid_of(full["accession"], full["patient_id"])
    full["service"] = full["service"] or "RAD"
    full["imaging_type"] = full["imaging_type"] or (imaging_type_of(full["modality"]) if full["service"] == "RAD" else "")
    full["start_at"] = f"{full['start_date']}{padded(full['start_time'])}"
    full["location"] = int(full["location"]) if full.get("location") else None
    for column, number in NUMBERS.items():
        full[number] = float(full[column]) if full[column] else None
    full.setdefault("changed_at", 0.0)
    return full


#: Columns that are no text.
_NO_TEXT = frozenset({"ien", "open", "changed_at", "location", *NUMBERS.values()})
#: What an entry cannot be without (return key type 1 of PS3.4 table K.6-1, as far as nothing else can be put in its place).
_NEEDED = {
    "accession": "the accession number",
    "step_id": "the scheduled procedure step ID",
    "patient_id": "the patient ID",
    "patient_name": "the patient's name",
    "modality": "the modality",
    "start_date": "the start date",
}


def padded(time: str) -> str:
    """Give a time of day to the second, with what it has of fractions behind: as text it sorts as it passes."""
    return time[:6].ljust(6, "0") + time[6:] if time else _MIDNIGHT


def values_apart(row: Mapping[str, Any]) -> Iterator[Row]:
    """Give what an entry is found by besides its columns: each of several values, each component group of names."""
    for attribute in ATTRIBUTES:
        text = row[attribute.column]
        if not text or not attribute.apart:
            continue
        name = attribute.matching is Matching.NAME
        for position, part in enumerate(text.split("=") if name else attribute.values(text)):
            if part := part.rstrip("^ ") if name else part:
                compared = folded(part) if name else ""
                yield {"step": row["ien"], "tag": attribute.tag, "position": position, "text": part, "folded": compared}


def add_steps(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add whole rows that have no number yet, or the one that they had; nothing of them may be there. Raises WorklistError."""
    fresh = iter(next_iens(connection, "scheduled_step", sum("ien" not in row for row in rows)) if rows else ())
    whole = [complete(row) for row in rows]
    for row in whole:
        if "ien" not in row:
            row["ien"] = next(fresh)
    _INSERT_STEPS.write(connection, whole)
    _INSERT_VALUES.write(connection, [value for row in whole for value in values_apart(row)])


def find_step(connection: Connection, key: StepKey) -> Row | None:
    """Give an entry, on the worklist or not."""
    row = connection.execute(_BY_KEY, {"accession_": key.accession, "step_id_": key.step_id}).mappings().first()
    return None if row is None else dict(row)


def steps_of(connection: Connection, order: Order) -> list[Row]:
    """Give the entries of an order."""
    numbers = {"placers": order.placer, "fillers": order.filler, "accessions": order.accession}
    asked = {name: [number] if number else [] for name, number in numbers.items()}
    return [dict(row) for row in connection.execute(_OF_ORDER, asked).mappings()]


def steps_of_accession(connection: Connection, accession: str) -> list[Row]:
    """Give the entries of an accession number."""
    return [dict(row) for row in connection.execute(_OF_ACCESSION, {"accession_": accession}).mappings()]


def set_status(connection: Connection, ien: int, status: str, now: float) -> None:
    """Say where an entry stands; so it is on the worklist, or not."""
    asked = {"ien_": ien, "status_": status, "open_": STATUSES[status], "now_": now}
    connection.execute(_SET_STATUS, asked)


def patient_of_steps(connection: Connection, patient_id: str, person: Mapping[str, str], now: float) -> int:
    """Let a patient's entries tell of him what is known now, his ID too; give how many. What is not known stays as it is."""
    lock_worklist(connection)
    known = {column: text for column, text in person.items() if text and column not in NUMBERS}
    rows = [dict(row) for row in connection.execute(_OF_PATIENT, {"patient_id_": patient_id}).mappings()]
    for row in rows:
        same_name = row["patient_name"].partition("=")[0] == known.get("patient_name")  # which may be written in other ways, too
        told = {column: text for column, text in known.items() if column != "patient_name" or not same_name}
        connection.execute(_CHANGE.values({**told, "changed_at": now}), {"ien_": row["ien"]})
        connection.execute(_DELETE_VALUES, {"iens": [row["ien"]]})
        _INSERT_VALUES.write(connection, list(values_apart({**row, **told})))
    return len(rows)


def drop_steps(connection: Connection, iens: Iterable[int]) -> None:
    """Delete entries."""
    numbers = list(iens)
    for start in range(0, len(numbers), _AT_ONCE):
        some = {"iens": numbers[start : start + _AT_ONCE]}
        connection.execute(_DELETE_VALUES, some)
        connection.execute(_DELETE, some)


def drop_fed_steps(connection: Connection) -> None:
    """Delete what others than the site file put on the worklist."""
    drop_steps(connection, connection.execute(_FED).scalars().all())


def drop_old_steps(connection: Connection, before_day: str, most: int) -> int:
    """Delete entries that others than the site file fed for days before one, `most` at most; give how many."""
    iens = connection.execute(_OLD, {"before_day": before_day, "most": most}).scalars().all()
    drop_steps(connection, iens)
    return len(iens)


def drop_old_performed(connection: Connection, before: float, most: int) -> int:
    """Delete performed steps that nobody told of since a time, `most` at most; give how many."""
    uids = connection.execute(_OLD_PERFORMED, {"before": before, "most": most}).scalars().all()
    for statement in _DELETE_PERFORMED:
        connection.execute(statement, {"uids": uids})
    return len(uids)
