"""WORKLIST.DIC: which worklist each instrument is shown, and how (Installation Guide B.4.6, file #2006.583)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from gateway_client.dictionaries.entries import (
    IMAGING_SERVICES,
    BadEntry,
    Entry,
    Line,
    check_ae_title,
    check_count,
    check_service,
    check_unique,
    raise_any,
    read_entries,
)

FILE = "WORKLIST.DIC"
_FIELDS = "calling AE title|institution|RAD, CON or LAB|imaging types|format options|description"
_Option = TypeVar("_Option", bound=StrEnum)


class AccessionFormat(StrEnum):
    """How the accession number is shown: whole, or the case number alone."""

    LONG = "L"
    SHORT = "S"


class SSNFormat(StrEnum):
    """How the social security number is shown."""

    DASH = "D"
    NO_DASH = "N"


class WeightFormat(StrEnum):
    """Whether the weight is shown."""

    WEIGHT = "W"
    NO_WEIGHT = "N"


class AllergiesElement(StrEnum):
    """Where allergies are shown: (0010,2110), (0010,2000), or both."""

    BOTH = ""
    ALLERGIES = "A"
    MEDICAL_ALERTS = "M"


class ReasonElement(StrEnum):
    """Where the reason for the request is shown: (0040,1400), (0010,21B0), or both."""

    BOTH = ""
    COMMENT = "C"
    HISTORY = "H"


@dataclass(frozen=True, slots=True)
class ImagingType:
    """A kind of orders: a radiology imaging type, a specialty, a specialty's procedure or all of them, a laboratory area."""

    service: str
    name: str
    procedure: str = ""


@dataclass(frozen=True, slots=True)
class Worklist:
    """The worklist of one calling AE title. `institution` as for an instrument."""

    calling_ae_title: str
    institution: str
    service: str
    imaging_types: tuple[ImagingType, ...]
    accession: AccessionFormat = AccessionFormat.LONG
    ssn: SSNFormat = SSNFormat.DASH
    weight: WeightFormat = WeightFormat.WEIGHT
    allergies: AllergiesElement = AllergiesElement.BOTH
    reason: ReasonElement = ReasonElement.BOTH
    description: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        """Give the fields of its line."""
        types = ",".join(_type_text(it, self.service) for it in self.imaging_types)
        options = "/".join((self.accession, self.ssn, self.weight, self.allergies, self.reason))
        return self.calling_ae_title, self.institution, self.service, types, options, self.description


def parse_worklist(fields: Sequence[str]) -> Worklist:
    """Read one line. Raises BadEntry."""
    title, institution, service, types, options, description = check_count(fields, 4, 6, _FIELDS)
    check_service(service)
    accession, ssn, weight, allergies, reason = _options(options)
    return Worklist(
        check_ae_title(title, "calling AE title"),
        institution,
        service,
        tuple(_imaging_type(text.strip(), service) for text in types.split(",")),
        _option(accession, AccessionFormat, AccessionFormat.LONG, "LONG or SHORT"),
        _option(ssn, SSNFormat, SSNFormat.DASH, "DASH or NODASH"),
        _option(weight, WeightFormat, WeightFormat.WEIGHT, "WEIGHT or NOWEIGHT"),
        _option(allergies, AllergiesElement, AllergiesElement.BOTH, "A (0010,2110), M (0010,2000), or nothing for both"),
        _option(reason, ReasonElement, ReasonElement.BOTH, "C (0040,1400), H (0010,21B0), or nothing for both"),
        description,
    )


def _options(text: str) -> list[str]:
    options = [option.strip() for option in text.split("/")]
    if len(options) > 5:
        raise BadEntry(f"{text!r} has {len(options)} format options; write at most accession/SSN/weight/allergies/reason.")
    return [*options, *[""] * (5 - len(options))]


def _option(text: str, kind: type[_Option], default: _Option, expected: str) -> _Option:
    """Read an option by its first letter, whatever its case."""
    if not text:
        return default
    try:
        return kind(text[0].upper())
    except ValueError:
        raise BadEntry(f"{text!r} is no such format option; write {expected}.") from None


def _imaging_type(text: str, service: str) -> ImagingType:
    prefix, colon, rest = text.partition(":")
    if colon:
        if prefix not in IMAGING_SERVICES:
            raise BadEntry(f"{text!r} begins with no imaging service; write RAD:, CON: or LAB:.")
        service, text = prefix, rest.strip()
    name, slash, procedure = (part.strip() for part in text.partition("/"))
    if not name or (slash and not procedure):
        raise BadEntry("an imaging type is missing; write an abbreviation such as CT, or SPECIALTY/PROCEDURE, or SPECIALTY/*.")
    if slash and service != "CON":
        raise BadEntry(f"{text!r} names a procedure, which only imaging types of CON have.")
    return ImagingType(service, name, procedure)


def _type_text(imaging_type: ImagingType, service: str) -> str:
    prefix = "" if imaging_type.service == service else f"{imaging_type.service}:"
    return f"{prefix}{imaging_type.name}" + (f"/{imaging_type.procedure}" if imaging_type.procedure else "")


def read_worklists(lines: Iterable[Line]) -> list[Entry[Worklist]]:
    """Read lines. Raises DictionaryError."""
    return read_entries(lines, parse_worklist)


def check_worklists(entries: Sequence[Entry[Worklist]]) -> None:
    """See to it that each calling AE title has one worklist. Raises DictionaryError."""
    raise_any(check_unique(entries, lambda worklist: worklist.calling_ae_title, "calling AE title"))
