"""Is this the patient? Names and numbers compared as VistA compares them (PIDCHECK and COMPARE^MAGDIR8A)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

#: What the four parts weigh, and the sum that an "almost exact" match needs.
LAST_NAME, FIRST_NAME, MIDDLE_NAME, PATIENT_ID = 5, 5, 1, 5
ENOUGH = Fraction(29, 2)
_SHIFTED = Fraction(1, 4)


@dataclass(frozen=True, slots=True)
class DicomName:
    """A Patient's Name as VistA reads it: upper-cased, in three parts, the given name's first word only."""

    text: str
    last: str
    first: str
    middle: str


def parse_dicom_name(name: str) -> DicomName:
    """Read `L^F^M`, `L,F M` or `L F M`; the blanks after a comma are dropped."""
    text = name.upper()
    delimiter = "^" if "^" in text else "," if "," in text else " "
    if delimiter == ",":
        while ", " in text:
            text = text.replace(", ", ",")
    pieces = [*text.split(delimiter), "", "", ""]
    last, first, middle = pieces[0], pieces[1], "" if delimiter == "," else pieces[2]
    first = first.split(",")[0] if "," in first else first.split(" ")[0]
    return DicomName(text, last, first, middle)


def compare(dicom: str, vista: str) -> Fraction:
    """Score two texts from 0 to 1: a place that matches counts 1, one that matches its neighbour a quarter."""
    if dicom == vista:
        return Fraction(1)
    if not dicom or not vista:
        return Fraction(0)
    length = max(len(dicom), len(vista))
    padded_a = ["", *dicom, *[""] * (length - len(dicom) + 1)]
    padded_b = ["", *vista, *[""] * (length - len(vista) + 1)]
    score = Fraction(0)
    for place in range(1, length + 1):
        if padded_a[place] == padded_b[place]:
            score += 1
        elif padded_a[place] in (padded_b[place - 1], padded_b[place + 1]) or padded_b[place] in (
            padded_a[place - 1],
            padded_a[place + 1],
        ):
            score += _SHIFTED
    return score / length


def alphanumeric(patient_id: str) -> str:
    """Drop what is neither letter nor digit from a Patient ID; the case stays."""
    return "".join(character for character in patient_id if character.isascii() and character.isalnum())


def is_same_patient(name: DicomName, patient_id: str, vista_name: str, vista_id: str) -> bool:
    """Tell whether a header's name and ID are those of a patient on file: one transposition in a long name is forgiven."""
    last, _, given = vista_name.partition(",")
    first, _, middle = given.partition(" ")
    same_id = alphanumeric(patient_id) == vista_id
    if same_id and (name.last, name.first) == (last, first):  # enough without the rest, and so with most objects
        return True
    score = LAST_NAME * compare(name.last, last)
    score += FIRST_NAME * compare(name.first[:6], first[:6])
    score += MIDDLE_NAME * compare(name.middle, middle.replace(".", ""))
    score += PATIENT_ID * int(same_id)
    return score >= ENOUGH


@dataclass(frozen=True, slots=True)
class Association:
    """What a header says of patient and study, against what is on file."""

    name: DicomName
    patient_id: str
    case_number: str
    found: bool
    cancelled: bool
    vista_name: str
    vista_id: str

    def problem(self) -> str:
        """Say why the object does not belong there (PIDCHECK^MAGDIR8A); empty when it does."""
        if not self.case_number:
            return "-1,NO CASE #"
        if not self.found:
            return "-2,BAD CASE #"
        if self.cancelled:
            return "-3,CANCELLED"
        if not is_same_patient(self.name, self.patient_id, self.vista_name, self.vista_id):
            return "-4,PID ERROR"
        return ""
