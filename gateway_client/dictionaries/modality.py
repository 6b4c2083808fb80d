"""MODALITY.DIC: how the images of a kind of equipment are stored, and where their accession number stands.

Installation Guide B.4.3, file #2006.582.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gateway_client.dictionaries.entries import (
    BadEntry,
    Entry,
    Line,
    Problem,
    check_count,
    check_given,
    check_service,
    check_unique,
    raise_any,
    read_entries,
)

FILE = "MODALITY.DIC"
_FIELDS = "manufacturer|model|modality|rules|accession number code|text data code|text data file|RAD, CON or LAB"
DEFAULT, ANY_MODEL, SECONDARY_CAPTURE = "DEFAULT", "*", "<SC>"
STORED_AS_DICOM = "<DICOM>"
#: The classes whose images are looked for as `<SC>` first (Installation Guide B.4.3.2).
SECONDARY_CAPTURE_CLASSES = frozenset(f"1.2.840.10008.5.1.4.1.1.7{kind}" for kind in ("", ".2", ".3", ".4"))
_ROUTINE = "^MAGDIR3"
_FRAMING = re.compile(r"(?:[ABCFOSXY]\d{1,9}|I|R(?:1|2|4|8|16|32))", re.IGNORECASE)


class Extractor(StrEnum):
    """The accession number codes, by their line tags in ^MAGDIR3."""

    CORRECT = "CORRECT"
    IGNORE = "IGNORE"
    STUDYUID = "STUDYUID"
    GEMSPACS = "GEMSPACS"
    PQ2000 = "PQ2000"
    GECTHISA = "GECTHISA"
    GEDRS = "GEDRS"
    LONGCASE = "LONGCASE"
    PIDCASE = "PIDCASE"
    PIDCASE2 = "PIDCASE2"
    STUDYID = "STUDYID"
    ADACNM = "ADACNM"
    SERDESC = "SERDESC"
    PNAME = "PNAME"
    MEDCASE = "MEDCASE"


@dataclass(frozen=True, slots=True)
class Modality:
    """One kind of equipment. `rules` go to VistA as they are; an empty `service` is the instrument's.

    The text data code and file tell what VA gateways write into an image's .TXT file; ours hold every element.
    """

    manufacturer: str = DEFAULT
    model: str = DEFAULT
    modality: str = DEFAULT
    rules: str = STORED_AS_DICOM
    extractor: Extractor = Extractor.CORRECT
    text_code: str = ""
    text_file: str = "DATAMISC.DIC"
    service: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """Give what it is found by."""
        return self.manufacturer, self.model, self.modality

    @property
    def fields(self) -> tuple[str, ...]:
        """Give the fields of its line."""
        code = f"{self.extractor}{_ROUTINE}"
        return (*self.key, self.rules, code, self.text_code, self.text_file, self.service)


GENERAL_DEFAULT = Modality()


@dataclass(frozen=True, slots=True)
class Modalities:
    """What MODALITY.DIC says, looked up from the particular to the general."""

    by_key: dict[tuple[str, str, str], Modality] = field(default_factory=dict)

    def resolve(self, manufacturer: str, model: str, modality: str, sop_class_uid: str) -> Modality:
        """Find how the images of some equipment are dealt with.

        Manufacturer, model and modality first; then the manufacturer's with the model `*`; then the modality's default; then the
        general one. For a secondary capture each of these is looked for as `<SC>` before.
        """
        kinds = (SECONDARY_CAPTURE, modality) if sop_class_uid in SECONDARY_CAPTURE_CLASSES else (modality,)
        for equipment in ((manufacturer, model), (manufacturer, ANY_MODEL), (DEFAULT, DEFAULT)):
            for kind in kinds:
                found = self.by_key.get((*equipment, kind))
                if found is not None:
                    return found
        return self.by_key.get(GENERAL_DEFAULT.key, GENERAL_DEFAULT)


def parse_modality(fields: Sequence[str]) -> Modality:
    """Read one line. Raises BadEntry."""
    manufacturer, model, modality, rules, code, text_code, text_file, service = check_count(fields, 5, 8, _FIELDS)
    for text, what in ((manufacturer, "manufacturer"), (model, "model"), (modality, "modality")):
        check_given(text, what)
    check_rules(rules)
    rules = re.sub(re.escape(STORED_AS_DICOM), STORED_AS_DICOM, rules, flags=re.IGNORECASE)  # VistA knows it so only
    if modality == SECONDARY_CAPTURE and rules != STORED_AS_DICOM:
        raise BadEntry(f"secondary captures are stored as DICOM only; write {STORED_AS_DICOM} in place of {rules!r}.")
    extractor = parse_extractor(code)
    return Modality(manufacturer, model, modality, rules, extractor, text_code, text_file, check_service(service, optional=True))


def parse_extractor(text: str) -> Extractor:
    """Read an accession number code, with or without its routine; `GECT` of the manual's samples is GECTHISA. Raises BadEntry."""
    tag, caret, routine = text.upper().partition("^")
    tag = {"GECT": "GECTHISA"}.get(tag, tag)
    if tag not in Extractor.__members__ or (caret and caret + routine != _ROUTINE):
        names = ", ".join(f"{extractor}{_ROUTINE}" for extractor in Extractor)
        raise BadEntry(f"{text!r} is no accession number code; write one of {names}.")
    return Extractor[tag]


def check_rules(text: str) -> None:
    """Check image processing rules (B.4.3.2.1): framing and reduction, a slash and what is stored besides. Raises BadEntry.

    Nothing, `<DICOM>`, `b12 f0 c4095`, `R8/`, `b10 f0 c1023 R8/<DICOM>`.
    """
    if text.upper() == STORED_AS_DICOM:
        return
    small, slash, full = text.partition("/")
    words = small.split()
    for word in words:
        if _FRAMING.fullmatch(word) is None:
            raise BadEntry(
                f"{word!r} in {text!r} is no image processing rule; write <DICOM>, or Annn Bnn Cnnn Fnnn I Onnn Snnn Xnnn Ynnn"
                " and R1, R2, R4, R8, R16 or R32."
            )
    letters = [word[0].upper() for word in words]
    if len(set(letters)) < len(letters):
        raise BadEntry(f"{text!r} says something twice; write each letter once.")
    if slash and (full.upper() not in ("", STORED_AS_DICOM) or small != small.rstrip()):
        raise BadEntry(
            f"the slash in {text!r} may be followed by nothing or by <DICOM> only, without a blank before or after it."
        )
    if slash and "R" not in letters:
        raise BadEntry(f"the slash in {text!r} needs a reduction before it; write R8/ for instance.")


def read_modalities(lines: Iterable[Line]) -> list[Entry[Modality]]:
    """Read lines. Raises DictionaryError."""
    return read_entries(lines, parse_modality)


def check_modalities(entries: Sequence[Entry[Modality]]) -> Modalities:
    """Put entries together: each equipment once, and the general default among them. Raises DictionaryError.

    Without any entry the general default is as the manual has it.
    """
    problems = check_unique(entries, lambda modality: modality.key, "equipment")
    found = {entry.record.key: entry.record for entry in entries}
    if entries and GENERAL_DEFAULT.key not in found:
        default = "|".join((*GENERAL_DEFAULT.fields[:-1], "RAD"))
        problems.append(Problem(entries[0].where.partition(":")[0], f"the general default is missing; add {default}"))
    raise_any(problems)
    return Modalities(found)
