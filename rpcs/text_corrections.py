"""The .TXT files beside images that were moved or whose patient was merged: they are made to say whose the images are now."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, select

import taskman.api as taskman
from fileman import (
    IMAGE_POINTERS,
    Event,
    Folder,
    UnsafePath,
    exams_of_images,
    file_name,
    in_parts,
    read_folders,
    record_events,
)
from fileman.dicom_forms import dicom_day, dicom_name
from fileman.files import Image, Patient
from runtime import write_file
from taskman import TaskContext, routine
from taskman.system.batches import change, rows_of

ENTRY_POINT = "TEXT^MAGBCORR"
STAGE = "TEXT"
#: Images of one transaction, and of one task.
BATCH, MOST_OF_TASK = 100, 10_000
#: Bytes of a file that is rewritten: none that a gateway writes is longer.
MOST_BYTES = 8 * 2**20
_ENCODING = "iso-8859-1"

_COLUMNS = (*IMAGE_POINTERS, Image.uid, Image.file_ref, Image.location, Image.jukebox_location)
_PERSON = (Patient.name.label("patient_name"), Patient.ssn, Patient.birth_date, Patient.sex)
_ROWS = select(*_COLUMNS, *_PERSON).join(Patient, Patient.dfn == Image.patient).where(Image.file_ref != "")
_NAMED = _ROWS.where(Image.ien.in_(bindparam("images", expanding=True))).order_by(Image.ien)
_KEYS = {
    "PATIENTS_NAME": "",
    "PATIENTS_ID": "0010,0020",
    "PATIENTS_BIRTH_DATE": "0010,0030",
    "PATIENTS_SEX": "0010,0040",
    "ACCESSION_NUMBER": "0008,0050",
}
_KEY = re.compile(r"([A-Z_]+)=.*")
_ELEMENT = re.compile(r"([0-9A-F]{4},[0-9A-F]{4})(\|[^|]*\|)(1,1)?.*")


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose an image is: values by the elements that tell it; `name` as VistA writes it."""

    name: str
    elements: Mapping[str, str]


def corrected_text(text: str, identity: Identity) -> str:
    """Give a text file with another patient and accession number in both of its sections; what it does not name stays so."""
    return "".join(line for old in text.splitlines(keepends=True) for line in _corrected(old, identity))


def _corrected(line: str, identity: Identity) -> Iterator[str]:
    bare = line.rstrip("\r\n")
    end = line[len(bare) :]
    if (key := _KEY.fullmatch(bare)) is not None and key[1] in _KEYS:
        yield f"{key[1]}={identity.elements.get(_KEYS[key[1]], identity.name)}{end}"
    elif (element := _ELEMENT.fullmatch(bare)) is not None and element[1] in identity.elements:
        if element[3]:  # what was long had more lines
            yield f"{element[1]}{element[2]}1,1|{identity.elements[element[1]]}{end}"
    else:
        yield line


def queue_correction(connection: Connection, images: Sequence[int], duz: int, now: float) -> list[int]:
    """Have the text files of images corrected; give the tasks."""
    about = "Correct the text files of images"
    return [
        taskman.load(connection, ENTRY_POINT, arguments={"images": list(some)}, description=about, duz=duz, now=now)
        for some in in_parts(images, MOST_OF_TASK)
    ]


@routine(ENTRY_POINT)
def correct_text_files(task: TaskContext) -> None:
    """Let the text files beside images say whose the images are now, wherever they lie on line.

    Of an image one of whose locations is off line, or whose files were released, none is changed; its story says so.
    """
    folders = task.store.read(lambda connection: read_folders(connection, task.data))
    counts: Counter[str] = Counter()
    for rows in _batches(task):
        identities = task.store.read(partial(_identities, rows=rows))
        outcomes = [(row, *_correct(row, identities[row.ien], folders)) for row in rows]
        change(task, _tell, outcomes)
        counts.update(outcome for _row, outcome, _detail in outcomes)
        if task.stop_requested():
            return
    task.say(", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())) or "nothing to correct")


def _batches(task: TaskContext) -> Iterator[Sequence[Any]]:
    for some in in_parts(task.arguments.get("images", []), BATCH):
        yield rows_of(task, _NAMED, {"images": some})


def _identities(connection: Connection, rows: Sequence[Any]) -> dict[int, Identity]:
    exams = exams_of_images(connection, rows)
    return {row.ien: _identity(row, exams[row.ien].accession if row.ien in exams else "") for row in rows}


def _identity(row: Any, accession: str) -> Identity:
    elements = {
        "0010,0010": dicom_name(row.patient_name),
        "0010,0020": row.ssn,
        "0010,0030": dicom_day(row.birth_date),
        "0010,0040": row.sex,
        "0008,0050": accession,
    }
    return Identity(row.patient_name, {tag: value or "<unknown>" for tag, value in elements.items()})


def _correct(row: Any, identity: Identity, folders: Mapping[int, Folder]) -> tuple[str, str]:
    """Correct an image's text files; say what came of it, and why where nothing could."""
    if row.location is None:  # a file that comes back has to be what went
        return "not corrected", "its files are on the long-term location only"
    places = [folders.get(number) for number in (row.location, row.jukebox_location) if number]
    if away := [it.name for it in places if it is not None and not (it.online and it.is_there)]:
        return "not corrected", f"{away[0]} is off line"
    try:
        files = [it.file(file_name(row.file_ref, "TEXT")) for it in places if it is not None]
        there = [file for file in files if file.is_file() and file.stat().st_size <= MOST_BYTES]
        for file in there:
            _rewrite(file, identity)
    except (OSError, UnsafePath) as error:
        return "not corrected", str(error)
    return ("corrected", "") if there else ("without a text file", "")


def _rewrite(file: Path, identity: Identity) -> None:
    before = file.read_bytes()
    after = corrected_text(before.decode(_ENCODING), identity).encode(_ENCODING, "replace")
    if after != before:
        write_file(file, after)


def _tell(task: TaskContext, connection: Connection, outcomes: Sequence[tuple[Any, str, str]]) -> None:
    now = task.clock.seconds()
    told = [(row, outcome, detail) for row, outcome, detail in outcomes if outcome != "without a text file"]
    record_events(
        connection, [Event(row.uid, row.ien, STAGE, now, f"task {task.number}", outcome, why) for row, outcome, why in told]
    )
