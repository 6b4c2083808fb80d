"""The images of the demo: copies of files that come with pydicom, addressed to the demo site's patients and exams.

`samples.toml` in `magbroker_data` is the list; it also says what shall become of each image, so that the demonstration
and the acceptance tests check against one and the same promise.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, cast

from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

__all__ = [
    "BrokenSampleList",
    "Outcome",
    "Sample",
    "SampleError",
    "SampleRecipe",
    "UnknownSampleSource",
    "parse_recipes",
    "read_recipes",
    "write_samples",
]

Outcome = Literal["filed", "correct"]

_LIST = "samples.toml"

# (implicit VR, little endian) of a bare data set, which has no file meta information to name its transfer syntax.
_SYNTAX_OF_ENCODING = {
    (True, True): ImplicitVRLittleEndian,
    (False, True): ExplicitVRLittleEndian,
    (False, False): ExplicitVRBigEndian,
}


class SampleError(Exception):
    """A sample image cannot be made."""

    def __init__(self, *facts: object) -> None:
        """Begin the message with the class's own sentence; the facts follow it."""
        sentence = (type(self).__doc__ or "").strip()
        super().__init__(" ".join([sentence, *(str(fact) for fact in facts)]))


class UnknownSampleSource(SampleError):
    """The installed pydicom does not ship this image."""

    def __init__(self, source: str) -> None:
        """Keep the name that pydicom did not know."""
        super().__init__(source)
        self.source = source


class BrokenSampleList(SampleError):
    """An entry of the sample list lacks a key or has one that means nothing."""


@dataclass(frozen=True, slots=True)
class SampleRecipe:
    """One entry of `samples.toml`: a source, the header of its copy, and what shall become of it."""

    file_name: str
    source: str
    patient_name: str
    patient_id: str
    birth_date: str
    sex: str
    accession: str
    study_date: str
    outcome: Outcome
    destinations: tuple[str, ...]
    reason: str = ""

    @property
    def header(self) -> dict[str, str]:
        """Name the elements that the copy's header gets, by DICOM keyword."""
        return {
            "PatientName": self.patient_name,
            "PatientID": self.patient_id,
            "PatientBirthDate": self.birth_date,
            "PatientSex": self.sex,
            "AccessionNumber": self.accession,
            "StudyDate": self.study_date,
        }


@dataclass(frozen=True, slots=True)
class Sample:
    """One image on disk, ready to be sent.

    `outcome` is `filed`, or `correct` for one that belongs on the DICOM CORRECT list (#2006.575); `reason` is then the
    text which MAG DICOM IMAGE PROCESSING puts into its last MSG line. `destinations` names DICOM transmit destinations;
    it is empty for what is not filed and for what no rule wants.
    """

    path: Path
    source: str
    patient: str
    patient_id: str
    accession: str
    modality: str
    outcome: Outcome
    reason: str
    destinations: tuple[str, ...]
    transfer_syntax: str
    study_instance_uid: str
    sop_instance_uid: str

    @property
    def file_name(self) -> str:
        """Name the file without its directory."""
        return self.path.name


@cache
def read_recipes() -> tuple[SampleRecipe, ...]:
    """Read the sample list, in the order in which the demo sends the images."""
    return parse_recipes(resources.files("magbroker_data").joinpath(_LIST).read_text(encoding="utf-8"))


def parse_recipes(text: str) -> tuple[SampleRecipe, ...]:
    """Read a sample list from TOML; raise BrokenSampleList with the entry's file name for what cannot be used."""
    try:
        entries = tomllib.loads(text)["sample"]
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise BrokenSampleList(repr(error)) from error
    return tuple(_recipe(entry) for entry in entries)


def write_samples(directory: Path) -> list[Sample]:
    """Write every sample image as a DICOM file (PS3.10) into `directory`, which is made where it is missing.

    The transfer syntax, the UIDs, the pixel data and every element that the list does not name stay the source's own.
    Group length elements are gone: they are retired and pydicom never writes them (PS3.5 7.2). Files of an earlier run
    are overwritten, with the same bytes. Raises UnknownSampleSource for an image that the installed pydicom lacks
    (nothing is ever downloaded), and OSError where the directory takes no files.
    """
    directory.mkdir(parents=True, exist_ok=True)
    return [_write(recipe, directory) for recipe in read_recipes()]


def _recipe(entry: dict[str, Any]) -> SampleRecipe:
    try:
        recipe = SampleRecipe(**{**entry, "destinations": tuple(entry["destinations"])})
    except (KeyError, TypeError) as error:
        raise BrokenSampleList(entry.get("file_name", "(no file_name)"), error) from error
    if recipe.outcome not in ("filed", "correct"):
        raise BrokenSampleList(recipe.file_name, f"outcome = {recipe.outcome!r}")
    return recipe


def _write(recipe: SampleRecipe, directory: Path) -> Sample:
    dataset = dcmread(_source_path(recipe.source), force=True)
    for keyword, value in recipe.header.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = _file_meta(dataset)
    dataset.preamble = bytes(128)  # some sources carry a TIFF header there, whose offsets no longer fit
    path = directory / recipe.file_name
    dataset.save_as(path, enforce_file_format=True)
    return Sample(
        path=path,
        source=recipe.source,
        patient=recipe.patient_name,
        patient_id=recipe.patient_id,
        accession=recipe.accession,
        modality=str(dataset.Modality),
        outcome=recipe.outcome,
        reason=recipe.reason,
        destinations=recipe.destinations,
        transfer_syntax=str(dataset.file_meta.TransferSyntaxUID),
        study_instance_uid=str(dataset.StudyInstanceUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
    )


def _source_path(source: str) -> Path:
    found = get_testdata_file(source, download=False)
    if found is None:
        raise UnknownSampleSource(source)
    return Path(cast(str, found))


def _file_meta(dataset: FileDataset) -> FileMetaDataset:
    """Describe the data set anew: two sources have file meta information that names another instance, one has none."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = _transfer_syntax(dataset)
    return meta


def _transfer_syntax(dataset: FileDataset) -> UID:
    meta: Dataset = getattr(dataset, "file_meta", None) or Dataset()
    named = meta.get("TransferSyntaxUID")
    if named is not None:
        return UID(named)
    implicit, little = dataset.original_encoding
    return _SYNTAX_OF_ENCODING[bool(implicit), bool(little)]
