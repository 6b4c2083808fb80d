"""An image as the broker would have filed it, for rules to be tried on: read from a DICOM file, or from the database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, select

from console.errors import WrongUsage
from console.trial_site import TrialSite
from fileman import RADIOLOGY_FILE, ExamOfImage, to_fileman
from fileman.files import Exam, Image
from gateway_client.errors import GatewayError
from gateway_client.objects.header import InstanceHeader, read_header
from rpcs.image_processing.indexes import radiology_indexes
from rpcs.image_processing.person_name import parse_dicom_name
from rpcs.image_processing.study import Study, find_study
from rules.evaluator.image_facts import ImageRows, Names, elements_of, know_image
from rules.language.ast import Rule
from rules.trials.given import NOTHING, Given

#: The number of an image that is not filed yet.
UNFILED = 1
#: OBJECT TYPE of an image that is one DICOM file.
_DICOM_IMAGE = 100
_VA = "V"


def given_of_file(path: Path, now: datetime, rules: Sequence[Rule], site: TrialSite | None, location: int | None) -> Given:
    """Read a DICOM file and make the facts that the broker has of it once a gateway of that location has filed it.

    With a site the exam is looked up there by accession number; without one, patient, accession number and time are the
    header's. Raises WrongUsage for what is no DICOM file, and FileNotFoundError.
    """
    if path.is_dir():
        raise WrongUsage(f"{path} is a folder: name one DICOM file in it.")
    try:
        header = read_header(path)
    except GatewayError as error:
        raise WrongUsage(f"{path} is no DICOM file that a gateway would take: {error}") from error
    base = NOTHING if site is None else site.nothing
    if location is not None:
        base = replace(base, location=location)
    study = None if site is None else site.read(lambda connection: find_study(connection, "RAD", header.accession))
    if site is None or study is None:
        exam, patient = _exam_of_header(header), _patient_name(header.patient_name)
    else:
        exam, patient = site.read(lambda connection: _exam_of_study(connection, study)), study.patient.name
    image, group = _columns(header, exam, to_fileman(now), base.location)
    rows = ImageRows(image, group, exam, patient or None, json.dumps(_elements(header)))
    names = Names() if site is None else site.names
    return replace(base, known=know_image(rows, names, base.location, elements_of(rules)))


def _elements(header: InstanceHeader) -> dict[str, dict[str, Any]]:
    """Lay the header's items out as HEADER has them stored."""
    elements: dict[str, dict[str, Any]] = {}
    for item in header.items:
        elements.setdefault(item.path, {"vr": item.vr, "values": []})["values"].append(item.value)
    return elements


def _columns(header: InstanceHeader, exam: ExamOfImage, now: str, location: int) -> tuple[SimpleNamespace, SimpleNamespace]:
    """Give the image and its group with the columns that facts are made of, as IMAGE PROCESSING fills them."""
    indexes = radiology_indexes(header.modality, _VA)
    common = {
        **dict.fromkeys(Image.__table__.columns.keys()),
        "patient": exam.patient,
        "procedure": header.modality,
        "saved_at": now,
        "procedure_time": exam.exam_date,
        "short_description": exam.procedure,
        "parent_file": RADIOLOGY_FILE,
        "package": indexes.package,
        "image_class": indexes.image_class,
        "image_type": indexes.image_type,
        "procedure_or_event": indexes.procedure_or_event,
        "specialty": indexes.specialty,
        "origin": indexes.origin,
        "acquisition_site": location,
    }
    group = SimpleNamespace(**common | {"ien": UNFILED, "uid": header.study_uid})
    own = {"ien": UNFILED, "parent": None, "object_type": _DICOM_IMAGE, "uid": header.sop_instance_uid}
    return SimpleNamespace(**common | own), group


def _exam_of_study(connection: Connection, study: Study) -> ExamOfImage:
    urgency, cpt, requester = connection.execute(
        select(Exam.urgency, Exam.cpt, Exam.requester).where(Exam.ien == study.exam)
    ).one()
    return ExamOfImage(
        study.exam,
        study.service,
        study.full_accession,
        study.patient.dfn,
        study.exam_date,
        study.procedure,
        cpt,
        requester,
        urgency,
        urgency_found=not study.site_accession,
    )


def _exam_of_header(header: InstanceHeader) -> ExamOfImage:
    when = _moment(header.study_date, header.study_time)
    return ExamOfImage(0, "RAD", header.accession, 0, when, "", "", "", "", urgency_found=True)


def _moment(date: str, time: str) -> str:
    """Write DICOM's date and time as FileMan does; empty for a date that is none."""
    text = f"{date[:4]}-{date[4:6]}-{date[6:8]}T{time[:6].ljust(6, '0')}"
    try:
        return to_fileman(datetime.fromisoformat(text))
    except ValueError:
        return ""


def _patient_name(name: str) -> str:
    """Write a name as VistA has it: `LAST,FIRST MIDDLE`."""
    parsed = parse_dicom_name(name.partition("=")[0])
    given = " ".join(part for part in (parsed.first, parsed.middle) if part)
    return f"{parsed.last},{given}" if given else parsed.last
