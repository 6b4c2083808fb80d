"""The index terms of an image (#2005 fields 40-45): package, class, type, procedure, specialty, origin."""

from __future__ import annotations

from dataclasses import dataclass

CLINICAL_CLASS = 1
IMAGE_TYPE = 75
RADIOLOGY, NUCLEAR_MEDICINE = 29, 28
CONSULT_PROCEDURE = 38
ORIGINS = frozenset({"", "V", "F", "D", "N"})

#: Entries of IMAGE INDEX FOR PROCEDURE/EVENT (#2005.85) by modality; a modality without one has no term.
_PROCEDURES = {"CR": 111, "CT": 105, "NM": 81, "US": 108}


@dataclass(frozen=True, slots=True)
class Indexes:
    """The index terms of one image."""

    package: str
    image_class: int
    image_type: int
    procedure_or_event: int | None
    specialty: int | None
    origin: str


def indexes_of(service: str, modality: str, origin: str) -> Indexes:
    """Choose the terms for a service and modality."""
    if service != "RAD":
        package = {"CON": "CONS", "LAB": "LAB"}[service]
        return Indexes(package, CLINICAL_CLASS, IMAGE_TYPE, CONSULT_PROCEDURE, None, origin)
    specialty = NUCLEAR_MEDICINE if modality == "NM" else RADIOLOGY
    return Indexes("RAD", CLINICAL_CLASS, IMAGE_TYPE, _PROCEDURES.get(modality), specialty, origin)
