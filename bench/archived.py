"""Archives of synthetic studies to ask: rows of our index, and objects for Orthanc, both of what a study's number says."""

from __future__ import annotations

import io
import json
import urllib.request
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from pydicom import Dataset
from pydicom.datadict import dictionary_VR
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian
from rich.console import Console
from rich.progress import track
from sqlalchemy import Connection, Integer, String, bindparam, insert, select, update

from bench.filled import study_uid
from fileman import next_iens
from fileman.files import ArchiveHolding, ArchiveInstance, ArchiveSeries
from tests.support.archived_objects import Object, archive_objects

#: Studies of one family name, and of one day.
RELATED, PER_DAY = 10, 10
_FIRST_DAY = date(2000, 1, 1)
#: The demo site's location on which the objects' files would lie.
_LOCATION = 1
#: Seconds for Orthanc to take what is sent to it at once.
_PATIENCE = 120.0

_SERIES, _SOP_INSTANCE, _INSTANCE_NUMBER = "0020000E", "00080018", "00200013"
_OWN = ("image", "sop_uid", "instance_number", "instance_number_key")
_COPIED = [it for it in ArchiveInstance.__table__.c if it.name not in _OWN]
#: Makes an instance of each series like its first, with another number.
_COPY = insert(ArchiveInstance).from_select(
    [*_OWN, *(it.name for it in _COPIED)],
    select(
        ArchiveInstance.image + bindparam("further", type_=Integer),
        ArchiveSeries.series_uid + "." + bindparam("text", type_=String),
        bindparam("text", type_=String),
        bindparam("number", type_=Integer),
        *_COPIED,
    )
    .join(ArchiveSeries, ArchiveSeries.ien == ArchiveInstance.series)
    .where(ArchiveInstance.image.between(bindparam("first"), bindparam("last"))),
)
_COUNT = update(ArchiveHolding).values(
    instances=ArchiveHolding.instances * bindparam("times", type_=Integer), bytes=ArchiveHolding.bytes * bindparam("times")
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much an archive has: studies of one series each, and instances of a study."""

    studies: int
    per_study: int

    @property
    def instances(self) -> int:
        """All instances."""
        return self.studies * self.per_study


def patient_id(study: int) -> str:
    """Give the ID of a study's patient, who has no other."""
    return f"667{study:06d}"


def family(study: int) -> str:
    """Give the family name that a study's patient has in common with those of the next ones."""
    return f"FAMILY{study // RELATED:05d}"


def day(study: int) -> str:
    """Give the date of a study, as DICOM has it."""
    return f"{_FIRST_DAY + timedelta(days=study // PER_DAY):%Y%m%d}"


def an_object(study: int, number: int) -> Object:
    """Make an instance of a study, its number counted from 1."""
    uid = study_uid(study)
    values = {
        "00020010": ExplicitVRLittleEndian,
        "00080016": CTImageStorage,
        _SOP_INSTANCE: f"{uid}.1.{number}",
        "00080020": day(study),
        "00080030": "093000",
        "00080050": f"A{study:07d}",
        "00080060": "CT",
        "00081030": "CT CHEST",
        "00100010": f"{family(study)}^GIVEN{study % RELATED}",
        "00100020": patient_id(study),
        "00100030": "19500131",
        "00100040": "M",
        "0020000D": uid,
        _SERIES: f"{uid}.1",
        "00200010": f"{study}",
        "00200011": "1",
        _INSTANCE_NUMBER: f"{number}",
    }
    return {tag: [str(value)] for tag, value in values.items()}


def fill_index(connection: Connection, size: Size) -> None:
    """Archive the first instance of each study as filing does, and enter the others into the index beside it.

    IMAGE (#2005) gets no entries for the others: a query does not look there.
    """
    first = archive_objects(connection, [an_object(study, 1) for study in range(size.studies)], _LOCATION)
    ends = {"first": first[0], "last": first[-1]}
    numbers = range(2, size.per_study + 1)
    for number in track(numbers, description="filling our index", console=Console(stderr=True), transient=True):
        further = next_iens(connection, "image", size.studies)[0] - first[0]
        connection.execute(_COPY, {**ends, "further": further, "number": number, "text": str(number)})
    connection.execute(_COUNT, {"times": size.per_study})


def fill_orthanc(http_port: int, studies: Iterable[int], per_study: int) -> None:
    """Have Orthanc take studies, at once. Raises AssertionError where it does not take each instance as a new one."""
    request = urllib.request.Request(f"http://127.0.0.1:{http_port}/instances", data=_zipped(studies, per_study))
    with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
        taken = json.load(answer)
    assert taken, "Orthanc took nothing"
    assert all(it["Status"] == "Success" for it in taken), taken


def _zipped(studies: Iterable[int], per_study: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for study in studies:
            for number in range(1, per_study + 1):
                archive.writestr(f"{study}-{number}", _file(an_object(study, number)))
    return packed.getvalue()


def _file(it: Object) -> bytes:
    """Write an object as a file, without pixels."""
    dataset, meta = Dataset(), FileMetaDataset()
    for tag, (value,) in it.items():
        if not tag.startswith("0002"):
            dataset.add_new(int(tag, 16), dictionary_VR(int(tag, 16)), value)
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = UID(it["00020010"][0])
    dataset.file_meta = meta
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()
