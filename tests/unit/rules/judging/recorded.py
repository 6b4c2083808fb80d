"""The images of the recorded rule cases, as facts: read from the stored nodes in the first line of c1."""

from __future__ import annotations

import re
from typing import Any

from rules import ImageFacts
from tests.oracle.records import read_records

_NODE = re.compile(r'\^MAG\(2005,(\d+),("?[A-Z0-9]+"?)\)="?(.*?)"?$')
#: Keyword to node, piece and the file that the value points to (KEYWORD^MAGBRTK).
_FIELDS = {
    "ABSTRACT_REF": ("0", 4, ""),
    "ACQUISITION_DEVICE": ("100", 4, ""),
    "BIG_MAGNETIC_PATH": ("FBIG", 1, "2005.2"),
    "BIG_JUKEBOX_PATH": ("FBIG", 2, "2005.2"),
    "CLASS": ("40", 2, ""),
    "CLINIC": ("100", 2, ""),
    "CREATE_METHOD": ("METHOD", 1, ""),
    "DESCRIPTIVE_CATEGORY": ("100", 1, ""),
    "FILE_REF": ("0", 2, ""),
    "IQ": ("0", 11, ""),
    "MAGNETIC_REF": ("0", 3, ""),
    "MODALITY": ("0", 8, ""),
    "OBJECT_NAME": ("0", 1, ""),
    "OBJECT_TYPE": ("0", 6, "2005.02"),
    "ORIGIN_INDEX": ("40", 6, ""),
    "PACKAGE": ("40", 1, ""),
    "PACS_PROCEDURE": ("PACS", 3, "71"),
    "PACS_UID": ("PACS", 1, ""),
    "PARENT_DATA": ("2", 6, "2005.03"),
    "PARENT_DATA_FILE_IMAGE_POINTER": ("2", 8, ""),
    "PARENT_GLOBAL_ROOT_D0": ("2", 7, ""),
    "PARENT_GLOBAL_ROOT_D1": ("2", 10, ""),
    "PATH_ACCESSION_NUMBER": ("PATH", 1, ""),
    "PATIENT": ("0", 7, "2"),
    "PROCEDURE": ("0", 8, ""),
    "PROCEDURE_OR_EVENT": ("40", 4, ""),
    "RADIOLOGY_REPORT": ("PACS", 2, "74"),
    "SAVED_BY": ("2", 2, "200"),
    "SHORT_DESCRIPTION": ("2", 4, ""),
    "SPECIALTY": ("40", 5, ""),
    "SUMMARY_OBJECT": ("2", 3, ""),
    "SUMMARY": ("2", 3, ""),
    "TRACKING_ID": ("100", 5, ""),
    "TYPE": ("40", 3, ""),
    "WORM_REF": ("0", 5, ""),
    "EXAM_TIME": ("2", 5, ""),
    "PROCEDURE_TIME": ("2", 5, ""),
    "IMAGE_SAVED": ("2", 1, ""),
    "LAST_ACCESS": ("0", 9, ""),
    "STUDY_TIME": ("2", 5, ""),
}
_NAMES = {
    "2005.02": {"100": "DICOM IMAGE", "3": "XRAY", "11": "XRAY GROUP"},
    "2005.03": {"74": "RADIOLOGY"},
    "2005.2": {"10": "RAID1"},
    "2": {"1": "IMAGPATIENT,ONE M", "2": "IMAGPATIENT,TWO", "3": "O'BRIEN,SEAN P", "7": "LEE,KIM"},
    "200": {"9002": "GATEWAY,DICOM ONE"},
    "71": {"58": "CHEST 2 VIEWS PA&LAT", "43": "CT HEAD W/O CONT"},
    "74": {"1": "660-061024-101", "2": "660-061124-102", "3": "061224-103", "4": "660-010123-90", "5": "660-061424-105"},
}
#: Accession number by group, as exports name it.
EXPORT_ACCESSIONS = {1: "660-061024-101", 4: "660-061124-102", 6: "061224-103", 11: "660-061424-105", 15: "061824-109"}
_LEGACY = {"7": "URGENT", "16": "STAT"}


def recorded_images() -> dict[int, ImageFacts]:
    """Build the facts of every recorded image."""
    header: dict[str, Any] = read_records("c1_rules")[0]
    nodes: dict[str, dict[str, list[str]]] = {}
    for line in header["globals"]:
        if match := _NODE.fullmatch(line):
            nodes.setdefault(match[1], {})[match[2].strip('"')] = match[3].split("^")
    return {int(image): _facts(image, nodes) for image in nodes}


def _piece(nodes: dict[str, dict[str, list[str]]], image: str, node: str, piece: int) -> str:
    pieces = nodes.get(image, {}).get(node, [])
    return pieces[piece - 1] if len(pieces) >= piece else ""


def _facts(image: str, nodes: dict[str, dict[str, list[str]]]) -> ImageFacts:
    parent = _piece(nodes, image, "0", 10)
    values = {}
    for keyword, (node, piece, file) in _FIELDS.items():
        value = _piece(nodes, image, node, piece) or (_piece(nodes, parent, node, piece) if parent else "")
        value = _NAMES[file].get(value, "") if file else value
        if value:
            values[keyword] = (value,)
        if keyword in ("EXAM_TIME", "PROCEDURE_TIME", "IMAGE_SAVED", "LAST_ACCESS") and parent:
            both = sorted(filter(None, (_piece(nodes, image, node, piece), _piece(nodes, parent, node, piece))))
            if both:
                values[f"{keyword}_FIRST"], values[f"{keyword}_LAST"] = (both[0],), (both[-1],)
    values["SOURCE"] = ("SALT LAKE CITY",)
    study = _piece(nodes, parent, "PACS", 1) if parent else _piece(nodes, image, "PACS", 1)
    return ImageFacts(int(image), study, values, _LEGACY.get(image, ""), image in _LEGACY, int(parent or 0))
