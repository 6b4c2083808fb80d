"""What DICOM elements of a study are told: to queries, and to whoever exports its images."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, bindparam, select

from fileman import GROUP_OBJECT_TYPE, IMAGE_POINTERS, NEEDS_REVIEW, ExamOfImage, age_in_years, dashed, exam_of_image
from fileman.files import Image, Patient
from rpcs.icn import full_icn

#: An image group, or an image.
STUDIES = select(*IMAGE_POINTERS, Image.uid, Image.procedure_time, Image.short_description, Image.saved_at)
_MEMBERS = select(Image.procedure).where(
    Image.parent == bindparam("group"), Image.group_sequence.is_not(None), Image.status != NEEDS_REVIEW
)
_GROUPS_OF_UID = select(Image.ien, Image.procedure).where(Image.uid == bindparam("uid"), Image.object_type == GROUP_OBJECT_TYPE)
_PERSON = select(Patient.dfn, Patient.name, Patient.ssn, Patient.birth_date, Patient.sex, Patient.icn).where(
    Patient.dfn == bindparam("dfn")
)


def dicom_name(name: str) -> str:
    """Write VistA's name as answers of queries have it: family, given and middle names apart by commas."""
    family, _, given = name.partition(",")
    first, _, middle = " ".join(given.split()).partition(" ")
    return ",".join([family.strip(), first, *([middle] if middle else [])])


class Study:
    """One study, read as far as its values are asked for."""

    def __init__(self, connection: Connection, group: Any, today: date) -> None:
        self.group = group
        self.today = today
        self._connection = connection
        self._patient: Any = None
        self._groups: list[Any] | None = None

    @property
    def patient(self) -> Any:
        """The patient."""
        if self._patient is None:
            self._patient = self._connection.execute(_PERSON, {"dfn": self.group.patient}).one()
        return self._patient

    @cached_property
    def exam(self) -> ExamOfImage | None:
        """The exam, consult or lab case; None when the group is of none."""
        return exam_of_image(self._connection, self.group)

    @property
    def accession(self) -> str:
        """The accession number, empty without an exam."""
        return self.exam.accession if self.exam is not None else ""

    @property
    def groups(self) -> list[Any]:
        """All groups of this study UID."""
        if self._groups is None:
            self._groups = list(self._connection.execute(_GROUPS_OF_UID, {"uid": self.group.uid}))
        return self._groups

    def members(self) -> list[str]:
        """Give the modality of every image of the study that is not rejected."""
        return [
            modality for group in self.groups for modality in self._connection.execute(_MEMBERS, {"group": group.ien}).scalars()
        ]

    def modalities(self) -> str:
        """Give the modalities of the study, each once."""
        said = {*(group.procedure.removeprefix("RAD ") for group in self.groups), *self.members()} - {"", "CON/PROC"}
        return "\\".join(sorted(said))

    def other_ids(self) -> str:
        """Give the numbers by which the patient is known: SSN, with dashes, its end, ICN."""
        person = self.patient
        icn = full_icn(person.icn)
        known = {person.ssn, dashed(person.ssn), person.ssn[5:], "" if icn.startswith("-1") else icn}
        return "\\".join(sorted(known - {""}))


def _dicom_date(fileman: str) -> str:
    """Write the day of a FileMan date as DICOM does; nothing without month or day."""
    day = fileman[:7]
    return str(int(day) + 17000000) if len(day) == 7 and day[3:5] != "00" and day[5:7] != "00" else ""


def _dicom_time(fileman: str) -> str:
    return fileman.partition(".")[2].ljust(6, "0")


def _nothing(_study: Study) -> str:
    return ""


#: How each element that is known is told; those that VistA leaves empty are.
TAGS: dict[str, Callable[[Study], str]] = {
    "0008,0018": lambda study: str(study.group.uid),
    "0008,0020": lambda study: _dicom_date(study.group.procedure_time),
    "0008,0030": lambda study: _dicom_time(study.group.procedure_time),
    "0008,0050": lambda study: study.accession,
    "0008,0052": _nothing,
    "0008,0061": Study.modalities,
    "0008,0062": _nothing,
    "0008,0090": lambda study: study.exam.requester if study.exam else "",
    "0008,0100": lambda study: study.exam.cpt if study.exam else "",
    "0008,0102": lambda _study: "C4",
    "0008,0103": lambda _study: "4",
    "0008,0104": lambda study: study.exam.procedure if study.exam else "",
    "0008,1030": lambda study: str(study.group.short_description),
    "0008,1032": _nothing,
    "0008,1060": _nothing,
    "0008,1080": _nothing,
    "0010,0010": lambda study: dicom_name(study.patient.name),
    "0010,0020": lambda study: str(study.patient.ssn),
    "0010,0021": lambda _study: "USSSA",
    "0010,0030": lambda study: _dicom_date(study.patient.birth_date),
    "0010,0032": _nothing,
    "0010,0040": lambda study: str(study.patient.sex),
    "0010,1000": Study.other_ids,
    "0010,1001": _nothing,
    "0010,1010": lambda study: f"{age_in_years(study.patient.birth_date, study.today):0>3}Y",
    "0010,1020": _nothing,
    "0010,1030": _nothing,
    "0010,2160": _nothing,
    "0010,2180": _nothing,
    "0010,21B0": _nothing,
    "0010,4000": _nothing,
    "0020,000D": lambda study: str(study.group.uid),
    "0020,000E": _nothing,
    "0020,0010": lambda study: study.accession.rpartition("-")[2],
    "0020,1206": lambda study: str(len(study.groups)),
    "0020,1208": lambda study: str(len(study.members())),
    "4008,010C": _nothing,
}
#: Tags of which only studies with the wanted value are answered; the others, and those that found the study, are told.
COMPARED = frozenset({"0008,0061", "0008,1030", "0010,0021", "0010,0030", "0010,0040", "0020,1206", "0020,1208"})
