"""The accession number codes of MODALITY.DIC: where in a header the number stands by which VistA finds the exam.

The VA's routine ^MAGDIR3 is not public. What each code does is said in docs/reference/accession-codes.md, with its source or as
our reading of its name, of the manual's table, and of the equipment that the manual lists for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from gateway_client.dictionaries import Extractor
from gateway_client.objects.header import InstanceHeader

#: A long case number, `mmddyy-case` or `station-mmddyy-case`.
_LONG = r"(?:[0-9A-Z]{3,7}-)?[0-9]{6}-[0-9]{1,5}"
_LONG_CASE = re.compile(rf"(?<![0-9A-Z-]){_LONG}(?![0-9-])", re.IGNORECASE)
_CASE = rf"(?:{_LONG}|[0-9]{{1,5}})"
_ANY_CASE = re.compile(rf"(?<![0-9A-Z-]){_CASE}(?![0-9A-Z-])", re.IGNORECASE)
_AFTER_SSN = re.compile(rf"([0-9]{{3}}-?[0-9]{{2}}-?[0-9]{{4}}P?)[ ,;:/^-]*({_CASE})", re.IGNORECASE)
#: A run of blanks is looked at once, from its beginning: names of thousands of them took minutes.
_AFTER_NAME = re.compile(rf"(.*?)(?<![ ^,])[ ^,]++({_CASE})[ ^]*", re.IGNORECASE)
#: `root.1.4.station.RADTI.fraction.RACNI.[site.]mmddyy.case`, punctuation as dots and leading zeros gone (STUDYUID^MAGDRAHL).
_STUDY_UID = re.compile(r"[0-9.]+?\.1\.4\.[0-9]+\.([0-9]{7})\.[0-9]{1,4}\.[0-9]+\.(?:([0-9]+)\.)?([0-9]{5,6})\.([0-9]{1,5})")
#: RADTI is this less the FileMan date and time of the exam.
_REVERSE = 9999999


class Extracted(NamedTuple):
    """The number, and patient ID and name without what stood in them besides; an image without a number finds no exam."""

    case_number: str
    patient_id: str
    patient_name: str


def extract(extractor: Extractor, header: InstanceHeader) -> Extracted | None:
    """Take the number out of a header; None for an image that is not to be filed."""
    if extractor is Extractor.IGNORE:
        return None
    if extractor in _FROM_PATIENT:
        return _FROM_PATIENT[extractor](header)
    return Extracted(_FROM_STUDY[extractor](header), header.patient_id, header.patient_name)


def _accession(header: InstanceHeader) -> str:
    return header.accession


def _accession_or_study_id(header: InstanceHeader) -> str:
    return header.accession or header.study_id


def _study_id_or_accession(header: InstanceHeader) -> str:
    return _first(_ANY_CASE, header.study_id) or header.accession


def _first_word_of_accession(header: InstanceHeader) -> str:
    return header.accession.partition(" ")[0]


def _long_case(header: InstanceHeader) -> str:
    return _first(_LONG_CASE, header.accession)


def _long_case_of_study_id(header: InstanceHeader) -> str:
    return _first(_LONG_CASE, header.study_id)


def _long_case_of_study(header: InstanceHeader) -> str:
    return _first(_LONG_CASE, header.accession) or _first(_LONG_CASE, header.study_id)


def _case_of_series(header: InstanceHeader) -> str:
    return _first(_ANY_CASE, header.series_description)


def _study_uid(header: InstanceHeader) -> str:
    """Read the accession number that VistA put into the UID; the exam's date, which stands there twice, must be one."""
    found = _STUDY_UID.fullmatch(header.study_uid)
    if found is None:
        return ""
    reverse_date, site, day, case = found.groups()
    year_month_day = f"{_REVERSE - int(reverse_date):07d}"
    month_day_year = f"{year_month_day[3:]}{year_month_day[1:3]}"
    if day.zfill(6) != month_day_year:
        return ""
    return f"{site}-{month_day_year}-{case}" if site else f"{month_day_year}-{case}"


def _after_ssn(header: InstanceHeader) -> Extracted:
    found = _AFTER_SSN.fullmatch(header.patient_id)
    patient_id, case = found.groups() if found is not None else (header.patient_id, "")
    return Extracted(case, patient_id, header.patient_name)


def _after_slashes(header: InstanceHeader) -> Extracted:
    patient_id, _, case = header.patient_id.partition("//")
    return Extracted(case.strip(), patient_id.strip(), header.patient_name)


def _after_name(header: InstanceHeader) -> Extracted:
    name, equals, others = header.patient_name.partition("=")
    found = _AFTER_NAME.fullmatch(name)
    name, case = found.groups() if found is not None else (name, "")
    return Extracted(case, header.patient_id, f"{name}{equals}{others}")


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[0] if found is not None else ""


_FROM_STUDY: dict[Extractor, Callable[[InstanceHeader], str]] = {
    Extractor.CORRECT: _accession,
    Extractor.STUDYUID: _study_uid,
    Extractor.GEMSPACS: _accession_or_study_id,
    Extractor.PQ2000: _study_id_or_accession,
    Extractor.GECTHISA: _first_word_of_accession,
    Extractor.GEDRS: _study_id_or_accession,
    Extractor.LONGCASE: _long_case,
    Extractor.STUDYID: _long_case_of_study_id,
    Extractor.ADACNM: _long_case_of_study,
    Extractor.SERDESC: _case_of_series,
    Extractor.MEDCASE: _accession_or_study_id,
}
_FROM_PATIENT: dict[Extractor, Callable[[InstanceHeader], Extracted]] = {
    Extractor.PIDCASE: _after_ssn,
    Extractor.PIDCASE2: _after_slashes,
    Extractor.PNAME: _after_name,
}
