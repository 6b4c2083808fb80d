"""PATIENT (#2): who is on file, under numbers of now and of before, and what becomes of it when demographics change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import BindParameter, Connection, Select, bindparam, or_, select, tuple_, update

from fileman.archive_index import describe_patient
from fileman.dicom_forms import dicom_name
from fileman.files import AmendedPatient, DicomFailedImage, MergedPatient, Patient
from fileman.locks import lock_for_transaction
from fileman.text_ranges import beginning, begins
from fileman.upserting import upserts
from fileman.worklist import attributes_of_person, patient_of_steps

#: Patients who are known by one number.
MOST_KNOWN = 20

_COLUMNS = (Patient.dfn, Patient.name, Patient.ssn, Patient.birth_date, Patient.sex, Patient.icn)
_ONE = select(*_COLUMNS).where(Patient.dfn == bindparam("dfn_"))
_WITH_MEASURES = select(*_COLUMNS, Patient.height_cm, Patient.weight_kg).where(Patient.dfn == bindparam("dfn_"))
_MERGED = select(
    MergedPatient.dfn,
    MergedPatient.into,
    MergedPatient.name,
    MergedPatient.ssn,
    MergedPatient.icn,
    MergedPatient.merged_by,
    MergedPatient.merged_at,
)
_MERGED_ONE = _MERGED.where(MergedPatient.dfn == bindparam("dfn_"))
_MERGED_INTO = _MERGED.where(MergedPatient.into == bindparam("dfn_")).order_by(MergedPatient.dfn).limit(MOST_KNOWN)
_MERGED_NAMED = _MERGED.where(begins(MergedPatient.name)).order_by(MergedPatient.name, MergedPatient.dfn).limit(MOST_KNOWN)
_BY_NUMBER: Mapping[str, Sequence[Select[int]]] = {
    number: (
        select(own).where(of_patient == bindparam("number_")).order_by(own).limit(MOST_KNOWN),
        select(MergedPatient.into).where(of_merged == bindparam("number_")).order_by(MergedPatient.into).limit(MOST_KNOWN),
    )
    for number, own, of_patient, of_merged in (
        ("ssn", Patient.dfn, Patient.ssn, MergedPatient.ssn),
        ("icn", Patient.dfn, Patient.icn, MergedPatient.icn),
    )
}
_ORDER: BindParameter[str] = bindparam("after_name")
_PAGE = (
    select(*_COLUMNS)
    .where(tuple_(Patient.name, Patient.dfn) > tuple_(_ORDER, bindparam("after_dfn")))
    .order_by(Patient.name, Patient.dfn)
    .limit(bindparam("most"))
)
_NAMED_PAGE = _PAGE.where(begins(Patient.name))
_NAME_BEFORE = select(MergedPatient.name).where(MergedPatient.dfn == bindparam("dfn_"))
_OTHERS = (
    select(*_COLUMNS)
    .where(or_(Patient.ssn == bindparam("ssn_"), Patient.icn == bindparam("icn_")), Patient.dfn != bindparam("dfn_"))
    .limit(MOST_KNOWN)
)
_SET = update(Patient).where(Patient.dfn == bindparam("dfn_"))
_AMENDED = upserts(
    AmendedPatient,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[AmendedPatient.dfn], set_={"amended_at": insert.excluded.amended_at}
    ),
)
_CORRECT = (
    update(DicomFailedImage)
    .where(DicomFailedImage.new_patient_id == bindparam("old_id"), DicomFailedImage.new_patient_id != "")
    .values(new_patient_id=bindparam("new_id"), new_name=bindparam("new_name_"))
)


@dataclass(frozen=True, slots=True)
class Person:
    """A patient on file; the birth date is FileMan's."""

    dfn: int
    name: str
    ssn: str = ""
    birth_date: str = ""
    sex: str = ""
    icn: str = ""

    @property
    def patient_id(self) -> str:
        """What DICOM knows him by."""
        return self.ssn or str(self.dfn)


@dataclass(frozen=True, slots=True)
class Merged:
    """Who was merged into a patient, with the name and numbers that he had; `merged_at` is in seconds since the epoch."""

    dfn: int
    into: int
    name: str
    ssn: str
    icn: str
    merged_by: str
    merged_at: float


def person_of(connection: Connection, dfn: int) -> Person | None:
    """Give a patient who is on file."""
    row = connection.execute(_ONE, {"dfn_": dfn}).first()
    return None if row is None else Person(*row)


def merged_person(connection: Connection, dfn: int) -> Merged | None:
    """Give what is kept of a patient who was merged into another one."""
    row = connection.execute(_MERGED_ONE, {"dfn_": dfn}).first()
    return None if row is None else Merged(*row)


def survivor_of(connection: Connection, dfn: int) -> Person | None:
    """Give the patient of a DFN, or the one into whom he was merged."""
    if (person := person_of(connection, dfn)) is not None:
        return person
    merged = merged_person(connection, dfn)
    return None if merged is None else person_of(connection, merged.into)


def persons_known_by(connection: Connection, number: str, value: str) -> list[Person]:
    """Give the patients who have, or of whom one who was merged into them had, an `ssn` or `icn`: MOST_KNOWN at most."""
    if not value:
        return []
    dfns = {dfn: None for it in _BY_NUMBER[number] for dfn in connection.execute(it, {"number_": value}).scalars()}
    return [person for dfn in list(dfns)[:MOST_KNOWN] if (person := person_of(connection, dfn)) is not None]


def merged_into(connection: Connection, dfn: int) -> list[Merged]:
    """Give those who were merged into a patient, MOST_KNOWN at most."""
    return [Merged(*row) for row in connection.execute(_MERGED_INTO, {"dfn_": dfn})]


def merged_of_name(connection: Connection, name: str) -> list[Merged]:
    """Give those who were merged whose names began so, MOST_KNOWN at most."""
    return [Merged(*row) for row in connection.execute(_MERGED_NAMED, beginning(name))]


def list_persons(connection: Connection, name: str, after: int, most: int) -> list[Person]:
    """List patients whose names begin so, by name, behind the one of a DFN."""
    last = person_of(connection, after)
    behind = last.name if last is not None else connection.execute(_NAME_BEFORE, {"dfn_": after}).scalar() or ""
    key = {"after_name": behind, "after_dfn": after, "most": most}
    rows = connection.execute(_NAMED_PAGE, key | beginning(name)) if name else connection.execute(_PAGE, key)
    return [Person(*row) for row in rows]


def lock_patients(connection: Connection, *dfns: int) -> None:
    """Let nobody else change or merge patients until the transaction ends."""
    lock_for_transaction(connection, *(f"patient:{dfn}" for dfn in dfns))


def amend_person(connection: Connection, before: Person, after: Person, now: float) -> None:
    """Change what PATIENT (#2) says of a patient, and with it the worklist and what the archive's queries answer."""
    told = {name: value for name, value in asdict(after).items() if name != "dfn"}
    connection.execute(_SET.values(told), {"dfn_": after.dfn})
    connection.execute(_AMENDED[connection.dialect.name], {"dfn": after.dfn, "amended_at": now})
    describe_patient(connection, after.dfn)
    rename_patient(connection, before, after.dfn, now)


def rename_patient(connection: Connection, before: Person, dfn: int, now: float) -> None:
    """Let the worklist, and what is corrected on the CORRECT list, be of the patient of a DFN, whom they knew as another."""
    row = dict(connection.execute(_WITH_MEASURES, {"dfn_": dfn}).mappings().one())
    patient_of_steps(connection, before.patient_id, attributes_of_person(row), now)
    name = dicom_name(row["name"]).replace("^", "~")
    new_id = row["ssn"] or str(row["dfn"])
    connection.execute(_CORRECT, {"old_id": before.patient_id, "new_id": new_id, "new_name_": name})


def others_known_by(connection: Connection, dfn: int, ssn: str, icn: str) -> list[Person]:
    """Give other patients on file who have one of two numbers, of which either may be empty."""
    wanted = {"ssn_": ssn or None, "icn_": icn or None, "dfn_": dfn}  # nothing is equal to a NULL
    return [Person(*row) for row in connection.execute(_OTHERS, wanted)]


def entry_prefix(name: str, ssn: str) -> str:
    """Give what the name of an entry of IMAGE begins with: the patient's name, and his number as it is shown."""
    return f"{name}  {dashed(ssn)}  "


def dashed(ssn: str) -> str:
    """Write a social security number with dashes; a pseudo number keeps its P."""
    return f"{ssn[:3]}-{ssn[3:5]}-{ssn[5:]}" if len(ssn) >= 9 else ssn
