"""Invented objects with every attribute that archives are queried for, and a database in which they are archived.

What belongs to a patient, study or series is the same in all of its objects. Some values are empty; some have characters that
patterns, engines or character sets treat in ways of their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from random import Random

from sqlalchemy import Connection, insert

from fileman import index_images, next_iens
from fileman.files import (
    ArchiveHolding,
    ArchiveInstance,
    ArchivePatient,
    ArchiveSeries,
    ArchiveStudy,
    ArchiveTail,
    ArchiveValue,
    File,
    Image,
    ImageHeader,
    Patient,
)

#: The files of the archive's index.
INDEX: tuple[type[File], ...] = (
    ArchivePatient,
    ArchiveStudy,
    ArchiveSeries,
    ArchiveInstance,
    ArchiveHolding,
    ArchiveValue,
    ArchiveTail,
)
#: An object: values by tag.
Object = dict[str, list[str]]

ROOT = "1.2.826.0.1.3680043.8.498.9"
NAMES = (
    "DOE^JOHN", "Doe^John", "DOE^JANE^Q", "DOE", "D\xd6E^J\xd6RG", "SMITH-JONES^ANN^^DR", "O'NEIL^PAT", "A%B_C^[X]",
    "YAMADA^TAROU=山田^太郎=やまだ^たろう", "=山本^花子", "KIM^HEE=金^희=김^희", "STRA\xdfE^ANNA", "\xc9TIENNE^LEA",
)  # fmt: skip
TEXTS = ("", "HEAD", "Head CT", "CHEST 2 VIEWS", "50% _done_ [x]", "头部", "A", "AB", "ABBA", "*", "what?")
DATES = ("", "19991231", "20200101", "20200229", "20240610", "20240611", "20261121")
TIMES = ("", "08", "0930", "093000", "093000.5", "093000.000001", "235959", "000000", "12:30:00")
NUMBERS = ("", "1", "01", "+2", "-3", "10", "200")
MODALITIES = ("CT", "MR", "PR", "CR", "SR")
CLASSES = tuple(f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("2", "4", "11.1", "1", "88.33"))


def invent_objects(random: Random, patients: int) -> list[Object]:
    """Invent objects of some patients: up to three studies each, of up to three series of up to four."""
    found: list[Object] = []
    for number in range(1, patients + 1):
        patient = _patient(random, number)
        for study_number in range(1, random.randint(1, 3) + 1):
            study = patient | _study(random, f"{ROOT}.{number}.{study_number}")
            for series_number in range(1, random.randint(1, 3) + 1):
                modality = random.randrange(len(MODALITIES))
                series = study | _series(random, f"{study['0020000D'][0]}.{series_number}", MODALITIES[modality])
                found += [
                    series | _image(random, f"{series['0020000E'][0]}.{image}", CLASSES[modality])
                    for image in range(1, random.randint(1, 4) + 1)
                ]
    return found


def _told(**values: str | Sequence[str]) -> Object:
    """Make elements of keyword arguments named `tggggeeee`; what is empty has no value."""
    lists = {name[1:].upper(): [value] if isinstance(value, str) else list(value) for name, value in values.items()}
    return {tag: [value for value in given if value] for tag, given in lists.items()}


def _patient(random: Random, number: int) -> Object:
    some = random.choice
    others = [f"OTHER{random.randint(1, 5)}" for _ in range(random.randint(0, 3))]
    return _told(
        t00100010=some(NAMES),
        t00100020=f"666{number:06d}",
        t00100021=some(("", "SITE A")),
        t00100030=some(DATES),
        t00100040=some(("", "M", "F", "O")),
        t00101000=list(dict.fromkeys(others)),
    )


def _study(random: Random, uid: str) -> Object:
    some = random.choice
    return _told(
        t0020000D=uid,
        t00200010=some(TEXTS),
        t00080020=some(DATES),
        t00080030=some(TIMES),
        t00080050=some(("", "061024-101", "061024-102", "660-061024-101")),
        t00080090=some(("", *NAMES)),
        t00081030=some(TEXTS),
        t00081060=random.sample(NAMES, random.randint(0, 2)),
    )


def _series(random: Random, uid: str, modality: str) -> Object:
    some = random.choice
    return _told(
        t0020000E=uid,
        t00080060=modality,
        t00080021=some(DATES),
        t00080031=some(TIMES),
        t00080080=some(TEXTS),
        t0008103E=some(TEXTS),
        t00180015=some(("", "HEAD", "CHEST")),
        t00200011=some(NUMBERS),
        t00400244=some(DATES),
        t00400245=some(TIMES),
        t00400250=some(DATES),
        t00400251=some(TIMES),
        t00401001=random.sample(("RP1", "RP2", "RP-3"), random.randint(0, 3)),
    )


def _image(random: Random, uid: str, sop_class: str) -> Object:
    some = random.choice
    values = _told(
        t00080018=uid,
        t00080016=sop_class,
        t00080023=some(DATES),
        t00080033=some(TIMES),
        t00200013=some(NUMBERS),
        t00280008=some(("", "1", "30")),
        t00280010=some(("", "512", "1024")),
        t00280011=some(("", "512", "1024")),
        t00280100=some(("", "8", "16")),
        t00280101=some(("", "8", "12")),
    )
    return values | _told(
        t00700080=some(("", "LUNG", "BONE")),
        t00700081=some(TEXTS),
        t00700082=some(DATES),
        t00700083=some(TIMES),
        t00700084=some(("", *NAMES)),
    )


def archive_objects(connection: Connection, objects: Sequence[Mapping[str, Sequence[str]]], location: int = 10) -> list[int]:
    """File objects of new patients as our gateway would have, with their files at a location; give their entry numbers."""
    patients = sorted({it["00100020"][0] for it in objects})
    first = {number: 700_000 + place for place, number in enumerate(patients)}
    common = {"name": "ARCHIVED,PATIENT", "saved_at": "3261121.12", "saved_by": 0}
    people = [{"dfn": dfn, "name": common["name"], "ssn": number, "birth_date": ""} for number, dfn in first.items()]
    connection.execute(insert(Patient), people)
    studies = list(dict.fromkeys((it["0020000D"][0], first[it["00100020"][0]]) for it in objects))
    groups = dict(zip(studies, next_iens(connection, "image", len(studies)), strict=True))
    connection.execute(
        insert(Image),
        [
            {**common, "ien": group, "object_type": 11, "patient": dfn, "uid": uid, "short_description": ""}
            for (uid, dfn), group in groups.items()
        ],
    )
    images = next_iens(connection, "image", len(objects))
    numbered = list(zip(images, objects, strict=True))
    connection.execute(insert(Image), [_entry(common, image, it, first, groups, location) for image, it in numbered])
    connection.execute(
        insert(ImageHeader),
        [
            {"uid": it["00080018"][0], "image": image, "elements": json.dumps(_elements(it)), "size": 1000}
            for image, it in numbered
        ],
    )
    index_images(connection, images)
    return images


def _entry(
    common: Mapping[str, object],
    image: int,
    it: Mapping[str, Sequence[str]],
    first: Mapping[str, int],
    groups: Mapping[tuple[str, int], int],
    location: int,
) -> dict[str, object]:
    dfn = first[it["00100020"][0]]
    return {
        **common,
        "ien": image,
        "object_type": 100,
        "patient": dfn,
        "parent": groups[it["0020000D"][0], dfn],
        "uid": it["00080018"][0],
        "series_uid": it["0020000E"][0],
        "file_ref": f"SL{image:012d}.DCM",
        "location": location,
        "digest": f"{image:064d}",
    }


def _elements(it: Mapping[str, Sequence[str]]) -> dict[str, object]:
    return {f"{tag[:4]},{tag[4:]}": {"vr": "UN", "values": list(values)} for tag, values in it.items() if values}
