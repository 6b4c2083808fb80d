"""The index terms of an image (#2005 fields 40-45): package, class, type, procedure, specialty, origin."""

from __future__ import annotations

from dataclasses import dataclass

CLINICAL_CLASS = 1
IMAGE_TYPE = 75
#: Entries of IMAGE INDEX FOR SPECIALTY/SUBSPECIALTY (#2005.84).
NUCLEAR_MEDICINE, RADIOLOGY, PATHOLOGY = 28, 29, 50
#: The codes of ORIGIN INDEX, with their meanings.
ORIGINS = {"V": "VA", "N": "NON-VA", "D": "DOD", "F": "FEE"}

#: DICOM INDEX MAPPING (#2005.872): entries of IMAGE INDEX FOR PROCEDURE/EVENT (#2005.85) by modality and specialty, and what
#: holds for a modality where its specialty has none of its own (specialty 0).
_PROCEDURES = {
    "CR": {29: 111},
    "CT": {29: 105},
    "DX": {29: 114},
    "ECG": {0: 3},
    "EPS": {0: 98},
    "ES": {0: 6},
    "GM": {0: 9},
    "IO": {53: 54},
    "IVUS": {0: 117},
    "MA": {0: 109},
    "MG": {29: 130},
    "MR": {29: 106},
    "NM": {28: 81},
    "OT": {0: 38},
    "PX": {53: 60},
    "RG": {0: 107},
    "SM": {0: 9},
    "US": {29: 108},
    "XA": {29: 116},
    "XC": {0: 38, 17: 132, 56: 132, 57: 132},
}
#: The procedure of each anatomic pathology section.
_SECTIONS = {"CY": 102, "EM": 104, "SP": 121}


@dataclass(frozen=True, slots=True)
class Indexes:
    """The index terms of one image."""

    package: str
    image_class: int
    image_type: int
    procedure_or_event: int | None
    specialty: int | None
    origin: str


def radiology_indexes(modality: str, origin: str) -> Indexes:
    """Choose the terms of a radiology image."""
    specialty = NUCLEAR_MEDICINE if modality == "NM" else RADIOLOGY
    return Indexes("RAD", CLINICAL_CLASS, IMAGE_TYPE, _procedure(modality, specialty), specialty, origin)


def consult_indexes(modality: str, origin: str, read: tuple[int, int] | None) -> Indexes:
    """Choose the terms of a consult's image: the specialty and procedure as which it is read, by the modality without these."""
    specialty, procedure = (None, _procedure(modality, 0)) if read is None else read
    return Indexes("CONS", CLINICAL_CLASS, IMAGE_TYPE, procedure, specialty, origin)


def lab_indexes(section: str, origin: str) -> Indexes:
    """Choose the terms of an anatomic pathology image by the section of its case."""
    return Indexes("LAB", CLINICAL_CLASS, IMAGE_TYPE, _SECTIONS[section], PATHOLOGY, origin)


def origin_code(text: str) -> str | None:
    """Read an origin as FileMan reads a set of codes: the code, or what its meaning begins with; None for neither."""
    if text in ORIGINS or not text:
        return text
    upper = text.upper()
    return next((code for code, meaning in ORIGINS.items() if upper == code or meaning.startswith(upper)), None)


def _procedure(modality: str, specialty: int) -> int | None:
    by_specialty = _PROCEDURES.get(modality, {})
    return by_specialty.get(specialty, by_specialty.get(0))
