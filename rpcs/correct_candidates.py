"""Whose a study on the CORRECT list may be: exams and patients that are like what it came with, the likest first.

They are looked for in indexes, by the accession number, the Patient ID and the name, each as it is and with one edit, and among
the exams of those days; what is found is then compared field by field.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, Row, Select, bindparam, or_, select

from fileman import from_fileman, in_parts, to_fileman
from fileman.files import Exam, ImageHeader, Patient, RadiologyProcedure
from fileman.text_ranges import behind
from rpcs.image_processing.study import CANCELLED
from rpcs.likeness import PersonName, dates_alike, days_near, names_alike, numbers_alike, one_edit_away
from rpcs.numbers import LARGEST

#: What each field weighs. A field counts where the study came with it, and where the candidate can have it.
WEIGHTS = {
    "accession": 30,
    "patient_id": 25,
    "name": 25,
    "birth_date": 10,
    "sex": 3,
    "modality": 5,
    "exam_date": 12,
}
#: Patients that one way of looking finds at most, and of those found that are compared with their exams.
MOST_FOUND, MOST_COMPARED = 300, 60
#: Characters of a name or number that are compared: a peer may send any, and an edit of each is looked for.
LONGEST = 64
#: Years of dates that are compared; FileMan has no others, and days around them have to be dates too.
YEARS = range(1800, 2600)
#: Days around the study's in which exams count.
DAYS = 30
#: Letters at the beginning of a name that are looked for with an edit, and the digits and letters there are.
BEGINNING = 4
_LETTERS, _DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ'- ", "0123456789"
#: Elements of the header data (PS3.6).
_BIRTH_DATE, _SEX, _STUDY_DATE = "0010,0030", "0010,0040", "0008,0020"

_PATIENT = (Patient.dfn, Patient.name, Patient.ssn, Patient.birth_date, Patient.sex, Patient.icn)
_PATIENTS = select(*_PATIENT).limit(MOST_FOUND)
_NUMBERS: BindParameter[Any] = bindparam("numbers", expanding=True)
_BY_SSN = _PATIENTS.where(Patient.ssn.in_(_NUMBERS))
_BY_ICN = _PATIENTS.where(Patient.icn >= bindparam("number_"), Patient.icn < bindparam("behind_"))
_BY_DFN = _PATIENTS.where(Patient.dfn.in_(_NUMBERS))
_EXAM = (
    Exam.ien,
    Exam.service,
    Exam.accession,
    Exam.site_accession,
    Exam.case_number,
    Exam.patient,
    Exam.exam_date,
    Exam.procedure,
    Exam.status,
    RadiologyProcedure.modalities,
)
_EXAMS = select(*_EXAM).join(RadiologyProcedure, RadiologyProcedure.ien == Exam.procedure_ien, isouter=True).limit(MOST_FOUND)
_BY_ACCESSION = tuple(_EXAMS.where(column.in_(_NUMBERS)) for column in (Exam.accession, Exam.site_accession, Exam.case_number))
_OF_DAY = select(Exam.patient).where(Exam.exam_date >= bindparam("first"), Exam.exam_date < bindparam("last")).limit(MOST_FOUND)
_OF_PATIENTS = _EXAMS.where(Exam.patient.in_(_NUMBERS), Exam.exam_date >= bindparam("first"), Exam.exam_date < bindparam("last"))
_HEADER = select(ImageHeader.elements).where(ImageHeader.uid == bindparam("uid_"))

Found = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Given:
    """What a study came with; dates are YYYYMMDD, empty where it has none. Without a study date it is the day of its entry."""

    name: str
    patient_id: str
    accession: str
    modality: str
    birth_date: str
    sex: str
    exam_date: str

    @property
    def number(self) -> str:
        """The Patient ID without what it is written with."""
        return "".join(it for it in self.patient_id.upper() if it.isascii() and it.isalnum())


class Compared(NamedTuple):
    """One field: what was given, what the candidate has, how alike these are from 0 to 1, and what the field weighs."""

    field: str
    given: str
    has: str
    score: float
    weight: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """An exam that a study may be of, or a patient without one; `score` is from 0 to 100."""

    score: float
    dfn: int
    name: str
    patient_id: str
    exam: int | None
    accession: str
    exam_date: str
    procedure: str
    status: str
    note: str
    fields: list[Compared] = field(default_factory=list)

    @property
    def unlike(self) -> dict[str, float]:
        """How alike those fields are that are not the same."""
        return {it.field: it.score for it in self.fields if it.score < 1}


def read_given(connection: Connection, entry: Any) -> Given:
    """Read what an entry of the CORRECT list came with, and the header data of its image where these are kept."""
    elements = connection.execute(_HEADER, {"uid_": entry.image_uid}).scalar() if entry.image_uid else None
    header = json.loads(elements) if elements else {}
    return Given(
        name=(entry.original_name or entry.name)[:LONGEST],
        patient_id=entry.patient_id[:LONGEST],
        accession=entry.accession.strip()[:LONGEST],
        modality=entry.modality.strip().upper()[:LONGEST],
        birth_date=_digits(_value(header, _BIRTH_DATE)),
        sex=_value(header, _SEX).strip().upper()[:1],
        exam_date=_digits(_value(header, _STUDY_DATE)) or _plain_date(entry.entered),
    )


def _value(header: Mapping[str, Any], path: str) -> str:
    values = header.get(path, {}).get("values", [])
    return str(values[0]) if values else ""


def _digits(text: str) -> str:
    digits = text.strip().replace(".", "")
    return digits if len(digits) == 8 and digits.isdecimal() else ""


def _plain_date(moment: str) -> str:
    """Write a FileMan date, exact or not, as YYYYMMDD."""
    day = moment.partition(".")[0]
    return f"{int(day[:3]) + 1700}{day[3:7]}" if len(day) == 7 and day.isdecimal() else ""


def find_candidates(connection: Connection, given: Given, most: int) -> list[Candidate]:
    """Find exams and patients that are like what was given, the likest first."""
    search = _Search(connection, given)
    candidates = search.candidates()
    candidates.sort(key=lambda it: (-it.score, bool(it.note), it.exam_date, it.dfn, it.exam or 0))
    return [it for it in candidates[:most] if it.score > 0]


@dataclass
class _Search:
    """One search: what was found by now, patients by DFN and exams by IEN."""

    connection: Connection
    given: Given
    patients: dict[int, Found] = field(default_factory=dict)
    exams: dict[int, Found] = field(default_factory=dict)

    @cached_property
    def name(self) -> PersonName:
        return PersonName.read(self.given.name)

    def candidates(self) -> list[Candidate]:
        """Look everywhere, and compare what was found."""
        self._by_accession()
        self._by_number()
        self._by_name()
        self._by_day()
        persons = {dfn: self._person(row) for dfn, row in self.patients.items()}
        with_exams = {row.patient for row in self.exams.values()}
        likest = sorted(persons, key=lambda dfn: (dfn not in with_exams, -_total(persons[dfn])))[:MOST_COMPARED]
        self._exams_of(likest)
        exams: dict[int, list[Found | None]] = {}
        for exam in self.exams.values():
            exams.setdefault(exam.patient, []).append(exam)
        return [self._candidate(self.patients[dfn], persons[dfn], exam) for dfn in likest for exam in exams.get(dfn, [None])]

    # looking

    def _by_accession(self) -> None:
        number = self.given.accession.upper()
        if not number:
            return
        near = [number, *one_edit_away(number, _DIGITS)]
        wanted = ({"numbers": near}, {"numbers": near}, {"numbers": [number]})
        for statement, key in zip(_BY_ACCESSION, wanted, strict=True):
            self._keep_exams(statement, key)
        self._keep(_BY_DFN, {"numbers": [row.patient for row in self.exams.values()]})

    def _by_number(self) -> None:
        number = self.given.number
        digits = number.rstrip("P") if number[:-1].isdecimal() else number
        if digits.isdecimal() and len(digits) == 9:
            self._keep(_BY_SSN, {"numbers": [number, *one_edit_away(digits, _DIGITS)]})
        elif number:
            self._keep(_BY_SSN, {"numbers": [number, self.given.patient_id]})
        control = number.partition("V")[0]
        if control.isdecimal() and len(control) >= 10:
            for one in one_edit_away(control, "")[:40]:
                self._keep(_BY_ICN, {"number_": one, "behind_": behind(one)})
        if digits.isdecimal() and int(digits) <= LARGEST:
            self._keep(_BY_DFN, {"numbers": [int(digits)]})

    def _by_name(self) -> None:
        """Look for the name as it is, with its parts exchanged, and for each with an edit at the beginning of the last one."""
        last, first = self.name.last, self.name.first
        for one, other in dict.fromkeys(((last, first), (first, last), (first, self.name.middle))):
            if not one:
                continue
            self._keep_named([f"{one},{other}"])
            self._keep_named([f"{one},{other[:1]}"])
            self._keep_named([f"{one},"])
            near = [f"{it}{one[BEGINNING:]},{other[:1]}" for it in one_edit_away(one[:BEGINNING], _LETTERS)]
            self._keep_named(near)
            behind_it = [f"{one[:BEGINNING]}{it},{other[:1]}" for it in one_edit_away(one[BEGINNING:], _LETTERS)]
            self._keep_named(behind_it if len(one) > BEGINNING else [one])

    def _by_day(self) -> None:
        day = _date(self.given.exam_date)
        if day is not None:
            key = {"first": to_fileman(day), "last": to_fileman(day + timedelta(days=1))}
            self._keep(_BY_DFN, {"numbers": list(self.connection.execute(_OF_DAY, key).scalars())})

    def _exams_of(self, dfns: Sequence[int]) -> None:
        day = _date(self.given.exam_date)
        if day is not None and dfns:
            first, last = day - timedelta(days=DAYS), day + timedelta(days=DAYS + 1)
            self._keep_exams(_OF_PATIENTS, {"numbers": list(dfns), "first": to_fileman(first), "last": to_fileman(last)})

    def _keep(self, statement: Select[*tuple[Any, ...]], key: Mapping[str, Any]) -> None:
        for row in self.connection.execute(statement, key):
            self.patients.setdefault(row.dfn, row)

    def _keep_exams(self, statement: Select[*tuple[Any, ...]], key: Mapping[str, Any]) -> None:
        for row in self.connection.execute(statement, key):
            self.exams.setdefault(row.ien, row)

    def _keep_named(self, beginnings: Sequence[str]) -> None:
        """Keep patients whose names begin with one of some texts."""
        for some in in_parts(list(dict.fromkeys(beginnings)), 100):
            ranges = or_(*((Patient.name >= it) & (Patient.name < behind(it)) for it in some))
            self._keep(_PATIENTS.where(ranges), {})

    # comparing

    def _person(self, row: Found) -> list[Compared]:
        given = self.given
        number, told = _likest_number(given, row)
        born = _plain_date(row.birth_date)
        has = {
            "patient_id": (given.patient_id, told, number),
            "name": (given.name, row.name, names_alike(self.name, PersonName.read(row.name))),
            "birth_date": (given.birth_date, born, dates_alike(given.birth_date, born)),
            "sex": (given.sex, row.sex, float(given.sex == row.sex)),
        }
        return [
            Compared(name, asked, it, round(score, 3), WEIGHTS[name])
            for name, (asked, it, score) in has.items()
            if asked and (it or name in ("name", "patient_id"))
        ]

    def _exam(self, exam: Found | None) -> list[Compared]:
        given = self.given
        if exam is None:
            asked = {"accession": given.accession, "exam_date": given.exam_date}
            return [Compared(name, text, "", 0.0, WEIGHTS[name]) for name, text in asked.items() if text]
        accession = exam.site_accession or exam.accession
        compared = []
        if given.accession:
            compared.append(("accession", given.accession, accession, _accession_alike(given.accession.upper(), exam)))
        if given.modality and (modalities := _modalities(exam)):
            compared.append(("modality", given.modality, ",".join(modalities), float(given.modality in modalities)))
        day, its = _date(given.exam_date), _date(_plain_date(exam.exam_date))
        if day is not None and its is not None:
            compared.append(("exam_date", given.exam_date, f"{its:%Y%m%d}", days_near((its - day).days)))
        return [Compared(name, text, has, round(score, 3), WEIGHTS[name]) for name, text, has, score in compared]

    def _candidate(self, row: Found, person: list[Compared], exam: Found | None) -> Candidate:
        fields = sorted([*person, *self._exam(exam)], key=lambda it: list(WEIGHTS).index(it.field))
        cancelled = exam is not None and exam.status in CANCELLED[exam.service]
        note = "takes no images: it is cancelled" if cancelled else "" if exam is not None else "no exam in those days"
        return Candidate(
            score=round(_total(fields) * 100, 1),
            dfn=row.dfn,
            name=row.name,
            patient_id=row.ssn or str(row.dfn),
            exam=exam.ien if exam is not None else None,
            accession=(exam.site_accession or exam.accession) if exam is not None else "",
            exam_date=_iso(exam.exam_date) if exam is not None else "",
            procedure=exam.procedure if exam is not None else "",
            status=exam.status if exam is not None else "",
            note=note,
            fields=fields,
        )


def _total(fields: Iterable[Compared]) -> float:
    """Give the share of what could be alike that is."""
    weight = sum(it.weight for it in fields)
    return sum(it.score * it.weight for it in fields) / weight if weight else 0.0


def _likest_number(given: Given, row: Found) -> tuple[float, str]:
    """Say how alike the Patient ID is to one of the patient's numbers, and to which: the last four digits count 0.4."""
    number = given.number
    control = str(row.icn).partition("V")[0]
    initial = number[:1].isalpha() and number[:1] == row.name[:1]
    forms = [
        (numbers_alike(number, row.ssn), row.ssn),
        (numbers_alike(number.partition("V")[0], control), row.icn),
        (0.9 * (number == str(row.dfn)), str(row.dfn)),
        ((0.7 if initial and len(number) == 5 else 0.4) * (len(row.ssn) >= 9 and number[-4:] == row.ssn[5:9]), row.ssn),
    ]
    score, told = max(forms, key=lambda it: it[0])
    return score, told if score else (row.ssn or str(row.dfn))


def _accession_alike(number: str, exam: Found) -> float:
    """Say how alike an accession number is to one of an exam's; its case number alone counts 0.6."""
    forms = [numbers_alike(number, str(it).upper()) for it in (exam.accession, exam.site_accession)]
    return max([*forms, 0.6 * (number == str(exam.case_number))])


def _modalities(exam: Found) -> list[str]:
    """Name the modalities of an exam's procedure; where the file does not say them, the first word where it is one."""
    named = [it.strip().upper() for it in (exam.modalities or "").split(",") if it.strip()]
    word = exam.procedure.partition(" ")[0].upper()
    return named or ([word] if len(word) == 2 and word.isalpha() else [])


def _date(text: str) -> date | None:
    try:
        day = date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None
    return day if day.year in YEARS else None


def _iso(moment: str) -> str:
    try:
        return from_fileman(moment).isoformat(timespec="minutes")
    except ValueError:
        return moment
